//! Tests of entities.

use super::*;
use serde_json::json;

fn invoice() -> serde_json::Value {
    json!({
        "number": "INV-1", "customer": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "date": "2026-11-01",
        "currency": "USD", "lines": [{"amount": "12.50", "quantity": "1.0"}],
    })
}

fn violations(entity: &str, record: &serde_json::Value, extensions: Option<&Extensions>) -> Vec<String> {
    match validate(&EntityName::parse(entity).unwrap(), record, extensions) {
        Ok(()) => vec![],
        Err(EntityError::Invalid { violations, .. }) => violations,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_schema_compiles_and_has_a_version() {
    for name in names() {
        assert!(compile(name).is_some(), "{name}");
        assert!(version(name).is_some_and(|version| version >= 1), "{name}");
        let text = schema_text(name).unwrap();
        assert!(!text.contains("definitions.json"), "{name} stands for itself");
        assert!(jsonschema::meta::is_valid(&serde_json::from_str(&text).unwrap()), "{name}");
    }
    assert_eq!(schema_text("nothing"), None);
    assert_eq!(version("nothing"), None);
}

#[test]
fn violations_name_field_and_rule_but_not_the_value() {
    assert_eq!(violations("invoice", &invoice(), None), Vec::<String>::new());
    let mut bad = invoice();
    bad["date"] = json!("top-secret-date");
    bad["lines"][0]["amount"] = json!(12.5);
    bad["lines"][0]["top"] = json!("top-secret");
    bad["customer"] = json!("top-secret");
    let found = violations("invoice", &bad, None);
    assert!(found.contains(&r#"/lines/0/amount: must be a decimal string such as "12.50""#.to_owned()), "{found:#?}");
    assert!(found.contains(&r#"/date: must be a date such as "2026-11-01""#.to_owned()), "{found:#?}");
    assert!(found.contains(&"/lines/0/top: no such field".to_owned()), "{found:#?}");
    assert!(found.contains(&"/customer: must be a canonical id, such as `$parents` gives".to_owned()), "{found:#?}");
    assert!(!found.concat().contains("top-secret"), "{found:#?}");
}

#[test]
fn other_rules_have_plain_words_too() {
    for (change, rule) in [
        (json!({"lines": null}), "/lines: must be a list"),
        (json!({"lines": []}), "/lines: must have at least one item"),
        (json!({"number": ""}), "/number: must not be empty; leave the field out instead"),
        (json!({"number": "x".repeat(61)}), "/number: must not be longer than 60 characters"),
        (json!({"currency": "usd"}), r#"/currency: must be an ISO 4217 code such as "USD""#),
        (json!({"extensions": "no"}), "/extensions: must be an object"),
        (json!({"extra": 1}), "/extra: no such field"),
    ] {
        let mut record = invoice();
        for (key, value) in change.as_object().unwrap() {
            record[key] = value.clone();
        }
        assert_eq!(violations("invoice", &record, None), [rule]);
    }
    let mut record = invoice();
    record.as_object_mut().unwrap().remove("lines");
    assert_eq!(violations("invoice", &record, None), ["/lines: is missing"]);
    assert_eq!(violations("invoice", &json!("text"), None), ["/: must be an object"]);
    let load = json!({"number": "L-1", "stops": [{"kind": "lunch", "number": -1}], "customer_total": "1.00"});
    let found = violations("load", &load, None);
    assert!(found.contains(&r#"/stops/0/kind: must be one of "pickup", "delivery", "other""#.to_owned()), "{found:#?}");
    assert!(found.contains(&"/stops/0/number: must be at least 0".to_owned()), "{found:#?}");
    assert!(found.contains(&"/currency: is missing".to_owned()), "{found:#?}");
}

#[test]
fn a_tenants_extensions_are_checked_by_its_own_schema() {
    let schema = json!({
        "type": "object", "required": ["region"], "additionalProperties": false,
        "properties": {"region": {"type": "string", "pattern": "^[a-z]+$", "x-rule": "must be a region"}},
    });
    let extensions = Extensions::compile(&schema).unwrap();
    let mut record = invoice();
    assert_eq!(violations("invoice", &record, Some(&extensions)), ["/extensions/region: is missing"]);
    record["extensions"] = json!({"region": "EMEA"});
    assert_eq!(violations("invoice", &record, Some(&extensions)), ["/extensions/region: must be a region"]);
    record["extensions"] = json!({"region": "emea"});
    assert_eq!(violations("invoice", &record, Some(&extensions)), Vec::<String>::new());
    record["extensions"] = json!({"anything": {"goes": 1.5}});
    assert_eq!(violations("invoice", &record, None), Vec::<String>::new());
}

#[test]
fn a_schema_that_cannot_be_used_is_refused() {
    for (schema, reason) in [
        (json!("no"), "must be an object"),
        (json!({"type": "strin"}), "/type"),
        (json!({"$ref": "https://example.com/schema.json"}), ""),
        (json!({"$ref": "file:///etc/passwd"}), ""),
        (json!({"properties": {"a": {"pattern": "(a+)+\\1$"}}}), ""),
        (json!({"properties": {"a": {"pattern": "((a{1000}){1000}){1000}"}}}), ""),
        (json!({"description": "x".repeat(70_000)}), "larger"),
    ] {
        let error = Extensions::compile(&schema).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(reason), "{schema}: {error}");
    }
}
