//! What every workflow does.

use crate::Disposition;
use crate::twin::TaskAnswer;
use crate::workflow::{Answered, MAX_DATA_BYTES, Started, WorkflowError, Workflows};
use async_trait::async_trait;
use serde_json::{Value, json};

/// A workflow, and somebody who looks into its executions.
#[async_trait]
pub trait WorkflowWorld: Send + Sync {
    /// The port.
    fn workflows(&self) -> &dyn Workflows;

    /// The input of the execution of that name; nothing if there is none.
    async fn input(&self, name: &str) -> Option<Value>;

    /// A new token that a step waits for.
    async fn wait(&self) -> String;

    /// What came of the step that waits, or waited, for the token; waits for it a short time.
    async fn outcome(&self, token: &str) -> TaskAnswer;
}

/// Runs the suite.
pub async fn suite(world: &dyn WorkflowWorld) {
    a_name_starts_once(world).await;
    what_is_not_valid_is_refused(world).await;
    a_token_is_answered_once(world).await;
}

async fn a_name_starts_once(world: &dyn WorkflowWorld) {
    let (name, input) = ("acme-0199-1_a", json!({"v": 1, "text": "é\u{1}\"", "list": [1, null]}));
    assert_eq!(world.input(name).await, None);
    assert_eq!(world.workflows().start(name, &input).await.expect("start"), Started::Started);
    assert_eq!(world.input(name).await, Some(input.clone()));
    // While it runs, AWS cannot be told from the first time.
    world.workflows().start(name, &input).await.expect("start again");
    let other = world.workflows().start(name, &json!({"other": true})).await.expect("start another");
    assert_eq!(other, Started::AlreadyStarted);
    assert_eq!(world.input(name).await, Some(input), "it is the first one");
    let longest = "x".repeat(80);
    assert_eq!(world.workflows().start(&longest, &json!({})).await.expect("start"), Started::Started);
}

async fn what_is_not_valid_is_refused(world: &dyn WorkflowWorld) {
    let long = "x".repeat(81);
    for name in ["", "a b", "a/b", "a:b", "é", &long] {
        let error = world.workflows().start(name, &json!({})).await.expect_err(name);
        assert!(matches!(error, WorkflowError::Invalid { .. }), "{error:?}");
        assert_eq!(error.disposition(), Disposition::Drop);
    }
    let large = json!("x".repeat(MAX_DATA_BYTES));
    let error = world.workflows().start("large", &large).await.expect_err("too large");
    assert!(matches!(error, WorkflowError::Invalid { .. }), "{error:?}");
    let token = world.wait().await;
    assert!(world.workflows().succeed(&token, &large).await.is_err());
    assert!(world.workflows().succeed("", &json!({})).await.is_err());
    assert!(world.workflows().fail(&token, "", "a cause without an error").await.is_err());
    assert!(world.workflows().fail(&token, &"x".repeat(257), "").await.is_err());
    assert!(world.workflows().fail(&token, "Invalid", &"x".repeat(32_769)).await.is_err());
    let answered = world.workflows().fail(&token, "Invalid", "").await.expect("it still waits");
    assert_eq!(answered, Answered::Answered);
}

async fn a_token_is_answered_once(world: &dyn WorkflowWorld) {
    let (good, bad) = (world.wait().await, world.wait().await);
    assert_ne!(good, bad);
    let output = json!({"outcome": "stored", "text": "é"});
    assert_eq!(world.workflows().succeed(&good, &output).await.expect("succeed"), Answered::Answered);
    assert_eq!(world.outcome(&good).await, TaskAnswer::Succeeded(output));
    let cause = json!({"retry_after_seconds": 30}).to_string();
    assert_eq!(world.workflows().fail(&bad, "Throttled", &cause).await.expect("fail"), Answered::Answered);
    assert_eq!(world.outcome(&bad).await, TaskAnswer::Failed { error: "Throttled".to_owned(), cause });

    for token in [good.as_str(), bad.as_str(), "a-token-that-never-was"] {
        let late = world.workflows().succeed(token, &json!({})).await.expect("succeed late");
        assert_eq!(late, Answered::Gone, "{token}");
        let late = world.workflows().fail(token, "Late", "").await.expect("fail late");
        assert_eq!(late, Answered::Gone, "{token}");
    }
}
