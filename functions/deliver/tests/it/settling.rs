//! A delivery that waits for what arrived before it.

use crate::pipeline::Pipeline;
use fluxnex_core::flow::{OrderingKey, Settle};
use fluxnex_testing::{ACCOUNT, Reply, Setting, account, messages, notice};
use serde_json::json;
use std::time::Duration;

async fn settling() -> Pipeline {
    let pipeline = Pipeline::of(Setting::new().await);
    let change = |flow: &mut fluxnex_core::flow::FlowDefinition| {
        flow.settle = Some(Settle::parse("30s").unwrap());
        flow.ordering_key = OrderingKey::Connection;
    };
    pipeline.change_customers(change).await;
    pipeline
}

fn made(id: &str) -> Reply {
    Reply::json(200, &json!({"Customer": {"Id": id, "SyncToken": "0"}}))
}

#[tokio::test]
async fn a_delivery_waits_its_time_at_no_attempts_cost() {
    let pipeline = settling().await;
    let wakes = pipeline.customer("Ada", 1).await;
    pipeline.delivered(&wakes).await;
    assert!(pipeline.setting.target.all_requests().is_empty());
    assert_eq!(pipeline.deliveries().await, ["pending 0"]);
    let (wake, delay) = pipeline.alarm();
    assert!(delay > Duration::from_secs(29) && delay <= Duration::from_secs(30), "{delay:?}");
    pipeline.setting.clock.advance(delay);
    pipeline.setting.target.reply(made("58"));
    pipeline.delivered(&[wake]).await;
    assert_eq!(pipeline.deliveries().await, ["delivered 1"]);
    assert_eq!(pipeline.setting.count("delayed-wakes"), 0);
}

#[tokio::test]
async fn what_arrived_before_and_is_registered_later_goes_first() {
    let pipeline = settling().await;
    let [ada, bob] = [("001A", "Ada"), ("001B", "Bob")]
        .map(|(id, name)| pipeline.setting.inbound(notice(ACCOUNT, &account(id, name, 1))));
    let wakes = pipeline.arrived(&messages(&[bob])).await;
    pipeline.delivered(&wakes).await;
    let late = pipeline.arrived(&messages(&[ada])).await;
    pipeline.setting.clock.advance(Duration::from_secs(31));
    for id in ["1", "2"] {
        pipeline.setting.target.reply(made(id));
    }
    pipeline.delivered(&late).await;
    pipeline.delivered(&pipeline.wakes()).await;
    assert_eq!(pipeline.names(), ["Ada", "Bob"]);
}

#[tokio::test]
async fn a_newer_version_does_not_begin_to_wait_anew() {
    let pipeline = settling().await;
    drop(pipeline.customer("Ada", 1).await);
    pipeline.setting.clock.advance(Duration::from_secs(29));
    drop(pipeline.customer("Ada King", 2).await);
    pipeline.setting.clock.advance(Duration::from_secs(1));
    let wakes = pipeline.customer("Ada Lovelace", 3).await;
    pipeline.setting.target.reply(made("58"));
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.names(), ["Ada Lovelace"], "it has the place of the first one");
}
