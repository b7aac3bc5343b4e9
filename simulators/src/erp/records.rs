//! The ERP's records, and the rule that each version is later than the one before.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use super::schema::{EntitySet, KEY, MODIFIED};
use crate::clock::odata_instant;
use crate::recorder::lock;

/// The most records that are kept, over all sets.
pub const MOST_RECORDS: usize = 100_000;

/// The records of each set, by their keys.
type Sets = HashMap<&'static str, BTreeMap<String, Arc<Value>>>;

#[derive(Default)]
pub struct Records {
    sets: Mutex<Sets>,
}

/// A version that came into being.
#[derive(Debug)]
pub struct Stored {
    pub set: &'static str,
    pub id: String,
    pub version: String,
    pub record: Arc<Value>,
}

impl Records {
    pub fn get(&self, set: &EntitySet, id: &str) -> Option<Arc<Value>> {
        lock(&self.sets).get(set.name)?.get(id).cloned()
    }

    /// All records of a set, in the order of their keys.
    pub fn all(&self, set: &EntitySet) -> Vec<Arc<Value>> {
        lock(&self.sets).get(set.name).map(|records| records.values().cloned().collect()).unwrap_or_default()
    }

    pub fn counts(&self) -> BTreeMap<String, usize> {
        lock(&self.sets).iter().map(|(set, records)| ((*set).to_owned(), records.len())).collect()
    }

    pub fn clear(&self) {
        lock(&self.sets).clear();
    }

    /// Puts new records in place, all at once: a reader sees all of them or none.
    ///
    /// # Errors
    /// If one of them is there already, or there is no more room; then nothing has changed.
    pub fn insert(&self, records: Vec<(&'static str, Value)>) -> Result<Vec<Stored>, String> {
        let mut sets = lock(&self.sets);
        let there = sets.values().map(BTreeMap::len).sum::<usize>();
        if there + records.len() > MOST_RECORDS {
            return Err(format!("{} records more would be more than {MOST_RECORDS}", records.len()));
        }
        let stored: Vec<Stored> = records.into_iter().map(|(set, record)| Stored::of(set, record)).collect();
        let taken = |new: &&Stored| sets.get(new.set).is_some_and(|records| records.contains_key(&new.id));
        if let Some(before) = stored.iter().find(taken) {
            return Err(format!("{} is there already: take another seed", before.id));
        }
        for new in &stored {
            sets.entry(new.set).or_default().insert(new.id.clone(), new.record.clone());
        }
        Ok(stored)
    }

    /// Changes records, all at once. `now` is their new stamp, or what is next after the one they had.
    pub fn change(
        &self,
        ids: &[(&'static str, String)],
        mut change: impl FnMut(&mut Value),
        now: Timestamp,
    ) -> Vec<Stored> {
        let mut sets = lock(&self.sets);
        let mut stored = Vec::with_capacity(ids.len());
        for (set, id) in ids {
            let Some(place) = sets.get_mut(set).and_then(|records| records.get_mut(id)) else {
                continue;
            };
            let mut record = place.as_ref().clone();
            let last = record.get(MODIFIED).and_then(Value::as_str).and_then(|stamp| stamp.parse::<Timestamp>().ok());
            change(&mut record);
            let next = last.and_then(|last| last.checked_add(1.millisecond()).ok()).map_or(now, |next| next.max(now));
            if let Some(fields) = record.as_object_mut() {
                fields.insert(MODIFIED.to_owned(), Value::from(odata_instant(next)));
            }
            let new = Stored::of(set, record);
            *place = new.record.clone();
            stored.push(new);
        }
        stored
    }
}

impl Stored {
    fn of(set: &'static str, record: Value) -> Self {
        let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { set, id: text(KEY), version: text(MODIFIED), record: Arc::new(record) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::schema::{CUSTOMERS, set};
    use super::*;

    #[test]
    fn every_version_is_later_than_the_one_before() {
        let records = Records::default();
        let now: Timestamp = "2026-11-21T10:00:00.5Z".parse().unwrap();
        records.insert(vec![(CUSTOMERS, json!({"ID": "C-1", "ModifiedAt": odata_instant(now)}))]).unwrap();
        let ids = [(CUSTOMERS, "C-1".to_owned()), (CUSTOMERS, "C-9".to_owned())];
        let name = |record: &mut Value| record["Name"] = json!("Acme");
        let versions = [now, now, now + 1.minute()].map(|now| records.change(&ids, name, now).remove(0).version);
        assert_eq!(versions, ["2026-11-21T10:00:00.501Z", "2026-11-21T10:00:00.502Z", "2026-11-21T10:01:00.500Z"]);
        assert_eq!(records.get(set(CUSTOMERS).unwrap(), "C-1").unwrap()["Name"], "Acme");
    }

    #[test]
    fn records_that_are_there_are_not_replaced() {
        let records = Records::default();
        let one = |id: &str| (CUSTOMERS, json!({"ID": id}));
        records.insert(vec![one("C-1")]).unwrap();
        assert!(records.insert(vec![one("C-2"), one("C-1")]).unwrap_err().contains("C-1"));
        assert_eq!(records.counts()[CUSTOMERS], 1);
        let many = (0..MOST_RECORDS).map(|number| one(&number.to_string())).collect();
        assert!(records.insert(many).is_err());
    }
}
