//! The connectors against the simulated applications: whole lists, batches and deletions, over TLS.

use crate::server::{TestSecrets, connection};
use fluxnex_connect::client::{ClientOptions, GuardedClient};
use fluxnex_connect::connection::{BatchEntry, BatchRequest, ListRequest};
use fluxnex_connect::{
    Connection, DeleteRequest, DeliveryRequest, Engine, FailureClass, ListOutcome, ReadManyOutcome, SendOutcome,
    TargetRecord, catalog,
};
use fluxnex_core::ids::{ObjectName, SourceId};
use fluxnex_core::poll::{Listing, Position};
use fluxnex_simulators::commands::Ports;
use fluxnex_simulators::tls::LocalAuthority;
use fluxnex_simulators::{Options, Running, start};
use jiff::{SignedDuration, Timestamp};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A record to be written: our id of it, and its payload.
type Given = (String, Value);

struct Setting {
    running: Running,
    engine: Engine,
    connection: Connection,
}

impl Setting {
    /// The applications, and a connection of a connector to the one at a port.
    async fn new(name: &str, port: fn(&Ports) -> u16, settings: &[(&str, &str)], secret: Value) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("simulated-{name}-{}", std::process::id()));
        let authority = LocalAuthority::ensure(&folder, Timestamp::now()).unwrap();
        let server = authority.server();
        let running = start(&Options {
            host: "127.0.0.1".to_owned(),
            ports: Ports::default(),
            tls_certificate: server.certificate,
            tls_key: server.key,
            extra_authority: Some(authority.ca()),
        })
        .await
        .unwrap();
        let extra_ca_pem = Some(std::fs::read(authority.ca()).unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
        let client = GuardedClient::new(&ClientOptions { extra_ca_pem, ..ClientOptions::default() }).unwrap();
        let url = format!("https://localhost:{}", port(&running.ports));
        let token_url = format!("{url}/oauth2/v1/tokens/bearer");
        let mut settings = settings.to_vec();
        if name == "quickbooks-online" {
            settings.push(("token_url", &token_url));
        }
        let connection = connection(catalog::compiled(name).unwrap(), Some(&url), &settings);
        let setting = Self { running, engine: Engine::new(client, TestSecrets::with(secret)), connection };
        setting.control("PUT", "configuration", &json!({
            "revenova": {"clients": [{"client_id": "id", "client_secret": "secret"}], "daily_requests": 5000},
            "quickbooks": {"clients": [{"client_id": "id", "client_secret": "secret", "refresh_token": "again", "realm_id": "9130"}]},
            "hubspot": {"clients": [{"client_id": "id", "client_secret": "secret", "refresh_token": "again"}]},
        })).await;
        setting
    }

    async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("http://127.0.0.1:{}/{path}", self.running.ports.control);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.request(method.parse().unwrap(), url).body(body.to_string());
        let answer = request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap();
        serde_json::from_str(&answer).unwrap_or_default()
    }

    async fn batch(&self, object: &str, given: &[Given]) -> Vec<SendOutcome> {
        let object = ObjectName::parse(object).unwrap();
        let payloads: Vec<_> =
            given.iter().map(|(_, payload)| RawValue::from_string(payload.to_string()).unwrap()).collect();
        let entries: Vec<BatchEntry<'_>> = given
            .iter()
            .zip(&payloads)
            .map(|((id, _), payload)| BatchEntry { payload, idempotency_key: id, external_id: Some(id), target: None })
            .collect();
        let request = BatchRequest { object: &object, entries: &entries, timeout: PATIENCE };
        self.engine.send_batch(&self.connection, &request).await.outcomes
    }

    async fn send(&self, object: &str, id: &str, payload: &Value) -> SendOutcome {
        let (object, payload) =
            (ObjectName::parse(object).unwrap(), RawValue::from_string(payload.to_string()).unwrap());
        let request = DeliveryRequest {
            object: &object,
            payload: &payload,
            idempotency_key: id,
            external_id: Some(id),
            target: None,
            timeout: PATIENCE,
        };
        self.engine.send(&self.connection, &request).await.outcome
    }

    async fn delete(&self, object: &str, id: &str) {
        let object = ObjectName::parse(object).unwrap();
        let target = Some(TargetRecord { id: id.to_owned(), version: None });
        let request =
            DeleteRequest { object: &object, idempotency_key: "d", external_id: None, target, timeout: PATIENCE };
        let outcome = self.engine.delete(&self.connection, &request).await.outcome;
        assert!(matches!(outcome, SendOutcome::Delivered { .. }), "{outcome:?}");
    }

    async fn read_many(&self, object: &str, ids: &[String]) -> Vec<Option<Value>> {
        let object = ObjectName::parse(object).unwrap();
        let ids: Vec<SourceId> = ids.iter().map(|id| SourceId::parse(id.as_str()).unwrap()).collect();
        match self.engine.read_many(&self.connection, &object, &ids, PATIENCE).await.outcome {
            ReadManyOutcome::Found(found) => {
                found.into_iter().map(|record| record.map(|text| serde_json::from_str(&text).unwrap())).collect()
            }
            ReadManyOutcome::Failed(failure) => panic!("{failure:?}"),
        }
    }

    /// Pages of a list, each asked for with the place of the last record (as a run does at a bound), to its end.
    async fn list(&self, list: Listing, object: &str, since: Timestamp) -> Vec<Value> {
        let name = ObjectName::parse(object).unwrap();
        let mut position = Position { version: since.as_microsecond(), id: None };
        let mut records = Vec::new();
        loop {
            let (object, position_now) = (&name, position.clone());
            let request =
                ListRequest { list, object, position: Some(&position_now), continuation: None, timeout: PATIENCE };
            let page = match self.engine.list(&self.connection, &request).await.outcome {
                ListOutcome::Listed(page) => page,
                ListOutcome::Failed(failure) => panic!("{failure:?}"),
            };
            let more = page.more && list == Listing::Changed;
            records.extend(page.records.iter().map(|record| serde_json::from_str::<Value>(record.get()).unwrap()));
            let Some(last) = page.records.last().filter(|_| more) else { return records };
            let settings = self.connection.manifest.settings(&self.connection.settings).unwrap();
            let settings =
                fluxnex_core::mapping::Json::parse("settings", &serde_json::to_string(&settings).unwrap()).unwrap();
            let identified = self.connection.manifest.identify(&name, last.get(), &settings).unwrap();
            position = Position { version: identified.version.unwrap(), id: Some(identified.id) };
        }
    }
}

