//! AWS from memory passes the suites that the adapters pass on the emulator.

use crate::programs::{at_scale, without_programs};
use async_trait::async_trait;
use fluxnex_cloud::aws::{Clients, ScheduleTarget};
use fluxnex_cloud::conformance;
use fluxnex_cloud::conformance::secrets::SecretWorld;
use fluxnex_cloud::queue::{OutgoingMessage, QueueError, QueueUrl};
use fluxnex_cloud::schedules::{Schedule, Schedules};
use fluxnex_cloud::secrets::Secrets;
use fluxnex_core::bundle;
use fluxnex_faults::host::Host;
use fluxnex_faults::queues::Calm;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test]
async fn the_control_table() {
    let host = without_programs().await;
    let clients = Clients::emulator(&host.aws_endpoint()).await;
    conformance::control::suite(clients.control("control").as_ref()).await;
    assert!(!host.control().all().is_empty());
}

#[tokio::test]
async fn objects() {
    let host = without_programs().await;
    let clients = Clients::emulator(&host.aws_endpoint()).await;
    conformance::objects::suite(clients.objects("payloads").as_ref()).await;
    assert!(host.objects().count() > 0);
}

struct World<'a>(&'a Host, Arc<dyn Secrets>);

#[async_trait]
impl SecretWorld for World<'_> {
    fn secrets(&self) -> &dyn Secrets {
        self.1.as_ref()
    }

    async fn create(&self, name: &str, json: Value) {
        self.0.secrets().set(name, &json);
    }
}

#[tokio::test]
async fn secrets() {
    let host = without_programs().await;
    let clients = Clients::emulator(&host.aws_endpoint()).await;
    conformance::secrets::suite(&World(&host, clients.secrets())).await;
}

#[tokio::test]
async fn queues_take_batches_and_refuse_what_is_not_there() {
    let host = without_programs().await;
    let queues = Clients::emulator(&host.aws_endpoint()).await.queues();
    let url = |name: &str| QueueUrl::new(format!("{}/000000000000/fluxnex-local-{name}", host.aws_endpoint()));
    // Nobody reads this one: no program can be started.
    let messages = (0..25).map(|number| OutgoingMessage::new(number.to_string())).collect();
    queues.send(&url("notification-delivery"), messages).await.unwrap();
    assert_eq!(host.queues().lock().counts("fluxnex-local-notification-delivery").sent, 25);
    let missing = queues.send(&url("none"), vec![OutgoingMessage::new("x")]).await;
    assert!(matches!(missing, Err(QueueError::Refused { code, .. }) if code.contains("QueueDoesNotExist")));
    let wake = OutgoingMessage::new("x").group("g").deduplication("d");
    for _ in 0..2 {
        queues.send(&url("outbound-webhook.fifo"), vec![wake.clone()]).await.unwrap();
    }
    let counts = host.queues().lock().counts("fluxnex-local-outbound-webhook.fifo");
    assert_eq!((counts.sent, counts.deduplicated), (1, 1));
}

/// The schedules of a host, as `api` makes them.
async fn schedules(host: &Host) -> Arc<dyn Schedules> {
    Clients::emulator(&host.aws_endpoint()).await.schedules(ScheduleTarget {
        group: "fluxnex-local".to_owned(),
        role_arn: "arn:aws:iam::000000000000:role/schedules".to_owned(),
        queue_arn: "arn:aws:sqs:us-east-1:000000000000:fluxnex-local-fetch-request".to_owned(),
    })
}

fn schedule(name: &str, expression: &str) -> Schedule {
    Schedule {
        name: name.to_owned(),
        description: "a poll".to_owned(),
        expression: bundle::Schedule::parse(expression).unwrap(),
        timezone: None,
        input: "{\"v\":1}".to_owned(),
    }
}

#[tokio::test]
async fn schedules_are_kept_and_fire_into_their_queue() {
    let host = without_programs().await;
    let schedules = schedules(&host).await;
    for name in ["acme.erp.1", "acme.erp.2", "acme.erp.2", "globex.erp.1"] {
        schedules.put(&schedule(name, "rate(5 minutes)")).await.unwrap();
    }
    assert_eq!(schedules.list("acme.").await.unwrap(), ["acme.erp.1", "acme.erp.2"]);
    schedules.remove("acme.erp.1").await.unwrap();
    schedules.remove("acme.erp.1").await.unwrap();
    assert_eq!(host.fire_schedules("acme."), 1);
    assert_eq!(host.queues().lock().counts("fluxnex-local-fetch-request").sent, 1);
    assert!(host.queues().lock().receive("none", 1, Timestamp::now(), &mut Calm).is_empty());
}

#[tokio::test]
async fn a_schedule_with_a_rate_fires_again_and_again() {
    let mut host = at_scale(6_000.0).await;
    schedules(&host).await.put(&schedule("acme.erp.1", "rate(5 minutes)")).await.unwrap();
    host.start_clock();
    let deadline = Instant::now() + Duration::from_secs(20);
    while host.queues().lock().counts("fluxnex-local-fetch-request").sent < 3 {
        assert!(Instant::now() < deadline, "it does not fire");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
