//! The canonical record types: one JSON Schema each, compiled once per process.

use crate::ids::EntityName;
use std::collections::BTreeMap;
use std::sync::OnceLock;

const SCHEMAS: &[(&str, &str)] =
    &[("customer", include_str!("../entities/customer.json")), ("invoice", include_str!("../entities/invoice.json"))];

/// Most violations named in one message: enough to mend a record, short enough to read.
const MOST_VIOLATIONS: usize = 5;

/// Why a record is not a valid entity. Names fields and rules, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntityError {
    /// There is no such canonical record type.
    #[error("there is no entity {0}; known are {known}", known = names().collect::<Vec<_>>().join(", "))]
    Unknown(EntityName),
    /// The record breaks rules of its entity's schema.
    #[error("not a valid {entity}: {}", violations.join("; "))]
    Invalid {
        /// The canonical record type.
        entity: EntityName,
        /// `field: rule`, at most five.
        violations: Vec<String>,
    },
}

/// The names of all entities.
pub fn names() -> impl Iterator<Item = &'static str> {
    SCHEMAS.iter().map(|(name, _)| *name)
}

/// Whether there is an entity of that name.
#[must_use]
pub fn exists(entity: &EntityName) -> bool {
    names().any(|name| name == entity.as_str())
}

fn validators() -> &'static BTreeMap<&'static str, OnceLock<Option<jsonschema::Validator>>> {
    static VALIDATORS: OnceLock<BTreeMap<&'static str, OnceLock<Option<jsonschema::Validator>>>> = OnceLock::new();
    VALIDATORS.get_or_init(|| names().map(|name| (name, OnceLock::new())).collect())
}

fn compile(name: &str) -> Option<jsonschema::Validator> {
    let (_, schema) = SCHEMAS.iter().find(|(known, _)| *known == name)?;
    let schema = serde_json::from_str(schema).ok()?;
    jsonschema::options().should_validate_formats(true).build(&schema).ok()
}

/// Checks a record against the schema of its entity.
///
/// # Errors
/// [`EntityError`] names the fields and the rules that they break.
pub fn validate(entity: &EntityName, record: &serde_json::Value) -> Result<(), EntityError> {
    let validator = validators()
        .get(entity.as_str())
        .and_then(|cell| cell.get_or_init(|| compile(entity.as_str())).as_ref())
        .ok_or_else(|| EntityError::Unknown(entity.clone()))?;
    let violations: Vec<String> = validator
        .iter_errors(record)
        .take(MOST_VIOLATIONS)
        .map(|error| {
            let field = error.instance_path().to_string();
            let field = if field.is_empty() { "/".to_owned() } else { field };
            format!("{field}: {}", error.masked())
        })
        .collect();
    if violations.is_empty() { Ok(()) } else { Err(EntityError::Invalid { entity: entity.clone(), violations }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn invoice() -> serde_json::Value {
        json!({
            "number": "INV-1", "customer": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "date": "2026-11-01",
            "currency": "USD", "lines": [{"amount": "12.50", "quantity": "1.0"}],
        })
    }

    #[test]
    fn every_schema_compiles() {
        for name in names() {
            assert!(compile(name).is_some(), "{name}");
        }
    }

    #[test]
    fn violations_name_field_and_rule_but_not_the_value() {
        let entity = EntityName::parse("invoice").unwrap();
        assert_eq!(validate(&entity, &invoice()), Ok(()));
        let mut bad = invoice();
        bad["date"] = json!("top-secret-date");
        bad["lines"][0]["amount"] = json!(12.5);
        let message = validate(&entity, &bad).unwrap_err().to_string();
        assert!(message.contains("/date") && message.contains("/lines/0/amount"), "{message}");
        assert!(!message.contains("top-secret"), "{message}");
        bad = invoice();
        bad.as_object_mut().unwrap().remove("lines");
        assert!(validate(&entity, &bad).unwrap_err().to_string().contains("lines"));
    }
}
