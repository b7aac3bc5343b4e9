//! The twins pass the suites.

use async_trait::async_trait;
use fluxnex_cloud::clock::SystemClock;
use fluxnex_cloud::conformance;
use fluxnex_cloud::conformance::queues::{QueueWorld, Seen};
use fluxnex_cloud::conformance::schedules::ScheduleWorld;
use fluxnex_cloud::conformance::secrets::SecretWorld;
use fluxnex_cloud::conformance::workflow::WorkflowWorld;
use fluxnex_cloud::queue::{QueueUrl, Queues};
use fluxnex_cloud::schedules::{Schedule, Schedules};
use fluxnex_cloud::secrets::Secrets;
use fluxnex_cloud::twin::{
    InMemoryControl, InMemoryFunctions, InMemoryObjects, InMemoryQueues, InMemorySchedules, InMemorySecrets,
    InMemoryWorkflows, ManualClock, TaskAnswer,
};
use fluxnex_cloud::workflow::Workflows;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn clocks() {
    conformance::clock::suite(&ManualClock::default());
    conformance::clock::suite(&SystemClock);
}

#[tokio::test]
async fn objects() {
    conformance::objects::suite(&InMemoryObjects::default()).await;
}

#[tokio::test]
async fn control() {
    conformance::control::suite(&InMemoryControl::default()).await;
}

#[tokio::test]
async fn functions() {
    let functions = InMemoryFunctions::default();
    functions.define("echo", |payload| Ok(payload.clone()));
    functions.define("broken", |_| Err("marked-secret".to_owned()));
    conformance::functions::suite(&functions, "echo", "broken").await;
}

struct SecretTwin(InMemorySecrets);

#[async_trait]
impl SecretWorld for SecretTwin {
    fn secrets(&self) -> &dyn Secrets {
        &self.0
    }

    async fn create(&self, name: &str, json: Value) {
        self.0.create(name, json);
    }
}

#[tokio::test]
async fn secrets() {
    conformance::secrets::suite(&SecretTwin(InMemorySecrets::default())).await;
    conformance::secrets::store_suite(&InMemorySecrets::default(), "fluxnex/local/connections/acme/added").await;
}

struct ScheduleTwin(InMemorySchedules);

#[async_trait]
impl ScheduleWorld for ScheduleTwin {
    fn schedules(&self) -> &dyn Schedules {
        &self.0
    }

    async fn find(&self, name: &str) -> Option<Schedule> {
        self.0.schedules().into_iter().find(|schedule| schedule.name == name)
    }
}

#[tokio::test]
async fn schedules() {
    conformance::schedules::suite(&ScheduleTwin(InMemorySchedules::default())).await;
}

struct WorkflowTwin(InMemoryWorkflows);

#[async_trait]
impl WorkflowWorld for WorkflowTwin {
    fn workflows(&self) -> &dyn Workflows {
        &self.0
    }

    async fn input(&self, name: &str) -> Option<Value> {
        self.0.executions().into_iter().find_map(|(known, input)| (known == name).then_some(input))
    }

    async fn wait(&self) -> String {
        self.0.wait()
    }

    async fn outcome(&self, token: &str) -> TaskAnswer {
        self.0.answer(token).unwrap()
    }
}

#[tokio::test]
async fn workflows() {
    conformance::workflow::suite(&WorkflowTwin(InMemoryWorkflows::default())).await;
}

struct QueueTwin {
    clock: Arc<ManualClock>,
    queues: InMemoryQueues,
}

#[async_trait]
impl QueueWorld for QueueTwin {
    fn queues(&self) -> &dyn Queues {
        &self.queues
    }

    async fn create(&self, name: &str) -> QueueUrl {
        QueueUrl::new(format!("memory/{name}"))
    }

    async fn take(&self, queue: &QueueUrl) -> Vec<Seen> {
        let received = self.queues.receive(queue, 10, Duration::from_secs(60));
        for message in &received {
            self.queues.delete(queue, message.id);
        }
        let seen = received.into_iter().map(|one| Seen { body: one.message.body, group: one.message.group });
        seen.collect()
    }

    async fn pass(&self) -> Duration {
        let step = Duration::from_millis(500);
        self.clock.advance(step);
        step
    }
}

#[tokio::test]
async fn queues() {
    let clock = Arc::new(ManualClock::default());
    let queues = InMemoryQueues::new(clock.clone());
    conformance::queues::suite(&QueueTwin { clock, queues }).await;
}
