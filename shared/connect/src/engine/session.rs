//! A login that opens a session, and what names the session afterwards: a token in the answer, or a cookie.

use super::answer::body_json;
use super::prepare::method;
use super::token::TokenCall;
use super::token_request::{TokenProblem, credential, form};
use crate::client::HttpAnswer;
use fluxnex_core::connector::{Authentication, Login};
use reqwest::Method;
use reqwest::header::SET_COOKIE;
use serde_json::{Map, Value};

/// The longest cookie that is believed to name a session, in bytes (RFC 6265, section 6.1).
const LONGEST_COOKIE_BYTES: usize = 4096;

/// A login with the credentials filled in. It has no Debug.
pub(super) struct Session {
    pub(super) method: Method,
    fields: Vec<(String, String)>,
    is_json: bool,
}

impl Session {
    pub(super) fn of(login: &Login, secret: &Map<String, Value>) -> Result<Self, TokenProblem> {
        let is_json = login.form.is_empty();
        let named = if is_json { &login.json } else { &login.form };
        let filled = named.iter().map(|(field, name)| Ok((field.clone(), credential(secret, name)?.to_owned())));
        Ok(Self { method: method(login.method), fields: filled.collect::<Result<_, TokenProblem>>()?, is_json })
    }

    pub(super) fn content_type(&self) -> &'static str {
        if self.is_json { "application/json" } else { "application/x-www-form-urlencoded" }
    }

    pub(super) fn body(&self) -> String {
        if !self.is_json {
            return form(&self.fields);
        }
        let fields = self.fields.iter().map(|(field, value)| (field.clone(), Value::String(value.clone())));
        Value::Object(fields.collect()).to_string()
    }
}

/// What names the session that an answer opened.
pub(super) fn opened(call: &TokenCall<'_>, answer: &HttpAnswer) -> Option<String> {
    match call.authentication() {
        Authentication::SessionLogin { cookie: Some(name), .. } => cookie(answer, name),
        _ => call.connection.manifest.session_token(&body_json(answer)?),
    }
}

/// The value of a cookie that the answer sets (RFC 6265, section 5.2); none if it deletes it.
fn cookie(answer: &HttpAnswer, name: &str) -> Option<String> {
    let set = answer.headers.get_all(SET_COOKIE).iter().filter_map(|set| set.to_str().ok());
    let pairs = set.filter_map(|set| set.split(';').next()?.split_once('='));
    let mut found = pairs.map(|(known, value)| (known.trim(), value.trim())).filter(|(known, _)| *known == name);
    let (_, value) = found.next_back()?;
    let is_plain = value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';' && byte != b',');
    (!value.is_empty() && value.len() <= LONGEST_COOKIE_BYTES && is_plain).then(|| value.to_owned())
}
