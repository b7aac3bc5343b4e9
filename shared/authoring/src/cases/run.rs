//! Runs the cases of one file, each with a server and an engine of its own, so that no token is remembered.

use super::act::act;
use super::compare::{compare, equal, expect};
use super::format::{AnswerCase, Case, CaseFile, ExchangeCase, WebhookCase};
use super::outcome;
use crate::finding::Finding;
use crate::manifest;
use crate::places::Places;
use crate::server::{Reply, Server};
use async_trait::async_trait;
use fluxnex_connect::client::{ClientOptions, GuardedClient};
use fluxnex_connect::connection::Reach;
use fluxnex_connect::{Connection, Engine, SecretSource, SecretSourceError};
use fluxnex_core::connector::CompiledManifest;
use fluxnex_core::ids::{ConnectionId, TenantId};
use fluxnex_core::mapping::Json;
use fluxnex_core::signature::{ActiveSecrets, SignedRequest, event_id, verify};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What stands for the server's address.
const SERVER: &str = "{server}";

/// What running a file's cases showed.
#[derive(Debug, Default)]
pub struct Ran {
    /// How many cases there are.
    pub cases: usize,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Runs the cases of one file of a connector's folder; `file` is below the folder.
pub async fn run_file(manifest: &Arc<CompiledManifest>, folder: &Path, file: &Path) -> Ran {
    let text = match fs::read_to_string(folder.join(file)) {
        Ok(text) => text,
        Err(error) => return Ran { cases: 0, findings: vec![Finding::of(file, format!("cannot be read: {error}"))] },
    };
    let name = file.display().to_string();
    let cases: CaseFile = match manifest::read(&text, &name) {
        Ok(cases) => cases,
        Err(finding) => return Ran { cases: 0, findings: vec![finding] },
    };
    let places = Places::of(&text);
    let mut ran = Ran { cases: cases.cases.len(), findings: Vec::new() };
    if cases.cases.is_empty() {
        ran.findings.push(Finding::of(file, "there is no case in it"));
    }
    for index in 0..ran.cases {
        if let Err(fault) = run_case(manifest, folder, &text, index).await {
            let path = format!("cases.{}.{}", index + 1, fault.at);
            let place = places.as_ref().and_then(|places| places.find(&path));
            ran.findings.push(Finding::of(file, format!("{}: {}", fault.case, fault.message)).at(place));
        }
    }
    ran
}

/// What is wrong with a case.
struct Fault {
    case: String,
    /// The field of the case.
    at: &'static str,
    message: String,
}

/// A result, or the field of the case that it differs from and what is wrong.
pub(super) type Outcome<T> = Result<T, (&'static str, String)>;

async fn run_case(manifest: &Arc<CompiledManifest>, folder: &Path, text: &str, index: usize) -> Result<(), Fault> {
    let fault = |case: &str, (at, message): (&'static str, String)| Fault { case: case.to_owned(), at, message };
    let server = Server::start().await.map_err(|error| fault("", ("name", format!("no server: {error}"))))?;
    let cases: CaseFile = serde_saphyr::from_str(&text.replace(SERVER, &server.url))
        .map_err(|error| fault("", ("name", error.to_string())))?;
    let Some(case) = cases.cases.get(index) else { return Ok(()) };
    let ran = match &case.webhook {
        Some(webhook) => run_webhook(manifest, folder, &cases, webhook),
        None => run_exchange(manifest, folder, &cases, case, &server).await,
    };
    ran.map_err(|error| fault(&case.name, error))
}

fn run_webhook(manifest: &CompiledManifest, folder: &Path, cases: &CaseFile, case: &WebhookCase) -> Outcome<()> {
    let body = read(folder, &case.body).map_err(|error| ("webhook.body", error))?;
    let headers: BTreeMap<String, String> =
        case.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    let header = |name: &str| headers.get(name).map(String::as_str);
    let published = manifest.manifest().published_webhook(&cases.settings, "secret", false);
    let Some(webhook) = published.map_err(|error| ("webhook", error.to_string()))? else {
        return Err(("webhook", "the connector takes no webhooks with these settings".to_owned()));
    };
    let way = webhook.way_of(header("content-type"));
    let secrets = ActiveSecrets::of(&cases.secret, way.signature.secret())
        .map_err(|error| ("webhook", format!("secret: {error}")))?;
    let request = SignedRequest { method: "POST", url: &case.url, body: body.as_bytes() };
    let verified = verify(&way.signature, &secrets, header, &request, cases.now).map_err(|error| error.to_string());
    let taken = verified.and_then(|()| way.read(body).map_err(|error| error.to_string()));
    let refused = taken.as_ref().err().cloned();
    if refused != case.refused {
        let said = |reason: &Option<String>| reason.clone().unwrap_or_else(|| "accepted".to_owned());
        let message = format!("expected: {}, but it is: {}", said(&case.refused), said(&refused));
        return Err(("webhook.refused", message));
    }
    if let Some(expected) = &case.event_id {
        let body = taken.as_ref().map(|body| body.get()).unwrap_or_default();
        let found = event_id(&way.event_id, header, body.as_bytes());
        let found = found.map_err(|error| ("webhook.event_id", error.to_string()))?;
        equal("webhook.event_id", found.id.as_str(), expected)?;
    }
    let Ok(body) = taken else { return Ok(()) };
    let settings = settings(manifest, &cases.settings)?;
    let records =
        manifest.webhook_records(body.get(), &settings).map_err(|error| ("webhook.records", error.to_string()))?;
    let records: Result<Vec<Value>, String> = records
        .into_iter()
        .map(|record| {
            let record = record.map_err(|error| error.to_string())?;
            let content = record.record.map_or(Ok(Value::Null), |text| serde_json::from_str(&text));
            Ok(json!({
                "object": record.object, "id": record.id, "version": record.version, "deleted": record.deleted,
                "event": record.event, "record": content.map_err(|error: serde_json::Error| error.to_string())?,
            }))
        })
        .collect();
    let records = records.map_err(|error| ("webhook.records", error))?;
    expect("webhook.records", &Value::Array(records), &Value::Array(case.records.clone()))
}

async fn run_exchange(
    manifest: &Arc<CompiledManifest>,
    folder: &Path,
    cases: &CaseFile,
    case: &Case,
    server: &Server,
) -> Outcome<()> {
    let now = cases.now;
    let client = GuardedClient::new(&ClientOptions::default()).map_err(|error| ("name", error.to_string()))?;
    let secrets = Arc::new(CaseSecrets(Mutex::new(cases.secret.clone())));
    let engine = Engine::new(client, secrets).with_clock(move || now);
    let connection = connection(manifest, cases).map_err(|error| ("name", error))?;
    let exchanges: Vec<ExchangeCase> = cases.token.iter().chain(&case.exchanges).cloned().collect();
    for exchange in &exchanges {
        server.reply(reply(&exchange.answer, folder).map_err(|error| ("exchanges", error))?);
    }
    let (outcome, effort) = act(&engine, &connection, folder, case).await?;
    let requests = server.requests();
    if requests.len() != exchanges.len() {
        let made: Vec<String> = requests.iter().map(|request| format!("{} {}", request.method, request.path)).collect();
        let message = format!(
            "{} requests were expected, {} were made ({}); it came to {outcome}",
            exchanges.len(),
            requests.len(),
            made.join(", ")
        );
        return Err(("exchanges", message));
    }
    for (request, exchange) in requests.iter().zip(&exchanges) {
        compare(request, &exchange.request, folder)?;
    }
    if let Some(expected) = &case.limits {
        expect("limits", &outcome::limits(effort.limits.as_ref()), expected)?;
    }
    expect("outcome", &outcome, &case.outcome)
}

fn reply(answer: &AnswerCase, folder: &Path) -> Result<Reply, String> {
    let body = match (&answer.body, &answer.body_file) {
        (Some(body), None) => body.to_string(),
        (None, Some(file)) => read(folder, file)?,
        _ => String::new(),
    };
    let headers = answer.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Ok(Reply { status: answer.status, headers, body })
}

fn connection(manifest: &Arc<CompiledManifest>, cases: &CaseFile) -> Result<Connection, String> {
    Ok(Connection {
        tenant: TenantId::parse("acme").map_err(|error| error.to_string())?,
        id: ConnectionId::parse("application").map_err(|error| error.to_string())?,
        manifest: manifest.clone(),
        base_url: cases.base_url.clone(),
        settings: cases.settings.clone(),
        secret_name: "secret".to_owned(),
        reach: Reach { private_addresses: true, plain_http: true },
    })
}

pub(super) fn settings(manifest: &CompiledManifest, given: &BTreeMap<String, String>) -> Outcome<Json> {
    let settings = manifest.settings(given).map_err(|error| ("name", error.to_string()))?;
    Json::parse("settings", &json!(settings).to_string()).map_err(|error| ("name", error.to_string()))
}

pub(super) fn read(folder: &Path, file: &Path) -> Result<String, String> {
    fs::read_to_string(folder.join(file)).map_err(|error| format!("{} cannot be read: {error}", file.display()))
}

/// The secret of a case; a rotated refresh token replaces the old one.
struct CaseSecrets(Mutex<Map<String, Value>>);

#[async_trait]
impl SecretSource for CaseSecrets {
    async fn get(&self, _: &str) -> Result<Map<String, Value>, SecretSourceError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn put(&self, _: &str, secret: Map<String, Value>) -> Result<(), SecretSourceError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = secret;
        Ok(())
    }
}
