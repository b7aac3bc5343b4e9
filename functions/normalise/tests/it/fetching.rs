//! Parents that do not come by themselves: one execution each, and an answer to each fetch.

use crate::support::Stage;
use fluxnex_cloud::twin::TaskAnswer;
use fluxnex_core::canonical::canonical_id;
use fluxnex_core::fetch::BlockingFetch;
use fluxnex_core::ids::{CanonicalId, ConnectionId, ObjectName, SourceId};
use fluxnex_store::OpenFetch;
use fluxnex_testing::{ACCOUNT, INVOICE, account, invoice, notice};
use serde_json::json;

fn customer(id: &str) -> CanonicalId {
    let connection = ConnectionId::parse("revenova").unwrap();
    canonical_id(&connection, &ObjectName::parse(ACCOUNT).unwrap(), &SourceId::parse(id).unwrap())
}

fn invoices(ids: &[&str], customer: &str) -> Vec<String> {
    ids.iter().map(|id| notice(INVOICE, &invoice(id, id, customer, 1))).collect()
}

impl Stage {
    /// Invoices of a customer that never came: its fetch is started.
    async fn fetching(&self) -> BlockingFetch {
        let batch = self.replicated(&invoices(&["a0XA"], "001A")).await;
        assert!(self.run(&batch).await.is_empty());
        let again = self.after_grace();
        assert!(self.run(&again).await.is_empty());
        serde_json::from_value(self.setting.workflows.executions()[0].1.clone()).unwrap()
    }

    /// What `fetch` does before it feeds the parent in.
    async fn token(&self, fetch: &BlockingFetch) -> String {
        let token = self.setting.workflows.wait();
        let tenant = self.setting.tenants().get(&self.setting.tenant, jiff::Timestamp::now()).await.unwrap();
        let attempt = OpenFetch { parent: fetch.parent, generation: fetch.generation, token: Some(token.clone()) };
        let database = &self.setting.database;
        assert!(database.attempt_begins(&tenant, &attempt, jiff::Timestamp::MAX).await.unwrap().is_some());
        database.attempt_fed(&tenant, &attempt).await.unwrap();
        token
    }
}

#[tokio::test]
async fn a_missing_parent_is_fetched_once_however_many_wait_for_it() {
    let stage = Stage::new().await;
    for ids in [["a0XA", "a0XB"], ["a0XC", "a0XD"]] {
        let batch = stage.replicated(&invoices(&ids, "001A")).await;
        assert!(stage.run(&batch).await.is_empty());
        assert!(stage.setting.workflows.executions().is_empty(), "it may come by itself");
    }
    let again = stage.after_grace();
    for _ in 0..2 {
        assert!(stage.run(&again).await.is_empty());
    }
    let late = stage.replicated(&invoices(&["a0XE"], "001A")).await;
    assert!(stage.run(&late).await.is_empty());
    let executions = stage.setting.workflows.executions();
    assert_eq!(executions.len(), 1);
    let input: BlockingFetch = serde_json::from_value(executions[0].1.clone()).unwrap();
    assert_eq!((input.source_id.as_str(), input.parent, input.generation), ("001A", customer("001A"), 1));
    assert_eq!(executions[0].0, input.execution_name());
    assert!((86_300..86_400).contains(&input.timeout_seconds));
    assert_eq!(stage.fetches().await, ["001A 1 started"]);
}

#[tokio::test]
async fn a_child_that_changed_meanwhile_still_has_its_parent_fetched() {
    let stage = Stage::new().await;
    let batch = stage.replicated(&invoices(&["a0XA"], "001A")).await;
    assert!(stage.run(&batch).await.is_empty());
    let again = stage.after_grace();
    let newer = stage.replicated(&[notice(INVOICE, &invoice("a0XA", "a0XA", "001A", 2))]).await;
    // The message that comes back for the parent is of the older state, and all there is.
    assert_eq!(newer.len(), 1);
    assert!(stage.run(&again).await.is_empty());
    assert_eq!(stage.setting.workflows.executions().len(), 1);
}

#[tokio::test]
async fn a_parent_that_comes_by_itself_is_not_fetched() {
    let stage = Stage::new().await;
    let batch = stage.replicated(&invoices(&["a0XA"], "001A")).await;
    assert!(stage.run(&batch).await.is_empty());
    let again = stage.after_grace();
    let parent = stage.replicated(&[notice(ACCOUNT, &account("001A", "Ada", 1))]).await;
    assert!(stage.run(&parent).await.is_empty());
    assert!(stage.run(&again).await.is_empty());
    assert!(stage.setting.workflows.executions().is_empty());
    assert_eq!(stage.fetches().await, ["001A 1 stored"]);
}

