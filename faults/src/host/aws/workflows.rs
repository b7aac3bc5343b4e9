//! Step Functions: starting executions and answering tokens.

use super::super::Inner;
use super::super::workflow::{Answer, StartError, Unknown};
use super::{Refusal, required, text};
use serde_json::{Value, json};

pub(super) fn answer(host: &Inner, operation: &str, input: &Value) -> Result<Value, Refusal> {
    let workflows = &host.workflows;
    let answered = |answer| match workflows.answer(required(input, "taskToken")?, answer) {
        Ok(()) => Ok(json!({})),
        Err(Unknown::Gone) => Err(Refusal::new("TaskTimedOut", "Task Timed Out: nobody waits for this token")),
        Err(Unknown::Token) => Err(Refusal::new("InvalidToken", "Invalid Token")),
    };
    match operation {
        "StartExecution" => {
            let invalid = |_| Refusal::new("InvalidExecutionInput", "the input is not JSON");
            let parsed = serde_json::from_str(required(input, "input")?).map_err(invalid)?;
            let name = required(input, "name")?;
            match workflows.start(name, parsed) {
                Ok(()) => {}
                Err(StartError::Exists) => {
                    return Err(Refusal::new("ExecutionAlreadyExists", format!("Execution Already Exists: '{name}'")));
                }
            }
            let arn = text(input, "stateMachineArn").replacen(":stateMachine:", ":execution:", 1);
            Ok(json!({"executionArn": format!("{arn}:{name}"), "startDate": 0}))
        }
        "SendTaskSuccess" => {
            let invalid = |_| Refusal::new("InvalidOutput", "the output is not JSON");
            answered(Answer::Success(serde_json::from_str(required(input, "output")?).map_err(invalid)?))
        }
        "SendTaskFailure" => {
            let owned = |name| text(input, name).to_owned();
            answered(Answer::Failure { error: owned("error"), cause: owned("cause") })
        }
        "SendTaskHeartbeat" => answered(Answer::Heartbeat),
        _ => Err(Refusal::new("UnknownOperationException", format!("{operation} is not answered here"))),
    }
}
