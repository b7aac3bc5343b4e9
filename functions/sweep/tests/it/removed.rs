//! What is under way when its flow or its target is removed ends visibly, and is no reason to look again.

use crate::support::Stage;
use fluxnex_cloud::clock::Clock;
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

    /// Removes the target, and what needs it.
    async fn without_target(&self) {
        let target = ConnectionId::parse("quickbooks").unwrap();
        self.without(|bundle| {
            bundle.flows.clear();
            bundle.connections.remove(&target);
            bundle.notifications.clear();
        })
        .await;
    }

    /// Takes a customer up to L4.
    async fn customer_routed(&self) {
        let replicated = self.replicated(notice(ACCOUNT, &account("001A", "Ada", 1))).await;
        let normalised = self.normalised(&replicated).await;
        self.routed(&normalised).await;
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
    stage.customer_routed().await;
    stage.without_target().await;
    stage.swept_after(61).await;
    assert_eq!(stage.setting.texts(STATES).await, ["001A customers cancelled: its connection was removed"]);
    stage.swept_after(16 * 60).await;
    assert!(!stage.is_marked().await, "nothing is left to look after");
    stage.end().await;
}

#[tokio::test]
async fn a_delivery_in_a_flow_that_is_gone_is_sent_all_the_same() {
    let stage = Stage::new().await;
    stage.customer_routed().await;
    stage.without(|bundle| bundle.flows.clear()).await;
    stage.swept_after(61).await;
    assert_eq!(stage.setting.count("outbound-quickbooks-online.fifo"), 1, "it was mapped, and its target is there");
    assert_eq!(stage.setting.texts(STATES).await, ["001A customers pending"]);
    stage.end().await;
}

#[tokio::test]
async fn a_delivery_that_may_have_arrived_at_a_target_that_is_gone_says_so() {
    let stage = Stage::new().await;
    stage.customer_routed().await;
    let schema = stage.setting.tenant.schema_name();
    let until = stage.setting.clock.now() + jiff::SignedDuration::from_secs(90);
    let claimed = format!(
        "UPDATE {schema}.deliveries SET state = 'sending', fence = delivery, claimed_until = '{until}' RETURNING state"
    );
    assert_eq!(stage.setting.texts(&claimed).await, ["sending"]);
    stage.without_target().await;
    stage.swept_after(61).await;
    assert_eq!(stage.setting.texts(STATES).await, ["001A customers sending"], "somebody may be sending it");
    stage.swept_after(61).await;
    let in_doubt = "001A customers cancelled: its connection was removed before its outcome was known";
    assert_eq!(stage.setting.texts(STATES).await, [in_doubt]);
    stage.end().await;
}

#[tokio::test]
async fn a_version_whose_flow_was_not_known_to_who_routed_it_is_routed_later() {
    let stage = Stage::new().await;
    let replicated = stage.replicated(notice(ACCOUNT, &account("001A", "Ada", 1))).await;
    let normalised = stage.normalised(&replicated).await;
    let flows = bundle(&stage.setting.tenant, "http://127.0.0.1:1").flows;
    stage.without(|bundle| bundle.flows.clear()).await;
    stage.wait(11);
    assert!(stage.routed(&normalised).await.is_empty());
    stage.without(|bundle| bundle.flows = flows).await;
    stage.swept_after(61).await;
    let again = stage.setting.take("source-replica");
    let normalised = stage.normalised(&again).await;
    assert_eq!(stage.routed(&normalised).await.len(), 1, "its wake");
    assert_eq!(stage.setting.texts(STATES).await, ["001A customers pending"]);
    stage.end().await;
}
