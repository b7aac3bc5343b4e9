//! Change data capture, and the deletions that only it tells of.
//!
//! <https://developer.intuit.com/app/developer/qbo/docs/learn/explore-the-quickbooks-online-api/change-data-capture>

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query as Parameters, State};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{self, Fault};
use super::company::Company;
use super::validate::Entity;
use crate::clock::parse_instant;
use crate::recorder::lock;
use crate::world::World;

/// Intuit tells of the last 30 days, and of 1,000 records at once.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(30 * 24);
const MOST_RECORDS: usize = 1_000;

#[derive(Deserialize)]
pub struct ChangeParameters {
    #[serde(default)]
    entities: String,
    #[serde(default, rename = "changedSince")]
    changed_since: String,
}

/// `GET /v3/company/<realm>/cdc?entities=…&changedSince=…`.
pub async fn changes(
    State(world): State<Arc<World>>,
    Path(realm): Path<String>,
    Parameters(parameters): Parameters<ChangeParameters>,
) -> Response {
    // A plus that was not escaped arrives as a blank.
    let since = parameters.changed_since.replace(' ', "+");
    // A date alone is its first moment.
    let since = parse_instant(&since).or_else(|| parse_instant(&format!("{since}T00:00:00Z")));
    let Some(since) = since else {
        return Fault::required("changedSince").response();
    };
    if Timestamp::now().duration_since(since) > LOOK_BACK {
        return Fault::business("changedSince lies more than 30 days back").response();
    }
    let mut entities = Vec::new();
    for name in parameters.entities.split(',').map(str::trim) {
        match Entity::named(name) {
            Some(entity) => entities.push(entity),
            None => return Fault::required("entities").response(),
        }
    }
    let company = world.quickbooks.company(&realm);
    let company = lock(&company);
    let mut room = MOST_RECORDS;
    let responses: Vec<Value> =
        entities.into_iter().map(|entity| changed(&company, entity, since, &mut room)).collect();
    Json(json!({"CDCResponse": [{"QueryResponse": responses}], "time": answer::time()})).into_response()
}

/// What changed of an entity, as far as there is room for it.
fn changed(company: &Company, entity: Entity, since: Timestamp, room: &mut usize) -> Value {
    let is_new = |record: &&Arc<Value>| {
        let at = record.pointer("/MetaData/LastUpdatedTime").and_then(Value::as_str).and_then(parse_instant);
        at.is_some_and(|at| at >= since)
    };
    let found: Vec<&Value> =
        company.all(entity).chain(company.deleted(entity)).filter(is_new).take(*room).map(|record| &**record).collect();
    *room -= found.len();
    let mut response = Map::new();
    if !found.is_empty() {
        response.insert("startPosition".to_owned(), Value::from(1));
        response.insert("maxResults".to_owned(), Value::from(found.len()));
        response.insert(entity.name().to_owned(), json!(found));
    }
    Value::Object(response)
}
