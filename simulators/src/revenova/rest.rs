//! Salesforce's REST resources besides queries.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::soql::attributes;
use super::{answer, schema};
use crate::world::World;

/// The API versions that exist, oldest and newest.
const VERSIONS: std::ops::RangeInclusive<u32> = 50..=64;

/// `v62.0` and the like; anything else does not exist.
pub fn known_version(version: &str) -> bool {
    let number = version.strip_prefix('v').and_then(|rest| rest.strip_suffix(".0"));
    number.and_then(|number| number.parse().ok()).is_some_and(|number: u32| VERSIONS.contains(&number))
}

pub async fn versions() -> Json<Value> {
    let versions: Vec<Value> = VERSIONS
        .map(|number| {
            json!({"label": format!("Version {number}"), "url": format!("/services/data/v{number}.0"), "version": format!("{number}.0")})
        })
        .collect();
    Json(Value::Array(versions))
}

pub async fn resources(Path(version): Path<String>) -> Response {
    if !known_version(&version) {
        return answer::not_found().await;
    }
    let names = ["composite", "limits", "query", "queryAll", "sobjects"];
    let resources: Map<String, Value> = names
        .map(|name| (name.to_owned(), Value::from(format!("/services/data/{version}/{name}"))))
        .into_iter()
        .collect();
    Json(resources).into_response()
}

pub async fn limits(State(world): State<Arc<World>>, Path(version): Path<String>) -> Response {
    if !known_version(&version) {
        return answer::not_found().await;
    }
    let (used, most) = world.revenova.usage();
    Json(json!({"DailyApiRequests": {"Max": most, "Remaining": most.saturating_sub(used)}})).into_response()
}

pub async fn objects(Path(version): Path<String>) -> Response {
    if !known_version(&version) {
        return answer::not_found().await;
    }
    let objects: Vec<Value> = schema::OBJECTS
        .iter()
        .map(|object| {
            let mut described = object.describe(&version);
            if let Some(described) = described.as_object_mut() {
                described.retain(|name, _| name != "fields" && name != "childRelationships");
            }
            described
        })
        .collect();
    Json(json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects})).into_response()
}

pub async fn describe(Path((version, object)): Path<(String, String)>) -> Response {
    match schema::object(&object) {
        Some(object) if known_version(&version) => Json(object.describe(&version)).into_response(),
        _ => answer::not_found().await,
    }
}

#[derive(Deserialize)]
pub struct ReadParameters {
    fields: Option<String>,
}

/// `GET …/sobjects/<object>/<id>`, with `?fields=` for some fields only.
pub async fn read(
    State(world): State<Arc<World>>,
    Path((version, object, id)): Path<(String, String, String)>,
    Query(parameters): Query<ReadParameters>,
) -> Response {
    let Some(object) = schema::object(&object).filter(|object| object.stored && known_version(&version)) else {
        return answer::not_found().await;
    };
    let Some(record) = world.revenova.records.get(object.name, &id) else {
        // Salesforce takes what cannot be an id for the value of an external id.
        let message = if matches!(id.len(), 15 | 18) && id.starts_with(object.key_prefix) {
            "The requested resource does not exist".to_owned()
        } else {
            format!("Provided external ID field does not exist or is not accessible: {id}")
        };
        return answer::missing(&message);
    };
    if record.get("IsDeleted") == Some(&Value::Bool(true)) {
        return answer::error(StatusCode::NOT_FOUND, "ENTITY_IS_DELETED", "entity is deleted");
    }
    let mut shaped = match record.as_ref() {
        Value::Object(fields) => fields.clone(),
        _ => Map::new(),
    };
    if let Some(wanted) = parameters.fields.filter(|wanted| !wanted.is_empty()) {
        shaped.clear();
        for name in wanted.split(',').map(str::trim) {
            let known = object.field(name).map(|field| field.name);
            let known = known.or_else(|| object.children(name).map(|children| children.relationship));
            let Some(known) = known else {
                let message = format!("No such column '{name}' on sobject of type {}", object.name);
                return answer::error(StatusCode::BAD_REQUEST, "INVALID_FIELD", &message);
            };
            shaped.insert(known.to_owned(), record.get(known).cloned().unwrap_or(Value::Null));
        }
    }
    shaped.insert("attributes".to_owned(), attributes(object.name, &record, &version));
    Json(shaped).into_response()
}
