//! The OpenAPI document says what the API does: every answer that the tests of this crate see is held against it.

use crate::support::{Answer, Stage};
use serde_json::{Value, json};
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Value> = LazyLock::new(api::openapi::document);

/// The answer is one that the document has for the route, and has no field that the document lacks.
pub(crate) fn assert_documented(route: &str, answer: &Answer) {
    let (method, path) = route.split_once(' ').unwrap();
    let Some(operation) = DOCUMENT["paths"].get(path).and_then(|path| path.get(method.to_ascii_lowercase())) else {
        assert_eq!(answer.status, 404, "{route} is not in the document");
        return;
    };
    let schema = if answer.status < 400 {
        let documented = &operation["responses"][answer.status.to_string()];
        &documented["content"]["application/json"]["schema"]
    } else {
        assert!(
            operation["responses"].get(format!("{}XX", answer.status / 100)).is_some(),
            "{route} {}",
            answer.status
        );
        &DOCUMENT["components"]["responses"]["Problem"]["content"]["application/problem+json"]["schema"]
    };
    assert!(schema.is_object(), "{route}: an answer {} is not in the document", answer.status);
    let whole = json!({ "allOf": [schema], "components": DOCUMENT["components"] });
    let validator = jsonschema::validator_for(&whole).unwrap();
    let faults: Vec<String> =
        validator.iter_errors(&answer.body).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{route}: {faults:#?}");
    let named = schema["$ref"].as_str().and_then(|name| DOCUMENT.pointer(name.trim_start_matches('#'))).unwrap();
    for field in answer.body.as_object().unwrap().keys() {
        assert!(named["properties"].get(field).is_some(), "{route}: the field {field} is not in the document");
    }
}

#[test]
fn the_file_is_the_document() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let written = std::fs::read_to_string(file).unwrap_or_default();
    assert!(written == api::openapi::text(), "write it anew: cargo run -p api --example openapi");
}

#[tokio::test]
async fn the_document_is_served() {
    let stage = Stage::new().await;
    let answer = stage.get("/v1/openapi.json").await;
    assert_eq!((answer.status, &answer.body), (200, &*DOCUMENT));
}

#[test]
fn every_reference_leads_somewhere_and_every_name_is_there_once() {
    let text = DOCUMENT.to_string();
    for part in text.split("\"$ref\":\"#").skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(DOCUMENT.pointer(pointer).is_some(), "{pointer}");
    }
    let mut names: Vec<&str> = Vec::new();
    for (path, operations) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            names.push(operation["operationId"].as_str().unwrap());
            let keyed = operation["parameters"].as_array().unwrap().iter().any(|it| it["name"] == "Idempotency-Key");
            let changes = method != "get" && !path.ends_with("/sample");
            assert_eq!(keyed, changes, "{method} {path}: a changing call takes a key");
            assert!(operation["responses"]["4XX"].is_object(), "{method} {path}");
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "{names:?}");
}
