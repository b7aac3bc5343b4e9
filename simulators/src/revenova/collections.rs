//! `…/composite/sobjects`: up to 200 records in one request, each with a result of its own.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer;
use super::rest::known_version;
use super::schema::{self, Object};
use super::soql::attributes;
use super::write::{self, Refused, Which, Written, external_field, stored_object};
use crate::world::World;

/// Salesforce: 200 records that are written, 2,000 that are read.
const MOST_WRITTEN: usize = 200;
const MOST_READ: usize = 2_000;

#[derive(Deserialize)]
struct Collection {
    #[serde(default, rename = "allOrNone")]
    all_or_none: bool,
    records: Vec<Map<String, Value>>,
}

fn malformed(message: impl Into<String>) -> Response {
    answer::error(StatusCode::BAD_REQUEST, "JSON_PARSER_ERROR", &message.into())
}

fn collection(version: &str, body: &[u8]) -> Result<Collection, Box<Response>> {
    if !known_version(version) {
        return Err(Box::new(answer::missing("The requested resource does not exist")));
    }
    let collection: Collection =
        serde_json::from_slice(body).map_err(|error| Box::new(malformed(error.to_string())))?;
    if collection.records.len() > MOST_WRITTEN {
        let message = format!("record limit reached. cannot submit more than {MOST_WRITTEN} records into this call");
        return Err(Box::new(answer::error(StatusCode::BAD_REQUEST, "EXCEEDED_ID_LIMIT", &message)));
    }
    Ok(collection)
}

/// The type that a record's `attributes` name.
fn object_of(record: &Map<String, Value>) -> Result<&'static Object, Refused> {
    let name = record.get("attributes").and_then(|attributes| attributes.get("type")).and_then(Value::as_str);
    name.and_then(stored_object)
        .ok_or_else(|| Refused::new("INVALID_TYPE", "The attributes of a record must name the type of an object"))
}

fn result(outcome: Result<Value, Refused>) -> Value {
    match outcome {
        Ok(result) => result,
        Err(refused) => {
            let error = json!({"statusCode": refused.code, "message": refused.message, "fields": refused.fields});
            json!({"success": false, "errors": [error]})
        }
    }
}

/// The results of all records. Under `allOrNone` nothing may stay if one is refused; it is tried on all of them first by
/// writing, and the records are put back as they were.
fn answer_all(world: &World, all_or_none: bool, outcomes: impl FnOnce() -> Vec<Result<Value, Refused>>) -> Response {
    let before = all_or_none.then(|| world.revenova.records.snapshot());
    let mut outcomes = outcomes();
    if let Some(before) = before.filter(|_| outcomes.iter().any(Result::is_err)) {
        world.revenova.records.restore(before);
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
            *outcome = Err(Refused::new(
                "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                "Record rolled back because not all records were valid and the request was using AllOrNone header",
            ));
        }
    }
    Json(outcomes.into_iter().map(result).collect::<Vec<_>>()).into_response()
}

/// `POST …/composite/sobjects`.
pub async fn create(State(world): State<Arc<World>>, Path(version): Path<String>, body: Bytes) -> Response {
    let Collection { all_or_none, records } = match collection(&version, &body) {
        Ok(collection) => collection,
        Err(answer) => return *answer,
    };
    let create = |record: &Map<String, Value>| {
        let written = write::write(&world, object_of(record)?, Which::New, record)?;
        Ok(json!({"id": written.id, "success": true, "errors": []}))
    };
    answer_all(&world, all_or_none, || records.iter().map(create).collect())
}

/// `PATCH …/composite/sobjects`: each record names its id.
pub async fn update(State(world): State<Arc<World>>, Path(version): Path<String>, body: Bytes) -> Response {
    let Collection { all_or_none, records } = match collection(&version, &body) {
        Ok(collection) => collection,
        Err(answer) => return *answer,
    };
    let update = |record: &Map<String, Value>| {
        let object = object_of(record)?;
        let mut fields = record.clone();
        let named: Vec<String> = fields.keys().filter(|name| name.eq_ignore_ascii_case("id")).cloned().collect();
        let id = named.into_iter().find_map(|name| fields.remove(&name));
        let id = id.as_ref().and_then(Value::as_str).unwrap_or_default();
        if id.is_empty() {
            return Err(Refused::new("MISSING_ARGUMENT", "Id not specified in an update call"));
        }
        let written = write::write(&world, object, Which::Id(id), &fields)?;
        Ok(json!({"id": written.id, "success": true, "errors": []}))
    };
    answer_all(&world, all_or_none, || records.iter().map(update).collect())
}

