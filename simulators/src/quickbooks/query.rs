//! Intuit's query language: one entity, conditions joined by AND, order, and pages by position.

mod parse;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::company::Company;
use super::validate::Entity;
use crate::clock::parse_instant;
use crate::query_text::like;
pub use parse::parse;

/// A query that was understood.
#[derive(Debug)]
pub struct Query {
    entity: Entity,
    /// None for `COUNT(*)`; empty for `*`.
    fields: Option<Vec<String>>,
    conditions: Vec<Condition>,
    order: Vec<(String, bool)>,
    start_position: usize,
    max_results: usize,
}

/// A field, and the values of which one must compare so.
type Condition = (String, Operator, Vec<String>);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    In,
}

/// The entity that a query is about, as far as its text says.
pub fn queried_entity(statement: &str) -> Option<String> {
    let mut words = statement.split_whitespace().skip_while(|word| !word.eq_ignore_ascii_case("from"));
    let name = words.nth(1)?;
    Some(Entity::named(name).map_or_else(|| name.to_owned(), |entity| entity.name().to_owned()))
}

impl Query {
    /// The `QueryResponse`.
    pub fn run(&self, company: &Company) -> Value {
        let holds = |record: &&Arc<Value>| {
            self.conditions.iter().all(|(field, operator, values)| {
                values.iter().any(|value| compare(&read(record, field), *operator, value))
            })
        };
        let mut found: Vec<&Arc<Value>> = company.all(self.entity).filter(holds).collect();
        let Some(fields) = &self.fields else {
            return json!({"totalCount": found.len()});
        };
        found.sort_by(|left, right| self.order(left, right));
        let page: Vec<Value> = found
            .into_iter()
            .skip(self.start_position - 1)
            .take(self.max_results)
            .map(|record| selected(record, fields))
            .collect();
        let mut response = Map::new();
        if !page.is_empty() {
            response.insert("startPosition".to_owned(), Value::from(self.start_position));
            response.insert("maxResults".to_owned(), Value::from(page.len()));
            response.insert(self.entity.name().to_owned(), Value::Array(page));
        }
        Value::Object(response)
    }

    fn order(&self, left: &Value, right: &Value) -> Ordering {
        for (field, descending) in &self.order {
            let [left, right] = [left, right].map(|record| read(record, field));
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let ordering = ordered(&left, &text(&right)).unwrap_or_else(|| text(&left).cmp(&text(&right)));
            if ordering != Ordering::Equal {
                return if *descending { ordering.reverse() } else { ordering };
            }
        }
        Ordering::Equal
    }
}

/// A field by its path (`MetaData.LastUpdatedTime`); a reference is its `value`.
fn read(record: &Value, field: &str) -> Value {
    let mut value = record;
    for name in field.split('.') {
        let Some(inner) = value.as_object().and_then(|fields| {
            fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, inner)| inner)
        }) else {
            return Value::Null;
        };
        value = inner;
    }
    value.get("value").unwrap_or(value).clone()
}

fn selected(record: &Value, fields: &[String]) -> Value {
    if fields.is_empty() {
        return record.clone();
    }
    let always = ["Id", "SyncToken", "domain", "sparse"];
    let wanted = |name: &str| {
        always.contains(&name)
            || fields.iter().any(|field| field.split('.').next().is_some_and(|field| field.eq_ignore_ascii_case(name)))
    };
    let kept = record.as_object().into_iter().flatten().filter(|(name, _)| wanted(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
}

fn compare(found: &Value, operator: Operator, wanted: &str) -> bool {
    if operator == Operator::Like {
        return found.as_str().is_some_and(|found| like(found, wanted));
    }
    let ordering = ordered(found, wanted);
    match operator {
        Operator::Equal | Operator::In => ordering == Some(Ordering::Equal),
        Operator::NotEqual => ordering != Some(Ordering::Equal),
        Operator::Less => ordering.is_some_and(Ordering::is_lt),
        Operator::LessOrEqual => ordering.is_some_and(Ordering::is_le),
        Operator::Greater => ordering.is_some_and(Ordering::is_gt),
        Operator::GreaterOrEqual => ordering.is_some_and(Ordering::is_ge),
        Operator::Like => false,
    }
}

/// Compares by the type of what is stored: numbers (ids too), instants, or text.
fn ordered(found: &Value, wanted: &str) -> Option<Ordering> {
    match found {
        Value::Number(number) => number.as_f64()?.partial_cmp(&wanted.parse().ok()?),
        Value::Bool(found) => Some(found.to_string().as_str().cmp(wanted)),
        Value::String(text) => {
            if let (Ok(found), Ok(wanted)) = (text.parse::<u64>(), wanted.parse::<u64>()) {
                return Some(found.cmp(&wanted));
            }
            if let (Some(found), Some(wanted)) = (parse_instant(text), parse_instant(wanted)) {
                return Some(found.cmp(&wanted));
            }
            Some(text.to_lowercase().cmp(&wanted.to_lowercase()))
        }
        _ => None,
    }
}