#[tokio::test]
async fn an_execution_that_could_not_be_started_is_started_when_the_message_comes_again() {
    let stage = Stage::new().await;
    let batch = stage.replicated(&invoices(&["a0XA"], "001A")).await;
    assert!(stage.run(&batch).await.is_empty());
    let again = stage.after_grace();
    stage.setting.workflows.set_silent(true);
    assert_eq!(stage.run(&again).await, [0]);
    stage.setting.workflows.set_silent(false);
    assert!(stage.run(&again).await.is_empty());
    assert_eq!(
        (stage.setting.workflows.executions().len(), stage.fetches().await),
        (1, vec!["001A 1 started".to_owned()])
    );
}

#[tokio::test]
async fn a_stored_parent_answers_its_fetch_and_lets_its_children_in() {
    let stage = Stage::new().await;
    let fetch = stage.fetching().await;
    let token = stage.token(&fetch).await;
    let parent = stage.replicated(&[notice(ACCOUNT, &account("001A", "Ada", 1))]).await;
    stage.setting.workflows.set_silent(true);
    assert_eq!(stage.run(&parent).await, [0], "the answer could not be given");
    stage.setting.workflows.set_silent(false);
    assert!(stage.run(&parent).await.is_empty());
    let answer = stage.setting.workflows.answer(&token);
    assert!(matches!(answer, Some(TaskAnswer::Succeeded(output)) if output == json!({"outcome": "stored"})));
    assert_eq!(stage.fetches().await, ["001A 1 stored"]);
    assert!(stage.setting.count("source-replica") > 0, "the child goes in again");
}

#[tokio::test]
async fn a_parent_that_cannot_be_stored_answers_its_fetch_and_is_remembered() {
    let stage = Stage::new().await;
    let fetch = stage.fetching().await;
    let token = stage.token(&fetch).await;
    let mut poison = account("001A", "Ada", 1);
    poison["Name"] = json!(["no text"]);
    let parent = stage.replicated(&[notice(ACCOUNT, &poison)]).await;
    assert!(stage.run(&parent).await.is_empty());
    let Some(TaskAnswer::Failed { error, cause }) = stage.setting.workflows.answer(&token) else { panic!() };
    assert_eq!(error, "Invalid");
    assert!(cause.contains("/name") && !cause.contains("no text"), "{cause}");
    // A short while later nobody asks the source again.
    let late = stage.replicated(&invoices(&["a0XB"], "001A")).await;
    assert!(stage.run(&late).await.is_empty());
    let states = stage.states().await;
    assert!(states.iter().any(|state| state.starts_with("failed: customer 001A of revenova: ")), "{states:?}");
    assert_eq!(stage.setting.workflows.executions().len(), 1);
    // Long after, it is asked once more, by an execution of another name.
    stage.setting.clock.advance(std::time::Duration::from_secs(16 * 60));
    let later = stage.replicated(&invoices(&["a0XC"], "001A")).await;
    assert!(stage.run(&later).await.is_empty());
    let again = stage.after_grace();
    assert!(stage.run(&again).await.is_empty());
    let names: Vec<String> = stage.setting.workflows.executions().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 2);
    assert_ne!(names[0], names[1]);
}

#[tokio::test]
async fn a_parent_that_was_fed_in_again_meanwhile_answers_the_newer_token() {
    let stage = Stage::new().await;
    let fetch = stage.fetching().await;
    let old = stage.token(&fetch).await;
    stage.setting.workflows.expire(&old);
    let new = stage.token(&fetch).await;
    let parent = stage.replicated(&[notice(ACCOUNT, &account("001A", "Ada", 1))]).await;
    assert!(stage.run(&parent).await.is_empty());
    assert!(stage.setting.workflows.answer(&new).is_some());
    assert_eq!(stage.fetches().await, ["001A 1 stored"]);
}

#[tokio::test]
async fn a_parent_that_waits_itself_is_no_answer_yet() {
    let stage = Stage::new().await;
    // An invoice stands for a parent that has a parent: the fetch of it is noted by hand.
    let tenant = stage.setting.tenant.clone();
    let connection = ConnectionId::parse("revenova").unwrap();
    let id = canonical_id(&connection, &ObjectName::parse(INVOICE).unwrap(), &SourceId::parse("a0XA").unwrap());
    let batch = stage.replicated(&invoices(&["a0XA"], "001A")).await;
    assert!(stage.run(&batch).await.is_empty());
    let _ = stage.after_grace();
    let token = stage.setting.workflows.wait();
    stage
        .setting
        .texts(&format!(
            "INSERT INTO {{schema}}.dependency_fetches (tenant, parent_id, connection, object, source_id, generation,
                 task_token, state, started_at, deadline)
             VALUES ('{tenant}', '{id}', 'revenova', '{INVOICE}', 'a0XA', 1, '{token}', 'fetching', now(), now())
             RETURNING state"
        ))
        .await;
    assert!(stage.run(&batch).await.is_empty());
    assert!(stage.setting.workflows.answer(&token).is_none());
    let parent = stage.replicated(&[notice(ACCOUNT, &account("001A", "Ada", 1))]).await;
    assert!(stage.run(&parent).await.is_empty());
    let released = stage.setting.take("source-replica");
    assert!(stage.run(&released).await.is_empty());
    assert!(stage.setting.workflows.answer(&token).is_some());
}
