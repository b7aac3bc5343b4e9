//! The texts of the schemas, and one text per entity that stands for itself.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

const SCHEMAS: &[(&str, &str)] = &[
    ("carrier", include_str!("../../entities/carrier.json")),
    ("contact", include_str!("../../entities/contact.json")),
    ("customer", include_str!("../../entities/customer.json")),
    ("invoice", include_str!("../../entities/invoice.json")),
    ("lead", include_str!("../../entities/lead.json")),
    ("load", include_str!("../../entities/load.json")),
    ("loan", include_str!("../../entities/loan.json")),
    ("payment", include_str!("../../entities/payment.json")),
];

/// What the schemas have in common.
const DEFINITIONS: &str = include_str!("../../entities/definitions.json");
/// How a schema refers to it.
const SHARED: &str = "definitions.json#/$defs/";
const OWN: &str = "#/$defs/";

/// The names of all entities.
pub fn names() -> impl Iterator<Item = &'static str> {
    SCHEMAS.iter().map(|(name, _)| *name)
}

/// The version of an entity's schema, which grows with each change that is not additive.
#[must_use]
pub fn version(name: &str) -> Option<u64> {
    parsed(name)?.get("x-version")?.as_u64()
}

/// An entity's JSON Schema (2020-12) as one text that refers to no other file.
#[must_use]
pub fn schema_text(name: &str) -> Option<String> {
    serde_json::to_string_pretty(&bundled(name)?).ok()
}

fn parsed(name: &str) -> Option<Value> {
    let (_, text) = SCHEMAS.iter().find(|(known, _)| *known == name)?;
    serde_json::from_str(text).ok()
}

/// An entity's schema with those shared definitions that it uses.
pub(super) fn bundled(name: &str) -> Option<Value> {
    let mut schema = parsed(name)?;
    let Value::Object(shared) = serde_json::from_str::<Value>(DEFINITIONS).ok()?.get("$defs")?.clone() else {
        return None;
    };
    let mut used: BTreeMap<String, Value> = BTreeMap::new();
    let mut open = localise(&mut schema);
    while let Some(name) = open.pop() {
        if let Entry::Vacant(vacant) = used.entry(name) {
            let mut definition = shared.get(vacant.key())?.clone();
            open.extend(localise(&mut definition));
            vacant.insert(definition);
        }
    }
    let definitions: Map<String, Value> = used.into_iter().collect();
    schema.as_object_mut()?.insert("$defs".to_owned(), Value::Object(definitions));
    Some(schema)
}

/// Makes references to the shared definitions references to its own, and names them.
fn localise(schema: &mut Value) -> Vec<String> {
    match schema {
        Value::Object(members) => {
            let mut found = Vec::new();
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "$ref" => {
                        let name = text.strip_prefix(SHARED).or_else(|| text.strip_prefix(OWN)).map(str::to_owned);
                        if let Some(name) = name {
                            *text = format!("{OWN}{name}");
                            found.push(name);
                        }
                    }
                    _ => found.extend(localise(value)),
                }
            }
            found
        }
        Value::Array(items) => items.iter_mut().flat_map(localise).collect(),
        _ => Vec::new(),
    }
}
