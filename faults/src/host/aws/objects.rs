//! S3, with the bucket in the path.

use super::super::http::{self, Answer, Call};
use axum::body::Bytes;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Objects by bucket and key, as `<bucket>/<key>`.
#[derive(Debug, Default)]
pub struct Objects {
    objects: Mutex<BTreeMap<String, Bytes>>,
}

impl Objects {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.objects().len()
    }
}

pub(super) fn answer(objects: &Objects, operation: &str, call: &Call) -> Answer {
    let name = http::decoded(call.path.trim_start_matches('/'));
    if operation == "PutObject" {
        let Some(body) = content(call) else { return error(400, "IncompleteBody", "the chunks are not whole") };
        objects.objects().insert(name, body);
        return http::with_header(http::answer(200, "application/xml", ""), "etag", "\"0\"");
    }
    match objects.objects().get(&name).cloned() {
        Some(body) => http::answer(200, "application/octet-stream", body),
        None => error(404, "NoSuchKey", "The specified key does not exist."),
    }
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
    http::answer(status, "application/xml", body)
}

/// The body, without the chunks that the SDK cuts it into where a checksum trails.
fn content(call: &Call) -> Option<Bytes> {
    if !call.header("content-encoding").contains("aws-chunked") {
        return Some(call.body.clone());
    }
    let mut whole = Vec::new();
    let mut rest: &[u8] = &call.body;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let head = std::str::from_utf8(rest.get(..end)?).ok()?;
        let size = usize::from_str_radix(head.split(';').next()?, 16).ok()?;
        if size == 0 {
            return Some(whole.into());
        }
        let body = rest.get(end + 2..)?;
        whole.extend_from_slice(body.get(..size)?);
        rest = body.get(size + 2..)?;
    }
}
