//! One company's books: records, their versions (`SyncToken`), and answered request ids.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::answer::Fault;
use super::validate::{self, Entity};
use crate::journal::Action;

const MOST_RECORDS: usize = 1_000_000;

#[derive(Default)]
pub struct Company {
    last_id: u64,
    customers: BTreeMap<u64, Arc<Value>>,
    invoices: BTreeMap<u64, Arc<Value>>,
    /// What is left of deleted invoices: `{Id, status, domain, MetaData}`.
    deleted_invoices: Vec<Arc<Value>>,
    /// Names in use, in lower case, and whose they are.
    names: HashMap<String, u64>,
    /// The first answer to each request id that had an effect.
    answered: HashMap<String, Arc<Value>>,
    /// When the requests of the last second came, in microseconds.
    recent: VecDeque<i64>,
}

/// A change that took effect.
#[derive(Debug)]
pub struct Change {
    pub action: Action,
    pub target_id: String,
    pub record: Arc<Value>,
}

impl Company {
    pub fn all(&self, entity: Entity) -> impl Iterator<Item = &Arc<Value>> {
        self.records(entity).values()
    }

    pub fn get(&self, entity: Entity, id: &str) -> Option<&Arc<Value>> {
        self.records(entity).get(&id.parse().ok()?)
    }

    /// What is left of records that were deleted.
    pub fn deleted(&self, entity: Entity) -> impl Iterator<Item = &Arc<Value>> {
        self.deleted_invoices.iter().filter(move |_| entity == Entity::Invoice)
    }

    /// Deletes the invoice that the body names by `Id` and `SyncToken`; gives what is left of it.
    ///
    /// # Errors
    /// The fault that QuickBooks answers; then nothing has changed.
    pub fn delete_invoice(&mut self, body: &Value, now: i64) -> Result<Arc<Value>, Fault> {
        let given = body.as_object().ok_or_else(|| Fault::unparsable(""))?;
        let id = given.get("Id").and_then(Value::as_str).ok_or_else(|| Fault::required("Id"))?;
        let stored = self.get(Entity::Invoice, id).cloned().ok_or_else(Fault::not_found)?;
        check_sync_token(&stored, given)?;
        let now = Timestamp::from_microsecond(now).unwrap_or_default();
        let now = now.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        let left = Arc::new(json!({
            "Id": id, "status": "Deleted", "domain": "QBO", "MetaData": {"LastUpdatedTime": now},
        }));
        self.invoices.remove(&number_of(&stored));
        self.deleted_invoices.push(left.clone());
        Ok(left)
    }

    pub fn answered(&self, request_id: &str) -> Option<Arc<Value>> {
        self.answered.get(request_id).cloned()
    }

    pub fn answer(&mut self, request_id: String, body: Arc<Value>) {
        self.answered.insert(request_id, body);
    }

    /// Whether one more request fits into the last second; if so, it is counted.
    pub fn admit(&mut self, limit_per_second: u32, now: i64) -> bool {
        while self.recent.front().is_some_and(|first| *first <= now - 1_000_000) {
            self.recent.pop_front();
        }
        let admitted = limit_per_second == 0 || self.recent.len() < limit_per_second as usize;
        if admitted && limit_per_second > 0 {
            self.recent.push_back(now);
        }
        admitted
    }

    /// Creates a record, or updates the one that the body's `Id` names.
    ///
    /// # Errors
    /// The fault that QuickBooks answers; then nothing has changed.
    pub fn write(&mut self, entity: Entity, body: &Value, now: i64) -> Result<Change, Fault> {
        let Value::Object(body) = body else {
            return Err(Fault::unparsable(""));
        };
        let stored = match body.get("Id") {
            None => None,
            Some(Value::String(id)) => Some(self.get(entity, id).cloned().ok_or_else(Fault::not_found)?),
            Some(_) => return Err(Fault::unparsable("Id")),
        };
        let given = without_nulls(body);
        let sparse = given.get("sparse") == Some(&Value::Bool(true));
        let mut record = match &stored {
            Some(stored) => {
                check_sync_token(stored, &given)?;
                let before = stored.as_object().cloned().unwrap_or_default();
                if sparse { overlaid(before, body) } else { replaced(&before, given) }
            }
            None if self.customers.len() + self.invoices.len() >= MOST_RECORDS => {
                return Err(Fault::business("The company has no more room"));
            }
            None => given,
        };
        validate::check(entity, &record)?;
        let id = match &stored {
            Some(stored) => number_of(stored),
            None => self.last_id + 1,
        };
        self.check_references(entity, &mut record, id)?;
        complete(entity, &mut record, stored.as_deref(), id, now);

        self.last_id = self.last_id.max(id);
        if entity == Entity::Customer {
            if let Some(before) = stored.as_ref().and_then(|stored| stored.as_object()) {
                self.names.remove(&name_of(before));
            }
            self.names.insert(name_of(&record), id);
        }
        let record = Arc::new(Value::Object(record));
        self.records_mut(entity).insert(id, record.clone());
        let action = if stored.is_some() { Action::Updated } else { Action::Created };
        Ok(Change { action, target_id: id.to_string(), record })
    }

