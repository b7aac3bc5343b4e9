//! The schemas of the entities: what they may hold, and the document that is made of them.

use fluxnex_core::entity;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Set it, and the document is written anew.
const UPDATE: &str = "UPDATE_DOCUMENTS";

fn schema(name: &str) -> Value {
    serde_json::from_str(&entity::schema_text(name).unwrap()).unwrap()
}

/// Every schema within a schema, with its place.
fn each(schema: &Value, place: &str, visit: &mut dyn FnMut(&str, &Value)) {
    visit(place, schema);
    for group in ["properties", "$defs"] {
        for (name, inner) in schema.get(group).and_then(Value::as_object).into_iter().flatten() {
            each(inner, &format!("{place}/{name}"), visit);
        }
    }
    if let Some(items) = schema.get("items") {
        each(items, &format!("{place}/0"), visit);
    }
}

#[test]
fn every_field_is_described_and_none_is_a_float() {
    for name in entity::names() {
        let schema = schema(name);
        let entities: Vec<&str> = entity::names().collect();
        each(&schema, name, &mut |place, part| {
            let kind = part.get("type").and_then(Value::as_str);
            assert_ne!(kind, Some("number"), "{place}: amounts and rates are decimal strings");
            if kind == Some("integer") {
                assert!(part.get("minimum").is_some() && part.get("maximum").is_some(), "{place}: a count has bounds");
            }
            if kind == Some("object") && place != format!("{name}/extensions") {
                assert!(part["additionalProperties"] == false, "{place}: unknown fields are mistakes");
            }
            if kind == Some("array") {
                assert!(part.get("maxItems").is_some(), "{place}: a list has a bound");
            }
            if kind == Some("string") && part.get("enum").is_none() && part.get("format").is_none() {
                assert!(part.get("maxLength").or_else(|| part.get("pattern")).is_some(), "{place}: text has a bound");
            }
            if part.get("pattern").is_some() || part.get("format").is_some() {
                assert!(part.get("x-rule").is_some(), "{place}: a pattern needs words");
            }
            if let Some(target) = part.get("x-entity") {
                assert!(entities.contains(&target.as_str().unwrap()), "{place}");
            }
            for (field, inner) in part.get("properties").and_then(Value::as_object).into_iter().flatten() {
                assert!(describe(&schema, inner).is_some(), "{place}/{field}: no description");
            }
        });
        assert_eq!(schema["title"], name);
        assert!(schema["properties"].get("extensions").is_some(), "{name}");
    }
}

fn resolve<'a>(schema: &'a Value, part: &'a Value) -> &'a Value {
    let reference = part.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
    reference.and_then(|pointer| schema.pointer(pointer)).unwrap_or(part)
}

fn describe<'a>(schema: &'a Value, part: &'a Value) -> Option<&'a str> {
    let own = part.get("description").or_else(|| resolve(schema, part).get("description"));
    own.and_then(Value::as_str)
}

/// What a field is, in a few words.
fn kind(schema: &Value, part: &Value) -> String {
    if let Some(target) = part.get("x-entity").and_then(Value::as_str) {
        return format!("id of a {target}");
    }
    if let Some(name) = part.get("$ref").and_then(Value::as_str).and_then(|text| text.rsplit('/').next()) {
        return name.to_owned();
    }
    let part = resolve(schema, part);
    if let Some(options) = part.get("enum").and_then(Value::as_array) {
        return options.iter().map(|option| format!("`{}`", option.as_str().unwrap())).collect::<Vec<_>>().join(", ");
    }
    match part["type"].as_str().unwrap() {
        "string" => match part.get("maxLength") {
            Some(longest) => format!("text, at most {longest}"),
            None => "text".to_owned(),
        },
        "array" => format!("list of at most {}", part["maxItems"]),
        "integer" => format!("count, {} to {}", part["minimum"], part["maximum"]),
        other => other.to_owned(),
    }
}

