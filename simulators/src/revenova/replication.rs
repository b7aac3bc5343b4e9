//! `…/sobjects/<object>/deleted` and `…/updated`: which records were deleted or changed in a span of time.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer;
use super::records::text;
use super::rest::known_version;
use super::write::stored_object;
use crate::clock::{parse_instant, salesforce_instant};
use crate::world::World;

/// How far back a span may begin (Salesforce: 30 days), and how long deletions are told of (15 days).
const FARTHEST: SignedDuration = SignedDuration::from_hours(30 * 24);
const DELETE_LOG: SignedDuration = SignedDuration::from_hours(15 * 24);

#[derive(Deserialize)]
pub struct Span {
    start: Option<String>,
    end: Option<String>,
}

/// Start and end; Salesforce ignores their seconds.
fn span(given: &Span, now: Timestamp) -> Result<(Timestamp, Timestamp), &'static str> {
    let read = |text: &Option<String>| {
        // A plus that was not escaped arrives as a blank.
        let moment = parse_instant(&text.as_deref()?.replace(' ', "+"))?;
        Timestamp::from_second(moment.as_second().div_euclid(60) * 60).ok()
    };
    let start = read(&given.start).ok_or("start is missing or no dateTime")?;
    let end = read(&given.end).ok_or("end is missing or no dateTime")?;
    if now.duration_since(start) > FARTHEST {
        return Err("start date cannot be more than 30 days ago");
    }
    if end <= start {
        return Err("end date must be after start date by more than one minute");
    }
    Ok((start, end))
}

/// The ids of records and when each changed, and up to when that is known.
type Changed = (Vec<(String, String)>, Timestamp);

/// The records of an object that changed within the span, or why there is none.
fn changed(world: &World, version: &str, object: &str, given: &Span, deleted: bool) -> Result<Changed, Box<Response>> {
    let object = stored_object(object).filter(|_| known_version(version));
    let object = object.ok_or_else(|| Box::new(answer::missing("The requested resource does not exist")))?;
    let now = Timestamp::now();
    let (start, end) = span(given, now)
        .map_err(|message| Box::new(answer::error(StatusCode::BAD_REQUEST, "INVALID_REPLICATION_DATE", message)))?;
    let within = |record: &&Arc<Value>| {
        let of_kind = (record.get("IsDeleted") == Some(&Value::Bool(true))) == deleted;
        let stamp = parse_instant(&text(record, "SystemModstamp"));
        of_kind && stamp.is_some_and(|stamp| start <= stamp && stamp < end)
    };
    let all = world.revenova.records.all(object.name);
    let found = all.iter().filter(within).map(|record| (text(record, "Id"), text(record, "SystemModstamp"))).collect();
    Ok((found, end.min(now)))
}

/// `GET …/sobjects/<object>/deleted?start=…&end=…`.
pub async fn deleted(
    State(world): State<Arc<World>>,
    Path((version, object)): Path<(String, String)>,
    Query(given): Query<Span>,
) -> Response {
    let (mut found, covered) = match changed(&world, &version, &object, &given, true) {
        Ok(found) => found,
        Err(answer) => return *answer,
    };
    let earliest = Timestamp::now().checked_sub(DELETE_LOG).unwrap_or_default();
    found.retain(|(_, at)| parse_instant(at).is_some_and(|at| at >= earliest));
    let records: Vec<Value> = found.into_iter().map(|(id, at)| json!({"id": id, "deletedDate": at})).collect();
    let (earliest, covered) = (salesforce_instant(earliest), salesforce_instant(covered));
    Json(json!({"deletedRecords": records, "earliestDateAvailable": earliest, "latestDateCovered": covered}))
        .into_response()
}

/// `GET …/sobjects/<object>/updated?start=…&end=…`.
pub async fn updated(
    State(world): State<Arc<World>>,
    Path((version, object)): Path<(String, String)>,
    Query(given): Query<Span>,
) -> Response {
    match changed(&world, &version, &object, &given, false) {
        Ok((found, covered)) => {
            let ids: Vec<String> = found.into_iter().map(|(id, _)| id).collect();
            Json(json!({"ids": ids, "latestDateCovered": salesforce_instant(covered)})).into_response()
        }
        Err(answer) => *answer,
    }
}
