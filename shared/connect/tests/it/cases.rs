//! Runs `connectors/*/tests/*.yaml`: what a connector promises, over the real client.

use crate::outcome_text::{contains, listed, read, sent};
use crate::server::{Reply, Server, TestSecrets, client, connection};
use fluxnex_connect::{DeliveryRequest, Engine, TargetRecord, catalog};
use fluxnex_core::connector::CompiledManifest;
use fluxnex_core::ids::{ObjectName, SourceId};
use fluxnex_core::mapping::Json;
use fluxnex_core::poll::Position;
use fluxnex_core::signature::{ActiveSecrets, event_id, verify};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One file of cases. Files are named from the connector's folder; `{server}` in the file becomes
/// the address of the test's server.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    /// The connection's base URL.
    #[serde(default)]
    base_url: Option<String>,
    #[serde(default)]
    settings: BTreeMap<String, String>,
    #[serde(default)]
    secret: Map<String, Value>,
    /// The time at which everything happens.
    now: Timestamp,
    /// The exchange for an access token, before the first one of each case.
    #[serde(default)]
    token: Option<ExchangeCase>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    webhook: Option<WebhookCase>,
    #[serde(default)]
    send: Option<SendCase>,
    #[serde(default)]
    read_one: Option<ReadCase>,
    #[serde(default)]
    list_changed: Option<ListCase>,
    #[serde(default)]
    exchanges: Vec<ExchangeCase>,
    /// `{delivered: …}`, `{failed: …}`, `{unknown: …}`, `{found: …}`, `gone` or `{listed: …}`; what it
    /// does not name is not compared.
    #[serde(default)]
    outcome: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookCase {
    body: PathBuf,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Why the signature is refused; absent: it is accepted.
    #[serde(default)]
    refused: Option<String>,
    #[serde(default)]
    event_id: Option<String>,
    #[serde(default)]
    records: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendCase {
    object: ObjectName,
    payload: PathBuf,
    key: String,
    #[serde(default)]
    target: Option<TargetCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetCase {
    id: String,
    #[serde(default)]
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadCase {
    object: ObjectName,
    id: SourceId,
}

/// One page after a place; without `since` from the very beginning.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListCase {
    object: ObjectName,
    #[serde(default)]
    since: Option<i64>,
    #[serde(default)]
    after: Option<SourceId>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct ExchangeCase {
    request: RequestCase,
    answer: AnswerCase,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct RequestCase {
    method: String,
    path: String,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The JSON body, whole.
    #[serde(default)]
    body: Option<Value>,
    /// The JSON body as a file, whole, with the fields of `body` added.
    #[serde(default)]
    body_file: Option<PathBuf>,
    /// The form, whole.
    #[serde(default)]
    form: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct AnswerCase {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    body_file: Option<PathBuf>,
}

pub fn connectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors")
}

#[tokio::test]
async fn every_connector_keeps_what_its_tests_promise() {
    for name in catalog::names() {
        let folder = connectors().join(name);
        let mut files: Vec<_> = fs::read_dir(folder.join("tests")).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files {
            run_file(name, &folder, &file).await;
        }
    }
}

async fn run_file(name: &str, folder: &Path, file: &Path) {
    let text = fs::read_to_string(file).unwrap();
    // Each case has a server and an engine of its own, so that no token is remembered.
    let count = parse(&text, "http://unused", file).cases.len();
    for index in 0..count {
        let server = Server::start().await;
        let mut cases = parse(&text, &server.url, file);
        let case = cases.cases.swap_remove(index);
        let place = format!("{}: {}", file.display(), case.name);
        if let Some(webhook) = &case.webhook {
            run_webhook(&catalog::compiled(name).unwrap(), folder, &cases, webhook, &place);
        } else {
            run_exchange(name, folder, &cases, &case, &server, &place).await;
        }
    }
}

fn parse(text: &str, url: &str, file: &Path) -> CaseFile {
    serde_saphyr::from_str(&text.replace("{server}", url)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn run_webhook(manifest: &CompiledManifest, folder: &Path, cases: &CaseFile, case: &WebhookCase, place: &str) {
    let body = fs::read_to_string(folder.join(&case.body)).unwrap();
    let headers: BTreeMap<String, String> =
        case.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    let header = |name: &str| headers.get(name).map(String::as_str);
    let webhook = manifest.manifest().webhook.as_ref().unwrap();
    let secrets = ActiveSecrets::of(&cases.secret, webhook.signature.secret()).unwrap();
    let verified = verify(&webhook.signature, &secrets, header, body.as_bytes(), cases.now);
    assert_eq!(verified.err().map(|error| error.to_string()), case.refused, "{place}");
    if let Some(expected) = &case.event_id {
        assert_eq!(event_id(&webhook.event_id, header, body.as_bytes()).unwrap().id.as_str(), expected, "{place}");
    }
    if case.refused.is_none() {
        let records: Vec<Value> = manifest
            .webhook_records(&body, &settings(manifest, &cases.settings))
            .unwrap()
            .into_iter()
            .map(|record| {
                let record = record.unwrap();
                let content: Value = record.record.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
                json!({
                    "object": record.object, "id": record.id, "version": record.version, "deleted": record.deleted,
                    "record": content,
                })
            })
            .collect();
        let matches = records.iter().zip(&case.records).all(|(actual, expected)| contains(actual, expected));
        assert!(matches && records.len() == case.records.len(), "{place}: {records:#?}");
    }
}

async fn run_exchange(name: &str, folder: &Path, cases: &CaseFile, case: &Case, server: &Server, place: &str) {
    let now = cases.now;
    let secrets = TestSecrets::with(Value::Object(cases.secret.clone()));
    let engine = Engine::new(client(), secrets).with_clock(move || now);
    let mut connection = connection(catalog::compiled(name).unwrap(), cases.base_url.as_deref(), &[]);
    connection.settings = cases.settings.clone();
    let exchanges: Vec<ExchangeCase> = cases.token.iter().chain(&case.exchanges).cloned().collect();
    for exchange in &exchanges {
        server.reply(reply(&exchange.answer, folder));
    }
    let timeout = Duration::from_secs(10);
    let outcome = match (&case.send, &case.read_one, &case.list_changed) {
        (Some(send), None, None) => {
            let payload = fs::read_to_string(folder.join(&send.payload)).unwrap();
            let payload = RawValue::from_string(payload.trim().to_owned()).unwrap();
            let target = send.target.as_ref();
            let target = target.map(|target| TargetRecord { id: target.id.clone(), version: target.version.clone() });
            let request = DeliveryRequest {
                object: &send.object,
                payload: &payload,
                idempotency_key: &send.key,
                target,
                timeout,
            };
            sent(&engine.send(&connection, &request).await.outcome)
        }
        (None, None, Some(list)) => {
            let position = list.since.map(|version| Position { version, id: list.after.clone() });
            let outcome = engine.list_changed(&connection, &list.object, position.as_ref(), timeout).await.outcome;
            listed(&outcome, |record| {
                let settings = settings(&connection.manifest, &connection.settings);
                connection.manifest.identify(&list.object, record, &settings)
            })
        }
        (None, Some(one), None) => read(&engine.read_one(&connection, &one.object, &one.id, timeout).await.outcome),
        _ => panic!("{place}: a case has a webhook, or send, or read_one, or list_changed"),
    };
    let requests = server.requests();
    assert_eq!(requests.len(), exchanges.len(), "{place}: {requests:#?}\n{outcome}");
    for (request, exchange) in requests.iter().zip(&exchanges) {
        let expected = &exchange.request;
        assert_eq!((&request.method, &request.path), (&expected.method, &expected.path), "{place}");
        assert_eq!(request.query, expected.query, "{place}");
        for (name, value) in &expected.headers {
            assert_eq!(request.headers.get(&name.to_ascii_lowercase()), Some(value), "{place}: {name}");
        }
        if let Some(form) = &expected.form {
            let url = reqwest::Url::parse(&format!("http://x/?{}", request.body)).unwrap();
            let actual: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
            assert_eq!(&actual, form, "{place}");
        } else {
            let actual: Option<Value> =
                (!request.body.is_empty()).then(|| serde_json::from_str(&request.body).unwrap());
            assert_eq!(actual, expected_body(expected, folder), "{place}");
        }
    }
    assert!(contains(&outcome, &case.outcome), "{place}: {outcome:#}");
}

fn settings(manifest: &CompiledManifest, given: &BTreeMap<String, String>) -> Json {
    let settings = manifest.settings(given).unwrap_or_default();
    Json::parse("settings", &serde_json::to_string(&settings).unwrap()).unwrap()
}

fn expected_body(expected: &RequestCase, folder: &Path) -> Option<Value> {
    let Some(file) = &expected.body_file else { return expected.body.clone() };
    let mut body: Value = serde_json::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap();
    if let Some(Value::Object(more)) = &expected.body {
        body.as_object_mut().unwrap().extend(more.clone());
    }
    Some(body)
}

fn reply(answer: &AnswerCase, folder: &Path) -> Reply {
    let body = match (&answer.body, &answer.body_file) {
        (Some(body), None) => body.to_string(),
        (None, Some(file)) => fs::read_to_string(folder.join(file)).unwrap(),
        _ => String::new(),
    };
    let headers = answer.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Reply::Answer { status: answer.status, headers, body }
}