fn rows(document: &mut String, schema: &Value, part: &Value, prefix: &str) {
    let required: Vec<&str> =
        part.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, inner) in part["properties"].as_object().unwrap() {
        let needed = if required.contains(&name.as_str()) { " (required)" } else { "" };
        let description = describe(schema, inner).unwrap();
        writeln!(document, "| `{prefix}{name}`{needed} | {} | {description} |", kind(schema, inner)).unwrap();
        let items = inner.get("items").filter(|items| items.get("properties").is_some());
        if let Some(items) = items {
            rows(document, schema, items, &format!("{prefix}{name}[]."));
        } else if inner.get("properties").is_some() {
            rows(document, schema, inner, &format!("{prefix}{name}."));
        }
    }
}

const HEAD: &str = "# Entities

The canonical record types. A flow's `to_entity` makes one of a source's record; what does not satisfy the schema fails, with
the field and the rule that it breaks, and never its value: `/lines/0/amount: must be a decimal string such as \"12.50\"`.

This document is made of the schemas in `shared/core/entities` (JSON Schema 2020-12); a test holds it. Write it anew with
`UPDATE_DOCUMENTS=1 cargo test -p fluxnex-core --test it entities`.

- **Money** is a decimal string (`\"12.50\"`) in the currency that the record names once, in `currency`. Rates, weights and
  quantities are decimal strings, too. No field is a float; whole numbers are counts.
- **Dates** are RFC 3339: a day (`2026-11-01`) or a moment with its offset (`2026-11-01T08:15:00Z`).
- **References** to other records are canonical ids, as `$parents` gives them.
- **What is unknown is left out**, not null: `compact` does that.
- **Extensions**: `extensions` holds the tenant's own fields. The bundle may give a JSON Schema for them, per entity
  (`entities.<name>.extensions`); it may refer only to itself.

## Changes

Each schema has a version (`x-version`). A change that keeps every stored record valid and every mapping working is additive
(a new field that may be left out, a wider bound) and leaves the version as it is. Anything else (a new required field, a
field that goes, a narrower rule, another meaning) is a new version, and needs a way for what is stored.
";

fn document() -> String {
    let mut document = HEAD.to_owned();
    for name in entity::names() {
        let schema = schema(name);
        write!(document, "\n## {name}\n\n{}", schema["description"].as_str().unwrap()).unwrap();
        write!(document, " Version {}.\n\n", entity::version(name).unwrap()).unwrap();
        document.push_str("| field | what | meaning |\n| --- | --- | --- |\n");
        rows(&mut document, &schema, &schema, "");
        for (field, needed) in schema.get("dependentRequired").and_then(Value::as_object).into_iter().flatten() {
            let needed: Vec<&str> = needed.as_array().unwrap().iter().filter_map(Value::as_str).collect();
            write!(document, "\n`{field}` needs `{}`.", needed.join("`, `")).unwrap();
            document.push('\n');
        }
    }
    document.push_str("\n## What they have in common\n\n| name | what | meaning |\n| --- | --- | --- |\n");
    let mut definitions = std::collections::BTreeMap::new();
    for name in entity::names() {
        definitions.extend(schema(name)["$defs"].as_object().unwrap().clone());
    }
    let shared =
        Value::Object([("$defs".to_owned(), Value::Object(definitions.into_iter().collect()))].into_iter().collect());
    for (name, part) in shared["$defs"].as_object().unwrap() {
        let rule = part.get("x-rule").and_then(Value::as_str).map_or_else(|| kind(&shared, part), str::to_owned);
        writeln!(document, "| `{name}` | {rule} | {} |", describe(&shared, part).unwrap()).unwrap();
        if part.get("properties").is_some() && name != "extensions" {
            rows(&mut document, &shared, part, &format!("{name}."));
        }
    }
    document
}

#[test]
fn the_document_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/entities.md");
    let made = document();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "docs/entities.md is old: write it anew with {UPDATE}=1");
}
