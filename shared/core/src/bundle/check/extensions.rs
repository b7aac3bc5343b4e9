//! The check of a tenant's own fields of entities: a JSON Schema that can be had offline, and is one.

use crate::bundle::{BundleError, EntityDefinition, fault};
use crate::content::check_depth;
use crate::entity;
use crate::ids::EntityName;
use serde_json::Value;
use std::collections::BTreeMap;

/// The largest schema of a tenant's own fields, in bytes of JSON.
pub const LARGEST_EXTENSIONS_BYTES: usize = 64 * 1024;
/// The one dialect (<https://json-schema.org/draft/2020-12>).
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

pub(super) fn check(entities: &BTreeMap<EntityName, EntityDefinition>, errors: &mut Vec<BundleError>) {
    for (name, definition) in entities {
        let at = format!("entities.{name}");
        if !entity::exists(name) {
            let names: Vec<&str> = entity::names().collect();
            let error = BundleError::new(at.clone(), format_args!("there is no entity {name}"));
            errors.push(error.hint(fault::meant(name.as_str(), &names)));
        }
        errors.extend(schema(&format!("{at}.extensions"), &definition.extensions));
    }
}

fn schema(at: &str, schema: &Value) -> Option<BundleError> {
    let error = |reason: String| BundleError::new(at, reason);
    let below = |pointer: &str, reason: String| BundleError::new(format!("{at}{}", dotted(pointer)), reason);
    let Some(fields) = schema.as_object() else {
        return Some(
            error("this is no JSON Schema".to_owned()).hint("write its fields, or {file: <path>.json}".to_owned()),
        );
    };
    let text = schema.to_string();
    if text.len() > LARGEST_EXTENSIONS_BYTES {
        return Some(error(format!(
            "the schema has {} bytes, at most {LARGEST_EXTENSIONS_BYTES} are taken",
            text.len()
        )));
    }
    if let Err(deep) = check_depth(&text) {
        return Some(error(format!("the schema is {deep}")));
    }
    if fields.get("$schema").is_some_and(|dialect| dialect.as_str().map(|it| it.trim_end_matches('#')) != Some(DIALECT))
    {
        return Some(error("the schema is of another dialect".to_owned()).hint(format!("use {DIALECT}")));
    }
    if let Some((pointer, reference)) = remote(schema, "") {
        let error = below(&pointer, format!("{reference} leads out of the schema"));
        return Some(error.hint("only references within it (`#/$defs/…`) are followed".to_owned()));
    }
    if let Err(invalid) = jsonschema::draft202012::meta::validate(schema) {
        let reason = format!("this is no JSON Schema: {}", invalid.masked());
        return Some(below(invalid.instance_path().as_str(), reason));
    }
    let built = jsonschema::draft202012::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .should_validate_formats(true)
        .build(schema);
    built.err().map(|invalid| error(format!("the schema cannot be used: {}", invalid.masked())))
}

/// The first reference to something outside, and the JSON pointer to it.
fn remote(schema: &Value, pointer: &str) -> Option<(String, String)> {
    match schema {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let pointer = format!("{pointer}/{name}");
            match (name.as_str(), value) {
                ("$ref" | "$dynamicRef" | "$id", Value::String(text)) if !text.starts_with('#') => {
                    Some((pointer, text.chars().take(80).collect()))
                }
                (_, value) => remote(value, &pointer),
            }
        }),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| remote(item, &format!("{pointer}/{index}")))
        }
        _ => None,
    }
}

/// A JSON pointer as fields with dots, the entries of lists counted from 1.
fn dotted(pointer: &str) -> String {
    let part = |part: &str| match part.parse::<usize>() {
        Ok(index) => format!(".{}", index.saturating_add(1)),
        Err(_) => format!(".{}", part.replace("~1", "/").replace("~0", "~")),
    };
    pointer.split('/').skip(1).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(of: Value) -> String {
        schema("entities.invoice.extensions", &of).map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_schema_is_taken_and_what_is_none_is_not() {
        let good = json!({"type": "object", "properties": {"file": {"type": "string", "pattern": "^[a-z]+$"}},
            "$defs": {"x": {"type": "string"}}, "additionalProperties": {"$ref": "#/$defs/x"}});
        assert_eq!(told(good), "");
        for (bad, expected) in [
            (json!("x"), "no JSON Schema"),
            (json!({"type": "objekt"}), "extensions.type: this is no JSON Schema"),
            (json!({"$schema": "http://json-schema.org/draft-07/schema#"}), "another dialect"),
            (json!({"properties": {"a": {"$ref": "https://example.com/x"}}}), "leads out"),
            (json!({"properties": {"a": {"$ref": "#/$defs/nosuch"}}}), "cannot be used"),
            (json!({"pattern": "(?=a)"}), "entities.invoice.extensions"),
            (json!({"description": "x".repeat(LARGEST_EXTENSIONS_BYTES)}), "at most"),
        ] {
            let told = told(bad);
            assert!(told.contains(expected), "{told} has no {expected}");
        }
    }
}
