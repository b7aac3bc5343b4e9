//! The canonical record types: one JSON Schema each, compiled once per process.

mod rule;
mod schema;
#[cfg(test)]
mod tests;

use crate::ids::EntityName;
use std::collections::BTreeMap;
use std::sync::OnceLock;

pub use schema::{names, schema_text, version};

/// Most violations named in one message: enough to mend a record, short enough to read.
const MOST_VIOLATIONS: usize = 5;
/// The largest schema that a tenant may give for its extensions, in bytes of JSON.
const LARGEST_EXTENSIONS_SCHEMA_BYTES: usize = 64 * 1024;
/// Where a tenant's own fields stand in each entity.
const EXTENSIONS: &str = "extensions";

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

/// Why a tenant's schema for its extensions cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtensionsError {
    /// It is larger than it may be.
    #[error("the schema is larger than {LARGEST_EXTENSIONS_SCHEMA_BYTES} bytes")]
    TooLarge,
    /// It nests deeper than any record may.
    #[error("the schema nests too deeply")]
    TooDeep,
    /// It is not a JSON Schema, or refers to one elsewhere.
    #[error("not a JSON Schema (2020-12): {0}")]
    Schema(String),
}

/// A tenant's schema for the member `extensions` of one entity, compiled once when its bundle is loaded.
#[derive(Debug)]
pub struct Extensions {
    schema: serde_json::Value,
    validator: jsonschema::Validator,
}

impl Extensions {
    /// Compiles a JSON Schema (2020-12) for the object `extensions`. It may refer only to itself, and its patterns
    /// may not look around or back (so each is matched in linear time).
    ///
    /// # Errors
    /// [`ExtensionsError`] if it is too large, or no such schema.
    pub fn compile(schema: &serde_json::Value) -> Result<Self, ExtensionsError> {
        let text = schema.to_string();
        if text.len() > LARGEST_EXTENSIONS_SCHEMA_BYTES {
            return Err(ExtensionsError::TooLarge);
        }
        crate::content::check_depth(&text).map_err(|_| ExtensionsError::TooDeep)?;
        if !schema.is_object() {
            return Err(ExtensionsError::Schema("it must be an object".to_owned()));
        }
        jsonschema::meta::validate(schema).map_err(|error| {
            ExtensionsError::Schema(format!("{}: {}", rule::field(error.instance_path().as_str()), error.masked()))
        })?;
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .offline()
            .with_pattern_options(jsonschema::PatternOptions::regex().size_limit(1 << 20))
            .should_validate_formats(true)
            .build(schema)
            .map_err(|error| ExtensionsError::Schema(error.masked().to_string()))?;
        Ok(Self { schema: schema.clone(), validator })
    }
}

/// Whether there is an entity of that name.
#[must_use]
pub fn exists(entity: &EntityName) -> bool {
    names().any(|name| name == entity.as_str())
}

struct Compiled {
    schema: serde_json::Value,
    validator: jsonschema::Validator,
}

fn compiled(name: &str) -> Option<&'static Compiled> {
    static COMPILED: OnceLock<BTreeMap<&'static str, OnceLock<Option<Compiled>>>> = OnceLock::new();
    let all = COMPILED.get_or_init(|| names().map(|name| (name, OnceLock::new())).collect());
    all.get(name)?.get_or_init(|| compile(name)).as_ref()
}

fn compile(name: &str) -> Option<Compiled> {
    let schema = schema::bundled(name)?;
    let validator = jsonschema::options().should_validate_formats(true).offline().build(&schema).ok()?;
    Some(Compiled { schema, validator })
}

/// Checks a record against the schema of its entity, and its `extensions` against the tenant's schema, if there is
/// one. An entity without `extensions` is checked as if they were `{}`.
///
/// # Errors
/// [`EntityError`] names the fields and the rules that they break.
pub fn validate(
    entity: &EntityName,
    record: &serde_json::Value,
    extensions: Option<&Extensions>,
) -> Result<(), EntityError> {
    let compiled = compiled(entity.as_str()).ok_or_else(|| EntityError::Unknown(entity.clone()))?;
    let violations = compiled.validator.iter_errors(record).map(|error| rule::violation(&compiled.schema, "", &error));
    let mut violations: Vec<String> = violations.take(MOST_VIOLATIONS).collect();
    if let Some(extensions) = extensions {
        let none = serde_json::Value::Object(serde_json::Map::new());
        let own = record.get(EXTENSIONS).unwrap_or(&none);
        let prefix = format!("/{EXTENSIONS}");
        let more = extensions.validator.iter_errors(own);
        let more = more.map(|error| rule::violation(&extensions.schema, &prefix, &error));
        violations.extend(more.take(MOST_VIOLATIONS.saturating_sub(violations.len())));
    }
    if violations.is_empty() { Ok(()) } else { Err(EntityError::Invalid { entity: entity.clone(), violations }) }
}
