//! The account's records, and the rules for changing them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use jiff::{Timestamp, ToSpan};
use serde_json::{Map, Value, json};

use super::answer::Refused;
use super::objects::{Object, Property};
use crate::clock::odata_instant;
use crate::recorder::lock;

/// The most records that are kept, over all objects.
const MOST_RECORDS: usize = 200_000;
/// The longest value of a property, in characters.
const LONGEST_VALUE: usize = 65_536;

/// A record. Values that were never set are missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub id: u64,
    pub properties: BTreeMap<&'static str, String>,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub archived: Option<Timestamp>,
}

/// The account's records.
#[derive(Default)]
pub struct Crm {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    objects: HashMap<&'static str, BTreeMap<u64, Arc<Record>>>,
    last_id: u64,
}

impl Crm {
    pub fn get(&self, object: &Object, id: &str) -> Option<Arc<Record>> {
        lock(&self.state).objects.get(object.name)?.get(&id.parse().ok()?).cloned()
    }

    /// All records of an object in the order of their ids, archived ones too.
    pub fn all(&self, object: &Object) -> Vec<Arc<Record>> {
        lock(&self.state)
            .objects
            .get(object.name)
            .map(|records| records.values().cloned().collect())
            .unwrap_or_default()
    }

    pub fn counts(&self) -> BTreeMap<String, usize> {
        lock(&self.state).objects.iter().map(|(object, records)| ((*object).to_owned(), records.len())).collect()
    }

    pub fn clear(&self) {
        *lock(&self.state) = State::default();
    }

    /// The record, not archived, with this value of a unique property.
    ///
    /// # Errors
    /// If no two records differ in the property.
    pub fn by(&self, object: &Object, property: &str, value: &str) -> Result<Option<Arc<Record>>, Refused> {
        let property = object.property(property).filter(|property| property.unique).ok_or_else(|| {
            Refused::invalid(format!("{property} is not a unique identifier property of {}", object.name))
        })?;
        Ok(holder(lock(&self.state).objects.get(object.name), property, value))
    }

