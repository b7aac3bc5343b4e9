//! `…/batch/read` and `…/batch/upsert`: up to a hundred records, and 207 if not all went well.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::answer::{self, Refused};
use super::objects::{self, Object};
use super::rest::all;
use crate::clock::odata_instant;
use crate::world::World;

const MOST_INPUTS: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    #[serde(default)]
    properties: Vec<String>,
    id_property: Option<String>,
    inputs: Vec<Id>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
struct Upsert {
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id: String,
    id_property: Option<String>,
    properties: Map<String, Value>,
    object_write_trace_id: Option<String>,
}

fn body<T: DeserializeOwned>(text: &[u8], inputs: fn(&T) -> Vec<&str>) -> Result<T, Refused> {
    let read: T =
        serde_json::from_slice(text).map_err(|error| Refused::invalid(format!("Invalid input JSON: {error}")))?;
    let ids = inputs(&read);
    if !(1..=MOST_INPUTS).contains(&ids.len()) {
        return Err(Refused::invalid(format!("a batch has between 1 and {MOST_INPUTS} inputs")));
    }
    if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
        return Err(Refused::invalid("Duplicate IDs found in batch input"));
    }
    Ok(read)
}

/// The answer to a batch; 207 with errors.
fn answer_of(started: Timestamp, results: Vec<Value>, errors: Vec<Value>) -> Response {
    let mut body = json!({
        "status": "COMPLETE", "results": results,
        "startedAt": odata_instant(started), "completedAt": odata_instant(Timestamp::now()),
    });
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    if let Some(body) = body.as_object_mut().filter(|_| !errors.is_empty()) {
        body.insert("numErrors".to_owned(), Value::from(errors.len()));
        body.insert("errors".to_owned(), Value::Array(errors));
    }
    (status, Json(body)).into_response()
}

/// `POST …/batch/read`.
pub async fn read(State(world): State<Arc<World>>, Path(object): Path<String>, text: Bytes) -> Response {
    let Some(object) = objects::object(&object) else { return answer::not_found().await };
    let wanted: Read = match body(&text, |read: &Read| read.inputs.iter().map(|input| input.id.as_str()).collect()) {
        Ok(wanted) => wanted,
        Err(refused) => return refused.response(),
    };
    let started = Timestamp::now();
    let properties: Vec<&str> = wanted.properties.iter().map(String::as_str).collect();
    let (mut results, mut missing) = (Vec::new(), Vec::new());
    for Id { id } in &wanted.inputs {
        let found = match &wanted.id_property {
            Some(property) => world.hubspot.crm.by(object, property, id),
            None => Ok(world.hubspot.crm.get(object, id)),
        };
        match found {
            Err(refused) => return refused.response(),
            Ok(Some(record)) if record.archived.is_none() => results.push(record.shaped(object, &properties)),
            Ok(_) => missing.push(id.clone()),
        }
    }
    let mut errors = Vec::new();
    if !missing.is_empty() {
        let message = format!(
            "Could not get some {} objects, they may be deleted or not exist. Check that ids are valid.",
            object.singular.to_uppercase()
        );
        let refused = Refused { message, ..Refused::missing() };
        errors.push(refused.error(Map::from_iter([("ids".to_owned(), json!(missing))])));
    }
    answer_of(started, results, errors)
}

/// `POST …/batch/upsert`. Nobody promises the order of results: here it is the reverse of the request's.
pub async fn upsert(State(world): State<Arc<World>>, Path(object): Path<String>, text: Bytes) -> Response {
    let Some(object) = objects::object(&object) else { return answer::not_found().await };
    let given: Upsert = match body(&text, |given: &Upsert| given.inputs.iter().map(|input| input.id.as_str()).collect())
    {
        Ok(given) => given,
        Err(refused) => return refused.response(),
    };
    let started = Timestamp::now();
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    for input in &given.inputs {
        match upsert_one(&world, object, input) {
            Ok(result) => results.push(result),
            Err(refused) => {
                let trace = input.object_write_trace_id.iter();
                let context = trace.map(|trace| ("objectWriteTraceId".to_owned(), json!([trace]))).collect();
                errors.push(refused.error(context));
            }
        }
    }
    results.reverse();
    answer_of(started, results, errors)
}

fn upsert_one(world: &World, object: &'static Object, input: &Input) -> Result<Value, Refused> {
    let mut properties = input.properties.clone();
    let found = match &input.id_property {
        Some(property) => {
            let found = world.hubspot.crm.by(object, property, &input.id)?;
            properties.entry(property.clone()).or_insert_with(|| Value::from(input.id.clone()));
            found
        }
        None => Some(world.hubspot.crm.get(object, &input.id).ok_or_else(Refused::missing)?),
    };
    let new = found.is_none();
    let record = world.hubspot.crm.write(object, found.map(|found| found.id), &properties, Timestamp::now())?;
    let mut result = record.shaped(object, &all(object));
    if let Some(result) = result.as_object_mut() {
        result.insert("new".to_owned(), Value::Bool(new));
        let trace = input.object_write_trace_id.iter();
        result.extend(trace.map(|trace| ("objectWriteTraceId".to_owned(), Value::from(trace.as_str()))));
    }
    Ok(result)
}