    fn check_references(&self, entity: Entity, record: &mut Map<String, Value>, id: u64) -> Result<(), Fault> {
        match entity {
            Entity::Customer => {
                let owner = self.names.get(&name_of(record));
                if owner.is_some_and(|owner| *owner != id) { Err(Fault::duplicate_name()) } else { Ok(()) }
            }
            Entity::Invoice => {
                let customer = validate::reference(record, "CustomerRef")?.unwrap_or_default();
                let customer =
                    self.get(Entity::Customer, customer).ok_or_else(|| Fault::invalid_reference("CustomerRef"))?;
                let name = customer.get("DisplayName").cloned().unwrap_or(Value::Null);
                if let Some(reference) = record.get_mut("CustomerRef").and_then(Value::as_object_mut) {
                    reference.insert("name".to_owned(), name);
                }
                Ok(())
            }
        }
    }

    fn records(&self, entity: Entity) -> &BTreeMap<u64, Arc<Value>> {
        match entity {
            Entity::Customer => &self.customers,
            Entity::Invoice => &self.invoices,
        }
    }

    fn records_mut(&mut self, entity: Entity) -> &mut BTreeMap<u64, Arc<Value>> {
        match entity {
            Entity::Customer => &mut self.customers,
            Entity::Invoice => &mut self.invoices,
        }
    }
}

/// Fields that QuickBooks decides; what a caller sends for them is not kept.
const COMPUTED: [&str; 9] =
    ["Id", "SyncToken", "MetaData", "sparse", "domain", "FullyQualifiedName", "Balance", "TotalAmt", "Active"];

/// A null in a request stands for nothing, at any depth.
fn without_nulls(fields: &Map<String, Value>) -> Map<String, Value> {
    let kept = fields.iter().filter(|(_, value)| !value.is_null());
    kept.map(|(name, value)| {
        let value = match value {
            Value::Object(inner) => Value::Object(without_nulls(inner)),
            other => other.clone(),
        };
        (name.clone(), value)
    })
    .collect()
}

fn check_sync_token(stored: &Value, given: &Map<String, Value>) -> Result<(), Fault> {
    match given.get("SyncToken") {
        None => Err(Fault::required("SyncToken")),
        Some(token) if Some(token) == stored.get("SyncToken") => Ok(()),
        Some(Value::String(token)) => Err(Fault::stale(token)),
        Some(_) => Err(Fault::unparsable("SyncToken")),
    }
}

/// A sparse update: what is given replaces, a null removes, the rest stays.
fn overlaid(mut record: Map<String, Value>, body: &Map<String, Value>) -> Map<String, Value> {
    for (name, value) in body {
        if value.is_null() {
            record.remove(name);
        }
    }
    record.extend(without_nulls(body));
    record
}

/// A full update: what is not given is gone, except for what QuickBooks decides itself.
fn replaced(before: &Map<String, Value>, mut given: Map<String, Value>) -> Map<String, Value> {
    for name in COMPUTED {
        given.remove(name);
        if let Some(value) = before.get(name) {
            given.insert(name.to_owned(), value.clone());
        }
    }
    given
}

/// Fills in what QuickBooks decides.
fn complete(entity: Entity, record: &mut Map<String, Value>, stored: Option<&Value>, id: u64, now: i64) {
    let now = Timestamp::from_microsecond(now).unwrap_or_default();
    let now = now.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    let before = |name: &str| stored.and_then(|stored| stored.get(name));
    let sync_token = before("SyncToken").and_then(Value::as_str).and_then(|token| token.parse::<u64>().ok());
    let created = before("MetaData").and_then(|data| data.get("CreateTime")).cloned();
    let mut computed = vec![
        ("Id", Value::from(id.to_string())),
        ("SyncToken", Value::from(sync_token.map_or(0, |token| token + 1).to_string())),
        (
            "MetaData",
            json!({"CreateTime": created.unwrap_or_else(|| Value::from(now.clone())), "LastUpdatedTime": now}),
        ),
        ("sparse", Value::Bool(false)),
        ("domain", Value::from("QBO")),
    ];
    match entity {
        Entity::Customer => {
            let name = record.get("DisplayName").cloned().unwrap_or_default();
            computed.extend([("FullyQualifiedName", name), ("Active", Value::Bool(true)), ("Balance", json!(0))]);
        }
        Entity::Invoice => {
            let total = complete_lines(record);
            computed.extend([("TotalAmt", Value::from(total)), ("Balance", Value::from(total))]);
        }
    }
    record.extend(computed.into_iter().map(|(name, value)| (name.to_owned(), value)));
}

/// Numbers the lines and adds the subtotal, as QuickBooks does; returns the total.
fn complete_lines(record: &mut Map<String, Value>) -> f64 {
    let Some(lines) = record.get_mut("Line").and_then(Value::as_array_mut) else {
        return 0.0;
    };
    lines.retain(|line| line.get("DetailType").and_then(Value::as_str) != Some("SubTotalLineDetail"));
    let mut cents = 0.0;
    for (number, line) in (1_u64..).zip(lines.iter_mut()) {
        let Some(line) = line.as_object_mut() else {
            continue;
        };
        cents += validate::number(line, "Amount").ok().flatten().map_or(0.0, |amount| (amount * 100.0).round());
        line.entry("Id").or_insert_with(|| Value::from(number.to_string()));
        line.insert("LineNum".to_owned(), Value::from(number));
    }
    let total = cents / 100.0;
    lines.push(json!({"Amount": total, "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}}));
    total
}

fn name_of(record: &Map<String, Value>) -> String {
    record.get("DisplayName").and_then(Value::as_str).unwrap_or_default().trim().to_lowercase()
}

fn number_of(record: &Value) -> u64 {
    record.get("Id").and_then(Value::as_str).and_then(|id| id.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
