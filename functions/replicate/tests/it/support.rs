//! The stage and its setting.

use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_core::message::{InboundEvent, RecordChanged};
use fluxnex_testing::{Setting, decoded, messages, queue, run};
use replicate::Replicate;

pub(crate) struct Stage {
    pub(crate) setting: Setting,
    stage: Replicate,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let setting = Setting::new().await;
        let stage = Replicate {
            tenants: setting.tenants(),
            objects: setting.objects.clone(),
            queues: setting.queues.clone(),
            busy: setting.busy(),
            clock: setting.clock.clone(),
            source_replica: queue("source-replica"),
            notification_delivery: queue("notification-delivery"),
        };
        Self { setting, stage }
    }

    /// Gives the places of the messages that come back.
    pub(crate) async fn run(&self, batch: &[OutgoingMessage]) -> Vec<usize> {
        run(&queue("inbound-gateway"), batch, async |works| self.stage.handle(works).await).await
    }

    pub(crate) async fn events(&self, events: &[InboundEvent]) -> Vec<usize> {
        self.run(&messages(events)).await
    }

    /// What went on to L3; each message in the tenant's group.
    pub(crate) fn changed(&self) -> Vec<RecordChanged> {
        let sent = self.setting.take("source-replica");
        assert!(sent.iter().all(|message| message.group.as_deref() == Some(self.setting.tenant.as_str())));
        decoded(&sent)
    }

    pub(crate) async fn states(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(': ', state, reason) FROM {schema}.events ORDER BY arrived_at, event";
        self.setting.texts(sql).await
    }
}
