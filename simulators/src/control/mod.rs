//! The control API: plain HTTP and JSON, for whoever runs the simulation. `README.md`
//! documents each call.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::commands::{
    Configuration, ErpChanges, ErpScenario, FaultRule, HubspotEvents, OutboundMessage, Scenario, SeedRecords,
    SendWebhook, SilentChanges, StoreRecord,
};
use crate::erp::commands as erp;
use crate::hubspot;
use crate::journal::App;
use crate::revenova::commands as revenova;
use crate::world::World;

/// Seeding ten thousand records at once fits.
const LARGEST_BODY: usize = 32 * 1024 * 1024;
/// The most entries of one page of the journal.
const LARGEST_PAGE: usize = 10_000;

/// The routes.
pub fn router(world: &Arc<World>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/configuration", put(configure))
        .route("/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/faults/{id}", delete(remove_fault))
        .route("/journal", get(journal))
        .route("/counts", get(counts))
        .route("/reset", post(reset))
        .route("/revenova/records", get(revenova_records).post(store_record))
        .route("/revenova/webhooks", post(send_webhook))
        .route("/revenova/outbound-messages", post(send_message))
        .route("/revenova/scenario", post(start_scenario).delete(cancel_scenario))
        .route("/revenova/silent-changes", post(change_silently))
        .route("/erp/scenario", post(start_erp))
        .route("/erp/changes", post(change_erp))
        .route("/erp/records", get(erp_records))
        .route("/hubspot/events", post(send_events))
        .route("/quickbooks/records", get(quickbooks_records).post(seed_records))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(world.clone())
}

/// An error: a status, and what is wrong.
type Refusal = (StatusCode, String);

fn answer<T: IntoResponse>(result: Result<T, Refusal>) -> Response {
    match result {
        Ok(response) => response.into_response(),
        Err((status, message)) => (status, Json(json!({"error": message}))).into_response(),
    }
}

fn bad(message: impl Into<String>) -> Refusal {
    (StatusCode::BAD_REQUEST, message.into())
}

/// A body of JSON, whatever its content type says.
struct Command<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Command<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        let body = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
        let read = serde_json::from_slice(&body).map_err(|error| bad(error.to_string()));
        read.map(Command).map_err(|refusal| answer::<()>(Err(refusal)))
    }
}

async fn health() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

async fn configure(State(world): State<Arc<World>>, Command(given): Command<Configuration>) -> Response {
    let Configuration { revenova, quickbooks, erp, hubspot, receiver } = given;
    let done = world.revenova.configure(revenova);
    let done = done
        .and_then(|()| world.erp.configure(erp))
        .and_then(|()| world.hubspot.configure(hubspot))
        .and_then(|()| world.receiver.configure(receiver));
    if done.is_ok() {
        world.quickbooks.configure(quickbooks);
    }
    answer(done.map(|()| StatusCode::NO_CONTENT).map_err(bad))
}

async fn list_faults(State(world): State<Arc<World>>) -> Response {
    Json(world.faults.list()).into_response()
}

async fn add_fault(State(world): State<Arc<World>>, Command(rule): Command<FaultRule>) -> Response {
    answer(world.faults.add(rule).map(|id| (StatusCode::CREATED, Json(json!({"id": id})))).map_err(bad))
}

#[derive(Deserialize)]
struct ForApp {
    app: Option<App>,
}

async fn clear_faults(State(world): State<Arc<World>>, Query(parameters): Query<ForApp>) -> Response {
    Json(json!({"removed": world.faults.clear(parameters.app)})).into_response()
}

async fn remove_fault(State(world): State<Arc<World>>, Path(id): Path<u64>) -> Response {
    let removed = world.faults.remove(id);
    answer(if removed { Ok(StatusCode::NO_CONTENT) } else { Err((StatusCode::NOT_FOUND, "no such fault".to_owned())) })
}

#[derive(Deserialize)]
struct JournalParameters {
    section: Option<String>,
    #[serde(default)]
    after: usize,
    limit: Option<usize>,
}

async fn journal(State(world): State<Arc<World>>, Query(parameters): Query<JournalParameters>) -> Response {
    let Some(section) = parameters.section else {
        return Json(world.recorder.snapshot()).into_response();
    };
    let limit = parameters.limit.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
    let page = world.recorder.section(&section, parameters.after, limit);
    answer(page.map(Json).ok_or_else(|| (StatusCode::NOT_FOUND, format!("the journal has no section {section:?}"))))
}

