//! Outcomes as JSON, the way the connectors' tests write them.

use fluxnex_connect::outcome::{Failure, FailureClass, ListOutcome, ReadOutcome, SendOutcome};
use fluxnex_core::connector::{IdentifiedRecord, IdentifyError};
use serde_json::{Value, json};

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

pub fn read(outcome: &ReadOutcome) -> Value {
    match outcome {
        ReadOutcome::Found { record } => json!({"found": serde_json::from_str::<Value>(record).unwrap()}),
        ReadOutcome::Gone => json!("gone"),
        ReadOutcome::Failed(failure) => json!({"failed": failed(failure)}),
    }
}

/// A page as the number of its records, the place of the last one, and whether there are more.
pub fn listed(outcome: &ListOutcome, identify: impl Fn(&str) -> Result<IdentifiedRecord, IdentifyError>) -> Value {
    match outcome {
        ListOutcome::Listed(page) => {
            let last = page.records.last().map(|record| identify(record.get()).unwrap());
            let last = last.map(|last| json!({"id": last.id, "version": last.version}));
            json!({"listed": {"records": page.records.len(), "last": last, "more": page.more}})
        }
        ListOutcome::Failed(failure) => json!({"failed": failed(failure)}),
    }
}

fn failed(failure: &Failure) -> Value {
    let (class, retry_after) = match failure.class {
        FailureClass::Retry => ("retry", None),
        FailureClass::Throttle { retry_after } => ("throttle", retry_after),
        FailureClass::Reauthenticate => ("reauthenticate", None),
        FailureClass::Conflict => ("conflict", None),
        FailureClass::InvalidReference => ("invalid_reference", None),
        FailureClass::Permanent => ("permanent", None),
        FailureClass::Gone => ("gone", None),
    };
    json!({
        "class": class, "retry_after_seconds": retry_after.map(|wait| wait.as_secs()), "status": failure.status,
        "fingerprint": failure.fingerprint, "reason": failure.reason,
    })
}

/// Whether all that is expected is there; objects may have more.
pub fn contains(actual: &Value, expected: &Value) -> bool {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| contains(actual.get(name).unwrap_or(&Value::Null), value))
        }
        _ => actual == expected,
    }
}
