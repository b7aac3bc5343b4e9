//! What goes to a paused connection, or is of a paused flow or tenant, waits at no attempt's cost, and goes on when it is
//! resumed.

use crate::pipeline::{Pipeline, outbound};
use fluxnex_core::bundle::Bundle;
use fluxnex_core::flow::OrderingKey;
use fluxnex_core::ids::{ConnectionId, FlowId};
use fluxnex_testing::{INVOICE, Reply, Setting, messages, notice};
use jiff::SignedDuration;
use serde_json::json;
use std::time::Duration;

/// What an operator stops.
#[derive(Debug, Clone, Copy)]
enum What {
    Connection,
    Flow,
    Tenant,
}

const ALL: [What; 3] = [What::Connection, What::Flow, What::Tenant];

async fn set_paused(pipeline: &Pipeline, what: What, paused: bool) {
    let change = |bundle: &mut Bundle| match what {
        What::Connection => {
            bundle.connections.get_mut(&ConnectionId::parse("quickbooks").unwrap()).unwrap().paused = paused;
        }
        What::Flow => bundle.flows.get_mut(&FlowId::parse("customers").unwrap()).unwrap().paused = paused,
        What::Tenant => bundle.paused = paused,
    };
    pipeline.change(change).await;
}

/// What `sweep` finds in a minute.
async fn swept(pipeline: &Pipeline) -> (usize, bool) {
    pipeline.setting.clock.advance(Duration::from_secs(120));
    let now = fluxnex_cloud::clock::Clock::now(pipeline.setting.clock.as_ref());
    let tenant = pipeline.setting.tenants().get(&pipeline.setting.tenant, now).await.unwrap();
    let idle_since = now - SignedDuration::from_mins(1);
    let stranded = pipeline.setting.database.stranded(&tenant, now, idle_since, 100).await.unwrap();
    let wakes: Vec<_> = stranded
        .wakes
        .into_iter()
        .map(|wake| fluxnex_core::message::WakeMessage { v: fluxnex_core::message::V1, wake })
        .collect();
    let _ = pipeline.wakes();
    let count = wakes.len();
    fluxnex_cloud::queue::Queues::send(pipeline.setting.queues.as_ref(), &outbound(), grouped(&wakes)).await.unwrap();
    (count, stranded.has_work)
}

fn grouped(wakes: &[fluxnex_core::message::WakeMessage]) -> Vec<fluxnex_cloud::queue::OutgoingMessage> {
    let group = |message: fluxnex_cloud::queue::OutgoingMessage, wake: &fluxnex_core::message::WakeMessage| {
        message.group(wake.wake.group()).deduplication(uuid::Uuid::new_v4().simple().to_string())
    };
    messages(wakes).into_iter().zip(wakes).map(|(message, wake)| group(message, wake)).collect()
}

#[tokio::test]
async fn what_is_paused_sends_nothing_and_everything_once_it_is_resumed() {
    for what in ALL {
        nothing_then_everything(what).await;
    }
}

async fn nothing_then_everything(what: What) {
    let pipeline = Pipeline::of(Setting::new().await);
    let wakes = pipeline.customer("Ada", 1).await;
    set_paused(&pipeline, what, true).await;
    pipeline.delivered(&wakes).await;
    assert!(pipeline.setting.target.all_requests().is_empty(), "not even a token is asked for");
    assert_eq!(pipeline.deliveries().await, ["pending 0"], "no attempt was burnt");
    assert_eq!(pipeline.setting.count("delayed-wakes"), 0);
    // A newer version takes its place, as always.
    let newer = pipeline.customer("Ada King", 2).await;
    pipeline.delivered(&newer).await;
    assert_eq!(swept(&pipeline).await, (0, true), "it is not woken, and not forgotten");
    set_paused(&pipeline, what, false).await;
    assert_eq!(swept(&pipeline).await, (1, true));
    pipeline.delivered(&pipeline.wakes()).await;
    let names: Vec<_> =
        pipeline.setting.target.requests().iter().map(|request| request.json()["DisplayName"].clone()).collect();
    assert_eq!(names, ["Ada King"]);
    assert_eq!(pipeline.deliveries().await, ["superseded 0", "delivered 1"]);
}

#[tokio::test]
async fn what_is_in_doubt_when_it_is_paused_is_settled_afterwards() {
    for what in ALL {
        settled_afterwards(what).await;
    }
}

async fn settled_afterwards(what: What) {
    let pipeline = Pipeline::of(Setting::new().await);
    let wakes = pipeline.customer("Ada", 1).await;
    pipeline.setting.target.reply(Reply::Reset);
    pipeline.delivered(&wakes).await;
    set_paused(&pipeline, what, true).await;
    pipeline.setting.clock.advance(Duration::from_secs(60));
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.deliveries().await, ["sending 1"]);
    assert_eq!(swept(&pipeline).await, (0, true));
    set_paused(&pipeline, what, false).await;
    pipeline.setting.target.reply(Reply::json(200, &json!({"Customer": {"Id": "58", "SyncToken": "0"}})));
    pipeline.delivered(&wakes).await;
    let requests = pipeline.setting.target.requests();
    assert_eq!((requests.len(), &requests[0].query), (2, &requests[1].query), "under the same key");
    assert_eq!(pipeline.deliveries().await, ["delivered 2"]);
}

#[tokio::test]
async fn a_paused_flow_holds_no_other_but_what_shares_its_ordering_key() {
    let pipeline = Pipeline::of(Setting::new().await);
    let customer = async |name: &str, version: u32| {
        pipeline.setting.target.reply(Reply::json(200, &json!({"Customer": {"Id": "58", "SyncToken": "0"}})));
        pipeline.delivered(&pipeline.customer(name, version).await).await;
    };
    let invoice = async |id: &str| {
        let body = notice(INVOICE, &fluxnex_testing::invoice(id, id, "001A", 1));
        pipeline.delivered(&pipeline.routed(&[body]).await).await;
    };
    let paused = |bundle: &mut Bundle, key: OrderingKey| {
        for flow in bundle.flows.values_mut() {
            flow.ordering_key = key.clone();
        }
        bundle.flows.get_mut(&FlowId::parse("invoices").unwrap()).unwrap().paused = true;
    };
    customer("Ada", 1).await;
    pipeline.change(|bundle| paused(bundle, OrderingKey::Record)).await;
    invoice("a01").await;
    customer("Ada King", 2).await;
    assert_eq!(pipeline.names(), ["Ada", "Ada King"]);
    pipeline.change(|bundle| paused(bundle, OrderingKey::Connection)).await;
    invoice("a02").await;
    customer("Ada Lovelace", 3).await;
    assert_eq!(pipeline.names(), ["Ada", "Ada King"], "the invoice stands before it");
}
