//! What fails alone, and what comes back.

use crate::pipeline::{Pipeline, outbound};
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_core::message::Notification;
use fluxnex_testing::{ACCOUNT, Reply, account, decoded, notice, queue};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_garbage_wake_fails_alone_and_an_unknown_tenant_comes_back() {
    let pipeline = Pipeline::new().await;
    let wake = pipeline.customer("Ada", 1).await.remove(0);
    let mut stranger: Value = serde_json::from_str(&wake.body).unwrap();
    stranger["tenant"] = json!("nobody_knows_me");
    let mut nothing: Value = serde_json::from_str(&wake.body).unwrap();
    nothing["ordering_key"] = json!("customer/nothing");
    let batch = [
        OutgoingMessage::new("garbage").group("1"),
        wake,
        OutgoingMessage::new(stranger.to_string()).group("2"),
        OutgoingMessage::new(nothing.to_string()).group("3"),
    ];
    assert_eq!(pipeline.deliver(&batch).await, [0, 2]);
    assert_eq!(pipeline.setting.target.requests().len(), 1);
}

#[tokio::test]
async fn the_same_wake_twice_in_a_batch_sends_once() {
    let pipeline = Pipeline::new().await;
    let wake = pipeline.customer("Ada", 1).await.remove(0);
    let twice = [wake.clone(), wake.group("another")];
    pipeline.delivered(&twice).await;
    assert_eq!(pipeline.setting.target.requests().len(), 1);
    assert_eq!(pipeline.deliveries().await, ["delivered 1"]);
}

#[tokio::test]
async fn nothing_is_claimed_when_no_time_is_left() {
    let pipeline = Pipeline::new().await;
    let wakes = pipeline.customer("Ada", 1).await;
    assert_eq!(pipeline.deliver_in(&wakes, Duration::from_secs(4)).await, [0]);
    assert_eq!(pipeline.deliveries().await, ["pending 0"]);
    assert!(pipeline.setting.target.requests().is_empty());
}

#[tokio::test]
async fn one_failure_in_a_batch_does_not_touch_the_others() {
    let pipeline = Pipeline::new().await;
    let bodies: Vec<String> = ["001A", "001B", "001C"].iter().map(|id| notice(ACCOUNT, &account(id, id, 1))).collect();
    let wakes = pipeline.routed(&bodies).await;
    pipeline.setting.target.reply(Reply::fault(400, "6240", "Duplicate Name Exists Error"));
    pipeline.delivered(&wakes).await;
    let mut states = pipeline.deliveries().await;
    states.sort();
    assert_eq!(states, ["delivered 1", "delivered 1", "failed 1"]);
}

#[tokio::test]
async fn a_silent_delay_queue_brings_the_wake_back_and_the_repetition_sets_the_alarm() {
    let pipeline = Pipeline::new().await;
    let wakes = pipeline.customer("Ada", 1).await;
    for reply in [Reply::fault(400, "2500", "Invalid Reference Id"), Reply::json(500, &json!({}))] {
        pipeline.setting.target.reply(reply);
        pipeline.setting.queues.set_silent(&queue("delayed-wakes"), true);
        assert_eq!(pipeline.deliver(&wakes).await, [0]);
        pipeline.setting.queues.set_silent(&queue("delayed-wakes"), false);
        let sent = pipeline.setting.target.requests().len();
        pipeline.delivered(&wakes).await;
        assert_eq!(pipeline.setting.target.requests().len(), sent);
        pipeline.setting.clock.advance(pipeline.alarm().1 + Duration::from_millis(1));
    }
}

#[tokio::test]
async fn a_failure_that_cannot_be_told_is_told_when_the_wake_comes_again() {
    let pipeline = Pipeline::new().await;
    let bodies = ["001A", "001B"].map(|id| notice(ACCOUNT, &account(id, id, 1)));
    let wakes = pipeline.routed(&bodies).await;
    pipeline.setting.target.reply(Reply::fault(400, "6240", "Duplicate Name Exists Error"));
    pipeline.setting.queues.set_silent(&queue("notification-delivery"), true);
    assert_eq!(pipeline.deliver(&wakes).await, [0, 1]);
    pipeline.setting.queues.set_silent(&queue("notification-delivery"), false);
    let mut states = pipeline.deliveries().await;
    states.sort();
    assert_eq!(states, ["delivered 1", "failed 1"], "what is known is written down all the same");
    pipeline.delivered(&wakes).await;
    let told: Vec<Notification> = decoded(&pipeline.setting.take("notification-delivery"));
    assert_eq!(told.len(), 1, "a failure that nobody hears of is lost");
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.setting.count("notification-delivery"), 0, "once is enough");
    assert_eq!(pipeline.setting.target.requests().len(), 2);
}

#[tokio::test]
async fn a_next_wake_that_was_lost_is_left_to_the_sweep() {
    let pipeline = Pipeline::new().await;
    let wakes = pipeline.customer("Ada", 1).await;
    pipeline.setting.target.reply(Reply::Reset);
    pipeline.delivered(&wakes).await;
    pipeline.customer("Ada King", 2).await;
    pipeline.setting.clock.advance(Duration::from_secs(6));
    pipeline.setting.queues.set_silent(&outbound(), true);
    assert_eq!(pipeline.deliver(&wakes).await, [0]);
    pipeline.setting.queues.set_silent(&outbound(), false);
    assert_eq!(pipeline.deliveries().await, ["delivered 2", "pending 0"]);
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.deliveries().await, ["delivered 2", "delivered 1"], "the wake that came back does it, too");
}