fn an_hour_ago() -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(1)
}

fn delivered(outcome: &SendOutcome) -> String {
    match outcome {
        SendOutcome::Delivered { target_id: Some(id), .. } => id.clone(),
        other => panic!("{other:?}"),
    }
}

fn class(outcome: &SendOutcome) -> Option<FailureClass> {
    match outcome {
        SendOutcome::Failed(failure) => Some(failure.class),
        _ => None,
    }
}

#[tokio::test]
async fn salesforce_is_written_in_collections_listed_and_told_of_deletions() {
    let settings = [("instance", "example.my.salesforce.com")];
    let secret = json!({"client_id": "id", "client_secret": "secret"});
    let setting = Setting::new("salesforce", |ports| ports.revenova, &settings, secret).await;
    let mut given: Vec<Given> =
        (0..250).map(|number| (format!("x-{number}"), json!({"LastName": format!("Name {number}")}))).collect();
    given[7].1 = json!({"FirstName": "No last name"});
    let outcomes = setting.batch("Contact", &given).await;
    assert_eq!(outcomes.len(), 250);
    assert_eq!(class(&outcomes[7]), Some(FailureClass::Permanent));
    let ids: Vec<String> =
        outcomes.iter().enumerate().filter(|(at, _)| *at != 7).map(|(_, one)| delivered(one)).collect();
    // The same external id is the same record.
    assert_eq!(delivered(&setting.send("Contact", "x-0", &json!({"FirstName": "Max"})).await), ids[0]);
    let lost = json!({"LastName": "X", "AccountId": "001000000000001AAA"});
    assert_eq!(class(&setting.send("Contact", "x-0", &lost).await), Some(FailureClass::InvalidReference));

    let listed = setting.list(Listing::Changed, "Contact", an_hour_ago()).await;
    let mut found: Vec<&str> = listed.iter().map(|record| record["Id"].as_str().unwrap()).collect();
    assert_eq!((listed.len(), &listed.last().unwrap()["Name"]), (249, &json!("Max Name 0")));
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 249, "each once");

    let read = setting.read_many("Contact", &[ids[1].clone(), "003000000000001AAA".to_owned()]).await;
    assert_eq!(read[0].as_ref().unwrap()["FluxNex_Id__c"], "x-1");
    assert!(read[1].is_none());
    for _ in 0..2 {
        setting.delete("Contact", &ids[1]).await;
    }
    let deleted = setting.list(Listing::Deleted, "Contact", an_hour_ago()).await;
    // The organisation tells of whole minutes only, and this one is not over.
    assert!(deleted.len() <= 1 && deleted.iter().all(|record| record["id"] == json!(ids[1])), "{deleted:?}");
}

