//! The stage, those before it, and their setting.

use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_lambda::TimeScale;
use fluxnex_testing::{Setting, messages, queue, run};
use normalise::Normalise;
use replicate::Replicate;
use route::Route;

pub(crate) struct Stage {
    pub(crate) setting: Setting,
    replicate: Replicate,
    normalise: Normalise,
    stage: Route,
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
        let normalise = Normalise {
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
        let stage = Route {
            tenants: setting.tenants(),
            queues: setting.queues.clone(),
            busy: setting.busy(),
            clock: setting.clock.clone(),
            time_scale: TimeScale::REAL,
            outbound: setting.outbound(),
            notification_delivery: queue("notification-delivery"),
        };
        Self { setting, replicate, normalise, stage }
    }

    /// Takes webhooks up to L3; gives the messages to L4.
    pub(crate) async fn normalised(&self, bodies: &[String]) -> Vec<OutgoingMessage> {
        let events: Vec<_> = bodies.iter().map(|body| self.setting.inbound(body.clone())).collect();
        let handle = async |works: &[_]| self.replicate.handle(works).await;
        assert!(run(&queue("inbound-gateway"), &messages(&events), handle).await.is_empty());
        while self.setting.count("source-replica") > 0 {
            let batch = self.setting.take("source-replica");
            let handle = async |works: &[_]| self.normalise.handle(works).await;
            assert!(run(&queue("source-replica"), &batch, handle).await.is_empty());
        }
        self.setting.take("normalised")
    }

    /// Gives the places of the messages that come back.
    pub(crate) async fn run(&self, batch: &[OutgoingMessage]) -> Vec<usize> {
        run(&queue("normalised"), batch, async |works| self.stage.handle(works).await).await
    }

    pub(crate) fn wakes(&self) -> Vec<OutgoingMessage> {
        self.setting.take("outbound-quickbooks-online.fifo")
    }

    /// The deliveries' states, with their reasons.
    pub(crate) async fn deliveries(&self) -> Vec<String> {
        let sql =
            "SELECT concat_ws(': ', state, reason) FROM {schema}.deliveries ORDER BY place_at, place_event, version";
        self.setting.texts(sql).await
    }
}
