//! A flow in shadow: mapped and recorded, and nothing is sent.

use crate::pipeline::Pipeline;
use fluxnex_testing::{Reply, Setting};
use serde_json::json;
use std::time::Duration;

const SEEN: &str = "SELECT concat_ws(' ', state, reason, (payload::jsonb) ->> 'DisplayName') FROM {schema}.deliveries
                    ORDER BY version";

#[tokio::test]
async fn what_would_be_sent_is_kept_and_nothing_is_sent_until_the_flow_leaves_the_shadow() {
    let pipeline = Pipeline::of(Setting::new().await);
    pipeline.change_customers(|flow| flow.shadow = true).await;
    assert!(pipeline.customer("Ada", 1).await.is_empty(), "there is nothing to wake");
    assert_eq!(pipeline.setting.texts(SEEN).await, ["skipped shadow Ada"]);
    let states = "SELECT concat_ws(' ', state, reason) FROM {schema}.event_states";
    assert_eq!(pipeline.setting.texts(states).await, ["skipped shadow"]);
    pipeline.change_customers(|flow| flow.shadow = false).await;
    let wakes = pipeline.customer("Ada King", 2).await;
    pipeline.setting.target.reply(Reply::json(200, &json!({"Customer": {"Id": "58", "SyncToken": "0"}})));
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.names(), ["Ada King"]);
    assert_eq!(pipeline.setting.texts(SEEN).await, ["skipped shadow Ada", "delivered Ada King"]);
}

#[tokio::test]
async fn what_was_routed_before_the_flow_went_into_the_shadow_is_not_sent_either() {
    let pipeline = Pipeline::of(Setting::new().await);
    let wakes = pipeline.customer("Ada", 1).await;
    pipeline.setting.target.reply(Reply::Answer(
        429,
        vec![("retry-after".to_owned(), "30".to_owned())],
        "{}".to_owned(),
    ));
    pipeline.delivered(&wakes).await;
    pipeline.change_customers(|flow| flow.shadow = true).await;
    pipeline.setting.clock.advance(Duration::from_secs(60));
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.setting.target.requests().len(), 1);
    assert_eq!(pipeline.setting.texts(SEEN).await, ["skipped shadow Ada"]);
}

#[tokio::test]
async fn an_attempt_whose_outcome_is_not_known_is_settled_all_the_same() {
    let pipeline = Pipeline::of(Setting::new().await);
    let wakes = pipeline.customer("Ada", 1).await;
    pipeline.setting.target.reply(Reply::Reset);
    pipeline.delivered(&wakes).await;
    pipeline.change_customers(|flow| flow.shadow = true).await;
    pipeline.setting.clock.advance(Duration::from_secs(120));
    pipeline.setting.target.reply(Reply::json(200, &json!({"Customer": {"Id": "58", "SyncToken": "0"}})));
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.deliveries().await, ["delivered 2"]);
}
