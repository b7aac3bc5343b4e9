//! Outcomes as JSON, the way the connectors' tests write them.

use fluxnex_connect::outcome::{Failure, FailureClass, ListOutcome, ReadManyOutcome, ReadOutcome, SendOutcome};
use fluxnex_core::connector::{IdentifiedRecord, IdentifyError, LimitsTold};
use fluxnex_core::ids::SourceId;
use serde_json::{Value, json};

/// What sending came to.
#[must_use]
pub fn sent(outcome: &SendOutcome) -> Value {
    match outcome {
        SendOutcome::Delivered { target_id, target_version } => {
            json!({"delivered": {"target_id": target_id, "target_version": target_version}})
        }
        SendOutcome::Failed(failure) => json!({"failed": failed(failure)}),
        SendOutcome::Unknown { status, fingerprint, reason } => {
            json!({"unknown": {"status": status, "fingerprint": fingerprint, "reason": reason}})
        }
    }
}

/// What reading came to.
#[must_use]
pub fn read(outcome: &ReadOutcome) -> Value {
    match outcome {
        ReadOutcome::Found { record } => json!({"found": serde_json::from_str::<Value>(record).unwrap_or_default()}),
        ReadOutcome::Gone => json!("gone"),
        ReadOutcome::Failed(failure) => json!({"failed": failed(failure)}),
    }
}

/// What reading several records came to.
#[must_use]
pub fn read_many(outcome: &ReadManyOutcome) -> Value {
    match outcome {
        ReadManyOutcome::Found(records) => {
            let record = |text: &Option<String>| -> Value {
                text.as_ref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
            };
            json!({"found": records.iter().map(record).collect::<Vec<_>>()})
        }
        ReadManyOutcome::Failed(failure) => json!({"failed": failed(failure)}),
    }
}

/// What sending several records came to.
#[must_use]
pub fn batch(outcomes: &[SendOutcome]) -> Value {
    json!({"items": outcomes.iter().map(sent).collect::<Vec<_>>()})
}

/// What an answer told of limits.
#[must_use]
pub fn limits(told: Option<&LimitsTold>) -> Value {
    let Some(LimitsTold { limit, remaining, reset_at, usage }) = told else { return Value::Null };
    let usage = usage.map(|usage| json!({"used": usage.used, "of": usage.of}));
    json!({"limit": limit, "remaining": remaining, "reset_at": reset_at, "usage": usage})
}

/// A page of deletions, with each of them.
#[must_use]
pub fn listed_deletions(
    outcome: &ListOutcome,
    deletion: impl Fn(&str) -> Result<(SourceId, Option<i64>), IdentifyError>,
) -> Value {
    let ListOutcome::Listed(page) = outcome else {
        return listed(outcome, |_| Err(IdentifyError::NoId));
    };
    let deleted: Vec<Value> = page
        .records
        .iter()
        .map(|record| match deletion(record.get()) {
            Ok((id, version)) => json!({"id": id, "version": version}),
            Err(error) => json!({"unidentified": error.to_string()}),
        })
        .collect();
    let (last, next) = (deleted.last().cloned(), page.next.as_ref());
    json!({"listed": {"records": deleted.len(), "last": last, "more": page.more, "next": next, "deleted": deleted}})
}

/// A page as the number of its records, the place of the last one, and whether there are more.
#[must_use]
pub fn listed(outcome: &ListOutcome, identify: impl Fn(&str) -> Result<IdentifiedRecord, IdentifyError>) -> Value {
    match outcome {
        ListOutcome::Listed(page) => {
            let last = page.records.last().map(|record| match identify(record.get()) {
                Ok(last) => json!({"id": last.id, "version": last.version}),
                Err(error) => json!({"unidentified": error.to_string()}),
            });
            json!({"listed": {"records": page.records.len(), "last": last, "more": page.more, "next": page.next}})
        }
        ListOutcome::Failed(failure) => json!({"failed": failed(failure)}),
    }
}

fn failed(failure: &Failure) -> Value {
    let (class, retry_after) = class_name(failure.class);
    json!({
        "class": class, "retry_after_seconds": retry_after.map(|wait| wait.as_secs()), "status": failure.status,
        "fingerprint": failure.fingerprint, "reason": failure.reason,
    })
}

fn class_name(class: FailureClass) -> (&'static str, Option<std::time::Duration>) {
    match class {
        FailureClass::Retry => ("retry", None),
        FailureClass::Throttle { retry_after } => ("throttle", retry_after),
        FailureClass::Reauthenticate => ("reauthenticate", None),
        FailureClass::Conflict => ("conflict", None),
        FailureClass::InvalidReference => ("invalid_reference", None),
        FailureClass::Permanent => ("permanent", None),
        FailureClass::Gone => ("gone", None),
    }
}

/// Whether all that is expected is there; objects may have more, lists may not.
#[must_use]
pub fn contains(actual: &Value, expected: &Value) -> bool {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| contains(actual.get(name).unwrap_or(&Value::Null), value))
        }
        (Value::Array(actual), Value::Array(expected)) => {
            actual.len() == expected.len()
                && actual.iter().zip(expected).all(|(actual, expected)| contains(actual, expected))
        }
        _ => actual == expected,
    }
}
