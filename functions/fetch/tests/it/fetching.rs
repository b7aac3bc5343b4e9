//! What a step does with what the source answers.

use crate::support::Stage;
use fluxnex_cloud::queue::Queues;
use fluxnex_cloud::twin::TaskAnswer;
use fluxnex_core::message::InboundEvent;
use fluxnex_lambda::Failure;
use fluxnex_testing::{ACCOUNT, Reply, account, decoded, notice, queue};
use serde_json::json;

#[tokio::test]
async fn a_parent_is_fed_in_and_its_token_is_answered_when_it_is_stored() {
    let stage = Stage::new().await;
    let parent = stage.waiting("a0XA", "001A").await;
    let token = stage.setting.workflows.wait();
    stage.source_has(&account("001A", "Ada", 1));
    assert_eq!(stage.step(&token, &parent).await.unwrap(), json!({"outcome": "fed in"}));
    let fed: Vec<InboundEvent> = decoded(&stage.setting.queues.messages(&queue("inbound-gateway")));
    assert_eq!((fed.len(), fed[0].source.as_str(), fed[0].object.as_ref().unwrap().as_str()), (1, "fetch", ACCOUNT));
    assert!(stage.setting.workflows.answer(&token).is_none(), "it waits until the parent is stored");
    assert_eq!(stage.fetches().await, ["001A 1 fed 1"]);
    stage.settle().await;
    assert!(matches!(stage.setting.workflows.answer(&token), Some(TaskAnswer::Succeeded(_))));
    assert_eq!(stage.states().await, ["webhook: processing", "fetch: processing"]);
    assert_eq!(stage.fetches().await, ["001A 1 stored 1"]);
    let requests = stage.setting.target.requests();
    assert_eq!(requests.iter().filter(|request| request.path.starts_with("/services/data")).count(), 1);
}

#[tokio::test]
async fn a_step_that_died_after_feeding_in_is_repeated_and_does_no_harm() {
    let stage = Stage::new().await;
    let parent = stage.waiting("a0XA", "001A").await;
    let first = stage.setting.workflows.wait();
    stage.source_has(&account("001A", "Ada", 1));
    stage.step(&first, &parent).await.unwrap();
    // The state machine saw it die, and tries again with another token.
    stage.setting.workflows.expire(&first);
    let second = stage.setting.workflows.wait();
    stage
        .setting
        .target
        .reply_below("/services/data", Reply::json(200, &json!({"records": [account("001A", "Ada", 1)]})));
    stage.step(&second, &parent).await.unwrap();
    stage.settle().await;
    assert!(stage.setting.workflows.answer(&second).is_some());
    assert_eq!(stage.setting.texts("SELECT version::text FROM {schema}.canonical_records").await, ["1", "1"]);
    // And once more, when all is over: nobody needs it.
    assert_eq!(stage.refused(&parent).await.0, "Superseded");
}

#[tokio::test]
async fn a_parent_that_came_by_webhook_meanwhile_still_answers() {
    let stage = Stage::new().await;
    let parent = stage.waiting("a0XA", "001A").await;
    let token = stage.setting.workflows.wait();
    stage.source_has(&account("001A", "Ada", 1));
    stage.step(&token, &parent).await.unwrap();
    // The webhook overtakes what was fed in, with the same state, and with a newer one.
    let fed = stage.setting.take("inbound-gateway");
    for version in [1, 2] {
        let event = stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", version)));
        let message = fluxnex_testing::messages(&[event]);
        let _ = stage.setting.take("inbound-gateway");
        stage.setting.queues.send(&queue("inbound-gateway"), message).await.unwrap();
        stage.settle().await;
    }
    assert!(stage.setting.workflows.answer(&token).is_some(), "whatever brought it");
    // What was fed in passes L2 all the same.
    stage.setting.queues.send(&queue("inbound-gateway"), fed).await.unwrap();
    stage.settle().await;
    assert!(stage.states().await.contains(&"fetch: stale".to_owned()), "{:?}", stage.states().await);
}

