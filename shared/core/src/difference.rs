//! What of a payload a target does not have yet.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What is to be sent of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Nothing: the target has it.
    Nothing,
    /// Only these members, as a JSON object. Of a member that the payload does not have any more the value is null.
    Members(String),
    /// The payload as it is.
    Everything,
}

/// Compares a payload with what the target acknowledged last; both are JSON text, and numbers keep their digits.
/// `partial` says that an update leaves members that it does not name as they are.
///
/// Members are compared as text: one that is written in another way counts as changed, which does no harm.
#[must_use]
pub fn difference(acknowledged: Option<&str>, payload: &str, partial: bool) -> Difference {
    let Some(acknowledged) = acknowledged else { return Difference::Everything };
    if acknowledged == payload {
        return Difference::Nothing;
    }
    let (Some(before), Some(after)) = (members(acknowledged), members(payload)) else { return Difference::Everything };
    let is_same = |name: &&str| before.get(*name).map(|value| value.get()) == after.get(*name).map(|value| value.get());
    let changed: BTreeMap<&str, &RawValue> = after
        .iter()
        .filter(|(name, _)| !is_same(&name.as_str()))
        .map(|(name, value)| (name.as_str(), *value))
        .chain(before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name.as_str(), RawValue::NULL)))
        .collect();
    match serde_json::to_string(&changed) {
        _ if changed.is_empty() => Difference::Nothing,
        Ok(text) if partial => Difference::Members(text),
        _ => Difference::Everything,
    }
}

fn members(text: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_target_has_is_not_sent_again() {
        let payload = r#"{"a":1000.10,"b":{"c":[1,2]}}"#;
        assert_eq!(difference(Some(payload), payload, true), Difference::Nothing);
        assert_eq!(difference(Some(r#"{"b":{"c":[1,2]},"a":1000.10}"#), payload, false), Difference::Nothing);
        assert_eq!(difference(None, payload, true), Difference::Everything);
    }

    #[test]
    fn only_what_changed_is_sent_where_an_update_may_be_partial() {
        let before = r#"{"a":1.50,"b":{"c":1},"gone":true,"same":[1]}"#;
        let after = r#"{"a":1.5,"b":{"c":2},"new":"x","same":[1]}"#;
        let members = r#"{"a":1.5,"b":{"c":2},"gone":null,"new":"x"}"#;
        assert_eq!(difference(Some(before), after, true), Difference::Members(members.to_owned()));
        assert_eq!(difference(Some(before), after, false), Difference::Everything);
    }

    #[test]
    fn what_is_no_object_is_sent_as_it_is() {
        for before in ["[1]", "null", "", "{"] {
            assert_eq!(difference(Some(before), r#"{"a":1}"#, true), Difference::Everything, "{before}");
        }
    }
}
