//! The words for a broken rule: which field, and what it must be. Never the value.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

/// Words of its own that a schema has for its rule, where a keyword's would be cryptic (a pattern).
const RULE: &str = "x-rule";
/// Names of fields are cut to this many characters: a mapping may have made them from a record.
const LONGEST_NAME: usize = 60;

/// A JSON Pointer for people: the whole record is `/`.
pub(super) fn field(pointer: &str) -> &str {
    if pointer.is_empty() { "/" } else { pointer }
}

/// `field: rule`.
pub(super) fn violation(schema: &Value, prefix: &str, error: &ValidationError<'_>) -> String {
    let at = format!("{prefix}{}", error.instance_path());
    match error.kind() {
        Kind::Required { property } => {
            format!("{at}/{}: is missing", name(property.as_str().unwrap_or_default()))
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let names: Vec<String> =
                unexpected.iter().take(3).map(|unknown| format!("{at}/{}", name(unknown))).collect();
            format!("{}: no such field", names.join(", "))
        }
        kind => {
            let words = own_words(schema, error).unwrap_or_else(|| words(kind, error));
            format!("{}: {words}", field(&at))
        }
    }
}

fn name(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

/// What the part of the schema that holds the broken keyword says of itself.
fn own_words(schema: &Value, error: &ValidationError<'_>) -> Option<String> {
    let broken = error.schema_path().to_string();
    let (holder, _) = broken.rsplit_once('/')?;
    Some(schema.pointer(holder)?.get(RULE)?.as_str()?.to_owned())
}

fn words(kind: &Kind, error: &ValidationError<'_>) -> String {
    match kind {
        Kind::Type { kind } => format!("must be {}", types(kind)),
        Kind::Enum { options } => match options.as_array() {
            Some(options) => format!("must be one of {}", listed(options)),
            None => "is not one of the values that it may have".to_owned(),
        },
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        Kind::MaxLength { limit } => format!("must not be longer than {limit} characters"),
        Kind::MinLength { limit: 1 } => "must not be empty; leave the field out instead".to_owned(),
        Kind::MinLength { limit } => format!("must not be shorter than {limit} characters"),
        Kind::MaxItems { limit } => format!("must not have more than {limit} items"),
        Kind::MinItems { limit: 1 } => "must have at least one item".to_owned(),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::MaxProperties { limit } => format!("must not have more than {limit} fields"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::Format { format } => format!("must have the format {format}"),
        Kind::Pattern { pattern } => format!("must match the pattern {pattern}"),
        _ => error.masked().to_string(),
    }
}

fn listed(options: &[Value]) -> String {
    options.iter().take(20).map(Value::to_string).collect::<Vec<_>>().join(", ")
}

fn types(kind: &jsonschema::error::TypeKind) -> String {
    use jsonschema::error::TypeKind;
    match kind {
        TypeKind::Single(single) => with_article(&single.to_string()),
        TypeKind::Multiple(set) => {
            set.iter().map(|one| with_article(&one.to_string())).collect::<Vec<_>>().join(" or ")
        }
    }
}

fn with_article(json_type: &str) -> String {
    match json_type {
        "null" => "null".to_owned(),
        "string" => "text".to_owned(),
        "array" => "a list".to_owned(),
        "boolean" => "true or false".to_owned(),
        "integer" => "a whole number".to_owned(),
        "object" => "an object".to_owned(),
        other => format!("a {other}"),
    }
}
