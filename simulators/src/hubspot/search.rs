//! `POST /crm/v3/objects/<object>/search`: filters, one order, and pages up to a bound.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{self, Refused};
use super::crm::Record;
use super::objects::{self, Kind, Object, Property};
use crate::clock::parse_instant;
use crate::world::World;

/// The records of one search, over all its pages.
pub const BOUND: usize = 10_000;
/// HubSpot's default page of a search, and its largest.
const PAGE: usize = 10;
const LARGEST_PAGE: usize = 200;
/// Five groups of six filters.
const MOST_GROUPS: usize = 5;
const MOST_FILTERS: usize = 6;
/// The longest body of a search, in characters.
const LONGEST_BODY: usize = 3_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Search {
    filter_groups: Vec<Group>,
    sorts: Vec<Sort>,
    properties: Vec<String>,
    limit: Option<usize>,
    after: Option<Value>,
}

#[derive(Deserialize)]
struct Group {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    property_name: String,
    operator: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sort {
    property_name: String,
    #[serde(default)]
    direction: String,
}

pub async fn search(State(world): State<Arc<World>>, Path(object): Path<String>, body: Bytes) -> Response {
    let Some(object) = objects::object(&object) else { return answer::not_found().await };
    match run(&world, object, &body) {
        Ok(found) => Json(found).into_response(),
        Err(refused) => refused.response(),
    }
}

fn run(world: &World, object: &'static Object, body: &[u8]) -> Result<Value, Refused> {
    let text = std::str::from_utf8(body).map_err(|_| Refused::invalid("Invalid input JSON"))?;
    if text.chars().count() > LONGEST_BODY {
        return Err(Refused::invalid(format!("the body of a search has at most {LONGEST_BODY} characters")));
    }
    let search: Search =
        serde_json::from_str(text).map_err(|error| Refused::invalid(format!("Invalid input JSON: {error}")))?;
    let limit = search.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(Refused::invalid(format!("limit must be between 1 and {LARGEST_PAGE}")));
    }
    let after = match &search.after {
        None | Some(Value::Null) => Some(0),
        Some(Value::String(after)) => after.parse().ok(),
        Some(after) => after.as_u64().and_then(|after| usize::try_from(after).ok()),
    };
    let after: usize = after.ok_or_else(|| Refused::invalid("after is not a paging cursor"))?;
    let bound = world.hubspot.settings().search_bound;
    if after + limit > bound {
        return Err(Refused::invalid(format!("a search gives the first {bound} records only")));
    }
    let mut found = matching(world, object, &search)?;
    sort(object, &search.sorts, &mut found)?;
    let total = found.len();
    let wanted: Vec<&str> = search.properties.iter().map(String::as_str).collect();
    let results: Vec<Value> =
        found.iter().skip(after).take(limit).map(|record| record.shaped(object, &wanted)).collect();
    let next = after + results.len();
    let mut body = json!({"total": total, "results": results});
    if let Some(body) = body.as_object_mut().filter(|_| next < total && next < bound) {
        body.insert("paging".to_owned(), json!({"next": {"after": next.to_string()}}));
    }
    Ok(body)
}

fn matching(world: &World, object: &'static Object, search: &Search) -> Result<Vec<Arc<Record>>, Refused> {
    let groups = &search.filter_groups;
    if groups.len() > MOST_GROUPS || groups.iter().any(|group| group.filters.len() > MOST_FILTERS) {
        return Err(Refused::invalid(format!("at most {MOST_GROUPS} groups of {MOST_FILTERS} filters")));
    }
    let mut found = world.hubspot.crm.all(object);
    found.retain(|record| record.archived.is_none());
    if groups.is_empty() {
        return Ok(found);
    }
    let mut kept = Vec::new();
    for record in found {
        for group in groups {
            let mut holds = true;
            for filter in &group.filters {
                holds = holds && filter.holds(object, &record)?;
            }
            if holds {
                kept.push(record);
                break;
            }
        }
    }
    Ok(kept)
}

impl Filter {
    fn holds(&self, object: &'static Object, record: &Record) -> Result<bool, Refused> {
        let property = known(object, &self.property_name)?;
        let held = record.value(object, property.name);
        let compared = |wanted: &str| held.as_deref().map(|held| compare(property, held, wanted));
        let value = || self.value.as_deref().ok_or_else(|| Refused::invalid("a filter needs a value"));
        Ok(match self.operator.as_str() {
            "EQ" => compared(value()?) == Some(Ordering::Equal),
            "NEQ" => compared(value()?).is_some_and(Ordering::is_ne),
            "LT" => compared(value()?).is_some_and(Ordering::is_lt),
            "LTE" => compared(value()?).is_some_and(Ordering::is_le),
            "GT" => compared(value()?).is_some_and(Ordering::is_gt),
            "GTE" => compared(value()?).is_some_and(Ordering::is_ge),
            "IN" => self.values.iter().any(|value| compared(value) == Some(Ordering::Equal)),
            "HAS_PROPERTY" => held.is_some(),
            "NOT_HAS_PROPERTY" => held.is_none(),
            other => return Err(Refused::invalid(format!("the operator {other} is not known here"))),
        })
    }
}

fn known(object: &'static Object, name: &str) -> Result<&'static Property, Refused> {
    object.property(name).ok_or_else(|| Refused::invalid(format!("there is no property {name}")))
}

/// Moments compare by time, also with one in milliseconds; texts without regard to case.
fn compare(property: &Property, held: &str, wanted: &str) -> Ordering {
    let moment = |text: &str| text.parse().ok().or_else(|| Some(parse_instant(text)?.as_millisecond()));
    match property.kind {
        Kind::Moment => moment(held).cmp(&moment(wanted)),
        Kind::Text => held.to_lowercase().cmp(&wanted.to_lowercase()),
    }
}

fn sort(object: &'static Object, sorts: &[Sort], found: &mut [Arc<Record>]) -> Result<(), Refused> {
    let sort = match sorts {
        [] => return Ok(()),
        [sort] => sort,
        _ => return Err(Refused::invalid("a search has one sort at most")),
    };
    let property = known(object, &sort.property_name)?;
    found.sort_by(|left, right| {
        let [left, right] = [left, right].map(|record| record.value(object, property.name).unwrap_or_default());
        let compared = compare(property, &left, &right);
        if sort.direction == "DESCENDING" { compared.reverse() } else { compared }
    });
    Ok(())
}
