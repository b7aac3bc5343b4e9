//! Queries and their pages.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::{Path, Query as Parameters, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::records::salesforce_id;
use super::rest::known_version;
use super::soql::{self, Query, Selection};
use super::{answer, records};
use crate::recorder::lock;
use crate::world::World;

/// Salesforce's page: 2,000 records, or what `Sforce-Query-Options: batchSize=` says, 200 to 2,000.
pub const LARGEST_PAGE: usize = 2_000;
const SMALLEST_BATCH: usize = 200;
/// The oldest cursors go first.
const MOST_CURSORS: usize = 1_000;

#[derive(Default)]
pub struct Cursors {
    state: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    cursors: HashMap<String, Arc<Cursor>>,
    oldest_first: VecDeque<String>,
}

/// A query's whole result, as it was when the query ran.
struct Cursor {
    query: Query,
    found: Vec<Arc<Value>>,
    page_size: usize,
}

impl Cursors {
    fn open(&self, cursor: Arc<Cursor>) -> String {
        let id = salesforce_id("01g", uuid::Uuid::new_v4().as_u128());
        let mut open = lock(&self.state);
        if open.oldest_first.len() >= MOST_CURSORS
            && let Some(oldest) = open.oldest_first.pop_front()
        {
            open.cursors.remove(&oldest);
        }
        open.oldest_first.push_back(id.clone());
        open.cursors.insert(id.clone(), cursor);
        id
    }

    fn get(&self, id: &str) -> Option<Arc<Cursor>> {
        lock(&self.state).cursors.get(id).cloned()
    }

    pub fn clear(&self) {
        *lock(&self.state) = Open::default();
    }
}

#[derive(Deserialize)]
pub struct QueryParameters {
    q: Option<String>,
}

pub async fn query(
    state: State<Arc<World>>,
    version: Path<String>,
    parameters: Parameters<QueryParameters>,
    headers: HeaderMap,
) -> Response {
    run(&state, &version, parameters.0.q, &headers, false)
}

/// The same, deleted records too.
pub async fn query_all(
    state: State<Arc<World>>,
    version: Path<String>,
    parameters: Parameters<QueryParameters>,
    headers: HeaderMap,
) -> Response {
    run(&state, &version, parameters.0.q, &headers, true)
}

fn run(world: &World, version: &str, statement: Option<String>, headers: &HeaderMap, deleted: bool) -> Response {
    if !known_version(version) {
        return answer::missing("The requested resource does not exist");
    }
    let Some(statement) = statement else {
        return answer::error(StatusCode::BAD_REQUEST, "MALFORMED_QUERY", "A query string has to be specified");
    };
    let query = match soql::parse(&statement) {
        Ok(query) => query,
        Err(error) => return answer::soql(&error),
    };
    let mut stored = world.revenova.records.all(query.object.name);
    if !deleted {
        stored.retain(|record| record.get("IsDeleted") != Some(&Value::Bool(true)));
    }
    let found = query.matching(&stored, &records::lookup_in(&world.revenova.records));
    if matches!(query.selection, Selection::Count) {
        return Json(json!({"totalSize": found.len(), "done": true, "records": []})).into_response();
    }
    let page_size = batch_size(headers).min(world.revenova.settings().page_size);
    let cursor = Arc::new(Cursor { query, found, page_size });
    let id = if cursor.found.len() > page_size { world.revenova.cursors.open(cursor.clone()) } else { String::new() };
    page(world, &cursor, &id, 0, version)
}

/// `GET …/query/<locator>`: the page that a `nextRecordsUrl` names.
pub async fn next_page(State(world): State<Arc<World>>, Path((version, locator)): Path<(String, String)>) -> Response {
    let found = locator.rsplit_once('-').and_then(|(id, from)| {
        let from: usize = from.parse().ok()?;
        let cursor = world.revenova.cursors.get(id)?;
        (from < cursor.found.len() && known_version(&version)).then_some((id, from, cursor))
    });
    match found {
        Some((id, from, cursor)) => page(&world, &cursor, id, from, &version),
        None => answer::error(StatusCode::BAD_REQUEST, "INVALID_QUERY_LOCATOR", "invalid query locator"),
    }
}

fn page(world: &World, cursor: &Cursor, id: &str, from: usize, version: &str) -> Response {
    let lookup = records::lookup_in(&world.revenova.records);
    let records: Vec<Value> = cursor
        .found
        .iter()
        .skip(from)
        .take(cursor.page_size)
        .map(|record| cursor.query.project(record, version, &lookup))
        .collect();
    let next = from + records.len();
    let done = next >= cursor.found.len();
    let mut body = json!({"totalSize": cursor.found.len(), "done": done, "records": records});
    if let Some(body) = body.as_object_mut().filter(|_| !done) {
        let url = format!("/services/data/{version}/query/{id}-{next}");
        body.insert("nextRecordsUrl".to_owned(), Value::from(url));
    }
    Json(body).into_response()
}

fn batch_size(headers: &HeaderMap) -> usize {
    let options = headers.get("sforce-query-options").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = options.split([',', ';']).find_map(|option| {
        let (name, value) = option.split_once('=')?;
        name.trim().eq_ignore_ascii_case("batchSize").then(|| value.trim().parse().ok()).flatten()
    });
    given.map_or(LARGEST_PAGE, |size: usize| size.clamp(SMALLEST_BATCH, LARGEST_PAGE))
}