#[tokio::test]
async fn a_parent_that_the_replica_knows_already_passes_it_and_answers() {
    let stage = Stage::new().await;
    let parent = stage.waiting("a0XA", "001A").await;
    // It is in the replica, and its way to L3 was lost.
    let event = stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 1)));
    stage.setting.queues.send(&queue("inbound-gateway"), fluxnex_testing::messages(&[event])).await.unwrap();
    stage.only_replicate().await;
    let _ = stage.setting.take("source-replica");
    let token = stage.setting.workflows.wait();
    stage.source_has(&account("001A", "Ada", 1));
    stage.step(&token, &parent).await.unwrap();
    stage.settle().await;
    assert!(stage.setting.workflows.answer(&token).is_some());
    assert!(stage.states().await.contains(&"fetch: unchanged".to_owned()));
}

#[tokio::test]
async fn refusals_have_the_names_that_the_state_machine_knows() {
    let stage = Stage::new().await;
    let parent = stage.waiting("a0XA", "001A").await;
    let refused = |status: u16, code: &str| Reply::json(status, &json!([{"errorCode": code, "message": "marked"}]));
    let nothing = || Reply::json(200, &json!({"records": []}));
    let other = || Reply::json(200, &json!({"records": [account("001B", "Bob", 1)]}));
    let garbage = || Reply::Answer(200, vec![], "marked garbage".to_owned());
    for (reply, name) in [
        (nothing(), "NotFound"),
        (refused(404, "NOT_FOUND"), "NotFound"),
        (refused(403, "API_DISABLED_FOR_ORG"), "Forbidden"),
        (refused(503, "SERVER_UNAVAILABLE"), "Unavailable"),
        (refused(400, "MALFORMED_QUERY"), "Invalid"),
        (other(), "Invalid"),
        (garbage(), "Unavailable"),
        (Reply::Reset, "Unavailable"),
    ] {
        stage.source_says(reply);
        let (error, words) = stage.refused(&parent).await;
        assert_eq!(error, name, "{words}");
        assert!(!words.is_empty() && !words.contains("marked"), "{words}");
        assert_eq!(stage.setting.count("inbound-gateway"), 0);
    }
    assert_eq!(stage.fetches().await, ["001A 1 started 8"], "the state machine has it");
}

#[tokio::test]
async fn a_source_that_throttles_is_left_in_peace_for_as_long_as_it_asks() {
    let stage = Stage::new().await;
    let parent = stage.waiting("a0XA", "001A").await;
    stage.source_says(Reply::Answer(429, vec![("retry-after".to_owned(), "45".to_owned())], "[]".to_owned()));
    let token = stage.setting.workflows.wait();
    assert_eq!(stage.step(&token, &parent).await.unwrap(), json!({"outcome": "Throttled"}));
    let Some(TaskAnswer::Failed { error, cause }) = stage.setting.workflows.answer(&token) else { panic!() };
    assert_eq!((error.as_str(), cause.as_str()), ("Throttled", r#"{"retry_after_seconds":45}"#));
}

#[tokio::test]
async fn what_is_of_an_older_execution_or_too_late_changes_nothing() {
    let stage = Stage::new().await;
    let mut parent = stage.waiting("a0XA", "001A").await;
    parent.generation = 7;
    assert_eq!(stage.refused(&parent).await.0, "Superseded");
    parent.generation = 1;
    stage.setting.clock.advance(std::time::Duration::from_secs(25 * 3600));
    assert_eq!(stage.refused(&parent).await.0, "OutOfTime");
    assert!(stage.setting.target.requests().is_empty());
}

#[tokio::test]
async fn our_own_trouble_is_tried_again() {
    let stage = Stage::new().await;
    let parent = stage.waiting("a0XA", "001A").await;
    stage.source_has(&account("001A", "Ada", 1));
    stage.setting.queues.set_silent(&queue("inbound-gateway"), true);
    assert_eq!(stage.refused(&parent).await.0, "Unavailable");
    let mut stranger = parent.clone();
    stranger.tenant = fluxnex_core::ids::TenantId::parse("nobody_knows_me").unwrap();
    assert_eq!(stage.refused(&stranger).await.0, "Invalid");
    // Not even the token can be answered: the state machine sees a function that failed.
    stage.setting.workflows.set_silent(true);
    let error = stage.step("token", &parent).await.unwrap_err();
    assert_eq!(error.kind(), "Unavailable");
}