#[tokio::test]
async fn hubspot_is_written_in_batches_listed_over_many_searches_and_told_of_archived_records() {
    let secret = json!({"client_id": "id", "client_secret": "secret", "refresh_token": "again"});
    let setting = Setting::new("hubspot", |ports| ports.hubspot, &[], secret).await;
    let mut given: Vec<Given> =
        (0..450).map(|number| (format!("x-{number}"), json!({"lastname": format!("Name {number}")}))).collect();
    given[3].1 = json!({"shoe_size": "43"});
    given[200].1 = json!({"email": "taken@example.com"});
    given[333].1 = json!({"email": "taken@example.com"});
    let outcomes = setting.batch("contacts", &given).await;
    let refused: Vec<usize> = (0..450).filter(|at| class(&outcomes[*at]) == Some(FailureClass::Permanent)).collect();
    assert_eq!(refused, [3, 333]);
    let ids: Vec<String> = (0..450).filter(|at| !refused.contains(at)).map(|at| delivered(&outcomes[at])).collect();
    let read = setting.read_many("contacts", &[ids[0].clone(), "1".to_owned()]).await;
    assert_eq!(read[0].as_ref().unwrap()["properties"]["lastname"], "Name 0");
    assert!(read[1].is_none());
    // One by one a refusal is seen, too, though the status says nothing of it.
    let taken = setting.send("contacts", "x-9", &json!({"email": "taken@example.com"})).await;
    assert_eq!(class(&taken), Some(FailureClass::Permanent), "{taken:?}");
    assert_eq!(delivered(&setting.send("contacts", "x-0", &json!({"firstname": "Max"})).await), ids[0]);

    let listed = setting.list(Listing::Changed, "contacts", an_hour_ago()).await;
    let mut found: Vec<&str> = listed.iter().map(|record| record["id"].as_str().unwrap()).collect();
    found.sort_unstable();
    found.dedup();
    // Each search begins at the time of the last record, which so comes twice.
    assert!(found.len() == 448 && listed.len() < 448 + 60, "{} of {}", found.len(), listed.len());

    setting.delete("contacts", &ids[5]).await;
    let archived = setting.list(Listing::Deleted, "contacts", an_hour_ago()).await;
    assert_eq!(archived.iter().map(|record| record["id"].clone()).collect::<Vec<_>>(), [json!(ids[5])]);
}

