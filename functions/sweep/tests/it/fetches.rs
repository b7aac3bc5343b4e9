//! Fetches of missing parents: not started, not answered, or out of time.

use crate::support::Stage;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::twin::TaskAnswer;
use fluxnex_core::message::RecordChanged;
use fluxnex_testing::{ACCOUNT, INVOICE, account, decoded, invoice, notice};

async fn fetches(stage: &Stage) -> Vec<String> {
    let sql = "SELECT concat_ws(' ', source_id, state, reason) FROM {schema}.dependency_fetches";
    stage.setting.texts(sql).await
}

/// An invoice waits for a customer; the message that would start the fetch is lost.
async fn waiting() -> Stage {
    let stage = Stage::new().await;
    let batch = stage.replicated(notice(INVOICE, &invoice("a0XA", "INV-1", "001A", 1))).await;
    assert!(stage.normalised(&batch).await.is_empty());
    assert_eq!(stage.setting.take("source-replica").len(), 1);
    stage
}

/// The fetch fed its parent in, under this token.
async fn with_token(stage: &Stage) -> String {
    let token = stage.setting.workflows.wait();
    let sql = format!("UPDATE {{schema}}.dependency_fetches SET task_token = '{token}', state = 'fed' RETURNING state");
    assert_eq!(stage.setting.texts(&sql).await, ["fed"]);
    token
}

#[tokio::test]
async fn a_fetch_that_nobody_started_is_started_by_one_who_waits() {
    let stage = waiting().await;
    stage.wait(70);
    assert!(stage.tenant().await);
    let again = stage.setting.take("source-replica");
    let messages: Vec<RecordChanged> = decoded(&again);
    assert_eq!((messages.len(), messages[0].source_id.as_str()), (1, "a0XA"));
    assert!(stage.normalised(&again).await.is_empty());
    assert_eq!(stage.setting.workflows.executions().len(), 1);
    stage.wait(70);
    assert!(stage.tenant().await);
    assert!(stage.setting.take("source-replica").is_empty(), "the state machine has it now");
    stage.end().await;
}

#[tokio::test]
async fn a_fetch_whose_parent_is_here_is_answered() {
    let stage = waiting().await;
    let batch = stage.replicated(notice(ACCOUNT, &account("001A", "Ada", 1))).await;
    stage.normalised(&batch).await;
    assert_eq!(fetches(&stage).await, ["001A stored"]);
    // As if `normalise` had died between its commit and the answer.
    let token = with_token(&stage).await;
    stage.wait(70);
    assert!(stage.tenant().await);
    assert!(matches!(stage.setting.workflows.answer(&token), Some(TaskAnswer::Succeeded(_))));
    assert_eq!(fetches(&stage).await, ["001A stored"]);
    stage.end().await;
}

#[tokio::test]
async fn a_fetch_out_of_time_is_answered_and_who_waits_fails_visibly() {
    let stage = waiting().await;
    let token = with_token(&stage).await;
    stage.wait(25 * 3600);
    assert!(stage.tenant().await);
    let Some(TaskAnswer::Failed { error, .. }) = stage.setting.workflows.answer(&token) else { panic!() };
    assert_eq!(error, "OutOfTime");
    assert_eq!(fetches(&stage).await, ["001A failed it did not arrive in time"]);
    let states = stage.setting.texts("SELECT concat_ws(': ', state, reason) FROM {schema}.event_states").await;
    assert_eq!(states, ["failed: customer 001A of revenova: it did not arrive in time"]);
    assert_eq!(stage.setting.take("notification-delivery").len(), 1);
    stage.end().await;
}

#[tokio::test]
async fn a_fetch_that_nobody_waits_for_is_forgotten_in_time() {
    let stage = waiting().await;
    stage.setting.texts("DELETE FROM {schema}.waiting_records RETURNING flow").await;
    stage.wait(70);
    assert!(stage.tenant().await);
    assert_eq!(fetches(&stage).await, ["001A stored"], "nobody needs it");
    stage.wait(101 * 24 * 3600);
    assert!(stage.tenant().await);
    assert!(fetches(&stage).await.is_empty());
    stage.end().await;
}

#[tokio::test]
async fn an_attempt_that_died_is_answered_so_that_another_one_is_made() {
    let stage = waiting().await;
    let token = stage.setting.workflows.wait();
    let until = stage.setting.clock.now() + jiff::SignedDuration::from_secs(100);
    let sql = format!(
        "UPDATE {{schema}}.dependency_fetches SET task_token = '{token}', state = 'fetching', attempts = 1,
             busy_until = '{until}' RETURNING state"
    );
    stage.setting.texts(&sql).await;
    stage.wait(70);
    assert!(stage.tenant().await);
    assert!(stage.setting.workflows.answer(&token).is_none(), "it may still be at it");
    stage.wait(40);
    assert!(stage.tenant().await);
    let Some(TaskAnswer::Failed { error, .. }) = stage.setting.workflows.answer(&token) else { panic!() };
    assert_eq!((error.as_str(), fetches(&stage).await), ("Unavailable", vec!["001A started".to_owned()]));
    stage.end().await;
}

#[tokio::test]
async fn an_execution_of_which_nothing_came_is_started_anew() {
    let stage = waiting().await;
    stage.wait(70);
    assert!(stage.tenant().await);
    let again = stage.setting.take("source-replica");
    stage.normalised(&again).await;
    stage.wait(7 * 60);
    assert!(stage.tenant().await);
    stage.wait(70);
    assert!(stage.tenant().await);
    let again = stage.setting.take("source-replica");
    stage.normalised(&again).await;
    let names: Vec<String> = stage.setting.workflows.executions().into_iter().map(|(name, _)| name).collect();
    assert!(names.len() == 2 && names[0] != names[1], "{names:?}");
    stage.end().await;
}