    /// Creates a record, or changes the one with this id.
    ///
    /// # Errors
    /// Says which property cannot be taken; then nothing changed.
    pub fn write(
        &self,
        object: &'static Object,
        id: Option<u64>,
        properties: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Arc<Record>, Refused> {
        let given = checked(object, properties)?;
        let mut state = lock(&self.state);
        for (name, value) in given.iter().filter(|(_, value)| !value.is_empty()) {
            let Some(property) = object.property(name).filter(|property| property.unique) else { continue };
            let other = holder(state.objects.get(object.name), property, value);
            if let Some(other) = other.filter(|other| Some(other.id) != id) {
                let message = format!("{} already exists. Existing ID: {}", object.singular, other.id);
                return Err(Refused::conflict(message));
            }
        }
        let total: usize = state.objects.values().map(BTreeMap::len).sum();
        let mut record = match id {
            Some(id) => {
                let found = state.objects.get(object.name).and_then(|records| records.get(&id));
                found
                    .filter(|found| found.archived.is_none())
                    .map(|found| (**found).clone())
                    .ok_or_else(Refused::missing)?
            }
            None if total >= MOST_RECORDS => {
                return Err(Refused::invalid(format!("there are {MOST_RECORDS} records already")));
            }
            None => {
                state.last_id += 1;
                let id = 500_000_000 + state.last_id;
                Record { id, properties: BTreeMap::new(), created: now, modified: now, archived: None }
            }
        };
        record.properties.extend(given);
        record.modified = later(record.modified, now, id.is_some());
        let record = Arc::new(record);
        state.objects.entry(object.name).or_default().insert(record.id, record.clone());
        Ok(record)
    }

    /// Archives a record; one that is not there, or archived already, is left alone.
    pub fn archive(&self, object: &'static Object, id: &str, now: Timestamp) {
        let mut state = lock(&self.state);
        let records = state.objects.entry(object.name).or_default();
        let found = id.parse().ok().and_then(|id: u64| records.get_mut(&id));
        if let Some(found) = found.filter(|found| found.archived.is_none()) {
            let mut record = (**found).clone();
            record.archived = Some(now);
            record.modified = later(record.modified, now, true);
            *found = Arc::new(record);
        }
    }
}

/// HubSpot keeps milliseconds; each version of a record is later than the one before.
fn later(before: Timestamp, now: Timestamp, changed: bool) -> Timestamp {
    let next = before.checked_add(1.millisecond()).unwrap_or(before);
    if changed { now.max(next) } else { now }
}

fn holder(records: Option<&BTreeMap<u64, Arc<Record>>>, property: &Property, value: &str) -> Option<Arc<Record>> {
    let holds = |record: &&Arc<Record>| {
        let held = record.properties.get(property.name);
        record.archived.is_none() && held.is_some_and(|held| held.eq_ignore_ascii_case(value))
    };
    records?.values().find(holds).cloned()
}

/// The properties that are written, as texts; an empty one clears.
fn checked(
    object: &'static Object,
    properties: &Map<String, Value>,
) -> Result<BTreeMap<&'static str, String>, Refused> {
    let mut given = BTreeMap::new();
    for (name, value) in properties {
        let Some(property) = object.property(name) else {
            return Err(not_valid(name, "PROPERTY_DOESNT_EXIST", &format!("Property \"{name}\" does not exist")));
        };
        if property.read_only {
            let message = format!("\"{name}\" is a read only property; its value cannot be set.");
            return Err(not_valid(name, "READ_ONLY_VALUE", &message));
        }
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                return Err(Refused::invalid(format!("Invalid input JSON: properties.{name} is no value")));
            }
        };
        if text.chars().count() > LONGEST_VALUE {
            return Err(not_valid(
                name,
                "INVALID_LENGTH",
                &format!("{name} is longer than {LONGEST_VALUE} characters"),
            ));
        }
        if property.name == "email" && !text.is_empty() && !text.contains('@') {
            return Err(not_valid(name, "INVALID_EMAIL", &format!("Email address {text} is invalid")));
        }
        given.insert(property.name, text);
    }
    Ok(given)
}

fn not_valid(name: &str, error: &str, message: &str) -> Refused {
    let details = json!([{"isValid": false, "message": message, "error": error, "name": name}]);
    Refused::invalid(format!("Property values were not valid: {details}"))
}

impl Record {
    /// A property's value, HubSpot's own ones too.
    pub fn value(&self, object: &Object, name: &str) -> Option<String> {
        match name {
            "hs_object_id" => Some(self.id.to_string()),
            "createdate" => Some(odata_instant(self.created)),
            name if name == object.modified => Some(odata_instant(self.modified)),
            name => self.properties.get(name).filter(|value| !value.is_empty()).cloned(),
        }
    }

    /// The record as an answer has it. Unknown properties are left out.
    pub fn shaped(&self, object: &Object, wanted: &[&str]) -> Value {
        let mut names: Vec<&str> = if wanted.is_empty() { object.usual.to_vec() } else { wanted.to_vec() };
        // These always come.
        names.extend(["createdate", "hs_object_id", object.modified]);
        let properties: Map<String, Value> = names
            .into_iter()
            .filter(|name| object.property(name).is_some())
            .map(|name| (name.to_owned(), Value::from(self.value(object, name))))
            .collect();
        let mut shaped = json!({
            "id": self.id.to_string(), "properties": properties, "createdAt": odata_instant(self.created),
            "updatedAt": odata_instant(self.modified), "archived": self.archived.is_some(),
        });
        if let (Some(at), Some(shaped)) = (self.archived, shaped.as_object_mut()) {
            shaped.insert("archivedAt".to_owned(), Value::from(odata_instant(at)));
        }
        shaped
    }
}
