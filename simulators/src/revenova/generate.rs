//! Makes the records of a scenario, their later versions and the webhooks about them.
//! Everything follows from the seed.

mod records;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::clock::salesforce_instant;
use crate::commands::{Planned, PoisonKind, Scenario};
use crate::journal::{App, Channel, SentWebhook, SourceVersion, WebhookKind};
use crate::random::Random;

pub const ACCOUNT: &str = "Account";
pub const INVOICE: &str = "rtms__CustomerInvoice__c";

/// A scenario's records and webhooks, the webhooks in the order in which they are sent.
pub struct Plan {
    pub versions: Vec<SourceVersion>,
    pub webhooks: Vec<SentWebhook>,
    pub planned: Planned,
}

/// Changes of invoices after the scenario was made, one after another. All follows from the seed.
pub struct Changes {
    generator: Generator,
}

impl Changes {
    pub fn new(seed: u64) -> Self {
        // Lines get ids that no scenario gives.
        Self { generator: Generator::new(seed, Random::new(seed ^ 0x0051_1e17).next() >> 24, Timestamp::default()) }
    }

    /// The fields of the invoice of this id that change.
    pub fn invoice(&mut self, id: String) -> Value {
        let mut fields = json!({"Id": id});
        self.generator.change_invoice(&mut fields);
        fields
    }
}

/// Makes the plan. The same scenario always makes the same one.
pub fn plan(scenario: &Scenario) -> Plan {
    // Ids and names of different seeds must not meet in one organisation.
    let mut generator = Generator::new(scenario.seed, Random::new(scenario.seed ^ 0x5eed).next() >> 24, scenario.start);
    generator.records(scenario);
    generator.repeat(scenario.duplicates_share, WebhookKind::Duplicate);
    generator.repeat(scenario.resends_share, WebhookKind::Resend);

    let Generator { mut random, mut plan, .. } = generator;
    random.shuffle(&mut plan.webhooks);
    plan.planned.versions = plan.versions.len() as u64;
    plan.planned.webhooks = plan.webhooks.len() as u64;
    for webhook in &plan.webhooks {
        *plan.planned.by_kind.entry(webhook.kind).or_default() += 1;
    }
    plan
}

/// Makes one scenario. What its records look like is in [`records`].
struct Generator {
    random: Random,
    tag: u64,
    next_record: u64,
    start: Timestamp,
    plan: Plan,
}

impl Generator {
    fn new(seed: u64, tag: u64, start: Timestamp) -> Self {
        let plan = Plan { versions: Vec::new(), webhooks: Vec::new(), planned: Planned::default() };
        Self { random: Random::new(seed), tag, next_record: 0, start, plan }
    }

