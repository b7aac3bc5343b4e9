//! Parents that cannot be had.

use crate::support::Stage;
use fluxnex_core::message::Notification;
use fluxnex_testing::{account, decoded, queue};
use serde_json::json;

const CAUSE: &str = r#"{"errorType":"NotFound","errorMessage":"the source has no such record"}"#;

#[tokio::test]
async fn those_who_wait_fail_visibly_and_people_are_told() {
    let stage = Stage::new().await;
    let parent = stage.waiting("a0XA", "001A").await;
    assert_eq!(stage.give_up(&parent, "NotFound", CAUSE).await.unwrap(), json!({"outcome": "given up"}));
    assert_eq!(stage.states().await, ["webhook: failed: customer 001A of revenova: the source has no such record"]);
    let told: Vec<Notification> = decoded(&stage.setting.take("notification-delivery"));
    assert_eq!((told.len(), told[0].record.as_deref()), (1, Some("rtms__CustomerInvoice__c a0XA")));
    assert_eq!(stage.fetches().await, ["001A 1 failed 0 the source has no such record"]);
    // The state machine repeats the step when its answer was lost.
    assert_eq!(stage.give_up(&parent, "NotFound", CAUSE).await.unwrap(), json!({"outcome": "given up"}));
    assert_eq!(stage.setting.count("notification-delivery"), 0);
}

#[tokio::test]
async fn nobody_fails_who_was_not_told_of() {
    let stage = Stage::new().await;
    let parent = stage.waiting("a0XA", "001A").await;
    stage.setting.queues.set_silent(&queue("notification-delivery"), true);
    assert!(stage.give_up(&parent, "NotFound", CAUSE).await.is_err());
    assert!(stage.states().await[0].starts_with("webhook: waiting"));
    // The fetch has ended all the same: whoever wants the parent from now on asks anew, and is not waited for here.
    assert_eq!(stage.fetches().await, ["001A 1 failed 0 the source has no such record"]);
    stage.setting.queues.set_silent(&queue("notification-delivery"), false);
    stage.give_up(&parent, "NotFound", CAUSE).await.unwrap();
    assert_eq!(stage.setting.count("notification-delivery"), 1);
    assert_eq!(stage.states().await, ["webhook: failed: customer 001A of revenova: the source has no such record"]);
}

#[tokio::test]
async fn a_parent_that_came_after_all_is_not_given_up() {
    let stage = Stage::new().await;
    let parent = stage.waiting("a0XA", "001A").await;
    let token = stage.setting.workflows.wait();
    stage.source_has(&account("001A", "Ada", 1));
    stage.step(&token, &parent).await.unwrap();
    stage.settle().await;
    assert_eq!(stage.give_up(&parent, "States.Timeout", "").await.unwrap(), json!({"outcome": "needless"}));
    assert_eq!(stage.states().await, ["webhook: processing", "fetch: processing"]);
    let mut old = parent;
    old.generation = 0;
    assert_eq!(stage.give_up(&old, "NotFound", CAUSE).await.unwrap(), json!({"outcome": "needless"}));
}
