//! Blocking fetches: what the state machine is started with, what it tells `fetch`, and the names of
//! errors that it knows.
//!
//! The state machine itself is `infra-cdk/lib/pipeline/blocking-fetch.asl.json`; its retries and
//! catchers name the errors of [`FetchError`].

use crate::ids::{CanonicalId, ConnectionId, ObjectName, SourceId, TenantId};
use crate::message::V1;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The input of one execution: which missing parent it is to get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockingFetch {
    /// Format version.
    pub v: V1,
    /// Whose record it is.
    pub tenant: TenantId,
    /// The source.
    pub connection: ConnectionId,
    /// The record type at the source.
    pub object: ObjectName,
    /// The record at the source.
    pub source_id: SourceId,
    /// The record's canonical id.
    pub parent: CanonicalId,
    /// Counts the executions for this parent: an older one may change nothing.
    pub generation: i32,
    /// How long the execution may wait until the parent is stored, in seconds.
    pub timeout_seconds: u64,
}

impl BlockingFetch {
    /// The execution's name: the same for everybody who starts it, so that it is started once.
    /// At most 80 characters, as Step Functions bounds it.
    #[must_use]
    pub fn execution_name(&self) -> String {
        let id = Uuid::new_v5(&self.parent.0, self.tenant.as_str().as_bytes());
        let tenant: String = self.tenant.as_str().chars().take(30).collect();
        format!("{tenant}-{}-{}", id.simple(), self.generation)
    }

    /// The parent in words.
    #[must_use]
    pub fn described(&self) -> String {
        format!("{} {} of {}", self.object, self.source_id, self.connection)
    }
}

/// What the state machine asks of `fetch`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum FetchTask {
    /// Read the parent and feed it in. The task ends when its token is answered.
    Fetch {
        /// Ends the task.
        token: String,
        /// The parent.
        parent: BlockingFetch,
    },
    /// The parent cannot be had: end the records that wait for it, and tell people.
    GiveUp {
        /// The parent.
        parent: BlockingFetch,
        /// Why.
        error: TaskError,
    },
}

/// An error as Step Functions hands it on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskError {
    /// Its name: one of [`FetchError`], or one of Step Functions' own such as `States.Timeout`.
    pub error: String,
    /// For a function's error a JSON document with its message; else words.
    #[serde(default)]
    pub cause: String,
}

impl TaskError {
    /// Why, for people.
    #[must_use]
    pub fn reason(&self) -> String {
        #[derive(Deserialize)]
        struct OfFunction {
            #[serde(rename = "errorMessage")]
            message: String,
        }
        let words =
            serde_json::from_str::<OfFunction>(&self.cause).map_or_else(|_| self.cause.clone(), |own| own.message);
        match self.error.as_str() {
            "States.Timeout" => "it did not arrive in time".to_owned(),
            error if words.is_empty() => error.to_owned(),
            _ => words,
        }
        .chars()
        .take(500)
        .collect()
    }
}

/// Why a parent was not got. The names are known to the state machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The source does not answer; the same again later.
    #[error("{0}")]
    Unavailable(String),
    /// The source has no such record.
    #[error("{0}")]
    NotFound(String),
    /// The connection may not read it, or its credentials are refused.
    #[error("{0}")]
    Forbidden(String),
    /// It can be read, and is of no use.
    #[error("{0}")]
    Invalid(String),
    /// The deadline is over.
    #[error("{0}")]
    OutOfTime(String),
    /// Nobody needs it any more: it came another way, or another execution gets it.
    #[error("the parent came another way, or another execution gets it")]
    Superseded,
}

impl FetchError {
    /// The name by which the state machine knows it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "Unavailable",
            Self::NotFound(_) => "NotFound",
            Self::Forbidden(_) => "Forbidden",
            Self::Invalid(_) => "Invalid",
            Self::OutOfTime(_) => "OutOfTime",
            Self::Superseded => "Superseded",
        }
    }
}

/// The name of the answer that asks the state machine to wait; its cause is a [`Pause`].
pub const THROTTLED: &str = "Throttled";

/// How long the source asks to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// In seconds.
    pub retry_after_seconds: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(tenant: &str) -> BlockingFetch {
        BlockingFetch {
            v: V1,
            tenant: TenantId::parse(tenant).unwrap(),
            connection: ConnectionId::parse("revenova").unwrap(),
            object: ObjectName::parse("Account").unwrap(),
            source_id: SourceId::parse("001").unwrap(),
            parent: CanonicalId(Uuid::from_u128(7)),
            generation: 3,
            timeout_seconds: 86_400,
        }
    }

    #[test]
    fn the_input_keeps_its_format() {
        insta::assert_json_snapshot!("blocking_fetch", parent("acme"));
    }

    #[test]
    fn names_are_of_one_tenant_and_fit() {
        let longest = parent(&"a".repeat(40)).execution_name();
        assert!(longest.len() <= 80, "{longest}");
        assert_ne!(longest, parent(&format!("{}b", "a".repeat(39))).execution_name());
        assert!(parent("acme").execution_name().starts_with("acme-"));
    }

    #[test]
    fn tasks_are_read_as_the_state_machine_writes_them() {
        let input = serde_json::to_value(parent("acme")).unwrap();
        let fetch = serde_json::json!({"action": "fetch", "token": "t", "parent": input});
        assert!(matches!(serde_json::from_value(fetch).unwrap(), FetchTask::Fetch { .. }));
        let cause = r#"{"errorType":"NotFound","errorMessage":"there is no such record"}"#;
        let error = serde_json::json!({"Error": "NotFound", "Cause": cause});
        let give_up = serde_json::json!({"action": "give_up", "parent": input, "error": error});
        let FetchTask::GiveUp { error, .. } = serde_json::from_value(give_up).unwrap() else { panic!() };
        assert_eq!(error.reason(), "there is no such record");
        let timeout = TaskError { error: "States.Timeout".to_owned(), cause: String::new() };
        assert_eq!(timeout.reason(), "it did not arrive in time");
        assert!(serde_json::from_value::<FetchTask>(serde_json::json!({"action": "other"})).is_err());
    }
}
