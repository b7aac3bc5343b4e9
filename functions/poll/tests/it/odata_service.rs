//! Polling an OData service that nobody here wrote, with the connectors `odata` and `odata-v2` as they are.

use crate::sales_service::{Certificate, PASSWORD, Sales, TOKEN, USER, invoice_id, stamp};
use fluxnex_cloud::cached_secrets::CachedSecrets;
use fluxnex_cloud::control::{Control, Facet};
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_cloud::secret_source::ConnectionSecrets;
use fluxnex_cloud::twin::{InMemoryControl, InMemoryObjects, InMemoryQueues, InMemorySecrets, ManualClock};
use fluxnex_connect::{Connection, DeliveryRequest, Engine, SendOutcome, catalog};
use fluxnex_core::ids::{ConnectionId, ObjectName, TenantId};
use fluxnex_core::message::{InboundEvent, PollRequest, V1};
use fluxnex_lambda::inbound::Inbound;
use fluxnex_lambda::{Deadline, TimeScale};
use fluxnex_testing::{Issued, decoded, event, queue};
use jiff::Timestamp;
use poll::{Poll, PollQueues};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Twelve pages: the service gives a hundred records at once, whatever it is asked for.
const INVOICES: usize = 1_200;

struct Setting {
    sales: Sales,
    stage: Poll,
    control: Arc<InMemoryControl>,
    queues: Arc<InMemoryQueues>,
    engine: Engine,
    clock: Arc<ManualClock>,
}

impl Setting {
    async fn new(name: &'static str) -> Self {
        let issued = Issued::new();
        let certificate = Certificate { chain: issued.certificate.pem(), key: issued.key.serialize_pem() };
        let start = move || Sales::start(name, INVOICES, Some(&certificate));
        let sales = tokio::task::spawn_blocking(start).await.unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::now()));
        let (control, queues) = (Arc::new(InMemoryControl::default()), Arc::new(InMemoryQueues::new(clock.clone())));
        let secrets = Arc::new(InMemorySecrets::default());
        secrets.create("sales", json!({"api_token": TOKEN, "username": USER, "password": PASSWORD}));
        let secrets = Arc::new(CachedSecrets::new(secrets, clock.clone()));
        let secrets = Arc::new(ConnectionSecrets::new(secrets, control.clone(), clock.clone()));
        let inbound = Inbound {
            objects: Arc::new(InMemoryObjects::default()),
            queues: queues.clone(),
            inbound_gateway: queue("inbound-gateway"),
        };
        let stage = Poll::new(
            control.clone(),
            Engine::new(issued.client(), secrets.clone()),
            inbound,
            clock.clone(),
            TimeScale::REAL,
            PollQueues { fetch_request: queue("fetch-request"), notification_delivery: queue("notification-delivery") },
        );
        Self { sales, stage, control, queues, engine: Engine::new(issued.client(), secrets), clock }
    }

    /// What `api` would publish of a connection that polls the invoices.
    async fn publish(&self, version: u64, mut definition: Value, manifest: &Value) {
        definition["secret"] = "sales".into();
        definition["allow_private_addresses"] = true.into();
        let (tenant, connection) = (TenantId::parse("acme").unwrap(), ConnectionId::parse("erp").unwrap());
        let settings = json!({"definition": definition, "manifest": manifest});
        self.control.publish(&tenant, &connection, Facet::Polls, version, &settings).await.unwrap();
        // What is published is believed for a while.
        self.clock.advance(Duration::from_secs(60));
    }

    /// The definition of a connection to the service.
    fn definition(&self, connector: &str, path: &str) -> Value {
        json!({
            "connector": connector, "settings": {"url": format!("{}{path}", self.sales.url)},
            "polls": {"Invoices": {"schedule": "rate(5 minutes)"}},
        })
    }

    /// A whole run; gives what it fed in, and the number of pages.
    async fn run(&self) -> (Vec<Value>, usize) {
        let (tenant, connection) = (TenantId::parse("acme").unwrap(), ConnectionId::parse("erp").unwrap());
        let object = ObjectName::parse("Invoices").unwrap();
        let request = PollRequest { v: V1, tenant, connection, object, next: None };
        let (mut messages, mut pages) = (vec![OutgoingMessage::json(&request).unwrap()], 0);
        while let Some(message) = messages.pop() {
            let mut batch = event(&queue("fetch-request"), std::slice::from_ref(&message));
            batch.records[0].message_id = Some(uuid::Uuid::new_v4().to_string());
            let invocation = fluxnex_lambda::Invocation::new("request", Deadline::after(Duration::from_secs(60)));
            let handle = async |works: &[_]| self.stage.handle(works, invocation.deadline()).await;
            let decode = fluxnex_lambda::batch::json::<PollRequest>;
            let response = fluxnex_lambda::batch::run_batch(batch, &invocation, decode, handle).await.unwrap();
            assert!(response.batch_item_failures.is_empty());
            messages.extend(self.queues.drain(&queue("fetch-request")));
            pages += 1;
        }
        let told: Vec<Value> = decoded(&self.queues.messages(&queue("notification-delivery")));
        assert!(told.is_empty(), "the poll failed: {told:#?}");
        let events: Vec<InboundEvent> = decoded(&self.queues.drain(&queue("inbound-gateway")));
        let records = events.iter().map(|event| serde_json::from_str(event.inline.as_ref().unwrap().get()).unwrap());
        (records.collect(), pages)
    }

    /// Writes an invoice through the engine, as a delivery would.
    async fn upsert(&self, id: &str, payload: &str) {
        let mut connection = Connection::of(&TenantId::parse("acme").unwrap(), &self.configured()).unwrap();
        connection.reach.private_addresses = true;
        let object = ObjectName::parse("Invoices").unwrap();
        let payload = RawValue::from_string(payload.to_owned()).unwrap();
        let request = DeliveryRequest {
            object: &object,
            payload: &payload,
            idempotency_key: "0193-r1",
            external_id: Some(id),
            target: None,
            timeout: Duration::from_secs(20),
        };
        let outcome = self.engine.send(&connection, &request).await.outcome;
        let SendOutcome::Delivered { target_id, .. } = &outcome else { panic!("{outcome:?}") };
        assert_eq!(target_id.as_deref(), Some(id));
    }

    fn configured(&self) -> fluxnex_core::bundle::Connection {
        let mut definition = self.definition("odata", "/odata/v4/sales");
        definition["secret"] = "sales".into();
        definition["allow_private_addresses"] = true.into();
        let definition = serde_json::from_value(definition).unwrap();
        let id = ConnectionId::parse("erp").unwrap();
        fluxnex_core::bundle::Connection::new(id, definition, catalog::manifest("odata").unwrap())
    }
}

