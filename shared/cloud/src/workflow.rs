//! The port to workflows: starting one, and answering a step that waits by a task token.

use crate::{BoxError, Disposition};
use async_trait::async_trait;
use serde_json::Value;
use std::fmt;

/// The longest name of an execution (Step Functions `StartExecution`).
pub const MAX_NAME_CHARACTERS: usize = 80;
/// The largest input or output, in bytes of JSON (Step Functions quotas).
pub const MAX_DATA_BYTES: usize = 262_144;
/// The longest token, error and cause (Step Functions `SendTaskFailure`).
const MAX_TOKEN_CHARACTERS: usize = 2048;
const MAX_ERROR_CHARACTERS: usize = 256;
const MAX_CAUSE_CHARACTERS: usize = 32_768;

/// What came of starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It runs. AWS says so too if an earlier call with the same name and input started it and it still runs.
    Started,
    /// The name is taken: it runs already, or ran within the last 90 days. Nothing was started.
    AlreadyStarted,
}

/// What came of an answer to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// Who waited goes on.
    Answered,
    /// Nobody waits for this token any more: it was answered, its time is over, or it never was one.
    Gone,
}

/// Why a workflow could not be started or answered.
#[derive(thiserror::Error)]
pub enum WorkflowError {
    /// What was given breaks a rule of the service. Nothing was asked of it.
    #[error("not valid for a workflow: {rule}")]
    Invalid {
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// There is no such workflow, or we may not use it.
    #[error("the workflow is not there or refuses us ({code})")]
    Refused {
        /// The service's error code.
        code: String,
        /// What the client library says.
        #[source]
        source: Option<BoxError>,
    },
    /// The service did not answer, in spite of repeated attempts. What was asked may have been done.
    #[error("the workflow service did not answer ({code})")]
    Unavailable {
        /// The service's error code.
        code: String,
        /// What the client library says.
        #[source]
        source: Option<BoxError>,
    },
}

/// The cause may quote what was sent: it is kept, not shown.
impl fmt::Debug for WorkflowError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "WorkflowError({self})")
    }
}

impl WorkflowError {
    /// What the caller does about it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Invalid { .. } => Disposition::Drop,
            Self::Refused { .. } | Self::Unavailable { .. } => Disposition::Retry,
        }
    }
}

/// One workflow: its executions, and the tokens of its waiting steps.
#[async_trait]
pub trait Workflows: Send + Sync {
    /// Starts an execution called `name` (1 to [`MAX_NAME_CHARACTERS`] letters, digits, `-` and `_` of
    /// ASCII) with the input (at most [`MAX_DATA_BYTES`]). Calling it again with the same name starts
    /// nothing, so it may be repeated.
    ///
    /// # Errors
    /// [`WorkflowError`].
    async fn start(&self, name: &str, input: &Value) -> Result<Started, WorkflowError>;

    /// Ends the step that waits for the token, with the output (at most [`MAX_DATA_BYTES`]).
    ///
    /// # Errors
    /// [`WorkflowError`].
    async fn succeed(&self, token: &str, output: &Value) -> Result<Answered, WorkflowError>;

    /// Fails the step that waits for the token: `error` (at most 256 characters) is the name that the
    /// workflow's retries and catchers go by, `cause` (at most 32,768) what it tells them.
    ///
    /// # Errors
    /// [`WorkflowError`].
    async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<Answered, WorkflowError>;
}

/// The input as JSON text, if it can be started under the name.
pub(crate) fn check_start(name: &str, input: &Value) -> Result<String, WorkflowError> {
    // The service allows more characters, but only these where its log goes to CloudWatch.
    let is_name = (1..=MAX_NAME_CHARACTERS).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !is_name {
        return Err(WorkflowError::Invalid { rule: "a name is 1 to 80 letters, digits, hyphens and underscores" });
    }
    data(input)
}

/// The output as JSON text, if the token can be answered with it.
pub(crate) fn check_success(token: &str, output: &Value) -> Result<String, WorkflowError> {
    check_token(token)?;
    data(output)
}

/// Whether the token can be answered with the failure.
pub(crate) fn check_failure(token: &str, error: &str, cause: &str) -> Result<(), WorkflowError> {
    check_token(token)?;
    if error.is_empty() || error.chars().count() > MAX_ERROR_CHARACTERS {
        return Err(WorkflowError::Invalid { rule: "an error is 1 to 256 characters" });
    }
    if cause.chars().count() > MAX_CAUSE_CHARACTERS {
        return Err(WorkflowError::Invalid { rule: "a cause has at most 32,768 characters" });
    }
    Ok(())
}

fn check_token(token: &str) -> Result<(), WorkflowError> {
    if (1..=MAX_TOKEN_CHARACTERS).contains(&token.chars().count()) {
        return Ok(());
    }
    Err(WorkflowError::Invalid { rule: "a token is 1 to 2,048 characters" })
}

fn data(value: &Value) -> Result<String, WorkflowError> {
    let text = value.to_string();
    if text.len() > MAX_DATA_BYTES {
        return Err(WorkflowError::Invalid { rule: "an input or output has at most 262,144 bytes" });
    }
    Ok(text)
}
