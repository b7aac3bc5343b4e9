//! What differs between two JSON documents, field by field. Numbers are compared as they are written.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// The most fields of one example.
const MOST_FIELDS: usize = 10;
/// The longest value that is shown in full, in characters.
const LONGEST_VALUE: usize = 200;

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Field {
    /// The fields that lead there, with dots; entries of lists are counted from 1.
    at: String,
    /// What is there now, as JSON, cut after 200 characters; absent if it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// What would be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

/// The first fields that differ between two JSON texts.
pub(super) fn fields(before: &str, after: &str) -> Vec<Field> {
    let mut fields = Vec::new();
    let raw = |text| serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get);
    differ("", raw(before), raw(after), &mut fields);
    fields
}

/// Of a document that is new nothing is told but its members.
fn differ(at: &str, before: Option<&str>, after: Option<&str>, fields: &mut Vec<Field>) {
    if before == after || fields.len() >= MOST_FIELDS {
        return;
    }
    let below = |part: &str| if at.is_empty() { part.to_owned() } else { format!("{at}.{part}") };
    if let (Some(before), Some(after)) = (before.and_then(members), after.and_then(members)) {
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let value = |of: &BTreeMap<String, &'_ RawValue>| of.get(name).map(|value| value.get().to_owned());
            differ(&below(name), value(&before).as_deref(), value(&after).as_deref(), fields);
        }
    } else if let (Some(before), Some(after)) = (before.and_then(entries), after.and_then(entries)) {
        for index in 0..before.len().max(after.len()) {
            let value = |of: &[&'_ RawValue]| of.get(index).map(|value| value.get().to_owned());
            let place = below(&(index + 1).to_string());
            differ(&place, value(&before).as_deref(), value(&after).as_deref(), fields);
        }
    } else {
        fields.push(Field { at: at.to_owned(), before: before.map(shown), after: after.map(shown) });
    }
}

fn members(text: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(text).ok()
}

fn entries(text: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(text).ok()
}

fn shown(value: &str) -> String {
    match value.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> Vec<String> {
        let one = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        fields(before, after)
            .into_iter()
            .map(|it| format!("{}: {} > {}", it.at, one(it.before), one(it.after)))
            .collect()
    }

    #[test]
    fn fields_are_told_with_their_digits() {
        let before = r#"{"a": 1.10, "b": {"c": [1, {"d": "x"}]}, "gone": true, "same": [1, 2]}"#;
        let after = r#"{"same": [1, 2], "a": 1.1, "b": {"c": [1, {"d": "y"}, 3]}, "new": null}"#;
        assert_eq!(
            told(before, after),
            ["a: 1.10 > 1.1", "b.c.2.d: \"x\" > \"y\"", "b.c.3: - > 3", "gone: true > -", "new: - > null"]
        );
        assert!(told(before, before).is_empty());
        assert_eq!(told("[1]", "{}"), [": [1] > {}"]);
        assert!(told("no json", "{").is_empty());
    }

    #[test]
    fn there_is_an_end_to_it() {
        let many: BTreeMap<String, usize> = (0..100).map(|number| (format!("f{number}"), number)).collect();
        assert_eq!(fields("{}", &serde_json::to_string(&many).unwrap()).len(), MOST_FIELDS);
        let long = format!("{{\"a\": \"{}\"}}", "é".repeat(1_000));
        assert_eq!(fields("{}", &long)[0].after.as_ref().unwrap().chars().count(), LONGEST_VALUE + 1);
    }
}
