//! The committed JSON Schema is the one of the types, and every committed manifest satisfies it.

use fluxnex_authoring::schema;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn connectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors")
}

fn manifests() -> Vec<(String, Value)> {
    let folders = fs::read_dir(connectors()).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.map(|folder| folder.join("connector.yaml")).filter(|file| file.is_file());
    files
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            (file.display().to_string(), serde_saphyr::from_str(&text).unwrap())
        })
        .collect()
}

#[test]
fn the_committed_schema_is_current() {
    let committed = fs::read_to_string(connectors().join("connector.schema.json")).unwrap_or_default();
    let advice = "write it anew: cargo run -p fluxnex-cli -- connector schema > connectors/connector.schema.json";
    assert!(committed == schema::text(), "{advice}");
}

#[test]
fn every_manifest_tells_editors_of_it() {
    for (file, _) in manifests() {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# yaml-language-server: $schema=../connector.schema.json\n"), "{file}");
    }
}

#[test]
fn every_manifest_satisfies_it() {
    let validator = jsonschema::validator_for(&schema::manifest()).unwrap();
    let manifests = manifests();
    assert!(manifests.len() >= 4);
    for (file, manifest) in manifests {
        let faults: Vec<String> =
            validator.iter_errors(&manifest).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(faults.is_empty(), "{file}: {faults:#?}");
    }
}

#[test]
fn what_no_manifest_may_say_does_not() {
    let validator = jsonschema::validator_for(&schema::manifest()).unwrap();
    let (_, good) = manifests().remove(0);
    for (pointer, value) in [
        ("/connector", json!(7)),
        ("/title", Value::Null),
        ("/objects", json!([])),
        ("/authentication", json!({"kind": "magic"})),
        ("/limits", json!({"rate_per_second": "fast"})),
        ("/colour", json!("red")),
    ] {
        let mut manifest = good.clone();
        manifest.as_object_mut().unwrap().insert(pointer.trim_start_matches('/').to_owned(), value);
        assert!(!validator.is_valid(&manifest), "{pointer}");
    }
    for garbage in [json!({}), json!([]), json!("connector"), Value::Null] {
        assert!(!validator.is_valid(&garbage), "{garbage}");
    }
}
