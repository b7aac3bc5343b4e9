//! What is under way when its flow or its target is removed ends visibly, and is no reason to look again.

use crate::support::Stage;
use fluxnex_core::bundle::Bundle;
use fluxnex_core::ids::{ConnectionId, FlowId};
use fluxnex_testing::{ACCOUNT, INVOICE, account, bundle, invoice, notice};

const STATES: &str = "SELECT concat_ws(' ', source_id, flow, state || coalesce(': ' || reason, ''))
                      FROM {schema}.event_states ORDER BY arrived_at, flow";

impl Stage {
    async fn without(&self, remove: impl FnOnce(&mut Bundle)) {
        let mut bundle = bundle(&self.setting.tenant, "http://127.0.0.1:1");
        remove(&mut bundle);
        self.setting.apply(&bundle).await;
    }

    async fn swept_after(&self, seconds: u64) {
        self.wait(seconds);
        assert!(self.tenant().await);
    }
}

#[tokio::test]
async fn an_event_whose_flow_is_gone_is_cancelled() {
    let stage = Stage::new().await;
    stage.replicated(notice(ACCOUNT, &account("001A", "Ada", 1))).await;
    stage.without(|bundle| bundle.flows.clear()).await;
    stage.swept_after(59).await;
    let processing = ["001A customers processing"];
    assert_eq!(stage.setting.texts(STATES).await, processing, "it may be of a version that is not known here yet");
    stage.swept_after(2).await;
    let cancelled = ["001A customers cancelled: the flow takes this record no more"];
    assert_eq!(stage.setting.texts(STATES).await, cancelled);
    assert_eq!(stage.setting.count("source-replica"), 0);
    stage.swept_after(16 * 60).await;
    assert!(!stage.is_marked().await, "nothing is left to look after");
    stage.end().await;
}

#[tokio::test]
async fn a_wait_in_a_flow_that_is_gone_ends_and_others_stay() {
    let stage = Stage::new().await;
    let waiting = stage.replicated(notice(INVOICE, &invoice("a0X1", "INV-1", "001A", 1))).await;
    stage.normalised(&waiting).await;
    let customer = stage.replicated(notice(ACCOUNT, &account("001B", "Bob", 1))).await;
    stage.normalised(&customer).await;
    stage.without(|bundle| drop(bundle.flows.remove(&FlowId::parse("invoices").unwrap()))).await;
    stage.swept_after(61).await;
    let states = ["a0X1 invoices cancelled: the flow takes this record no more", "001B customers processing"];
    assert_eq!(stage.setting.texts(STATES).await, states);
    assert_eq!(stage.setting.texts("SELECT source_id FROM {schema}.waiting_records").await, Vec::<String>::new());
    stage.end().await;
}

#[tokio::test]
async fn a_delivery_whose_target_is_gone_is_cancelled() {
    let stage = Stage::new().await;
    let replicated = stage.replicated(notice(ACCOUNT, &account("001A", "Ada", 1))).await;
    let normalised = stage.normalised(&replicated).await;
    stage.routed(&normalised).await;
    let target = ConnectionId::parse("quickbooks").unwrap();
    stage
        .without(|bundle| {
            bundle.flows.clear();
            bundle.connections.remove(&target);
            bundle.notifications.clear();
        })
        .await;
    stage.swept_after(61).await;
    assert_eq!(stage.setting.texts(STATES).await, ["001A customers cancelled: its connection was removed"]);
    stage.swept_after(16 * 60).await;
    assert!(!stage.is_marked().await, "nothing is left to look after");
    stage.end().await;
}

#[tokio::test]
async fn a_delivery_in_a_flow_that_is_gone_is_sent_all_the_same() {
    let stage = Stage::new().await;
    let replicated = stage.replicated(notice(ACCOUNT, &account("001A", "Ada", 1))).await;
    let normalised = stage.normalised(&replicated).await;
    stage.routed(&normalised).await;
    stage.without(|bundle| bundle.flows.clear()).await;
    stage.swept_after(61).await;
    assert_eq!(stage.setting.count("outbound-quickbooks-online.fifo"), 1, "it was mapped, and its target is there");
    assert_eq!(stage.setting.texts(STATES).await, ["001A customers pending"]);
    stage.end().await;
}
