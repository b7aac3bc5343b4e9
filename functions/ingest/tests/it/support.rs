//! A stage with one connection, and signed requests to it.

use fluxnex_cloud::cached_secrets::CachedSecrets;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::control::{Control, Facet};
use fluxnex_cloud::queue::QueueUrl;
use fluxnex_cloud::twin::{InMemoryControl, InMemoryObjects, InMemoryQueues, InMemorySecrets, ManualClock};
use fluxnex_core::ids::{ConnectionId, TenantId};
use fluxnex_core::message::InboundEvent;
use fluxnex_lambda::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use fluxnex_testing::{captured, decoded, queue, signed, webhook_request};
use ingest::Ingest;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) const SECRET: &str = "marked-webhook-secret";
pub(crate) const SECRET_NAME: &str = "connections/acme/revenova";
pub(crate) const MAX_BYTES: usize = 100_000;

/// The stage and its surroundings.
pub(crate) struct Gateway {
    pub(crate) stage: Ingest,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) queues: Arc<InMemoryQueues>,
    pub(crate) objects: Arc<InMemoryObjects>,
    pub(crate) secrets: Arc<InMemorySecrets>,
    pub(crate) control: Arc<InMemoryControl>,
}

pub(crate) fn inbound() -> QueueUrl {
    queue("inbound-gateway")
}

impl Gateway {
    pub(crate) async fn new() -> Self {
        captured::start();
        let clock = Arc::new(ManualClock::default());
        let (control, secrets) = (Arc::new(InMemoryControl::default()), Arc::new(InMemorySecrets::default()));
        let (queues, objects) = (Arc::new(InMemoryQueues::new(clock.clone())), Arc::new(InMemoryObjects::default()));
        secrets.create(SECRET_NAME, json!({ "webhook_secret": SECRET }));
        let stage = Ingest::new(
            control.clone(),
            Arc::new(CachedSecrets::new(secrets.clone(), clock.clone())),
            queues.clone(),
            objects.clone(),
            clock.clone(),
            inbound(),
        );
        let gateway = Self { stage, clock, queues, objects, secrets, control };
        gateway.publish(1, &settings()).await;
        gateway
    }

    pub(crate) async fn publish(&self, version: u64, settings: &Value) {
        let (tenant, connection) = (TenantId::parse("acme").unwrap(), ConnectionId::parse("revenova").unwrap());
        self.control.publish(&tenant, &connection, Facet::Webhook, version, settings).await.unwrap();
    }

    /// A request to the connection, signed now with the secret.
    pub(crate) fn request(&self, body: &str) -> ApiGatewayV2httpRequest {
        self.request_of(SECRET, body)
    }

    pub(crate) fn request_of(&self, secret: &str, body: &str) -> ApiGatewayV2httpRequest {
        let headers = signed(secret, "delivery-1", self.clock.now().as_second(), body.as_bytes());
        webhook_request("acme", "revenova", &headers, body)
    }

    pub(crate) async fn send(&self, body: &str) -> Answer {
        self.answer(self.request(body)).await
    }

    pub(crate) async fn answer(&self, request: ApiGatewayV2httpRequest) -> Answer {
        Answer(self.stage.handle(request).await)
    }

    pub(crate) fn events(&self) -> Vec<InboundEvent> {
        decoded(&self.queues.messages(&inbound()))
    }

    /// Neither a message nor an object came into being.
    pub(crate) fn assert_nothing_kept(&self) {
        assert!(self.queues.messages(&inbound()).is_empty(), "something was queued");
        assert_eq!(self.objects.keys(), Vec::<String>::new());
    }
}

/// What `api` publishes for Revenova.
pub(crate) fn settings() -> Value {
    json!({
        "connector": "revenova",
        "signature": {
            "scheme": "hmac_sha256", "header": "X-Revenova-Signature", "prefix": "sha256=", "encoding": "hex",
            "signed": "{timestamp}.{body}", "timestamp_header": "X-Revenova-Timestamp", "tolerance_seconds": 300,
            "secret": "webhook_secret",
        },
        "event_id": {"header": "X-Revenova-Delivery"},
        "secret_name": SECRET_NAME,
        "body_max_bytes": MAX_BYTES,
        "paused": false,
    })
}

pub(crate) struct Answer(ApiGatewayV2httpResponse);

impl Answer {
    pub(crate) fn status(&self) -> i64 {
        self.0.status_code
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        let answer = serde_json::to_value(&self.0).unwrap();
        answer["body"].as_str().unwrap().to_owned()
    }

    pub(crate) fn body(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// It is the problem of that status and type.
    pub(crate) fn assert_problem(&self, status: i64, kind: &str) {
        assert_eq!(self.status(), status, "{}", self.body());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.body()["type"], kind);
        assert_eq!(self.body()["status"], status);
    }
}