#[tokio::test]
async fn quickbooks_is_listed_and_read() {
    let secret = json!({"client_id": "id", "client_secret": "secret", "refresh_token": "again"});
    let setting = Setting::new("quickbooks-online", |ports| ports.quickbooks, &[("realm", "9130")], secret).await;
    let customer = delivered(&setting.send("Customer", "c-1", &json!({"DisplayName": "Adler GmbH"})).await);
    let invoice = json!({
        "CustomerRef": {"value": customer}, "TxnDate": "2026-11-20",
        "Line": [{"DetailType": "SalesItemLineDetail", "Amount": 5, "SalesItemLineDetail": {"ItemRef": {"value": "1"}}}],
    });
    let invoices = [
        delivered(&setting.send("Invoice", "i-1", &invoice).await),
        delivered(&setting.send("Invoice", "i-2", &invoice).await),
    ];
    let listed = setting.list(Listing::Changed, "Invoice", an_hour_ago()).await;
    assert_eq!(listed.iter().map(|record| record["Id"].clone()).collect::<Vec<_>>(), invoices.clone().map(Value::from));
    assert_eq!(setting.list(Listing::Changed, "Customer", an_hour_ago()).await.len(), 1);
    let read = setting.read_many("Invoice", &[invoices[1].clone(), "99".to_owned()]).await;
    assert!(read[0].is_some() && read[1].is_none());
    assert!(setting.list(Listing::Deleted, "Invoice", an_hour_ago()).await.is_empty());
}

#[tokio::test]
async fn an_outbound_message_of_salesforce_is_read_as_its_connector_says() {
    let setting =
        Setting::new("salesforce", |ports| ports.revenova, &[("instance", "x")], json!({"client_id": "id"})).await;
    let given =
        [("instance", "x"), ("organization_id", "00D5f000000FluxEAK")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    let manifest = &setting.connection.manifest;
    let published = manifest.manifest().published_webhook(&given.into(), "secret", false).unwrap().unwrap();
    let (mut ids, mut stamp) = (Vec::new(), String::new());
    for name in ["A & B", "Prärie <1>"] {
        let record = json!({"object": "Account", "record": {"Name": name}});
        let stored = setting.control("POST", "revenova/records", &record).await;
        ids.push(stored["record_id"].as_str().unwrap().to_owned());
        stamp = stored["version"].as_str().unwrap().to_owned();
    }
    let server = crate::server::Server::start().await;
    let message = |organization: Option<&str>| {
        json!({"url": format!("{}/hook?token=example-token", server.url), "object": "Account", "record_ids": ids,
               "fields": ["Name", "Phone", "IsDeleted", "SystemModstamp"], "session_id": "marked-session",
               "organization_id": organization})
    };
    // What `ingest` answers; a 2xx without it is no acknowledgement.
    let ack = published.way.acknowledge.as_ref().unwrap().body.clone();
    for (body, acknowledged) in [(ack, true), ("{}".to_owned(), false)] {
        server.reply(crate::server::Reply::Answer { status: 200, headers: vec![], body });
        let sent = setting.control("POST", "revenova/outbound-messages", &message(None)).await;
        assert_eq!((&sent["status"], &sent["acknowledged"]), (&json!(200), &json!(acknowledged)), "{sent}");
    }
    let sent = server.requests().remove(0);
    assert_eq!(sent.query["token"], "example-token");
    let way = published.way_of(Some(&sent.headers["content-type"]));
    let body = way.read(sent.body).unwrap();
    assert!(!body.get().contains("marked-session"));
    let settings = fluxnex_core::mapping::Json::parse("settings", "{}").unwrap();
    let records = manifest.webhook_records(body.get(), &settings).unwrap();
    let records: Vec<_> = records.into_iter().map(Result::unwrap).collect();
    assert_eq!(records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ids);
    let last: Value = serde_json::from_str(records[1].record.as_ref().unwrap()).unwrap();
    assert_eq!((&last["Name"], &last["IsDeleted"], last.get("Phone")), (&json!("Prärie <1>"), &json!(false), None));
    assert_eq!(records[1].version, Some(stamp.parse::<Timestamp>().unwrap().as_microsecond()));
    assert!(records[0].event.is_some() && records[0].event != records[1].event);
    server.reply(crate::server::Reply::json(403, "{}"));
    setting.control("POST", "revenova/outbound-messages", &message(Some("00D5f000000OtherAA"))).await;
    let other = server.requests().remove(2).body;
    assert!(published.way.read(other).is_err(), "another organisation");
}
