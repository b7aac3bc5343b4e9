//! The JSON Schemas of manifests and of bundles, for editors: made of the types that read them, so that both say the
//! same.
//!
//! It is looser than the check: what a template or a program may say, no schema tells.

use fluxnex_core::bundle::Bundle;
use fluxnex_core::connector::Manifest;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// The schema.
#[must_use]
pub fn manifest() -> Value {
    // Editors' YAML servers know draft 7 best.
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Manifest>();
    schema.insert("title".to_owned(), Value::from("FluxNex connector"));
    schema.to_value()
}

/// The schema as it is committed: `connectors/connector.schema.json`.
#[must_use]
pub fn text() -> String {
    format!("{}\n", serde_json::to_string_pretty(&manifest()).unwrap_or_default())
}

/// Types whose texts are mostly files beside the bundle.
const WITH_MAPPINGS: &[&str] = &["FlowDefinition", "TargetDefinition", "Requirement"];
/// The same, of types that are one of several shapes.
const WITH_MAPPINGS_IN_SHAPES: &[&str] = &["OrderingKey"];

/// The schema of bundles as people write them: a text may be a file beside the bundle, or hold variables.
#[must_use]
pub fn bundle() -> Value {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Bundle>();
    schema.insert("title".to_owned(), Value::from("FluxNex bundle"));
    let mut schema = schema.to_value();
    if let Some(Value::Object(definitions)) = schema.get_mut("definitions") {
        for name in WITH_MAPPINGS {
            definitions.get_mut(*name).into_iter().for_each(allow_files);
        }
        for name in WITH_MAPPINGS_IN_SHAPES {
            let shapes = definitions.get_mut(*name).and_then(|definition| definition.get_mut("oneOf"));
            shapes.and_then(Value::as_array_mut).into_iter().flatten().for_each(allow_files);
        }
    }
    schema
}

fn allow_files(definition: &mut Value) {
    let properties = definition.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(serde_json::Map::values_mut).for_each(allow_file);
}

// `{type: string}` becomes a text or a file; what people read about it stays.
fn allow_file(property: &mut Value) {
    let Some(fields) = property.as_object_mut() else { return };
    let is_text =
        |kind: &Value| kind == "string" || kind.as_array().is_some_and(|kinds| kinds.iter().any(|it| it == "string"));
    if !fields.get("type").is_some_and(is_text) || fields.contains_key("enum") {
        return;
    }
    let Some(kind) = fields.remove("type") else { return };
    let file = json!({
        "type": "object", "required": ["file"], "additionalProperties": false,
        "properties": {"file": {"type": "string", "description": "A file below the bundle's folder."}},
    });
    fields.insert("anyOf".to_owned(), json!([{ "type": kind }, file]));
}

/// The schema of bundles as it is committed: `examples/fluxnex.schema.json`.
#[must_use]
pub fn bundle_text() -> String {
    format!("{}\n", serde_json::to_string_pretty(&bundle()).unwrap_or_default())
}
