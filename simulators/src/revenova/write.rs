//! Writing records as Salesforce does: what it takes, what it refuses, and how it words that.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::records::text;
use super::schema::{self, Access, Field, FieldType, Object};
use crate::clock::now_microseconds;
use crate::journal::{App, Channel, SourceVersion};
use crate::recorder::lock;
use crate::world::World;

/// Salesforce's length of a text field that does not say another.
const LONGEST_TEXT: usize = 255;

/// The record that is written.
#[derive(Clone, Copy)]
pub enum Which<'a> {
    /// A new one.
    New,
    /// The one with this id.
    Id(&'a str),
    /// The one whose external id has this value, or a new one.
    External(&'static Field, &'a str),
}

/// A write that took effect.
pub struct Written {
    pub id: String,
    pub created: bool,
}

/// A write that did not.
#[derive(Debug)]
pub struct Refused {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    pub fields: Vec<String>,
    /// The records of which one was meant, if an external id is that of several.
    pub choices: Vec<String>,
}

impl Refused {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        let (fields, choices) = (Vec::new(), Vec::new());
        Self { status: StatusCode::BAD_REQUEST, code, message: message.into(), fields, choices }
    }

    fn missing(code: &'static str, message: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, ..Self::new(code, message) }
    }

    fn about(code: &'static str, field: &str, message: impl Into<String>) -> Self {
        Self { fields: vec![field.to_owned()], ..Self::new(code, message) }
    }
}

/// Creates or changes a record. Nothing else is written meanwhile, so that what is unique stays so.
///
/// # Errors
/// [`Refused`], worded like Salesforce's; then nothing changed.
pub fn write(
    world: &World,
    object: &'static Object,
    which: Which<'_>,
    payload: &Map<String, Value>,
) -> Result<Written, Refused> {
    let _writing = lock(&world.revenova.writing);
    let mut fields = checked(object, payload)?;
    let id = match which {
        Which::New => None,
        Which::Id(id) => Some(present(world, object, id)?),
        Which::External(field, value) => {
            if payload.keys().any(|name| name.eq_ignore_ascii_case(field.name)) {
                let message = format!("The {} field should not be specified in the sobject data.", field.name);
                return Err(Refused::new("INVALID_FIELD", message));
            }
            fields.insert(field.name.to_owned(), Value::from(value));
            one_of(object, holders(world, object, field, value))?
        }
    };
    check_unique(world, object, id.as_deref(), &fields)?;
    check_references(world, object, &fields)?;
    let created = id.is_none();
    if created {
        let missing: Vec<&str> =
            object.required.iter().copied().filter(|name| fields.get(*name).is_none_or(Value::is_null)).collect();
        if !missing.is_empty() {
            let mut refused = Refused::new(
                "REQUIRED_FIELD_MISSING",
                format!("Required fields are missing: [{}]", missing.join(", ")),
            );
            refused.fields = missing.into_iter().map(str::to_owned).collect();
            return Err(refused);
        }
    }
    let id = store(world, object, id, fields)?;
    Ok(Written { id, created })
}

/// Marks a record as deleted; it stays in the recycle bin.
///
/// # Errors
/// If there is no such record, or it was deleted before.
pub fn delete(world: &World, object: &'static Object, which: Which<'_>) -> Result<String, Refused> {
    let _writing = lock(&world.revenova.writing);
    let id = match which {
        Which::Id(id) => present(world, object, id)?,
        Which::External(field, value) => one_of(object, holders(world, object, field, value))?
            .ok_or_else(|| Refused::missing("NOT_FOUND", "The requested resource does not exist"))?,
        Which::New => return Err(Refused::missing("NOT_FOUND", "The requested resource does not exist")),
    };
    let deleted = Map::from_iter([("IsDeleted".to_owned(), Value::Bool(true))]);
    store(world, object, Some(id), deleted)
}

/// The records, not deleted, whose external id has this value.
pub fn holders(world: &World, object: &'static Object, field: &Field, value: &str) -> Vec<String> {
    let holds = |record: &Value| {
        let held = record.get(field.name).and_then(Value::as_str);
        // Like Salesforce, where nobody asked for case to matter.
        held.is_some_and(|held| held.eq_ignore_ascii_case(value)) && !is_deleted(record)
    };
    let all = world.revenova.records.all(object.name);
    all.iter().filter(|record| holds(record)).map(|record| text(record, "Id")).collect()
}

fn one_of(object: &Object, mut found: Vec<String>) -> Result<Option<String>, Refused> {
    if found.len() > 1 {
        let mut refused = Refused::new("MULTIPLE_CHOICES", "more than one record found for external id field");
        refused.status = StatusCode::MULTIPLE_CHOICES;
        refused.choices = found.into_iter().map(|id| format!("{}/{id}", object.name)).collect();
        return Err(refused);
    }
    Ok(found.pop())
}

/// The whole id of a record that is there and not deleted.
fn present(world: &World, object: &'static Object, id: &str) -> Result<String, Refused> {
    let record = world.revenova.records.get(object.name, id);
    let record = record.ok_or_else(|| Refused::missing("NOT_FOUND", "The requested resource does not exist"))?;
    if is_deleted(&record) {
        return Err(Refused::missing("ENTITY_IS_DELETED", "entity is deleted"));
    }
    Ok(text(&record, "Id"))
}

fn is_deleted(record: &Value) -> bool {
    record.get("IsDeleted") == Some(&Value::Bool(true))
}

