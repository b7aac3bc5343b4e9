//! One execution, from state to state.

use super::data::{Scope, placed};
use super::task::{Failure, attempt};
use super::{Shared, Status};
use serde_json::{Value, json};

/// What a state leads to.
enum Next {
    State(String, Value),
    End(Status),
}

/// Runs the execution to its end.
pub(super) async fn run(shared: &Shared, input: Value) -> Status {
    let mut name = shared.definition.get("StartAt").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut data = input.clone();
    loop {
        let Some(state) = shared.definition.get("States").and_then(|states| states.get(&name)) else {
            return failed(Failure::runtime(format!("there is no state {name}")));
        };
        shared.count_transition();
        match enter(shared, state, data, &input).await {
            Ok(Next::State(next, result)) => (name, data) = (next, result),
            Ok(Next::End(status)) => return status,
            Err(failure) => return failed(failure),
        }
    }
}

fn failed(Failure { error, cause }: Failure) -> Status {
    Status::Failed { error, cause }
}

async fn enter(shared: &Shared, state: &Value, data: Value, input: &Value) -> Result<Next, Failure> {
    let scope = Scope { data: &data, input, token: None };
    let missing = |what: &str| Failure::runtime(format!("{what} is not there"));
    match state.get("Type").and_then(Value::as_str).unwrap_or_default() {
        "Task" => task(shared, state, data, input).await,
        "Pass" => {
            let result = match state.get("Parameters") {
                Some(template) => scope.filled(template).ok_or_else(|| missing("Parameters"))?,
                None => data.clone(),
            };
            going_on(state, data, result)
        }
        "Wait" => {
            let seconds = match state.get("SecondsPath").and_then(Value::as_str) {
                Some(path) => scope.value(path),
                None => state.get("Seconds").cloned(),
            };
            shared.wait(seconds.and_then(|seconds| seconds.as_f64()).ok_or_else(|| missing("Seconds"))?).await;
            going_on(state, data.clone(), data)
        }
        "Succeed" => Ok(Next::End(Status::Succeeded)),
        "Fail" => {
            let text = |name: &str| match state.get(format!("{name}Path")).and_then(Value::as_str) {
                Some(path) => scope.value(path)?.as_str().map(str::to_owned),
                None => state.get(name).and_then(Value::as_str).map(str::to_owned),
            };
            let (error, cause) = text("Error").zip(text("Cause")).ok_or_else(|| missing("Error or Cause"))?;
            Ok(Next::End(Status::Failed { error, cause }))
        }
        other => Err(Failure::runtime(format!("a state of the type {other} is not known here"))),
    }
}

fn going_on(state: &Value, data: Value, result: Value) -> Result<Next, Failure> {
    if state.get("End") == Some(&Value::Bool(true)) {
        return Ok(Next::End(Status::Succeeded));
    }
    let result = placed(data, result, state.get("ResultPath"));
    let next = state.get("Next").and_then(Value::as_str).map(str::to_owned);
    let (next, result) = next.zip(result).ok_or_else(|| Failure::runtime("Next or ResultPath is not understood"))?;
    Ok(Next::State(next, result))
}

async fn task(shared: &Shared, state: &Value, data: Value, input: &Value) -> Result<Next, Failure> {
    let retriers = listed(state, "Retry");
    let mut attempts = vec![0_u32; retriers.len()];
    let failure = loop {
        let failure = match attempt(shared, state, &data, input).await {
            Ok(result) => return going_on(state, data, result),
            Err(failure) => failure,
        };
        // The first that names the error decides.
        let retrier = retriers.iter().zip(&mut attempts).find(|(retrier, _)| names(retrier, &failure.error));
        let Some((retrier, attempts)) = retrier else { break failure };
        let number = |name: &str, default: f64| retrier.get(name).and_then(Value::as_f64).unwrap_or(default);
        if f64::from(*attempts) >= number("MaxAttempts", 3.0) {
            break failure;
        }
        let exponent = i32::try_from(*attempts).unwrap_or(i32::MAX);
        let interval = number("IntervalSeconds", 1.0) * number("BackoffRate", 2.0).powi(exponent);
        let interval = interval.min(number("MaxDelaySeconds", f64::INFINITY));
        let is_spread = retrier.get("JitterStrategy").and_then(Value::as_str) == Some("FULL");
        *attempts += 1;
        shared.count_transition();
        shared.wait(if is_spread { interval * shared.share() } else { interval }).await;
    };
    let Some(catcher) = listed(state, "Catch").iter().find(|catcher| names(catcher, &failure.error)) else {
        return Err(failure);
    };
    going_on(catcher, data, json!({"Error": failure.error, "Cause": failure.cause}))
}

fn listed<'a>(state: &'a Value, name: &str) -> &'a [Value] {
    state.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Whether the retrier or catcher is for this error ("Handling errors in Step Functions workflows").
fn names(rule: &Value, error: &str) -> bool {
    let is_meant = |name: &str| match name {
        "States.ALL" => !matches!(error, "States.Runtime" | "States.DataLimitExceeded"),
        "States.TaskFailed" => !matches!(error, "States.Timeout" | "States.Runtime" | "States.DataLimitExceeded"),
        "States.Timeout" => matches!(error, "States.Timeout" | "States.HeartbeatTimeout"),
        name => name == error,
    };
    listed(rule, "ErrorEquals").iter().filter_map(Value::as_str).any(is_meant)
}
