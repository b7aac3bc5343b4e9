//! SOQL, as far as an integration uses it: fields, parents, children, conditions, order, pages.

mod condition;
mod names;
mod parse;
mod project;

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;

use super::schema::{FieldType, Object};
pub use names::of_kind as kind;
pub use parse::parse;
pub use project::attributes;

/// Finds a stored record by object and id.
pub type Lookup<'store> = &'store dyn Fn(&str, &str) -> Option<Arc<Value>>;

/// A query that fits the schema.
pub struct Query {
    pub object: &'static Object,
    pub selection: Selection,
    filter: Option<condition::Condition>,
    order: Vec<OrderBy>,
    limit: Option<usize>,
    offset: usize,
}

pub enum Selection {
    /// `COUNT()`.
    Count,
    Items(Vec<Item>),
}

pub enum Item {
    Field(Path),
    Children { relationship: &'static str, query: Box<Query> },
}

/// A field of the object, or of its parent.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    parent: Option<PathParent>,
    name: &'static str,
    kind: FieldType,
}

#[derive(Debug, Clone, PartialEq)]
struct PathParent {
    relationship: &'static str,
    field: &'static str,
    object: &'static str,
}

struct OrderBy {
    path: Path,
    descending: bool,
    nulls_last: bool,
}

/// An error as Salesforce words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoqlError {
    pub code: &'static str,
    pub message: String,
}

impl SoqlError {
    fn new(code: &'static str, message: String) -> Self {
        Self { code, message }
    }
}

impl Query {
    /// The records that the query names, in its order, without its selection applied.
    pub fn matching(&self, records: &[Arc<Value>], lookup: Lookup<'_>) -> Vec<Arc<Value>> {
        let mut found: Vec<Arc<Value>> = records
            .iter()
            .filter(|record| self.filter.as_ref().is_none_or(|filter| filter.holds(record, lookup)))
            .cloned()
            .collect();
        if !self.order.is_empty() {
            found.sort_by(|left, right| self.compare(left, right, lookup));
        }
        found.into_iter().skip(self.offset).take(self.limit.unwrap_or(usize::MAX)).collect()
    }

    fn compare(&self, left: &Value, right: &Value, lookup: Lookup<'_>) -> Ordering {
        for order in &self.order {
            let [left, right] = [left, right].map(|record| order.path.read(record, lookup));
            let compared = match (condition::null(&left), condition::null(&right)) {
                (true, true) => Ordering::Equal,
                (true, false) if order.nulls_last => Ordering::Greater,
                (true, false) => Ordering::Less,
                (false, true) if order.nulls_last => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => {
                    let compared = condition::compare_values(order.path.kind, &left, &right);
                    if order.descending { compared.reverse() } else { compared }
                }
            };
            if compared != Ordering::Equal {
                return compared;
            }
        }
        Ordering::Equal
    }
}

impl Path {
    /// The field's value; null where the record, its parent or the field is missing.
    fn read(&self, record: &Value, lookup: Lookup<'_>) -> Value {
        let own = |record: &Value| record.get(self.name).cloned().unwrap_or(Value::Null);
        let Some(parent) = &self.parent else {
            return own(record);
        };
        let id = record.get(parent.field).and_then(Value::as_str);
        id.and_then(|id| lookup(parent.object, id)).map_or(Value::Null, |parent| own(&parent))
    }
}

#[cfg(test)]
mod tests;
