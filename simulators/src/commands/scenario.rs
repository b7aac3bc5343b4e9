//! The scenario: what is generated and sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::journal::WebhookKind;

/// `POST /revenova/scenario`: records, later versions of them, and their webhooks.
///
/// Everything that is generated follows from the seed alone: the same scenario makes the
/// same records, versions and delivery ids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Accounts with webhooks.
    pub customers: u32,
    /// Invoices, without the poisoned ones.
    pub invoices: u32,
    /// Accounts that exist at Revenova but send no webhook.
    pub silent_customers: u32,
    /// The share of invoices that refer to them, 0 to 1.
    pub silent_share: f64,
    /// The share of records that change after their first version, 0 to 1.
    pub updates_share: f64,
    /// The share of webhooks that are sent twice under one delivery id, 0 to 1.
    pub duplicates_share: f64,
    /// The share of webhooks whose content is sent again under a new delivery id, 0 to 1.
    pub resends_share: f64,
    /// Invoices that violate the entity's schema.
    pub poison: u32,
    /// How they violate it, in turn.
    pub poison_kinds: Vec<PoisonKind>,
    /// The seed.
    pub seed: u64,
    /// When the first record was created; versions follow from it.
    pub start: jiff::Timestamp,
    /// Senders at work at once, 1 to 256.
    pub concurrency: usize,
    /// Nothing is sent or retried after this many seconds.
    pub deadline_seconds: u64,
    /// The pause before the second attempt; it doubles from attempt to attempt.
    pub retry_base_ms: u64,
    /// The longest pause between attempts.
    pub retry_max_ms: u64,
    /// How long the sender waits for an answer.
    pub request_timeout_ms: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            customers: 10,
            invoices: 100,
            silent_customers: 0,
            silent_share: 0.0,
            updates_share: 0.2,
            duplicates_share: 0.1,
            resends_share: 0.05,
            poison: 1,
            poison_kinds: vec![PoisonKind::Date],
            seed: 1,
            start: jiff::Timestamp::constant(1_795_176_000, 0),
            concurrency: 8,
            deadline_seconds: 120,
            retry_base_ms: 200,
            retry_max_ms: 5_000,
            request_timeout_ms: 15_000,
        }
    }
}

/// How an invoice is poisoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoisonKind {
    /// The invoice date is `not-a-date`.
    Date,
    /// There are no lines.
    NoLines,
    /// A line's quantity is a text that reads as a negative number.
    QuantityText,
}

/// What a scenario will send, and the answer to `POST /revenova/scenario`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Record versions, announced or not.
    pub versions: u64,
    /// Webhooks, duplicates and resends among them.
    pub webhooks: u64,
    /// Of these, by kind.
    pub by_kind: BTreeMap<WebhookKind, u64>,
    /// Silent accounts that at least one invoice refers to.
    pub silent_customers_used: u64,
}

/// `POST /revenova/silent-changes`: good invoices of the last scenario change, and nobody is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SilentChanges {
    /// How many invoices, each once.
    pub count: u32,
    /// The seed.
    #[serde(default = "one")]
    pub seed: u64,
}

fn one() -> u64 {
    1
}

/// What came into being without anybody being told: the answer to [`SilentChanges`] and to
/// [`ErpChanges`](super::ErpChanges).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilentVersions {
    /// New versions, each of another record.
    pub versions: u64,
    /// Of these, by object.
    pub by_object: BTreeMap<String, u64>,
}

/// Where a scenario stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScenarioState {
    /// None was started since the last reset.
    #[default]
    None,
    /// Webhooks are being sent.
    Running,
    /// Every webhook was acknowledged.
    Finished,
    /// The deadline passed, or it was cancelled, before every webhook was acknowledged.
    Incomplete,
}
