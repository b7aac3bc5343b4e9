//! The JSON Schema of manifests, for editors: made of the types that read them, so that both say the same.
//!
//! It is looser than the check: what a template or a program may say, no schema tells.

use fluxnex_core::connector::Manifest;
use schemars::generate::SchemaSettings;
use serde_json::Value;

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
