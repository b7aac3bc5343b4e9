//! Gives records the shape that a query's selection asks for.

use serde_json::{Map, Value, json};

use super::{Item, Lookup, Path, Query, Selection};
use std::sync::Arc;

impl Query {
    /// One record of the answer. `version` is the API's (`v62.0`), as its addresses name it.
    pub fn project(&self, record: &Value, version: &str, lookup: Lookup<'_>) -> Value {
        let mut shaped = Map::new();
        shaped.insert("attributes".to_owned(), attributes(self.object.name, record, version));
        let Selection::Items(items) = &self.selection else {
            return Value::Object(shaped);
        };
        for item in items {
            match item {
                Item::Field(path) => insert(&mut shaped, path, record, version, lookup),
                Item::Children { relationship, query } => {
                    shaped.insert((*relationship).to_owned(), children(record, relationship, query, version, lookup));
                }
            }
        }
        Value::Object(shaped)
    }
}

fn insert(shaped: &mut Map<String, Value>, path: &Path, record: &Value, version: &str, lookup: Lookup<'_>) {
    let Some(parent) = &path.parent else {
        shaped.insert(path.name.to_owned(), path.read(record, lookup));
        return;
    };
    let id = record.get(parent.field).and_then(Value::as_str);
    let Some(found) = id.and_then(|id| lookup(parent.object, id)) else {
        shaped.insert(parent.relationship.to_owned(), Value::Null);
        return;
    };
    let entry = shaped.entry(parent.relationship).or_insert(Value::Null);
    if !entry.is_object() {
        *entry = json!({"attributes": attributes(parent.object, &found, version)});
    }
    if let Some(fields) = entry.as_object_mut() {
        fields.insert(path.name.to_owned(), found.get(path.name).cloned().unwrap_or(Value::Null));
    }
}

/// Children in Salesforce's shape: a small result of their own, or null if there are none.
fn children(record: &Value, relationship: &str, query: &Query, version: &str, lookup: Lookup<'_>) -> Value {
    let held = record.get(relationship).and_then(|held| held.get("records")).and_then(Value::as_array);
    let held: Vec<Arc<Value>> = held.map_or(&[][..], Vec::as_slice).iter().cloned().map(Arc::new).collect();
    let found = query.matching(&held, lookup);
    if found.is_empty() {
        return Value::Null;
    }
    let records: Vec<Value> = found.iter().map(|child| query.project(child, version, lookup)).collect();
    json!({"totalSize": records.len(), "done": true, "records": records})
}

/// What Salesforce puts before the fields of every record.
pub fn attributes(object: &str, record: &Value, version: &str) -> Value {
    let id = record.get("Id").and_then(Value::as_str).unwrap_or_default();
    json!({"type": object, "url": format!("/services/data/{version}/sobjects/{object}/{id}")})
}
