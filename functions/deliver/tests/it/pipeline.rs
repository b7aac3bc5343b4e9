//! The stages from L2 to L5 and their setting.

use deliver::Deliver;
use fluxnex_cloud::queue::{OutgoingMessage, QueueUrl};
use fluxnex_core::bundle::Bundle;
use fluxnex_core::flow::FlowDefinition;
use fluxnex_core::ids::FlowId;
use fluxnex_lambda::{Deadline, TimeScale};
use fluxnex_testing::{ACCOUNT, Setting, account, bundle, messages, notice, queue, run};
use normalise::Normalise;
use replicate::Replicate;
use route::Route;
use std::time::Duration;

pub(crate) struct Pipeline {
    pub(crate) setting: Setting,
    pub(crate) replicate: Replicate,
    pub(crate) normalise: Normalise,
    pub(crate) route: Route,
    pub(crate) deliver: Deliver,
}

pub(crate) fn outbound() -> QueueUrl {
    queue("outbound-quickbooks-online.fifo")
}

impl Pipeline {
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
        let route = Route {
            tenants: setting.tenants(),
            queues: setting.queues.clone(),
            busy: setting.busy(),
            clock: setting.clock.clone(),
            time_scale: TimeScale::REAL,
            outbound: setting.outbound(),
            notification_delivery: queue("notification-delivery"),
        };
        let deliver = Deliver {
            tenants: setting.tenants(),
            engine: setting.engine(),
            queues: setting.queues.clone(),
            busy: setting.busy(),
            clock: setting.clock.clone(),
            time_scale: TimeScale::REAL,
            outbound: setting.outbound(),
            delayed_wakes: queue("delayed-wakes"),
            notification_delivery: queue("notification-delivery"),
        };
        Self { setting, replicate, normalise, route, deliver }
    }

    /// Lets the tenant run the example bundle with a change.
    pub(crate) async fn change(&self, change: impl FnOnce(&mut Bundle)) {
        let mut bundle = bundle(&self.setting.tenant, &self.setting.target.url);
        change(&mut bundle);
        self.setting.apply(&bundle).await;
        // For so long functions remember what a tenant runs.
        self.setting.clock.advance(Duration::from_secs(11));
    }

    /// The same with a change of the flow of customers.
    pub(crate) async fn change_customers(&self, change: impl FnOnce(&mut FlowDefinition)) {
        self.change(|bundle| change(bundle.flows.get_mut(&FlowId::parse("customers").unwrap()).unwrap())).await;
    }

    /// The names in the requests to the target, in their order.
    pub(crate) fn names(&self) -> Vec<String> {
        let requests = self.setting.target.requests();
        requests.iter().map(|request| request.json()["DisplayName"].as_str().unwrap().to_owned()).collect()
    }

    /// Takes webhooks up to L4; gives the wakes.
    pub(crate) async fn routed(&self, bodies: &[String]) -> Vec<OutgoingMessage> {
        let events: Vec<_> = bodies.iter().map(|body| self.setting.inbound(body.clone())).collect();
        self.arrived(&messages(&events)).await
    }

    /// Takes messages of L1 up to L4; gives the wakes.
    pub(crate) async fn arrived(&self, batch: &[OutgoingMessage]) -> Vec<OutgoingMessage> {
        let handle = async |works: &[_]| self.replicate.handle(works).await;
        assert!(run(&queue("inbound-gateway"), batch, handle).await.is_empty());
        while self.setting.count("source-replica") > 0 {
            let batch = self.setting.take("source-replica");
            let handle = async |works: &[_]| self.normalise.handle(works).await;
            assert!(run(&queue("source-replica"), &batch, handle).await.is_empty());
        }
        let batch = self.setting.take("normalised");
        let handle = async |works: &[_]| self.route.handle(works).await;
        assert!(run(&queue("normalised"), &batch, handle).await.is_empty());
        self.wakes()
    }

    /// A customer's way up to L4.
    pub(crate) async fn customer(&self, name: &str, version: u32) -> Vec<OutgoingMessage> {
        self.routed(&[notice(ACCOUNT, &account("001A", name, version))]).await
    }

    /// Gives the places of the wakes that come back.
    pub(crate) async fn deliver(&self, wakes: &[OutgoingMessage]) -> Vec<usize> {
        self.deliver_in(wakes, Duration::from_secs(60)).await
    }

    pub(crate) async fn deliver_in(&self, wakes: &[OutgoingMessage], time: Duration) -> Vec<usize> {
        run(&outbound(), wakes, async |works| self.deliver.handle(works, Deadline::after(time)).await).await
    }

    /// Delivers and expects that no wake comes back.
    pub(crate) async fn delivered(&self, wakes: &[OutgoingMessage]) {
        assert_eq!(self.deliver(wakes).await, Vec::<usize>::new());
    }

    pub(crate) fn wakes(&self) -> Vec<OutgoingMessage> {
        self.setting.queues.drain(&outbound())
    }

    /// The one wake that waits in the delay queue, and how long.
    pub(crate) fn alarm(&self) -> (OutgoingMessage, Duration) {
        let delayed = self.setting.take("delayed-wakes");
        assert_eq!(delayed.len(), 1);
        assert_eq!(delayed[0].group.as_deref(), Some(self.setting.tenant.as_str()));
        (delayed[0].clone(), delayed[0].delay)
    }

    /// State and number of attempts of each delivery.
    pub(crate) async fn deliveries(&self) -> Vec<String> {
        let sql = "SELECT state || ' ' || attempts FROM {schema}.deliveries ORDER BY place_at, place_event, version";
        self.setting.texts(sql).await
    }

    /// The outcomes of all attempts, in their order.
    pub(crate) async fn attempts(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(' ', number, outcome, status) FROM {schema}.delivery_attempts ORDER BY started_at, number";
        self.setting.texts(sql).await
    }
}
