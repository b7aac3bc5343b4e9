//! The stage, a source of things, and their setting.

use fluxnex_cloud::cached_secrets::CachedSecrets;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::control::{Control, Facet};
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_cloud::secret_source::ConnectionSecrets;
use fluxnex_cloud::twin::{InMemoryControl, InMemoryObjects, InMemoryQueues, InMemorySecrets, ManualClock};
use fluxnex_connect::Engine;
use fluxnex_core::ids::{ConnectionId, ObjectName, TenantId};
use fluxnex_core::message::{InboundEvent, NextPage, PollRequest, V1};
use fluxnex_core::poll::{Progress, run_of_message};
use fluxnex_lambda::inbound::Inbound;
use fluxnex_lambda::{Deadline, TimeScale};
use fluxnex_testing::{Reply, Target, decoded, event, queue};
use poll::{Poll, PollQueues};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Stage {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) queues: Arc<InMemoryQueues>,
    pub(crate) control: Arc<InMemoryControl>,
    pub(crate) objects: Arc<InMemoryObjects>,
    pub(crate) source: Target,
    stage: Poll,
    messages: std::sync::atomic::AtomicUsize,
}

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn connection() -> ConnectionId {
    ConnectionId::parse("erp").unwrap()
}

fn things() -> ObjectName {
    ObjectName::parse("Things").unwrap()
}

/// What `api` publishes: pages of two, an overlap of a minute.
pub(crate) fn settings(url: &str) -> Value {
    json!({
        "definition": {
            "connector": "example", "base_url": url, "allow_private_addresses": true,
            "polls": {"Things": {"schedule": "rate(5 minutes)"}},
        },
        "manifest": {
            "connector": "example", "title": "Example",
            "objects": {"Things": {
                "identify": {"id": ".id", "version": ".changed", "id_characters": "code"},
                "list_changed": {
                    "method": "GET", "path": "/things",
                    "query": {"since": "{since}", "after": "{after}", "top": "{page_size}"},
                    "records": ".value", "more": ".more // false", "page_size": 2, "overlap_seconds": 60,
                },
            }},
        },
    })
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(ManualClock::at("2026-11-21T12:00:00Z".parse().unwrap()));
        let control = Arc::new(InMemoryControl::default());
        let queues = Arc::new(InMemoryQueues::new(clock.clone()));
        let objects = Arc::new(InMemoryObjects::default());
        let source = Target::start().await;
        let secrets = Arc::new(CachedSecrets::new(Arc::new(InMemorySecrets::default()), clock.clone()));
        let secrets = Arc::new(ConnectionSecrets::new(secrets, control.clone(), clock.clone()));
        let inbound =
            Inbound { objects: objects.clone(), queues: queues.clone(), inbound_gateway: queue("inbound-gateway") };
        let stage = Poll::new(
            control.clone(),
            Engine::new(source.client(), secrets),
            inbound,
            clock.clone(),
            TimeScale::REAL,
            PollQueues { fetch_request: queue("fetch-request"), notification_delivery: queue("notification-delivery") },
        );
        let messages = std::sync::atomic::AtomicUsize::new(0);
        let stage = Self { clock, queues, control, objects, source, stage, messages };
        stage.publish(1, &settings(&stage.source.url)).await;
        stage
    }

    pub(crate) async fn publish(&self, version: u64, settings: &Value) {
        self.control.publish(&tenant(), &connection(), Facet::Polls, version, settings).await.unwrap();
    }

    /// The message that a schedule sends, with an id of its own.
    pub(crate) fn tick(&self) -> Message {
        let request = PollRequest { v: V1, tenant: tenant(), connection: connection(), object: things(), next: None };
        self.message(OutgoingMessage::json(&request).unwrap())
    }

    /// The message as `sweep` lets it in again when it was a dead letter: a new one that names the run of the first.
    pub(crate) fn let_in_again(&self, dead: &Message) -> Message {
        let mut request: PollRequest = serde_json::from_str(&dead.message.body).unwrap();
        request.next = Some(NextPage { run: run_of_message(&dead.id), page: 0 });
        self.message(OutgoingMessage::json(&request).unwrap())
    }

    fn message(&self, message: OutgoingMessage) -> Message {
        let number = self.messages.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Message { id: format!("message-{number}"), message }
    }

    /// Handles one message; gives whether it is acknowledged.
    pub(crate) async fn run(&self, message: &Message) -> bool {
        let mut batch = event(&queue("fetch-request"), std::slice::from_ref(&message.message));
        batch.records[0].message_id = Some(message.id.clone());
        let invocation = fluxnex_lambda::Invocation::new("request", Deadline::after(Duration::from_secs(30)));
        let handle = async |works: &[_]| self.stage.handle(works, invocation.deadline()).await;
        let decode = fluxnex_lambda::batch::json::<PollRequest>;
        let response = fluxnex_lambda::batch::run_batch(batch, &invocation, decode, handle).await.unwrap();
        response.batch_item_failures.is_empty()
    }

    /// The messages for next pages, taken out of the queue.
    pub(crate) fn next(&self) -> Vec<Message> {
        self.queues.drain(&queue("fetch-request")).into_iter().map(|message| self.message(message)).collect()
    }

    /// Handles a message and all that follow.
    pub(crate) async fn run_all(&self, message: Message) {
        let mut messages = vec![message];
        while let Some(message) = messages.pop() {
            assert!(self.run(&message).await);
            messages.extend(self.next());
        }
    }

    /// The next page that the source gives.
    pub(crate) fn page(&self, records: &[(&str, u32)], more: bool) {
        let records: Vec<Value> = records.iter().map(|(id, second)| thing(id, *second)).collect();
        self.source.reply(Reply::json(200, &json!({"value": records, "more": more})));
    }

    pub(crate) fn events(&self) -> Vec<InboundEvent> {
        decoded(&self.queues.messages(&queue("inbound-gateway")))
    }

    /// The ids of the records that are in the queue, in order.
    pub(crate) fn ids(&self) -> Vec<String> {
        let id = |event: &InboundEvent| {
            let body: Value = serde_json::from_str(event.inline.as_ref().unwrap().get()).unwrap();
            body["id"].as_str().unwrap().to_owned()
        };
        self.events().iter().map(id).collect()
    }

    pub(crate) async fn progress(&self) -> Progress {
        let saved = self.control.poll_progress(&tenant(), &connection(), &things()).await.unwrap();
        saved.map(|saved| serde_json::from_value(saved.body).unwrap()).unwrap_or_default()
    }

    /// `since` and `after` of each request so far.
    pub(crate) fn asked(&self) -> Vec<(String, String)> {
        let requests = self.source.requests();
        requests.iter().map(|request| (request.query["since"].clone(), request.query["after"].clone())).collect()
    }

    pub(crate) fn told(&self) -> Vec<Value> {
        decoded(&self.queues.messages(&queue("notification-delivery")))
    }

    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }
}

#[derive(Clone)]
pub(crate) struct Message {
    id: String,
    pub(crate) message: OutgoingMessage,
}

pub(crate) fn thing(id: &str, second: u32) -> Value {
    json!({"id": id, "changed": format!("2026-11-21T11:00:{second:02}Z"), "total": 1})
}
