//! The infrastructure's own definition, run.

use super::*;
use futures::FutureExt;
use serde_json::json;
use std::collections::VecDeque;

/// Makes a state machine whose function gives these answers, one after the other, and notes its payloads.
fn machine(answers: Vec<Result<Value, &'static str>>) -> (Workflows, Arc<Mutex<Vec<Value>>>) {
    let text = include_str!("../../../../infra-cdk/lib/pipeline/blocking-fetch.asl.json");
    machine_of(serde_json::from_str(text).unwrap(), answers)
}

fn machine_of(definition: Value, answers: Vec<Result<Value, &'static str>>) -> (Workflows, Arc<Mutex<Vec<Value>>>) {
    let calls: Arc<Mutex<Vec<Value>>> = Arc::default();
    let (noted, answers) = (Arc::clone(&calls), Mutex::new(VecDeque::from(answers)));
    let invoke: Invoke = Arc::new(move |_, payload| {
        locked(&noted).push(payload);
        let answer = locked(&answers).pop_front().expect("a call too many");
        let error = |kind: &str| FunctionError { error_type: kind.to_owned(), error_message: "why".to_owned() };
        async move { answer.map_err(error) }.boxed()
    });
    (Workflows::new(definition, invoke, 1.0, 7), calls)
}

fn input() -> Value {
    json!({"tenant": "acme", "timeout_seconds": 60})
}

async fn ended(workflows: &Workflows) -> Status {
    tokio::time::timeout(Duration::from_secs(100_000), async {
        loop {
            match workflows.executions().remove("e") {
                Some(Status::Running) | None => tokio::time::sleep(Duration::from_millis(100)).await,
                Some(status) => return status,
            }
        }
    })
    .await
    .unwrap()
}

async fn called(calls: &Mutex<Vec<Value>>, count: usize) -> Value {
    tokio::time::timeout(Duration::from_secs(100_000), async {
        while locked(calls).len() < count {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
    locked(calls)[count - 1].clone()
}

fn token(call: &Value) -> &str {
    call["token"].as_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_it() {
    let (workflows, calls) = machine(vec![Ok(json!({}))]);
    workflows.start("e", input()).unwrap();
    assert_eq!(workflows.start("e", input()), Ok(()), "the same once more");
    assert_eq!(workflows.start("e", json!({})), Err(StartError::Exists));
    let call = called(&calls, 1).await;
    assert_eq!((&call["action"], &call["parent"]), (&json!("fetch"), &input()));
    assert_eq!(workflows.answer("x", Answer::Heartbeat), Err(Unknown::Token));
    workflows.answer(token(&call), Answer::Success(json!({"outcome": "stored"}))).unwrap();
    assert_eq!(ended(&workflows).await, Status::Succeeded);
    assert_eq!(workflows.answer(token(&call), Answer::Heartbeat), Err(Unknown::Gone));
    assert_eq!((workflows.transitions(), workflows.start("e", input())), (1, Err(StartError::Exists)));
}

#[tokio::test(start_paused = true)]
async fn what_is_unreachable_is_tried_again_and_what_is_not_there_is_given_up() {
    let (workflows, calls) = machine(vec![Err("Unavailable"), Err("Sandbox.Timedout"), Err("NotFound"), Ok(json!({}))]);
    workflows.start("e", input()).unwrap();
    let Status::Failed { error, cause } = ended(&workflows).await else { panic!("it succeeded") };
    assert!(error == "NotFound" && cause.contains("why"), "{error}: {cause}");
    let last = called(&calls, 4).await;
    assert_eq!((&last["action"], &last["error"]["Error"]), (&json!("give_up"), &json!("NotFound")));
    assert_eq!(last["parent"], input());
}

#[tokio::test(start_paused = true)]
async fn a_throttled_fetch_pauses_as_long_as_it_was_told() {
    let (workflows, calls) = machine(vec![Ok(json!({})), Err("Superseded")]);
    workflows.start("e", input()).unwrap();
    let call = called(&calls, 1).await;
    let begun = tokio::time::Instant::now();
    let failure =
        Answer::Failure { error: "Throttled".to_owned(), cause: r#"{"retry_after_seconds": 120}"#.to_owned() };
    workflows.answer(token(&call), failure).unwrap();
    assert_eq!(ended(&workflows).await, Status::Succeeded);
    let paused = begun.elapsed().as_secs();
    assert!((120..122).contains(&paused), "{paused} s");
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_token_times_out() {
    let (workflows, calls) = machine(vec![Ok(json!({})), Ok(json!({}))]);
    workflows.start("e", input()).unwrap();
    let call = called(&calls, 1).await;
    assert!(matches!(ended(&workflows).await, Status::Failed { error, .. } if error == "States.Timeout"));
    assert_eq!(called(&calls, 2).await["action"], "give_up");
    assert_eq!(workflows.answer(token(&call), Answer::Success(json!({}))), Err(Unknown::Gone));
}

#[tokio::test(start_paused = true)]
async fn a_task_lives_as_long_as_it_gives_signs_of_life() {
    let task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": "f", "Payload": {"token.$": "$$.Task.Token"}},
        "TimeoutSeconds": 600,
        "HeartbeatSeconds": 20,
        "End": true,
    });
    let (workflows, calls) = machine_of(json!({"StartAt": "T", "States": {"T": task}}), vec![Ok(json!({}))]);
    workflows.start("e", input()).unwrap();
    let call = called(&calls, 1).await;
    let begun = tokio::time::Instant::now();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(15)).await;
        workflows.answer(token(&call), Answer::Heartbeat).unwrap();
    }
    let ended = ended(&workflows).await;
    assert!(matches!(ended, Status::Failed { error, .. } if error == "States.HeartbeatTimeout"));
    let lived = begun.elapsed().as_secs();
    assert!((95..97).contains(&lived), "{lived} s");
    assert_eq!(workflows.answer(token(&call), Answer::Heartbeat), Err(Unknown::Gone));
}