fn manifest(name: &str) -> Value {
    serde_json::to_value(catalog::manifest(name).unwrap()).unwrap()
}

fn ids(records: &[Value]) -> Vec<String> {
    records.iter().map(|record| record["ID"].as_str().unwrap().to_owned()).collect()
}

/// The ids of all invoices in the order of stamp and id.
fn in_order() -> Vec<String> {
    let mut all: Vec<(String, String)> = (0..INVOICES).map(|number| (stamp(number), invoice_id(number))).collect();
    all.sort();
    all.into_iter().map(|(_, id)| id).collect()
}

#[tokio::test]
async fn a_keyset_reads_every_record_once_in_order_and_then_only_what_changed() {
    let setting = Setting::new("keyset").await;
    let manifest = manifest("odata");
    setting.publish(1, setting.definition("odata", "/odata/v4/sales"), &manifest).await;
    let (records, pages) = setting.run().await;
    assert_eq!(ids(&records), in_order());
    assert!((12..=13).contains(&pages), "{pages} pages");
    assert_eq!(setting.run().await.0, Vec::<Value>::new(), "nothing changed");

    let changed = [invoice_id(3), invoice_id(700), "NEW-1".to_owned()];
    for id in &changed {
        setting.upsert(id, r#"{"Customer_ID":"C-2","Status":"paid","Total":1000.10}"#).await;
    }
    setting.clock.set(Timestamp::now());
    let (records, pages) = setting.run().await;
    assert_eq!((ids(&records), pages), (changed.to_vec(), 1));
    assert!(records.iter().all(|record| record["Status"] == "paid" && record["Total"] == json!(1000.10)));
}

#[tokio::test]
async fn next_links_read_every_record_once_from_where_the_poll_begins() {
    let setting = Setting::new("links").await;
    let mut manifest = manifest("odata");
    let list = manifest["objects"]["*"]["list_changed"].as_object_mut().unwrap();
    list["query"] = json!({
        "$filter": "{settings.modified_field} ge {since} and Status ne 'draft'",
        "$orderby": "{settings.modified_field},{settings.key_field}",
    });
    list.insert("pages".to_owned(), json!({"next_url": ".\"@odata.nextLink\""}));
    list.retain(|name, _| name != "more" && name != "first_id");
    let mut definition = setting.definition("odata", "/odata/v4/sales");
    let from = stamp(500);
    definition["polls"]["Invoices"]["since"] = json!(from);
    setting.publish(1, definition, &manifest).await;
    let (records, pages) = setting.run().await;
    let expected: BTreeSet<String> =
        (0..INVOICES).filter(|number| number % 10 != 0 && stamp(*number) >= from).map(invoice_id).collect();
    assert_eq!(records.len(), expected.len(), "each once");
    assert_eq!(ids(&records).into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(pages, expected.len().div_ceil(100));
}

#[tokio::test]
async fn the_same_service_in_odata_2_reads_every_record_once_in_order() {
    let setting = Setting::new("v2").await;
    let mut definition = setting.definition("odata-v2", "/odata/v2/sales");
    for (version, opens, closes) in [(1, "datetime'", "'"), (2, "datetimeoffset'", "Z'")] {
        definition["settings"]["moment_opens"] = opens.into();
        definition["settings"]["moment_closes"] = closes.into();
        setting.publish(version, definition.clone(), &manifest("odata-v2")).await;
        let (records, _) = setting.run().await;
        if version == 1 {
            assert_eq!(ids(&records), in_order());
            // Moments are written out, and nothing of the protocol is left in the record.
            let first = records.iter().find(|record| record["ID"] == json!(invoice_id(1_199))).unwrap();
            let expected = json!({
                "ID": invoice_id(1_199), "Customer_ID": "C-2", "Status": "open", "Total": "1199.5", "ModifiedAt": stamp(1_199),
            });
            assert_eq!(*first, expected);
        } else {
            assert_eq!(ids(&records), Vec::<String>::new(), "the watermark stands at the last record");
        }
    }
}
