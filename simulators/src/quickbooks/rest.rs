//! QuickBooks' REST resources: create and update, read, query.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query as Parameters, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{self, Fault};
use super::oauth::Allowed;
use super::query;
use super::validate::Entity;
use crate::clock::now_microseconds;
use crate::journal::{App, Effect, SourceReference};
use crate::recorder::lock;
use crate::world::World;

/// Intuit: at most 50 characters.
const LONGEST_REQUEST_ID: usize = 50;

/// The middleware of everything about a company: the token must be good for it, and the
/// second must have room.
pub async fn admit(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    let realm = request.uri().path().split('/').nth(3).unwrap_or_default().to_owned();
    let value = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token =
        value.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = token else {
        return answer::unauthenticated("Malformed bearer token: too short or too long");
    };
    match world.quickbooks.access.allows(token.trim(), &realm) {
        Allowed::Company => {}
        Allowed::OtherCompany => return answer::forbidden(),
        Allowed::Nothing => return answer::unauthenticated("Token expired or unknown"),
    }
    let limit = *lock(&world.quickbooks.limit_per_second);
    let company = world.quickbooks.company(&realm);
    if !lock(&company).admit(limit, now_microseconds()) {
        let mut response = answer::throttled();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    }
    next.run(request).await
}

#[derive(Deserialize)]
pub struct WriteParameters {
    #[serde(default)]
    requestid: Option<String>,
    #[serde(default)]
    operation: Option<String>,
}

/// `POST /v3/company/<realm>/<entity>`: create, or update or (`operation=delete`) delete by `Id` and
/// `SyncToken`.
pub async fn write(
    State(world): State<Arc<World>>,
    Path((realm, entity)): Path<(String, String)>,
    Parameters(parameters): Parameters<WriteParameters>,
    body: Bytes,
) -> Response {
    let operation = parameters.operation.as_deref().unwrap_or("update");
    // Customers are never deleted, only made inactive.
    let supported = |entity: &Entity| operation == "update" || (operation == "delete" && *entity == Entity::Invoice);
    let Some(entity) = Entity::named(&entity).filter(supported) else {
        return answer::unsupported().await;
    };
    let request_id = parameters.requestid.filter(|id| !id.is_empty());
    let length = request_id.as_ref().map_or(0, |id| id.chars().count());
    if length > LONGEST_REQUEST_ID {
        return Fault::too_long("requestid", LONGEST_REQUEST_ID, length).response();
    }
    let Ok(payload) = serde_json::from_slice::<Value>(&body) else {
        return Fault::unparsable("").response();
    };
    let applied = if operation == "delete" {
        let company = world.quickbooks.company(&realm);
        let deleted = lock(&company).delete_invoice(&payload, now_microseconds());
        deleted.map(|left| Arc::new(answer::record(entity.name(), &left)))
    } else {
        apply(&world, &realm, entity, request_id, payload)
    };
    match applied {
        Ok(answer) => Json(answer).into_response(),
        Err(fault) => fault.response(),
    }
}

/// Writes under the company's lock, which orders the journal as it orders the changes.
/// A request id that had an effect gets its first answer again. One that was refused had
/// none, and may be tried again.
fn apply(
    world: &World,
    realm: &str,
    entity: Entity,
    request_id: Option<String>,
    payload: Value,
) -> Result<Arc<Value>, Fault> {
    let company = world.quickbooks.company(realm);
    let mut company = lock(&company);
    if let Some(before) = request_id.as_deref().and_then(|id| company.answered(id)) {
        return Ok(before);
    }
    let now = now_microseconds();
    let change = company.write(entity, &payload, now)?;
    let answer = Arc::new(answer::record(entity.name(), &change.record));
    if let Some(id) = &request_id {
        company.answer(id.clone(), answer.clone());
    }
    let note = change.record.get(entity.note()).and_then(Value::as_str);
    world.recorder.effect(Effect {
        sequence: 0,
        app: App::Quickbooks,
        entity: entity.name().to_owned(),
        target_id: change.target_id,
        source: note.and_then(SourceReference::parse),
        request_id,
        action: change.action,
        payload: Arc::new(payload),
        record: change.record,
        at: now,
    });
    Ok(answer)
}

/// `GET /v3/company/<realm>/<entity>/<id>`.
pub async fn read(
    State(world): State<Arc<World>>,
    Path((realm, entity, id)): Path<(String, String, String)>,
) -> Response {
    let Some(entity) = Entity::named(&entity) else {
        return answer::unsupported().await;
    };
    let company = world.quickbooks.company(&realm);
    let found = lock(&company).get(entity, &id).cloned();
    match found {
        Some(record) => Json(answer::record(entity.name(), &record)).into_response(),
        None => Fault::not_found().response(),
    }
}

#[derive(Deserialize)]
pub struct QueryParameters {
    #[serde(default)]
    query: String,
}

/// `GET /v3/company/<realm>/query?query=…`.
pub async fn query(
    State(world): State<Arc<World>>,
    Path(realm): Path<String>,
    Parameters(parameters): Parameters<QueryParameters>,
) -> Response {
    run(&world, &realm, &parameters.query)
}

/// The same with the statement as the body (`application/text`).
pub async fn posted_query(State(world): State<Arc<World>>, Path(realm): Path<String>, body: String) -> Response {
    run(&world, &realm, &body)
}

fn run(world: &World, realm: &str, statement: &str) -> Response {
    let query = match query::parse(statement) {
        Ok(query) => query,
        Err(fault) => return fault.response(),
    };
    let company = world.quickbooks.company(realm);
    let found = query.run(&lock(&company));
    Json(json!({"QueryResponse": found, "time": answer::time()})).into_response()
}
