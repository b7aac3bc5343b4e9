//! The organisation's records, and the rule that each version is later than the one before.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use jiff::{Timestamp, ToSpan};
use serde_json::{Map, Value};

use super::schema;
use crate::clock::{parse_instant, salesforce_instant};
use crate::recorder::lock;

/// The most records that are kept, over all objects.
const MOST_RECORDS: usize = 500_000;

#[derive(Default)]
pub struct Records {
    objects: Mutex<HashMap<&'static str, BTreeMap<String, Arc<Value>>>>,
}

/// All records at one moment.
pub struct Snapshot(HashMap<&'static str, BTreeMap<String, Arc<Value>>>);

/// A record as it is after it was stored.
pub struct Stored {
    pub object: &'static str,
    pub record_id: String,
    pub version: String,
    pub record: Arc<Value>,
}

impl Records {
    /// A record by its id, of 15 or 18 characters.
    pub fn get(&self, object: &str, id: &str) -> Option<Arc<Value>> {
        let objects = lock(&self.objects);
        let records = objects.get(schema::object(object)?.name)?;
        if let Some(record) = records.get(id) {
            return Some(record.clone());
        }
        let (found, record) = records.range(id.to_owned()..).next()?;
        (id.len() == 15 && found.starts_with(id)).then(|| record.clone())
    }

    /// All records of an object, in the order of their ids.
    pub fn all(&self, object: &str) -> Vec<Arc<Value>> {
        lock(&self.objects).get(object).map(|records| records.values().cloned().collect()).unwrap_or_default()
    }

    pub fn counts(&self) -> BTreeMap<String, usize> {
        let objects = lock(&self.objects);
        objects.iter().map(|(object, records)| ((*object).to_owned(), records.len())).collect()
    }

    pub fn clear(&self) {
        lock(&self.objects).clear();
    }

    /// All records as they are; they are shared, not copied.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(lock(&self.objects).clone())
    }

    /// Makes the records what they were.
    pub fn restore(&self, before: Snapshot) {
        *lock(&self.objects) = before.0;
    }

    /// Puts whole records in place, as a generator made them.
    pub fn put(&self, records: impl IntoIterator<Item = (&'static str, String, Arc<Value>)>) {
        let mut objects = lock(&self.objects);
        for (object, id, record) in records {
            objects.entry(object).or_default().insert(id, record);
        }
    }

    /// Changes a record, or makes one, at the given instant. The version it gets is later
    /// than the one it had, also if the given fields say otherwise.
    ///
    /// # Errors
    /// If the object is unknown, the fields are no object, or there is no more room.
    pub fn store(&self, object: &str, fields: Value, now: Timestamp) -> Result<Stored, String> {
        let object = schema::object(object)
            .filter(|object| object.stored)
            .ok_or_else(|| format!("there is no object {object:?}"))?;
        let Value::Object(fields) = fields else {
            return Err("a record must be a JSON object".to_owned());
        };
        let mut objects = lock(&self.objects);
        let total: usize = objects.values().map(BTreeMap::len).sum();
        let records = objects.entry(object.name).or_default();
        let id = match fields.get("Id") {
            Some(Value::String(id)) if acceptable_id(id) => id.clone(),
            Some(_) => return Err("Id must be 15 or 18 letters and digits".to_owned()),
            None => new_id(object.key_prefix, |id| records.contains_key(id)),
        };
        let before = records.get(&id);
        if before.is_none() && total >= MOST_RECORDS {
            return Err(format!("there are {MOST_RECORDS} records already"));
        }
        let record = Arc::new(merged(object.name, &id, before, fields, now));
        records.insert(id.clone(), record.clone());
        let version = text(&record, "SystemModstamp");
        Ok(Stored { object: object.name, record_id: id, version, record })
    }
}

/// Gives a query access to parents.
pub fn lookup_in(records: &Records) -> impl Fn(&str, &str) -> Option<Arc<Value>> {
    move |object, id| records.get(object, id)
}

pub fn text(record: &Value, name: &str) -> String {
    record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn merged(object: &str, id: &str, before: Option<&Arc<Value>>, fields: Map<String, Value>, now: Timestamp) -> Value {
    let mut record = before.and_then(|before| before.as_object().cloned()).unwrap_or_default();
    let last = record.get("SystemModstamp").and_then(Value::as_str).and_then(parse_instant);
    let given = fields.get("SystemModstamp").and_then(Value::as_str).and_then(parse_instant);
    record.extend(fields);

    let mut version = given.unwrap_or(now);
    if let Some(last) = last
        && version.as_millisecond() <= last.as_millisecond()
    {
        version = last.checked_add(1.millisecond()).unwrap_or(last);
    }
    let version = Value::from(salesforce_instant(version));
    let url = format!("/services/data/v62.0/sobjects/{object}/{id}");
    let always = [
        ("attributes", serde_json::json!({"type": object, "url": url})),
        ("Id", Value::from(id)),
        ("LastModifiedDate", version.clone()),
        ("SystemModstamp", version.clone()),
    ];
    record.extend(always.map(|(name, value)| (name.to_owned(), value)));
    record.entry("CreatedDate").or_insert(version);
    record.entry("IsDeleted").or_insert(Value::Bool(false));
    Value::Object(record)
}

fn acceptable_id(id: &str) -> bool {
    matches!(id.len(), 15 | 18) && id.chars().all(|letter| letter.is_ascii_alphanumeric())
}

fn new_id(prefix: &str, taken: impl Fn(&str) -> bool) -> String {
    loop {
        let id = salesforce_id(prefix, uuid::Uuid::new_v4().as_u128());
        if !taken(&id) {
            return id;
        }
    }
}

/// An id of 18 characters: the prefix, twelve from the number, and Salesforce's check.
pub fn salesforce_id(prefix: &str, mut number: u128) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut tail = Vec::with_capacity(12);
    for _ in 0..12 {
        tail.push(LETTERS.get((number % 62) as usize).map_or('0', |letter| char::from(*letter)));
        number /= 62;
    }
    with_check(prefix.chars().take(3).chain(tail.into_iter().rev()).collect())
}

/// Appends the check: one bit for each capital letter, in three groups of five.
fn with_check(mut id: String) -> String {
    const CHECK: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let letters: Vec<char> = id.chars().collect();
    for group in letters.chunks(5) {
        let bits = group.iter().rev().fold(0, |bits, letter| bits << 1 | usize::from(letter.is_ascii_uppercase()));
        id.push(CHECK.get(bits).map_or('A', |letter| char::from(*letter)));
    }
    id
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_carry_salesforces_check() {
        // A pair that Salesforce's documentation shows.
        assert_eq!(with_check("001A0000006Vm9r".to_owned()), "001A0000006Vm9rIAC");
        assert_eq!(salesforce_id("a0X", 0), "a0X000000000000EAA");
        assert_eq!(salesforce_id("001", 62_u128.pow(11) * 10 + 61), "001A0000000000zIAA");
    }

    #[test]
    fn every_version_is_later_than_the_one_before() {
        let records = Records::default();
        let now: Timestamp = "2026-11-20T12:00:00.5Z".parse().unwrap();
        let first = records.store("account", json!({"Name": "Acme"}), now).unwrap();
        assert_eq!(first.version, "2026-11-20T12:00:00.500+0000");
        assert_eq!(first.record["attributes"]["type"], "Account");

        let change = json!({"Id": first.record_id, "Phone": "1", "SystemModstamp": "2001-01-01T00:00:00Z"});
        let second = records.store("Account", change, now).unwrap();
        assert_eq!(second.version, "2026-11-20T12:00:00.501+0000");
        assert_eq!((&second.record["Name"], &second.record["Phone"]), (&json!("Acme"), &json!("1")));
        assert_eq!(second.record["CreatedDate"], "2026-11-20T12:00:00.500+0000");
        assert_eq!(records.all("Account").len(), 1);
    }

    #[test]
    fn records_are_found_by_either_form_of_their_id() {
        let records = Records::default();
        let stored = records.store("Account", json!({}), Timestamp::now()).unwrap();
        assert!(records.get("ACCOUNT", &stored.record_id).is_some());
        assert!(records.get("Account", &stored.record_id[..15]).is_some());
        assert!(records.get("Account", &stored.record_id[..14]).is_none());
        assert!(records.get("Lead", &stored.record_id).is_none());
    }

    #[test]
    fn garbage_is_not_stored() {
        let records = Records::default();
        let now = Timestamp::now();
        for (object, fields) in [
            ("Lead", json!({})),
            ("rtms__CustomerInvoiceLineItem__c", json!({})),
            ("Account", json!([])),
            ("Account", json!({"Id": 5})),
            ("Account", json!({"Id": "../../../etc/pass"})),
        ] {
            assert!(records.store(object, fields.clone(), now).is_err(), "{object} {fields}");
        }
        assert!(records.counts().values().all(|count| *count == 0));
    }
}