async fn counts(State(world): State<Arc<World>>) -> Response {
    let mut counts = world.recorder.counts();
    (counts.scenario, counts.planned) = world.revenova.scenarios.progress();
    counts.records.extend(
        world.revenova.records.counts().into_iter().map(|(name, count)| (format!("revenova.{name}"), count as u64)),
    );
    counts
        .records
        .extend(world.erp.records.counts().into_iter().map(|(name, count)| (format!("erp.{name}"), count as u64)));
    counts.records.extend(
        world.quickbooks.counts().into_iter().map(|(name, count)| (format!("quickbooks.{name}"), count as u64)),
    );
    counts
        .records
        .extend(world.hubspot.crm.counts().into_iter().map(|(name, count)| (format!("hubspot.{name}"), count as u64)));
    Json(counts).into_response()
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Reset {
    /// Keep the applications' records, and forget only what was recorded.
    keep_records: bool,
}

async fn reset(State(world): State<Arc<World>>, Command(command): Command<Reset>) -> Response {
    world.revenova.scenarios.forget();
    if !command.keep_records {
        world.revenova.reset();
        world.quickbooks.reset();
        world.erp.reset();
        world.hubspot.reset();
        world.receiver.reset();
    }
    world.faults.clear(None);
    world.recorder.reset();
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
struct RevenovaRecords {
    object: String,
}

async fn revenova_records(State(world): State<Arc<World>>, Query(parameters): Query<RevenovaRecords>) -> Response {
    Json(world.revenova.records.all(&parameters.object)).into_response()
}

async fn store_record(State(world): State<Arc<World>>, Command(command): Command<StoreRecord>) -> Response {
    answer(revenova::store_record(&world, command).map(|stored| (StatusCode::CREATED, Json(stored))).map_err(bad))
}

async fn send_webhook(State(world): State<Arc<World>>, Command(command): Command<SendWebhook>) -> Response {
    answer(revenova::send_webhook(&world, command).await.map(Json).map_err(bad))
}

async fn send_message(State(world): State<Arc<World>>, Command(command): Command<OutboundMessage>) -> Response {
    answer(crate::revenova::outbound::send(&world, command).await.map(Json).map_err(bad))
}

async fn send_events(State(world): State<Arc<World>>, Command(command): Command<HubspotEvents>) -> Response {
    answer(hubspot::send(&world, command).await.map(Json).map_err(bad))
}

async fn start_scenario(State(world): State<Arc<World>>, Command(scenario): Command<Scenario>) -> Response {
    let started = revenova::start(&world, &scenario).map_err(|refused| match refused {
        revenova::Refused::Invalid(message) => bad(message),
        revenova::Refused::NotNow(message) => (StatusCode::CONFLICT, message),
    });
    answer(started.map(|planned| (StatusCode::ACCEPTED, Json(planned))))
}

async fn change_silently(State(world): State<Arc<World>>, Command(command): Command<SilentChanges>) -> Response {
    answer(revenova::change_silently(&world, &command).map(|made| (StatusCode::CREATED, Json(made))).map_err(bad))
}

async fn start_erp(State(world): State<Arc<World>>, Command(scenario): Command<ErpScenario>) -> Response {
    answer(erp::start(&world, &scenario).map(|planned| (StatusCode::CREATED, Json(planned))).map_err(bad))
}

async fn change_erp(State(world): State<Arc<World>>, Command(command): Command<ErpChanges>) -> Response {
    answer(erp::change(&world, &command).map(|made| (StatusCode::CREATED, Json(made))).map_err(bad))
}

#[derive(Deserialize)]
struct ErpRecords {
    set: String,
}

async fn erp_records(State(world): State<Arc<World>>, Query(parameters): Query<ErpRecords>) -> Response {
    answer(erp::records(&world, &parameters.set).map(Json).map_err(bad))
}

async fn cancel_scenario(State(world): State<Arc<World>>) -> Response {
    world.revenova.scenarios.cancel();
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
struct QuickbooksRecords {
    realm_id: String,
    entity: String,
}

async fn quickbooks_records(State(world): State<Arc<World>>, Query(parameters): Query<QuickbooksRecords>) -> Response {
    answer(world.quickbooks.records(&parameters.realm_id, &parameters.entity).map(Json).map_err(bad))
}

async fn seed_records(State(world): State<Arc<World>>, Command(command): Command<SeedRecords>) -> Response {
    answer(world.quickbooks.seed(command).map(|records| (StatusCode::CREATED, Json(records))).map_err(bad))
}
