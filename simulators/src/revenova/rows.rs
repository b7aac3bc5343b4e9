//! `…/sobjects/<object>`: one record at a time, by its id or by an external id.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::answer;
use super::rest::known_version;
use super::schema::Object;
use super::soql::attributes;
use super::write::{self, Refused, Which, Written, external_field, stored_object};
use crate::world::World;

/// The answer to a write that was refused.
pub fn refused(refused: &Refused, version: &str) -> Response {
    if !refused.choices.is_empty() {
        let urls: Vec<String> =
            refused.choices.iter().map(|choice| format!("/services/data/{version}/sobjects/{choice}")).collect();
        return (refused.status, Json(urls)).into_response();
    }
    let mut error = json!({"message": refused.message, "errorCode": refused.code});
    if let Some(error) = error.as_object_mut().filter(|_| !refused.fields.is_empty()) {
        error.insert("fields".to_owned(), json!(refused.fields));
    }
    (refused.status, Json(json!([error]))).into_response()
}

/// The object and the fields of a request, or the answer that says what is wrong with it.
fn request(version: &str, object: &str, body: &[u8]) -> Result<(&'static Object, Map<String, Value>), Box<Response>> {
    let object = stored_object(object).filter(|_| known_version(version));
    let object = object.ok_or_else(|| Box::new(answer::missing("The requested resource does not exist")))?;
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok((object, fields)),
        _ => {
            let message =
                "The HTTP entity body is required, but this request has no entity body, or one that is no object.";
            Err(Box::new(answer::error(StatusCode::BAD_REQUEST, "JSON_PARSER_ERROR", message)))
        }
    }
}

/// `POST …/sobjects/<object>`.
pub async fn create(
    State(world): State<Arc<World>>,
    Path((version, object)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let (object, fields) = match request(&version, &object, &body) {
        Ok(request) => request,
        Err(answer) => return *answer,
    };
    match write::write(&world, object, Which::New, &fields) {
        Ok(Written { id, .. }) => {
            (StatusCode::CREATED, Json(json!({"id": id, "success": true, "errors": []}))).into_response()
        }
        Err(found) => refused(&found, &version),
    }
}

/// `PATCH …/sobjects/<object>/<id>`.
pub async fn update(
    State(world): State<Arc<World>>,
    Path((version, object, id)): Path<(String, String, String)>,
    body: Bytes,
) -> Response {
    let (object, fields) = match request(&version, &object, &body) {
        Ok(request) => request,
        Err(answer) => return *answer,
    };
    match write::write(&world, object, Which::Id(&id), &fields) {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(found) => refused(&found, &version),
    }
}

/// `DELETE …/sobjects/<object>/<id>`.
pub async fn delete(
    State(world): State<Arc<World>>,
    Path((version, object, id)): Path<(String, String, String)>,
) -> Response {
    let Some(object) = stored_object(&object).filter(|_| known_version(&version)) else {
        return answer::not_found().await;
    };
    match write::delete(&world, object, Which::Id(&id)) {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(found) => refused(&found, &version),
    }
}

/// `PATCH …/sobjects/<object>/<external id field>/<value>`: changes the record, or makes it.
pub async fn upsert(
    State(world): State<Arc<World>>,
    Path((version, object, field, value)): Path<(String, String, String, String)>,
    body: Bytes,
) -> Response {
    let (object, fields) = match request(&version, &object, &body) {
        Ok(request) => request,
        Err(answer) => return *answer,
    };
    let written = external_field(object, &field)
        .and_then(|field| write::write(&world, object, Which::External(field, &value), &fields));
    match written {
        Ok(Written { id, created }) => {
            let status = if created { StatusCode::CREATED } else { StatusCode::OK };
            (status, Json(json!({"id": id, "success": true, "errors": [], "created": created}))).into_response()
        }
        Err(found) => refused(&found, &version),
    }
}

/// `GET …/sobjects/<object>/<external id field>/<value>`.
pub async fn read(
    State(world): State<Arc<World>>,
    Path((version, object, field, value)): Path<(String, String, String, String)>,
) -> Response {
    let Some(object) = stored_object(&object).filter(|_| known_version(&version)) else {
        return answer::not_found().await;
    };
    let field = match external_field(object, &field) {
        Ok(field) => field,
        Err(found) => return refused(&found, &version),
    };
    let found = write::holders(&world, object, field, &value);
    let [id] = found.as_slice() else {
        return answer::not_found().await;
    };
    let mut shaped = Map::new();
    if let Some(record) = world.revenova.records.get(object.name, id) {
        shaped.extend(record.as_object().cloned().unwrap_or_default());
        shaped.insert("attributes".to_owned(), attributes(object.name, &record, &version));
    }
    Json(shaped).into_response()
}

/// `DELETE …/sobjects/<object>/<external id field>/<value>`.
pub async fn delete_external(
    State(world): State<Arc<World>>,
    Path((version, object, field, value)): Path<(String, String, String, String)>,
) -> Response {
    let Some(object) = stored_object(&object).filter(|_| known_version(&version)) else {
        return answer::not_found().await;
    };
    let deleted =
        external_field(object, &field).and_then(|field| write::delete(&world, object, Which::External(field, &value)));
    match deleted {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(found) => refused(&found, &version),
    }
}
