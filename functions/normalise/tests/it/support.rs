//! The stage, the one before it, and their setting.

use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_core::message::RecordNormalised;
use fluxnex_lambda::TimeScale;
use fluxnex_testing::{Setting, decoded, messages, queue, run};
use normalise::Normalise;
use replicate::Replicate;

pub(crate) struct Stage {
    pub(crate) setting: Setting,
    replicate: Replicate,
    stage: Normalise,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::of(Setting::new().await)
    }

    pub(crate) fn of(setting: Setting) -> Self {
        let replicate = Replicate {
            tenants: setting.tenants(),
            objects: setting.objects.clone(),
            queues: setting.queues.clone(),
            busy: setting.busy(),
            clock: setting.clock.clone(),
            source_replica: queue("source-replica"),
            notification_delivery: queue("notification-delivery"),
        };
        let stage = Normalise {
            tenants: setting.tenants(),
            queues: setting.queues.clone(),
            blocking_fetch: setting.workflows.clone(),
            busy: setting.busy(),
            clock: setting.clock.clone(),
            time_scale: TimeScale::REAL,
            source_replica: queue("source-replica"),
            normalised: queue("normalised"),
            notification_delivery: queue("notification-delivery"),
        };
        Self { setting, replicate, stage }
    }

    /// Takes webhooks up to L2; gives the messages to L3.
    pub(crate) async fn replicated(&self, bodies: &[String]) -> Vec<OutgoingMessage> {
        let events: Vec<_> = bodies.iter().map(|body| self.setting.inbound(body.clone())).collect();
        let handle = async |works: &[_]| self.replicate.handle(works).await;
        assert!(run(&queue("inbound-gateway"), &messages(&events), handle).await.is_empty());
        self.setting.take("source-replica")
    }

    /// Gives the places of the messages that come back.
    pub(crate) async fn run(&self, batch: &[OutgoingMessage]) -> Vec<usize> {
        run(&queue("source-replica"), batch, async |works| self.stage.handle(works).await).await
    }

    /// What went on to L4; each message in the tenant's group.
    pub(crate) fn normalised(&self) -> Vec<RecordNormalised> {
        let sent = self.setting.take("normalised");
        assert!(sent.iter().all(|message| message.group.as_deref() == Some(self.setting.tenant.as_str())));
        decoded(&sent)
    }

    /// The messages that come back after the grace of missing parents; the clock is there already.
    pub(crate) fn after_grace(&self) -> Vec<OutgoingMessage> {
        self.setting.clock.advance(std::time::Duration::from_secs(6));
        let messages = self.setting.take("source-replica");
        assert!(messages.iter().all(|message| message.delay.as_secs() >= 5), "they come too early");
        messages
    }

    /// What is known of the fetches of parents.
    pub(crate) async fn fetches(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(' ', source_id, generation, state, reason) FROM {schema}.dependency_fetches
                   ORDER BY source_id";
        self.setting.texts(sql).await
    }

    /// The states of all events, in the order of their arrival.
    pub(crate) async fn states(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(': ', state, reason) FROM {schema}.event_states ORDER BY arrived_at, event";
        self.setting.texts(sql).await
    }
}
