//! Receivers of signed webhooks: the partner, who takes records, and the tenant's people, who hear of failures.
//! Both recognise a repeated `webhook-id`.

use super::{Answered, Applications, Call, Stored, Told, text};
use crate::simulation::scenario::{MARK, PARTNER};
use serde_json::{Value, json};

impl Applications {
    pub(super) fn partner(&mut self, call: &Call<'_>) -> Answered {
        let (tenant, data) = (&call.tenant, call.body.get("data").cloned().unwrap_or(Value::Null));
        let key = (format!("{PARTNER} {tenant}"), call.header("webhook-id"));
        if let Some((known, _)) = self.answered.get(&key)
            && !self.ignores_keys
        {
            if *known != data {
                self.problems.push(format!("the webhook {} had two different contents at {tenant}", key.1));
            }
            return (200, json!({}));
        }
        let place = |id: &str| (tenant.clone(), PARTNER.to_owned(), id.to_owned());
        let parent = text(&data, "/parent").to_owned();
        if !parent.is_empty() && !self.stored.contains_key(&place(&parent)) {
            self.problems.push(format!("child before parent: the partner of {tenant} does not know {parent}"));
        }
        let id = text(&data, "/id").to_owned();
        self.stored.insert(place(&id), Stored { body: data.clone(), sync_token: 0 });
        let is_there = data.get("deleted").is_none();
        let name = is_there.then_some(text(&data, "/name"));
        self.took_effect(call, PARTNER, &id, text(&data, "/source"), name);
        self.answered.insert(key, (data, json!({})));
        (200, json!({}))
    }

    pub(super) fn alerts(&mut self, call: &Call<'_>) -> Answered {
        let (tenant, body) = (&call.tenant, &call.body);
        let words = body.to_string();
        if words.contains(MARK) {
            self.problems.push("a secret is in a notification".to_owned());
        }
        if text(body, "/data/tenant") != tenant.as_str() {
            self.problems.push(format!("{tenant} was told of another tenant's failure: {words}"));
        }
        let part = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let (event, delivery) = (part("/data/event"), part("/data/delivery"));
        self.told.insert(Told { tenant: tenant.clone(), event, delivery });
        (200, json!({}))
    }
}
