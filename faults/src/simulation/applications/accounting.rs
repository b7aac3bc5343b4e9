//! The accounting application: creates and updates under a key, and refuses what refers to nothing.

use super::{Answered, Applications, Call, Stored, text};
use crate::simulation::scenario::{ACCOUNTING, POISON};
use serde_json::{Value, json};

impl Applications {
    pub(super) fn accounting(&mut self, call: &Call<'_>) -> Answered {
        let (tenant, body) = (&call.tenant, &call.body);
        let mut parts = call.path.split('/').skip(4);
        let kind = parts.next().unwrap_or_default().to_owned();
        if let Some(id) = parts.next() {
            return match self.stored.get(&(tenant.clone(), kind.clone(), id.to_owned())) {
                Some(stored) => (200, named(&kind, id, stored.sync_token)),
                None => fault(400, "610", "Object Not Found"),
            };
        }
        let key = (tenant.clone(), call.query.get("requestid").cloned().unwrap_or_default());
        if let Some((known, answer)) = self.answered.get(&key)
            && !self.ignores_keys
        {
            if known != body {
                self.problems.push(format!("the key {} was used for two different requests at {tenant}", key.1));
            }
            return (200, answer.clone());
        }
        for parent in ["/CustomerRef/value", "/ParentRef/value"].map(|pointer| text(body, pointer)) {
            let is_known = self.stored.contains_key(&(tenant.clone(), "customer".to_owned(), parent.to_owned()));
            if !parent.is_empty() && !is_known {
                self.problems.push(format!("child before parent: {kind} of {tenant} names the customer {parent}"));
                return fault(400, "2500", "Invalid Reference Id");
            }
        }
        if text(body, "/DisplayName").contains(POISON) {
            return fault(400, "6240", "Duplicate Name Exists Error");
        }
        if call.query.get("operation").is_some_and(|operation| operation == "delete") {
            return self.delete(call, kind, key);
        }
        self.write(call, kind, key)
    }

    /// Deletes what has the current token; a customer never.
    fn delete(&mut self, call: &Call<'_>, kind: String, key: (String, String)) -> Answered {
        let (tenant, body) = (&call.tenant, &call.body);
        let id = text(body, "/Id").to_owned();
        let place = (tenant.clone(), kind.clone(), id.clone());
        let Some(stored) = self.stored.get(&place).filter(|_| kind == "invoice") else {
            return fault(400, "610", "Object Not Found");
        };
        if text(body, "/SyncToken") != stored.sync_token.to_string() {
            return fault(400, "5010", "Stale Object Error");
        }
        let reference = text(&stored.body, "/PrivateNote").to_owned();
        self.stored.remove(&place);
        self.took_effect(call, ACCOUNTING, &id, &reference, None);
        let answer = json!({ "Invoice": {"Id": id, "status": "Deleted", "domain": "QBO"} });
        self.answered.insert(key, (body.clone(), answer.clone()));
        (200, answer)
    }

    fn write(&mut self, call: &Call<'_>, kind: String, key: (String, String)) -> Answered {
        let (tenant, body) = (&call.tenant, &call.body);
        let id = match body.get("Id").and_then(Value::as_str) {
            Some(id) => id.to_owned(),
            None => {
                self.next_id += 1;
                self.next_id.to_string()
            }
        };
        let place = (tenant.clone(), kind.clone(), id.clone());
        let known = self.stored.get(&place).map(|stored| stored.sync_token);
        let given = body.get("SyncToken").and_then(Value::as_str).and_then(|token| token.parse::<u64>().ok());
        match (known, body.get("Id")) {
            (Some(known), _) if given != Some(known) => return fault(400, "5010", "Stale Object Error"),
            (None, Some(_)) => return fault(400, "610", "Object Not Found"),
            _ => {}
        }
        let sync_token = known.map_or(0, |token| token + 1);
        let record = overlaid(self.stored.get(&place).map(|stored| &stored.body), body);
        self.stored.insert(place, Stored { body: record.clone(), sync_token });
        let (reference, name) = match kind.as_str() {
            "customer" => (text(&record, "/Notes"), text(&record, "/DisplayName")),
            _ => (text(&record, "/PrivateNote"), text(&record, "/DocNumber")),
        };
        let is_active = record.get("Active").and_then(Value::as_bool).unwrap_or(true);
        self.took_effect(call, ACCOUNTING, &id, reference, is_active.then_some(name));
        let answer = named(&kind, &id, sync_token);
        self.answered.insert(key, (body.clone(), answer.clone()));
        (200, answer)
    }

    /// The customer that an invoice, or a customer with a parent, names.
    #[must_use]
    pub fn parent_of(&self, tenant: &str, kind: &str, id: &str) -> Option<String> {
        let stored = self.stored.get(&(tenant.to_owned(), kind.to_owned(), id.to_owned()))?;
        let parent = ["/CustomerRef/value", "/ParentRef/value"].map(|pointer| text(&stored.body, pointer));
        parent.into_iter().find(|parent| !parent.is_empty()).map(str::to_owned)
    }
}

/// What a record is after a write: a sparse one leaves what it does not name as it is.
fn overlaid(before: Option<&Value>, body: &Value) -> Value {
    let is_sparse = body.get("sparse").and_then(Value::as_bool) == Some(true);
    let (Some(Value::Object(before)), Value::Object(changes), true) = (before, body, is_sparse) else {
        return body.clone();
    };
    let mut record = before.clone();
    record.extend(
        changes.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())),
    );
    Value::Object(record)
}

fn named(kind: &str, id: &str, sync_token: u64) -> Value {
    let name = if kind == "customer" { "Customer" } else { "Invoice" };
    json!({ name: {"Id": id, "SyncToken": sync_token.to_string()} })
}

fn fault(status: u16, code: &str, message: &str) -> Answered {
    let error = json!({"Message": message, "Detail": message, "code": code});
    (status, json!({"Fault": {"Error": [error], "type": "ValidationFault"}}))
}
