//! One attempt of a Task: a function, and for `.waitForTaskToken` the answer to the token.

use super::data::Scope;
use super::{Answer, Shared};
use crate::host::function::FunctionError;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Why a state failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) error: String,
    pub(super) cause: String,
}

impl Failure {
    pub(super) fn new(error: &str, cause: impl Into<String>) -> Self {
        Self { error: error.to_owned(), cause: cause.into() }
    }

    /// Not to be caught, and a fault of the definition or of this interpreter.
    pub(super) fn runtime(cause: impl Into<String>) -> Self {
        Self::new("States.Runtime", cause)
    }

    fn of_function(error: &FunctionError) -> Self {
        Self::new(&error.error_type, serde_json::to_string(error).unwrap_or_default())
    }
}

/// How long the task, and the time between two signs of life, may take.
struct Limits {
    timeout: Duration,
    heartbeat: Duration,
}

impl Limits {
    fn of(state: &Value, scope: &Scope<'_>) -> Result<Self, Failure> {
        let seconds = |name: &str| -> Result<Duration, Failure> {
            let given = match state.get(format!("{name}SecondsPath")).and_then(Value::as_str) {
                Some(path) => scope.value(path),
                None => state.get(format!("{name}Seconds")).cloned(),
            };
            match given {
                None => Ok(Duration::MAX),
                Some(given) => {
                    let seconds = given.as_u64().filter(|seconds| *seconds > 0);
                    seconds.map(Duration::from_secs).ok_or_else(|| Failure::runtime(format!("{name} is no time")))
                }
            }
        };
        Ok(Self { timeout: seconds("Timeout")?, heartbeat: seconds("Heartbeat")? })
    }
}

/// Does the task once.
pub(super) async fn attempt(shared: &Shared, state: &Value, data: &Value, input: &Value) -> Result<Value, Failure> {
    let resource = state.get("Resource").and_then(Value::as_str).unwrap_or_default();
    let (_, kind) = resource.rsplit_once(":states:::").unwrap_or_default();
    let limits = Limits::of(state, &Scope { data, input, token: None })?;
    match kind {
        "lambda:invoke" => {
            let scope = Scope { data, input, token: None };
            let call = invoked(shared, state, &scope);
            let Ok(answer) = tokio::time::timeout(limits.timeout, call).await else { return Err(timed_out()) };
            Ok(json!({"StatusCode": 200, "Payload": answer?}))
        }
        "lambda:invoke.waitForTaskToken" => {
            let (token, answers) = shared.token();
            let scope = Scope { data, input, token: Some(&token) };
            let done = answered(invoked(shared, state, &scope), answers, limits.heartbeat);
            let result = tokio::time::timeout(limits.timeout, done).await.unwrap_or_else(|_| Err(timed_out()));
            shared.forget(&token);
            result
        }
        _ => Err(Failure::runtime(format!("{resource} is not known here"))),
    }
}

fn timed_out() -> Failure {
    Failure::new("States.Timeout", "")
}

async fn invoked(shared: &Shared, state: &Value, scope: &Scope<'_>) -> Result<Value, Failure> {
    let parameters = state.get("Parameters").and_then(|parameters| scope.filled(parameters));
    let parameters = parameters.ok_or_else(|| Failure::runtime("the parameters name what is not there"))?;
    let function = parameters.get("FunctionName").and_then(Value::as_str).unwrap_or_default();
    let payload = parameters.get("Payload").cloned().unwrap_or_default();
    (shared.invoke)(function.to_owned(), payload).await.map_err(|error| Failure::of_function(&error))
}

/// The answer to the token, whether it comes before the function has returned or after. A function that
/// fails ends the task, unless the token was answered first.
async fn answered(
    function: impl Future<Output = Result<Value, Failure>>,
    mut answers: mpsc::UnboundedReceiver<Answer>,
    heartbeat: Duration,
) -> Result<Value, Failure> {
    tokio::pin!(function);
    let mut has_returned = false;
    // That the function returns is no sign of life: only a heartbeat is.
    let mut last_sign = Instant::now();
    loop {
        tokio::select! {
            biased;
            answer = answers.recv() => match answer {
                Some(Answer::Success(output)) => return Ok(output),
                Some(Answer::Failure { error, cause }) => return Err(Failure { error, cause }),
                Some(Answer::Heartbeat) => last_sign = Instant::now(),
                None => return Err(Failure::runtime("the token is gone")),
            },
            returned = &mut function, if !has_returned => {
                returned?;
                has_returned = true;
            }
            () = tokio::time::sleep(heartbeat.saturating_sub(last_sign.elapsed())) => {
                return Err(Failure::new("States.HeartbeatTimeout", ""));
            }
        }
    }
}
