//! One state machine of Step Functions.

use super::error::{Failure, Kind};
use crate::workflow::{Answered, Started, WorkflowError, Workflows, check_failure, check_start, check_success};
use async_trait::async_trait;
use aws_sdk_sfn::Client;
use serde_json::Value;

/// The codes of an answer to a token that nobody waits for.
const GONE: [&str; 3] = ["TaskDoesNotExist", "TaskTimedOut", "InvalidToken"];

/// The adapter to one state machine.
#[derive(Debug, Clone)]
pub struct StepFunctionsWorkflows {
    client: Client,
    state_machine_arn: String,
}

impl StepFunctionsWorkflows {
    /// The state machine of this ARN, through `client`.
    pub fn new(client: Client, state_machine_arn: impl Into<String>) -> Self {
        Self { client, state_machine_arn: state_machine_arn.into() }
    }
}

fn failed(failure: Failure) -> WorkflowError {
    let Failure { kind, code, source } = failure;
    match kind {
        Kind::Refused => WorkflowError::Refused { code, source },
        Kind::Unavailable => WorkflowError::Unavailable { code, source },
    }
}

fn answered(answer: Result<(), Failure>) -> Result<Answered, WorkflowError> {
    match answer {
        Ok(()) => Ok(Answered::Answered),
        Err(failure) if GONE.contains(&failure.code.as_str()) => Ok(Answered::Gone),
        Err(failure) => Err(failed(failure)),
    }
}

#[async_trait]
impl Workflows for StepFunctionsWorkflows {
    async fn start(&self, name: &str, input: &Value) -> Result<Started, WorkflowError> {
        let input = check_start(name, input)?;
        let request = self.client.start_execution().state_machine_arn(&self.state_machine_arn);
        match request.name(name).input(input).send().await.map_err(Failure::of) {
            Ok(_) => Ok(Started::Started),
            Err(failure) if failure.code == "ExecutionAlreadyExists" => Ok(Started::AlreadyStarted),
            Err(failure) => Err(failed(failure)),
        }
    }

    async fn succeed(&self, token: &str, output: &Value) -> Result<Answered, WorkflowError> {
        let output = check_success(token, output)?;
        let request = self.client.send_task_success().task_token(token).output(output);
        answered(request.send().await.map(drop).map_err(Failure::of))
    }

    async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<Answered, WorkflowError> {
        check_failure(token, error, cause)?;
        let request = self.client.send_task_failure().task_token(token).error(error).cause(cause);
        answered(request.send().await.map(drop).map_err(Failure::of))
    }
}
