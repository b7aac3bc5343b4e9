//! The stage, those around it, and their setting.

use fetch::{Fetch, StepError};
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_cloud::twin::TaskAnswer;
use fluxnex_core::fetch::{BlockingFetch, FetchTask, TaskError};
use fluxnex_lambda::inbound::Inbound;
use fluxnex_lambda::{Deadline, Invocation, TimeScale};
use fluxnex_testing::{INVOICE, Reply, Setting, invoice, messages, notice, queue, run};
use normalise::Normalise;
use replicate::Replicate;
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) struct Stage {
    pub(crate) setting: Setting,
    pub(crate) fetch: Fetch,
    replicate: Replicate,
    normalise: Normalise,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let setting = Setting::new().await;
        let inbound = Inbound {
            objects: setting.objects.clone(),
            queues: setting.queues.clone(),
            inbound_gateway: queue("inbound-gateway"),
        };
        let fetch = Fetch {
            tenants: setting.tenants(),
            engine: setting.engine(),
            inbound,
            queues: setting.queues.clone(),
            busy: setting.busy(),
            blocking_fetch: setting.workflows.clone(),
            clock: setting.clock.clone(),
            time_scale: TimeScale::REAL,
            notification_delivery: queue("notification-delivery"),
        };
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
        Self { setting, fetch, replicate, normalise }
    }

    /// An invoice of the customer waits, and the state machine is started.
    pub(crate) async fn waiting(&self, id: &str, customer: &str) -> BlockingFetch {
        let event = self.setting.inbound(notice(INVOICE, &invoice(id, id, customer, 1)));
        let _ = self.setting.take("source-replica");
        self.replicate(&messages(&[event])).await;
        self.settle().await;
        let executions = self.setting.workflows.executions();
        serde_json::from_value(executions.last().unwrap().1.clone()).unwrap()
    }

    async fn replicate(&self, batch: &[OutgoingMessage]) {
        let handle = async |works: &[_]| self.replicate.handle(works).await;
        assert!(run(&queue("inbound-gateway"), batch, handle).await.is_empty());
    }

    /// Takes what is in the first queue up to L2.
    pub(crate) async fn only_replicate(&self) {
        self.replicate(&self.setting.take("inbound-gateway")).await;
    }

    /// Takes everything up to L4, whatever its delay.
    pub(crate) async fn settle(&self) {
        loop {
            let (inbound, changed) = (self.setting.take("inbound-gateway"), self.setting.take("source-replica"));
            if inbound.is_empty() && changed.is_empty() {
                break;
            }
            self.setting.clock.advance(Duration::from_secs(7));
            if !inbound.is_empty() {
                self.replicate(&inbound).await;
            }
            let handle = async |works: &[_]| self.normalise.handle(works).await;
            assert!(run(&queue("source-replica"), &changed, handle).await.is_empty());
        }
    }

    /// One step of the state machine that does not get the parent: the name of the error, and its words.
    pub(crate) async fn refused(&self, parent: &BlockingFetch) -> (String, String) {
        let token = self.setting.workflows.wait();
        self.step(&token, parent).await.unwrap();
        match self.setting.workflows.answer(&token) {
            Some(TaskAnswer::Failed { error, cause }) => (error, cause),
            other => panic!("{other:?}"),
        }
    }

    /// One step of the state machine.
    pub(crate) async fn step(&self, token: &str, parent: &BlockingFetch) -> Result<Value, StepError> {
        let task = FetchTask::Fetch { token: token.to_owned(), parent: parent.clone() };
        self.fetch.handle(task, &invocation()).await
    }

    pub(crate) async fn give_up(&self, parent: &BlockingFetch, error: &str, cause: &str) -> Result<Value, StepError> {
        let error = TaskError { error: error.to_owned(), cause: cause.to_owned() };
        self.fetch.handle(FetchTask::GiveUp { parent: parent.clone(), error }, &invocation()).await
    }

    /// What the source answers: first for a token, then for the record.
    pub(crate) fn source_says(&self, reply: Reply) {
        let token = json!({"access_token": "access", "token_type": "Bearer"});
        self.setting.target.reply_below("/services/oauth2/token", Reply::json(200, &token));
        self.setting.target.reply_below("/services/data", reply);
    }

    pub(crate) fn source_has(&self, record: &Value) {
        self.source_says(Reply::json(200, &json!({"totalSize": 1, "done": true, "records": [record]})));
    }

    /// The states of all events, in the order of their arrival.
    pub(crate) async fn states(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(': ', source, state, reason) FROM {schema}.event_states ORDER BY arrived_at, event";
        self.setting.texts(sql).await
    }

    pub(crate) async fn fetches(&self) -> Vec<String> {
        let sql =
            "SELECT concat_ws(' ', source_id, generation, state, attempts, reason) FROM {schema}.dependency_fetches";
        self.setting.texts(sql).await
    }
}

fn invocation() -> Invocation {
    Invocation::new("request", Deadline::after(Duration::from_secs(30)))
}