    fn records(&mut self, scenario: &Scenario) {
        let customers: Vec<Value> = (0..scenario.customers).map(|number| self.account(number)).collect();
        let silent: Vec<Value> = (0..scenario.silent_customers)
            .map(|number| self.account(scenario.customers.saturating_add(number)))
            .collect();
        let mut to_silent = self.share_of(scenario.invoices as usize, scenario.silent_share);
        if silent.is_empty() {
            to_silent.clear();
        }
        let mut used = BTreeSet::new();
        let mut announced: Vec<(&'static str, Value)> =
            customers.iter().map(|account| (ACCOUNT, account.clone())).collect();
        for number in 0..scenario.invoices {
            // In turn over the silent ones, so that each is needed before one is twice.
            let customer = if to_silent.contains(&(number as usize)) {
                let turn = used.len() % silent.len().max(1);
                let turn = if used.len() < silent.len() { turn } else { self.random.below(silent.len()) };
                used.insert(turn);
                silent.get(turn).cloned()
            } else {
                self.random.choose(&customers).cloned()
            };
            let invoice = self.invoice(number, customer.as_ref().unwrap_or(&Value::Null));
            announced.push((INVOICE, invoice));
        }
        self.plan.planned.silent_customers_used = used.len() as u64;
        for account in silent {
            self.version(ACCOUNT, account, Channel::Need);
        }
        let changing = self.share_of(announced.len(), scenario.updates_share);
        for (place, (object, record)) in announced.into_iter().enumerate() {
            self.announce(object, record.clone(), WebhookKind::First);
            if changing.contains(&place) {
                self.change(object, record);
            }
        }
        for number in 0..scenario.poison {
            let customer = self.random.choose(&customers).cloned().unwrap_or(Value::Null);
            let mut invoice = self.invoice(scenario.invoices.saturating_add(number), &customer);
            let kind = scenario.poison_kinds.get(number as usize % scenario.poison_kinds.len().max(1));
            poison(&mut invoice, kind.copied().unwrap_or(PoisonKind::Date));
            self.announce(INVOICE, invoice, WebhookKind::Poison);
        }
    }

    /// One later version, sometimes two.
    fn change(&mut self, object: &'static str, mut record: Value) {
        let changes = if self.random.chance(0.25) { 2 } else { 1 };
        let mut at = parse(&record);
        for _ in 0..changes {
            let pause = 1_000 + self.random.below(600_000) as i64;
            at = at.checked_add(pause.milliseconds()).unwrap_or(at);
            match object {
                ACCOUNT => self.change_account(&mut record),
                _ => self.change_invoice(&mut record),
            }
            let version = Value::from(salesforce_instant(at));
            records::set(&mut record, "LastModifiedDate", version.clone());
            records::set(&mut record, "SystemModstamp", version);
            self.announce(object, record.clone(), WebhookKind::Update);
        }
    }

    fn announce(&mut self, object: &'static str, record: Value, kind: WebhookKind) {
        let version = self.version(object, record, Channel::Webhook);
        let event = if kind == WebhookKind::Update { "updated" } else { "created" };
        let delivery_id = self.delivery_id();
        self.plan.webhooks.push(SentWebhook {
            sequence: 0,
            delivery_id,
            event: event.to_owned(),
            object: version.object,
            record_id: version.record_id,
            version: version.version,
            content: version.content,
            kind,
            attempts: 0,
            first_attempt_at: None,
            acknowledged_at: None,
            last_status: None,
            last_error: None,
        });
    }

    fn version(&mut self, object: &'static str, record: Value, channel: Channel) -> SourceVersion {
        let version = SourceVersion {
            app: App::Revenova,
            object: object.to_owned(),
            record_id: super::records::text(&record, "Id"),
            version: super::records::text(&record, "SystemModstamp"),
            channel,
            content: Arc::new(record),
            at: 0,
        };
        self.plan.versions.push(version.clone());
        version
    }

    /// Sends a share of the good webhooks once more.
    fn repeat(&mut self, share: f64, kind: WebhookKind) {
        let good: Vec<SentWebhook> = self
            .plan
            .webhooks
            .iter()
            .filter(|webhook| matches!(webhook.kind, WebhookKind::First | WebhookKind::Update))
            .cloned()
            .collect();
        let chosen = self.share_of(good.len(), share);
        for (_, mut webhook) in good.into_iter().enumerate().filter(|(place, _)| chosen.contains(place)) {
            webhook.kind = kind;
            if kind == WebhookKind::Resend {
                webhook.delivery_id = self.delivery_id();
            }
            self.plan.webhooks.push(webhook);
        }
    }

    /// Places of a share of so many things, rounded, drawn without repetition.
    fn share_of(&mut self, count: usize, share: f64) -> BTreeSet<usize> {
        let mut places: Vec<usize> = (0..count).collect();
        self.random.shuffle(&mut places);
        let chosen = (count as f64 * share).round() as usize;
        places.into_iter().take(chosen).collect()
    }

    fn delivery_id(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.random.bytes()).into_uuid().to_string()
    }
}

fn poison(invoice: &mut Value, kind: PoisonKind) {
    let (pointer, value) = match kind {
        PoisonKind::Date => ("/rtms__Invoice_Date__c", json!("not-a-date")),
        PoisonKind::NoLines => ("/rtms__Invoice_Line_Items__r", json!({"totalSize": 0, "done": true, "records": []})),
        PoisonKind::QuantityText => ("/rtms__Invoice_Line_Items__r/records/0/rtms__Quantity__c", json!("-1")),
    };
    if let Some(place) = invoice.pointer_mut(pointer) {
        *place = value;
    }
}

fn parse(record: &Value) -> Timestamp {
    let version = super::records::text(record, "SystemModstamp");
    crate::clock::parse_instant(&version).unwrap_or_default()
}

#[cfg(test)]
mod tests;
