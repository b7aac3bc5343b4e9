//! What a function's answer to a batch means to the event source.
//!
//! By "Implementing partial batch responses" of the Lambda Developer Guide a batch is a complete
//! success if the answer is `null`, `{}`, or has a null or empty `batchItemFailures`. It is a complete
//! failure if the answer is no JSON, or an item has an empty, a null or no `itemIdentifier`, or one
//! that is not of the batch. What AWS does not mention (an answer that is no object, a list that is
//! none) counts as a failure here: nothing may rest on it.

use serde_json::Value;
use std::collections::BTreeSet;

/// How an invocation ended.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// The function answered with these bytes.
    Response(&'a [u8]),
    /// The function reported an error, crashed, or ran out of time.
    FunctionError,
}

/// What becomes of the messages of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Those with these ids come back, all others are deleted.
    Failed(BTreeSet<String>),
    /// All come back.
    WholeBatch(&'static str),
}

/// What `answer` means for a batch of messages with these `ids`.
pub fn verdict(answer: Answer<'_>, ids: &BTreeSet<&str>) -> Verdict {
    let Answer::Response(bytes) = answer else { return Verdict::WholeBatch("the function failed") };
    let Ok(response) = serde_json::from_slice::<Value>(bytes) else {
        return Verdict::WholeBatch("the answer is no JSON");
    };
    let items = match &response {
        Value::Null => return Verdict::Failed(BTreeSet::new()),
        Value::Object(fields) => match fields.get("batchItemFailures") {
            None | Some(Value::Null) => return Verdict::Failed(BTreeSet::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Verdict::WholeBatch("batchItemFailures is no list"),
        },
        _ => return Verdict::WholeBatch("the answer is no object"),
    };
    let mut failed = BTreeSet::new();
    for item in items {
        match item.get("itemIdentifier").and_then(Value::as_str) {
            None => return Verdict::WholeBatch("an item has no itemIdentifier"),
            Some("") => return Verdict::WholeBatch("an itemIdentifier is empty"),
            Some(id) if !ids.contains(id) => return Verdict::WholeBatch("an itemIdentifier is not of the batch"),
            Some(id) => failed.insert(id.to_owned()),
        };
    }
    Verdict::Failed(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(answer: &str) -> Verdict {
        verdict(Answer::Response(answer.as_bytes()), &["a", "b"].into())
    }

    #[test]
    fn answers_that_are_a_complete_success() {
        for answer in ["null", "{}", r#"{"batchItemFailures":null}"#, r#"{"batchItemFailures":[]}"#] {
            assert_eq!(of(answer), Verdict::Failed(BTreeSet::new()), "{answer}");
        }
    }

    #[test]
    fn named_items_come_back() {
        let answer = r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#;
        assert_eq!(of(answer), Verdict::Failed(["b".to_owned()].into()));
    }

    #[test]
    fn answers_that_are_a_complete_failure() {
        let items =
            [r#"{"itemIdentifier":""}"#, r#"{"itemIdentifier":null}"#, r#"{"id":"a"}"#, r#"{"itemIdentifier":"c"}"#];
        for item in items {
            let answer = format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"a"}},{item}]}}"#);
            assert!(matches!(of(&answer), Verdict::WholeBatch(_)), "{answer}");
        }
        for answer in ["", "{", "[]", "7", r#"{"batchItemFailures":"a"}"#] {
            assert!(matches!(of(answer), Verdict::WholeBatch(_)), "{answer}");
        }
        assert!(matches!(verdict(Answer::FunctionError, &BTreeSet::new()), Verdict::WholeBatch(_)));
    }
}