/// The fields under their own names, each of its type.
fn checked(object: &'static Object, payload: &Map<String, Value>) -> Result<Map<String, Value>, Refused> {
    let mut fields = Map::new();
    for (name, value) in payload.iter().filter(|(name, _)| *name != "attributes") {
        let field = object.field(name).ok_or_else(|| {
            let message = format!("No such column '{name}' on sobject of type {}", object.name);
            Refused::new("INVALID_FIELD", message)
        })?;
        if field.access == Access::ReadOnly {
            let message = format!(
                "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
                field.name
            );
            return Err(Refused::about("INVALID_FIELD_FOR_INSERT_UPDATE", field.name, message));
        }
        check_value(field, value)?;
        fields.insert(field.name.to_owned(), value.clone());
    }
    Ok(fields)
}

fn check_value(field: &Field, value: &Value) -> Result<(), Refused> {
    let fits = match (field.kind, value) {
        (_, Value::Null) => true,
        (FieldType::Number, value) => value.is_number(),
        (FieldType::Boolean, value) => value.is_boolean(),
        (FieldType::Date, Value::String(date)) => date.parse::<jiff::civil::Date>().is_ok(),
        (FieldType::DateTime, Value::String(moment)) => crate::clock::parse_instant(moment).is_some(),
        (FieldType::Id | FieldType::Reference, Value::String(id)) => {
            let form = matches!(id.len(), 15 | 18) && id.chars().all(|letter| letter.is_ascii_alphanumeric());
            if !form {
                let message = format!("{}: id value of incorrect type: {id}", field.name);
                return Err(Refused::about("MALFORMED_ID", field.name, message));
            }
            true
        }
        (FieldType::Text, Value::String(text)) => {
            if text.chars().count() > LONGEST_TEXT {
                let message = format!("{}: data value too large (max length={LONGEST_TEXT})", field.name);
                return Err(Refused::about("STRING_TOO_LONG", field.name, message));
            }
            true
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let message =
        format!("Cannot deserialize instance of {} of the field {}", super::soql::kind(field.kind), field.name);
    Err(Refused::new("JSON_PARSER_ERROR", message))
}

fn check_unique(
    world: &World,
    object: &'static Object,
    own: Option<&str>,
    fields: &Map<String, Value>,
) -> Result<(), Refused> {
    for field in object.fields.iter().filter(|field| field.access == Access::ExternalId) {
        let Some(value) = fields.get(field.name).and_then(Value::as_str) else { continue };
        let other = holders(world, object, field, value).into_iter().find(|id| Some(id.as_str()) != own);
        if let Some(other) = other {
            let message = format!("duplicate value found: {} duplicates value on record with id: {other}", field.name);
            return Err(Refused::new("DUPLICATE_VALUE", message));
        }
    }
    Ok(())
}

fn check_references(world: &World, object: &'static Object, fields: &Map<String, Value>) -> Result<(), Refused> {
    for parent in object.parents {
        let Some(id) = fields.get(parent.field).and_then(Value::as_str) else { continue };
        match world.revenova.records.get(parent.object, id) {
            None => {
                return Err(Refused::about("INVALID_CROSS_REFERENCE_KEY", parent.field, "invalid cross reference id"));
            }
            Some(record) if is_deleted(&record) => {
                return Err(Refused::about("ENTITY_IS_DELETED", parent.field, "entity is deleted"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Stores the fields and enters the version in the journal: nobody has to bring it.
fn store(
    world: &World,
    object: &'static Object,
    id: Option<String>,
    mut fields: Map<String, Value>,
) -> Result<String, Refused> {
    if object.field("FirstName").is_some() {
        let before = id.as_deref().and_then(|id| world.revenova.records.get(object.name, id));
        let part = |name: &str| {
            let given = fields.get(name).or_else(|| before.as_ref().and_then(|before| before.get(name)));
            given.and_then(Value::as_str).map(str::to_owned)
        };
        let parts: Vec<String> = ["FirstName", "LastName"].into_iter().filter_map(part).collect();
        fields.insert("Name".to_owned(), Value::from(parts.join(" ")));
    }
    fields.extend(id.map(|id| ("Id".to_owned(), Value::from(id))));
    let stored = world.revenova.records.store(object.name, Value::Object(fields), Timestamp::now());
    let stored = stored.map_err(|message| Refused::new("STORAGE_LIMIT_EXCEEDED", message))?;
    world.recorder.versions([SourceVersion {
        app: App::Revenova,
        object: stored.object.to_owned(),
        record_id: stored.record_id.clone(),
        version: stored.version,
        channel: Channel::Need,
        content: stored.record,
        at: now_microseconds(),
    }]);
    Ok(stored.record_id)
}

/// The field of an external id, as an address names it.
pub fn external_field(object: &'static Object, name: &str) -> Result<&'static Field, Refused> {
    let field = object.field(name).filter(|field| field.access == Access::ExternalId);
    field.ok_or_else(|| {
        Refused::missing("NOT_FOUND", "Provided external ID field does not exist or is not accessible: ").named(name)
    })
}

impl Refused {
    fn named(mut self, name: &str) -> Self {
        self.message.push_str(name);
        self
    }
}

/// The object of an address, if records of it are stored.
pub fn stored_object(name: &str) -> Option<&'static Object> {
    schema::object(name).filter(|object| object.stored)
}
