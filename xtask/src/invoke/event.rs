//! Reads an event file and fills what it leaves open.

use std::{fs::File, io::Read, path::Path};

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::placeholders::Filler;

/// The largest event of a synchronous invocation, in bytes (AWS Lambda Developer Guide, "Lambda quotas").
pub const LARGEST_BYTES: usize = 6 * 1024 * 1024;
/// A file may be larger than the event in it, by its indentation; what is beyond this is no event file.
const LARGEST_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// The event in a file, filled but for its signature.
pub fn read(path: &Path) -> Result<Value> {
    let shown = path.display();
    let mut text = String::new();
    let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
    let mut bounded = file.take(LARGEST_FILE_BYTES + 1);
    bounded.read_to_string(&mut text).with_context(|| format!("cannot read {shown}"))?;
    if text.len() as u64 > LARGEST_FILE_BYTES {
        return Err(too_large(path));
    }
    let event: Value = serde_json::from_str(&text).with_context(|| format!("{shown} is not one JSON value"))?;
    let mut new_id = Uuid::now_v7;
    let filled = Filler::new(Timestamp::now(), &mut new_id, LARGEST_BYTES).fill(event);
    filled.with_context(|| format!("{shown} cannot be filled in"))
}

/// The event as it is sent.
pub fn bytes(event: &Value, path: &Path) -> Result<Vec<u8>> {
    let bytes = serde_json::to_vec(event)?;
    if bytes.len() > LARGEST_BYTES {
        bail!(too_large(path));
    }
    Ok(bytes)
}

fn too_large(path: &Path) -> anyhow::Error {
    anyhow!("the event of {} is too large: Lambda takes {LARGEST_BYTES} bytes at most", path.display())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    fn read_text(text: &str) -> Result<Value> {
        let path = std::env::temp_dir().join(format!("xtask-event-{}.json", Uuid::new_v4()));
        fs::write(&path, text).unwrap();
        let result = read(&path);
        fs::remove_file(&path).unwrap();
        result
    }

    #[test]
    fn an_event_is_read_and_filled() {
        let event = read_text(r#"{"a": "${text:2}", "b": [1, null]}"#).unwrap();
        assert_eq!(event, json!({ "a": "xx", "b": [1, null] }));
    }

    #[test]
    fn what_cannot_be_used_is_said_with_its_file() {
        for (text, expected) in
            [("{", "is not one JSON value"), ("", "is not one JSON value"), (r#"["${x}"]"#, "filled")]
        {
            let error = read_text(text).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("xtask-event-"), "{error}");
        }
        assert!(read(Path::new("/nowhere/event.json")).unwrap_err().to_string().contains("/nowhere/event.json"));
        assert!(read(&std::env::temp_dir()).is_err());
    }

    #[test]
    fn an_event_has_lambdas_limit() {
        let path = Path::new("large.json");
        let fits = "x".repeat(LARGEST_BYTES - 2);
        assert_eq!(bytes(&json!(fits), path).unwrap().len(), LARGEST_BYTES);
        assert!(bytes(&json!(format!("{fits}x")), path).unwrap_err().to_string().contains("large.json"));
    }
}