/// `PATCH …/composite/sobjects/<object>/<external id field>`.
pub async fn upsert(
    State(world): State<Arc<World>>,
    Path((version, object, field)): Path<(String, String, String)>,
    body: Bytes,
) -> Response {
    let Collection { all_or_none, records } = match collection(&version, &body) {
        Ok(collection) => collection,
        Err(answer) => return *answer,
    };
    let Some(object) = stored_object(&object) else {
        return answer::not_found().await;
    };
    let field = match external_field(object, &field) {
        Ok(field) => field,
        Err(refused) => return super::rows::refused(&refused, &version),
    };
    let upsert = |record: &Map<String, Value>| {
        if object_of(record)?.name != object.name {
            return Err(Refused::new("INVALID_TYPE", format!("All records must be of the type {}", object.name)));
        }
        let mut fields = record.clone();
        let named: Vec<String> = fields.keys().filter(|name| name.eq_ignore_ascii_case(field.name)).cloned().collect();
        let value = named.into_iter().find_map(|name| fields.remove(&name));
        let Some(value) = value.as_ref().and_then(Value::as_str).filter(|value| !value.is_empty()) else {
            return Err(Refused::new("MISSING_ARGUMENT", format!("{} not specified", field.name)));
        };
        let Written { id, created } = write::write(&world, object, Which::External(field, value), &fields)?;
        Ok(json!({"id": id, "success": true, "errors": [], "created": created}))
    };
    answer_all(&world, all_or_none, || records.iter().map(upsert).collect())
}

#[derive(Deserialize)]
pub struct Ids {
    #[serde(default)]
    ids: String,
    #[serde(default, rename = "allOrNone")]
    all_or_none: bool,
}

/// `DELETE …/composite/sobjects?ids=…`.
pub async fn delete(
    State(world): State<Arc<World>>,
    Path(version): Path<String>,
    Query(parameters): Query<Ids>,
) -> Response {
    let ids: Vec<&str> = parameters.ids.split(',').filter(|id| !id.is_empty()).collect();
    if !known_version(&version) {
        return answer::not_found().await;
    }
    if ids.len() > MOST_WRITTEN {
        return malformed(format!("cannot delete more than {MOST_WRITTEN} records in this call"));
    }
    let delete = |id: &&str| {
        let object = schema::OBJECTS.iter().find(|object| object.stored && id.starts_with(object.key_prefix));
        let object = object.ok_or_else(|| Refused::new("MALFORMED_ID", format!("malformed id {id}")))?;
        let id = write::delete(&world, object, Which::Id(id))?;
        Ok(json!({"id": id, "success": true, "errors": []}))
    };
    answer_all(&world, parameters.all_or_none, || ids.iter().map(delete).collect())
}

#[derive(Deserialize)]
struct Wanted {
    ids: Vec<String>,
    fields: Vec<String>,
}

/// `POST …/composite/sobjects/<object>`: reads records by their ids; null for those that are not there.
pub async fn read(
    State(world): State<Arc<World>>,
    Path((version, object)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let Some(object) = stored_object(&object).filter(|_| known_version(&version)) else {
        return answer::not_found().await;
    };
    let wanted: Wanted = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(error) => return malformed(error.to_string()),
    };
    if wanted.ids.len() > MOST_READ {
        return malformed(format!("cannot read more than {MOST_READ} records in this call"));
    }
    let mut names = Vec::new();
    for name in &wanted.fields {
        let Some(field) = object.field(name) else {
            let message = format!("No such column '{name}' on sobject of type {}", object.name);
            return answer::error(StatusCode::BAD_REQUEST, "INVALID_FIELD", &message);
        };
        names.push(field.name);
    }
    let read = |id: &String| {
        let record = world.revenova.records.get(object.name, id)?;
        if record.get("IsDeleted") == Some(&Value::Bool(true)) {
            return None;
        }
        let mut shaped = Map::from_iter([("attributes".to_owned(), attributes(object.name, &record, &version))]);
        for name in &names {
            shaped.insert((*name).to_owned(), record.get(*name).cloned().unwrap_or(Value::Null));
        }
        Some(Value::Object(shaped))
    };
    Json(wanted.ids.iter().map(read).collect::<Vec<_>>()).into_response()
}
