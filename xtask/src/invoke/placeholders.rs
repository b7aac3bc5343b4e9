//! What an event file leaves open: `${…}` in its texts, filled at each invocation.
//!
//! Times and signatures expire, and some ids must be new, so a file cannot hold them. The places are data,
//! not a language: each stands for one value, and nothing can be computed with them.

use std::collections::HashMap;

use anyhow::{Result, anyhow, bail};
use jiff::{Timestamp, Unit};
use serde_json::Value;
use uuid::Uuid;

/// Stands for what the sender of a webhook would write into the header of its signature. It is filled last,
/// by [`super::signature`], because it depends on all the rest.
pub const SIGNATURE: &str = "${signature}";

/// Every place there is, for messages.
const KNOWN: &str = "${now}, ${now_seconds}, ${now_milliseconds}, ${uuid:<name>}, ${text:<bytes>}, ${signature}";
const OPENING: &str = "${";

/// Fills every place of an event but the signature.
pub struct Filler<'a> {
    now: Timestamp,
    new_id: &'a mut dyn FnMut() -> Uuid,
    ids: HashMap<String, Uuid>,
    /// How many bytes `${text:…}` may stand for.
    most_bytes: usize,
}

impl<'a> Filler<'a> {
    /// Fills with this time and with ids from there.
    pub fn new(now: Timestamp, new_id: &'a mut dyn FnMut() -> Uuid, most_bytes: usize) -> Self {
        Self { now, new_id, ids: HashMap::new(), most_bytes }
    }

    /// The event with its texts filled. Names of fields are left as they are.
    pub fn fill(&mut self, event: Value) -> Result<Value> {
        Ok(match event {
            Value::String(text) => Value::String(self.text(&text)?),
            Value::Array(values) => values.into_iter().map(|value| self.fill(value)).collect::<Result<_>>()?,
            Value::Object(fields) => Value::Object(
                fields.into_iter().map(|(name, value)| Ok((name, self.fill(value)?))).collect::<Result<_>>()?,
            ),
            other => other,
        })
    }

    fn text(&mut self, text: &str) -> Result<String> {
        let mut parts = text.split(OPENING);
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').ok_or_else(|| anyhow!("`{OPENING}` without its `}}`"))?;
            filled.push_str(&self.value(name)?);
            filled.push_str(rest);
        }
        Ok(filled)
    }

    fn value(&mut self, place: &str) -> Result<String> {
        Ok(match place.split_once(':').unwrap_or((place, "")) {
            ("now", "") => self.now.round(Unit::Microsecond).unwrap_or(self.now).to_string(),
            ("now_seconds", "") => self.now.as_second().to_string(),
            ("now_milliseconds", "") => self.now.as_millisecond().to_string(),
            ("uuid", name) if !name.is_empty() => {
                self.ids.entry(name.to_owned()).or_insert_with(|| (self.new_id)()).to_string()
            }
            ("text", bytes) => match bytes.parse() {
                Ok(bytes) if bytes <= self.most_bytes => "x".repeat(bytes),
                _ => bail!("${{text:{bytes}}} needs a number of bytes, {} at most", self.most_bytes),
            },
            ("signature", "") => SIGNATURE.to_owned(),
            _ => bail!("${{{place}}} is not known; there are {KNOWN}"),
        })
    }
}

/// Whether a signature is still to be filled in.
pub fn needs_signature(event: &Value) -> bool {
    match event {
        Value::String(text) => text.contains(SIGNATURE),
        Value::Array(values) => values.iter().any(needs_signature),
        Value::Object(fields) => fields.values().any(needs_signature),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(event: Value) -> Result<Value> {
        let mut next = 0;
        let mut new_id = || {
            next += 1;
            Uuid::from_u128(next)
        };
        let now = "2026-11-20T12:00:00.1234567Z".parse().unwrap();
        Filler::new(now, &mut new_id, 10).fill(event)
    }

    #[test]
    fn times_and_texts_are_filled_wherever_they_stand() {
        let event =
            json!({ "at": ["${now}", { "t": "${now_seconds}.${now_milliseconds}" }], "b": "<${text:3}>", "n": 1 });
        let filled = fill(event).unwrap();
        let expected =
            json!({ "at": ["2026-11-20T12:00:00.123457Z", { "t": "1795176000.1795176000123" }], "b": "<xxx>", "n": 1 });
        assert_eq!(filled, expected);
    }

    #[test]
    fn an_id_is_the_same_wherever_its_name_stands() {
        let filled = fill(json!(["${uuid:a}", "x ${uuid:b} ${uuid:a}"])).unwrap();
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(filled, json!([one, format!("x {two} {one}")]));
    }

    #[test]
    fn the_signature_is_left_for_later() {
        let event = json!({ "headers": { "h": SIGNATURE } });
        assert!(needs_signature(&event));
        assert_eq!(fill(event.clone()).unwrap(), event);
        assert!(!needs_signature(&json!({ "headers": { "h": "sha256=00" } })));
    }

    #[test]
    fn what_is_no_place_is_refused_by_name() {
        for (text, expected) in
            [("${nwo}", "${nwo}"), ("${uuid}", "${uuid}"), ("${text:11}", "10 at most"), ("a ${now", "without its")]
        {
            let error = fill(json!({ "a": text })).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn other_dollars_are_just_text() {
        assert_eq!(fill(json!("$5 {now} $now")).unwrap(), json!("$5 {now} $now"));
    }
}
