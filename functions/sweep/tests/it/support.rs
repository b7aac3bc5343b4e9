//! The stage, those whose work it finds, and their setting.

use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::control::Control;
use fluxnex_cloud::queue::{OutgoingMessage, QueueUrl};
use fluxnex_core::message::{SweepTenant, V1};
use fluxnex_lambda::{Deadline, Invocation, TimeScale};
use fluxnex_testing::{Setting, event, messages, queue, run};
use normalise::Normalise;
use replicate::Replicate;
use route::Route;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use std::time::Duration;
use sweep::Sweep;

pub(crate) struct Stage {
    pub(crate) setting: Setting,
    replicate: Replicate,
    normalise: Normalise,
    route: Route,
    pub(crate) sweep: Sweep,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let setting = Setting::alone().await;
        // On the hour: far from the minutes in which every tenant is looked at.
        let hour = setting.clock.now().as_second() / 3600 * 3600;
        setting.clock.set(jiff::Timestamp::from_second(hour).unwrap());
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
        let route = Route {
            tenants: setting.tenants(),
            queues: setting.queues.clone(),
            busy: setting.busy(),
            clock: setting.clock.clone(),
            time_scale: TimeScale::REAL,
            outbound: setting.outbound(),
            notification_delivery: queue("notification-delivery"),
        };
        let sweep = Sweep {
            tenants: setting.tenants(),
            control: setting.control.clone(),
            queues: setting.queues.clone(),
            clock: setting.clock.clone(),
            time_scale: TimeScale::REAL,
            blocking_fetch: setting.workflows.clone(),
            fetch_request: queue("fetch-request"),
            inbound_gateway: queue("inbound-gateway"),
            source_replica: queue("source-replica"),
            normalised: queue("normalised"),
            outbound: setting.outbound(),
            delayed_wakes: queue("delayed-wakes"),
            sweep_tenant: queue("sweep-tenant"),
            notification_delivery: queue("notification-delivery"),
        };
        Self { setting, replicate, normalise, route, sweep }
    }

    /// Takes a webhook up to L2; gives the messages to L3.
    pub(crate) async fn replicated(&self, body: String) -> Vec<OutgoingMessage> {
        let events = [self.setting.inbound(body)];
        let handle = async |works: &[_]| self.replicate.handle(works).await;
        assert!(run(&queue("inbound-gateway"), &messages(&events), handle).await.is_empty());
        self.setting.take("source-replica")
    }

    /// Takes messages of L2 up to L3; gives the messages to L4.
    pub(crate) async fn normalised(&self, batch: &[OutgoingMessage]) -> Vec<OutgoingMessage> {
        let handle = async |works: &[_]| self.normalise.handle(works).await;
        assert!(run(&queue("source-replica"), batch, handle).await.is_empty());
        self.setting.take("normalised")
    }

    /// Takes messages of L3 up to L4; gives the wakes.
    pub(crate) async fn routed(&self, batch: &[OutgoingMessage]) -> Vec<OutgoingMessage> {
        let handle = async |works: &[_]| self.route.handle(works).await;
        assert!(run(&queue("normalised"), batch, handle).await.is_empty());
        self.setting.take("outbound-quickbooks-online.fifo")
    }

    async fn invoke(&self, event: Box<RawValue>) -> Value {
        let invocation = Invocation::new("request", Deadline::after(Duration::from_secs(60)));
        self.sweep.handle(event, invocation).await.unwrap()
    }

    /// As EventBridge does each minute.
    pub(crate) async fn minute(&self) -> Value {
        let event = json!({
            "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "000000000000", "time": "2026-11-20T12:00:00Z", "region": "us-east-1", "resources": [], "detail": {},
        });
        self.invoke(to_raw_value(&event).unwrap()).await
    }

    /// Gives the ids of the messages that come back.
    pub(crate) async fn batch(&self, queue: &QueueUrl, batch: &[OutgoingMessage]) -> Vec<String> {
        let response = self.invoke(to_raw_value(&event(queue, batch)).unwrap()).await;
        let failures = response["batchItemFailures"].as_array().unwrap();
        failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    /// Looks after the tenant; whether it worked.
    pub(crate) async fn tenant(&self) -> bool {
        let message = SweepTenant { v: V1, tenant: self.setting.tenant.clone(), marker: None };
        self.batch(&queue("sweep-tenant"), &messages(&[message])).await.is_empty()
    }

    pub(crate) async fn is_marked(&self) -> bool {
        !self.setting.control.busy_tenants(10).await.unwrap().is_empty()
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.setting.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) async fn end(self) {
        self.setting.tables.remove().await;
    }
}
