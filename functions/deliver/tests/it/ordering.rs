//! Ordering keys that an expression makes of the source record.

use crate::pipeline::Pipeline;
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_core::flow::OrderingKey;
use fluxnex_testing::{ACCOUNT, Reply, Setting, account, messages, notice, queue, run};
use serde_json::json;
use std::time::Duration;

/// Customers of one group stay in order.
async fn grouped() -> Pipeline {
    let pipeline = Pipeline::of(Setting::new().await);
    pipeline.change_customers(|flow| flow.ordering_key = OrderingKey::By(".Group".to_owned())).await;
    pipeline
}

fn customer(id: &str, name: &str, group: &str, version: u32) -> String {
    let mut record = account(id, name, version);
    record["Group"] = json!(group);
    notice(ACCOUNT, &record)
}

fn made(id: &str) -> Reply {
    Reply::json(200, &json!({"Customer": {"Id": id, "SyncToken": "0"}}))
}

impl Pipeline {
    async fn onwards(&self, batch: Vec<OutgoingMessage>) -> Vec<OutgoingMessage> {
        assert!(
            run(&queue("source-replica"), &batch, async |works| self.normalise.handle(works).await).await.is_empty()
        );
        self.arrived(&[]).await
    }
}

#[tokio::test]
async fn records_that_share_the_key_go_in_the_order_in_which_they_arrived() {
    let pipeline = grouped().await;
    let events: Vec<_> = [("001A", "Ada", "g"), ("001B", "Bob", "g"), ("001C", "Cy", "h")]
        .map(|(id, name, group)| pipeline.setting.inbound(customer(id, name, group, 1)))
        .into();
    let handle = async |works: &[_]| pipeline.replicate.handle(works).await;
    assert!(run(&queue("inbound-gateway"), &messages(&events), handle).await.is_empty());
    let keys = "SELECT ordering_key FROM {schema}.in_flight ORDER BY arrived_at";
    assert_eq!(pipeline.setting.texts(keys).await, ["by/revenova/g", "by/revenova/g", "by/revenova/h"]);
    let mut batch = pipeline.setting.take("source-replica");
    let first = vec![batch.remove(0)];
    let wakes = pipeline.onwards(batch).await;
    pipeline.setting.target.reply(made("1"));
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.names(), ["Cy"], "the second of the group waits for the first, and nobody else does");
    let wakes = pipeline.onwards(first).await;
    pipeline.setting.target.reply(made("2"));
    pipeline.delivered(&wakes).await;
    pipeline.setting.target.reply(made("3"));
    pipeline.delivered(&pipeline.wakes()).await;
    assert_eq!(pipeline.names(), ["Cy", "Ada", "Bob"]);
}

#[tokio::test]
async fn a_version_with_another_key_does_not_pass_the_one_before_it() {
    let pipeline = grouped().await;
    let wakes = pipeline.routed(&[customer("001A", "Ada", "g", 1)]).await;
    pipeline.setting.target.reply(Reply::Reset);
    pipeline.delivered(&wakes).await;
    let (settles, delay) = pipeline.alarm();
    let moved = pipeline.routed(&[customer("001A", "Ada King", "h", 2)]).await;
    pipeline.delivered(&moved).await;
    assert_eq!(pipeline.deliveries().await, ["sending 1", "pending 0"]);
    assert_eq!(pipeline.names(), ["Ada"], "what became of the first version is not known yet");
    pipeline.setting.clock.advance(delay + Duration::from_secs(1));
    pipeline.setting.target.reply(made("58"));
    pipeline.delivered(&[settles]).await;
    pipeline.setting.target.reply(made("58"));
    pipeline.delivered(&pipeline.wakes()).await;
    assert_eq!(pipeline.names(), ["Ada", "Ada", "Ada King"]);
    assert_eq!(pipeline.deliveries().await, ["delivered 2", "delivered 1"]);
}

#[tokio::test]
async fn a_version_that_moves_to_another_key_frees_the_one_that_it_failed_in() {
    let pipeline = grouped().await;
    pipeline
        .setting
        .target
        .reply(Reply::json(400, &json!({"Fault": {"Error": [{"code": "6240", "Message": "taken"}]}})));
    let wakes = pipeline.routed(&[customer("001A", "Ada", "g", 1)]).await;
    pipeline.delivered(&wakes).await;
    let behind = pipeline.routed(&[customer("001B", "Bob", "g", 1)]).await;
    pipeline.delivered(&behind).await;
    assert_eq!(pipeline.names(), ["Ada"], "the key is held");
    let wakes = pipeline.routed(&[customer("001A", "Ada King", "h", 2)]).await;
    assert_eq!(wakes.len(), 2, "both keys are woken");
    for id in ["1", "2"] {
        pipeline.setting.target.reply(made(id));
    }
    pipeline.delivered(&wakes).await;
    let mut names = pipeline.names();
    names.sort();
    assert_eq!(names, ["Ada", "Ada King", "Bob"]);
    assert_eq!(pipeline.deliveries().await, ["superseded 1", "delivered 1", "delivered 1"]);
}

#[tokio::test]
async fn null_is_the_records_own_key_and_a_fault_fails_the_event_visibly() {
    let pipeline = Pipeline::of(Setting::new().await);
    pipeline.change_customers(|flow| flow.ordering_key = OrderingKey::By(".Group.id".to_owned())).await;
    let wakes =
        pipeline.routed(&[customer("001A", "Ada", "marked", 1), notice(ACCOUNT, &account("001B", "Bob", 1))]).await;
    assert_eq!(wakes.len(), 1);
    pipeline.setting.target.reply(made("1"));
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.names(), ["Bob"]);
    let keys = "SELECT left(ordering_key, 9) FROM {schema}.deliveries";
    assert_eq!(pipeline.setting.texts(keys).await, ["customer/"]);
    let failed = "SELECT concat_ws(' ', state, reason) FROM {schema}.event_states WHERE state = 'failed'";
    let failed = pipeline.setting.texts(failed).await;
    assert!(
        failed.len() == 1 && failed[0].contains("customers.ordering_key") && failed[0].contains("line 1"),
        "{failed:?}"
    );
    assert!(!failed[0].contains("marked"), "no value is quoted: {failed:?}");
    assert_eq!(pipeline.setting.count("notification-delivery"), 1);
    assert_eq!(pipeline.setting.texts("SELECT flow FROM {schema}.in_flight").await, [""; 0], "it blocks nobody");
}
