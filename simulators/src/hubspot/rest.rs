//! Single records, and the list of all.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{self, Refused};
use super::crm::Record;
use super::objects::{self, Object};
use crate::world::World;

/// HubSpot's default page of a list, and its largest.
const PAGE: usize = 10;
const LARGEST_PAGE: usize = 100;

#[derive(Deserialize)]
pub struct Parameters {
    #[serde(default)]
    properties: String,
    #[serde(default)]
    archived: bool,
    #[serde(rename = "idProperty")]
    id_property: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

impl Parameters {
    fn wanted(&self) -> Vec<&str> {
        self.properties.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
    }

    /// The record that an address names by its id, or by a unique property.
    fn find(&self, world: &World, object: &Object, id: &str) -> Result<Arc<Record>, Refused> {
        let found = match &self.id_property {
            Some(property) => world.hubspot.crm.by(object, property, id)?,
            None => world.hubspot.crm.get(object, id),
        };
        found.filter(|found| found.archived.is_some() == self.archived).ok_or_else(Refused::missing)
    }
}

/// `GET /crm/v3/objects/<object>`, in the order of ids; archived ones apart.
pub async fn list(
    State(world): State<Arc<World>>,
    Path(object): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Response {
    let Some(object) = objects::object(&object) else { return answer::not_found().await };
    let limit = parameters.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Refused::invalid(format!("limit must be between 1 and {LARGEST_PAGE}")).response();
    }
    let after: u64 = match parameters.after.as_deref().map(str::parse) {
        None => 0,
        Some(Ok(after)) => after,
        Some(Err(_)) => return Refused::invalid("after is not a paging cursor").response(),
    };
    let mut found = world.hubspot.crm.all(object);
    found.retain(|record| record.archived.is_some() == parameters.archived && record.id > after);
    let more = found.len() > limit;
    found.truncate(limit);
    let wanted = parameters.wanted();
    let results: Vec<Value> = found.iter().map(|record| record.shaped(object, &wanted)).collect();
    let mut body = json!({"results": results});
    if let (true, Some(last), Some(body)) = (more, found.last(), body.as_object_mut()) {
        let link = format!("https://api.hubapi.com/crm/v3/objects/{}?after={}", object.name, last.id);
        body.insert("paging".to_owned(), json!({"next": {"after": last.id.to_string(), "link": link}}));
    }
    Json(body).into_response()
}

/// `GET /crm/v3/objects/<object>/<id>`.
pub async fn read(
    State(world): State<Arc<World>>,
    Path((object, id)): Path<(String, String)>,
    Query(parameters): Query<Parameters>,
) -> Response {
    let Some(object) = objects::object(&object) else { return answer::not_found().await };
    match parameters.find(&world, object, &id) {
        Ok(record) => Json(record.shaped(object, &parameters.wanted())).into_response(),
        Err(refused) => refused.response(),
    }
}

/// The properties of a body.
fn properties(body: &[u8]) -> Result<Map<String, Value>, Refused> {
    #[derive(Deserialize)]
    struct Body {
        properties: Map<String, Value>,
    }
    let body: Result<Body, _> = serde_json::from_slice(body);
    body.map(|body| body.properties).map_err(|error| Refused::invalid(format!("Invalid input JSON: {error}")))
}

/// `POST /crm/v3/objects/<object>`.
pub async fn create(State(world): State<Arc<World>>, Path(object): Path<String>, body: Bytes) -> Response {
    let Some(object) = objects::object(&object) else { return answer::not_found().await };
    let written = properties(&body).and_then(|given| world.hubspot.crm.write(object, None, &given, Timestamp::now()));
    match written {
        Ok(record) => (StatusCode::CREATED, Json(record.shaped(object, &all(object)))).into_response(),
        Err(refused) => refused.response(),
    }
}

/// `PATCH /crm/v3/objects/<object>/<id>`.
pub async fn update(
    State(world): State<Arc<World>>,
    Path((object, id)): Path<(String, String)>,
    Query(parameters): Query<Parameters>,
    body: Bytes,
) -> Response {
    let Some(object) = objects::object(&object) else { return answer::not_found().await };
    let written = parameters
        .find(&world, object, &id)
        .and_then(|found| world.hubspot.crm.write(object, Some(found.id), &properties(&body)?, Timestamp::now()));
    match written {
        Ok(record) => Json(record.shaped(object, &all(object))).into_response(),
        Err(refused) => refused.response(),
    }
}

/// `DELETE /crm/v3/objects/<object>/<id>`: into the archive. What is not there is answered alike.
pub async fn archive(State(world): State<Arc<World>>, Path((object, id)): Path<(String, String)>) -> Response {
    let Some(object) = objects::object(&object) else { return answer::not_found().await };
    world.hubspot.crm.archive(object, &id, Timestamp::now());
    StatusCode::NO_CONTENT.into_response()
}

/// The names of all properties.
pub fn all(object: &Object) -> Vec<&'static str> {
    object.properties.iter().map(|property| property.name).collect()
}
