//! What the control API takes and answers. `README.md` shows each call.
//!
//! Every part of a command that is left out keeps its default, or its present value where
//! the command changes a setting. Unknown names are refused, so that a typing mistake does
//! not pass as a default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::journal::{App, WebhookKind};

/// The line that the program prints when everything listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Revenova (HTTPS).
    pub revenova: u16,
    /// QuickBooks Online (HTTPS).
    pub quickbooks: u16,
    /// The webhook receiver (HTTPS).
    pub receiver: u16,
    /// The control API (plain HTTP).
    pub control: u16,
}

/// `PUT /configuration`: settings of the applications. What is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// Settings of Revenova.
    pub revenova: RevenovaSettings,
    /// Settings of QuickBooks Online.
    pub quickbooks: QuickbooksSettings,
    /// Settings of the webhook receiver.
    pub receiver: ReceiverSettings,
}

/// Settings of Revenova.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RevenovaSettings {
    /// The organisation that webhooks name; 18 characters.
    pub organization_id: Option<String>,
    /// Who may get tokens. Replaces the whole list.
    pub clients: Option<Vec<RevenovaClient>>,
    /// How long an access token lives.
    pub access_token_seconds: Option<u64>,
    /// The most records of one page of a query, 1 to 2,000.
    pub page_size: Option<usize>,
    /// Where webhooks go.
    pub webhook: Option<WebhookTarget>,
}

/// A connected application of Revenova, for every grant that it may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevenovaClient {
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret.
    pub client_secret: String,
    /// Allows the refresh-token grant.
    #[serde(default)]
    pub refresh_token: Option<String>,
    /// Allows the password grant, together with `password`.
    #[serde(default)]
    pub username: Option<String>,
    /// The password, with the security token behind it.
    #[serde(default)]
    pub password: Option<String>,
}

/// Where Revenova's webhooks go and how they are signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookTarget {
    /// An absolute `http` or `https` address.
    pub url: String,
    /// The secret of the HMAC-SHA256 signature.
    pub secret: String,
    /// Further headers, such as the `Host` of an emulated API.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// Settings of QuickBooks Online.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuickbooksSettings {
    /// Who may get tokens. Replaces the whole list.
    pub clients: Option<Vec<QuickbooksClient>>,
    /// How long an access token lives.
    pub access_token_seconds: Option<u64>,
    /// Whether each refresh gives a new refresh token.
    pub rotate_refresh_tokens: Option<bool>,
    /// How long a refresh token works after it was replaced.
    pub replaced_refresh_token_seconds: Option<u64>,
    /// The most requests of one company within any second; 0 for no limit.
    pub limit_per_second: Option<u32>,
}

/// An application that a company has connected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuickbooksClient {
    /// The client id.
    pub client_id: String,
    /// The client secret.
    pub client_secret: String,
    /// The refresh token to begin with.
    pub refresh_token: String,
    /// The company that the tokens are good for.
    pub realm_id: String,
}

/// Settings of the webhook receiver.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReceiverSettings {
    /// Name of a hook to its Standard Webhooks secret (`whsec_…`). Adds and replaces.
    pub secrets: BTreeMap<String, String>,
}

/// `POST /faults`: something that shall go wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// The application.
    pub app: App,
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// Only requests with this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only paths that begin so.
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// Only requests about this record type (case does not matter).
    #[serde(default)]
    pub entity: Option<String>,
    /// How often at most; none for always.
    #[serde(default)]
    pub count: Option<u64>,
    /// How likely for each matching request, 0 to 1.
    #[serde(default = "always")]
    pub probability: f64,
    /// The seed of the drawing.
    #[serde(default)]
    pub seed: u64,
}

fn always() -> f64 {
    1.0
}

/// A kind of fault. In JSON: `"fault": "status", "status": 503`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// 429 with `Retry-After`, without effect.
    Throttle {
        /// The value of `Retry-After`.
        #[serde(default = "one_second")]
        retry_after_seconds: u64,
    },
    /// A status of the 5xx kind, without effect.
    Status {
        /// 500 to 599.
        status: u16,
    },
    /// No answer and no effect.
    TimeoutBefore {
        /// The connection is closed after so long, if the caller has not.
        #[serde(default = "half_a_minute")]
        hold_ms: u64,
    },
    /// The effect, but no answer.
    TimeoutAfter {
        /// The connection is closed after so long, if the caller has not.
        #[serde(default = "half_a_minute")]
        hold_ms: u64,
    },
    /// The answer comes late.
    Slow {
        /// How late.
        milliseconds: u64,
    },
    /// The connection is reset (RST), by default before the effect.
    Reset {
        /// Whether the request takes effect first.
        #[serde(default)]
        after_effect: bool,
    },
}

fn one_second() -> u64 {
    1
}

fn half_a_minute() -> u64 {
    30_000
}

/// A rule as `GET /faults` lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedFault {
    /// The id, as the journal's requests name it.
    pub id: u64,
    /// How often it was played.
    pub played: u64,
    /// The rule.
    pub rule: FaultRule,
}

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

/// `POST /revenova/records`: stores a record without telling anyone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreRecord {
    /// `Account` or `rtms__CustomerInvoice__c`.
    pub object: String,
    /// Fields; with the `Id` of a stored record they change it, otherwise they make one.
    /// A `SystemModstamp` that is not later than the stored one is moved behind it.
    pub record: Value,
}

/// The answer to [`StoreRecord`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredRecord {
    /// The record's id.
    pub record_id: String,
    /// The version that it now has.
    pub version: String,
    /// The whole record.
    pub record: Value,
}

/// `POST /revenova/webhooks`: sends the webhook of a stored record, and waits for the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendWebhook {
    /// The record type.
    pub object: String,
    /// The record's id.
    pub record_id: String,
    /// `created`, `updated` or `deleted`.
    #[serde(default = "updated")]
    pub event: String,
    /// A delivery id to use again; otherwise a new one.
    #[serde(default)]
    pub delivery_id: Option<String>,
    /// How long to try.
    #[serde(default = "ten_seconds")]
    pub deadline_seconds: u64,
}

fn updated() -> String {
    "updated".to_owned()
}

fn ten_seconds() -> u64 {
    10
}

/// `POST /quickbooks/records`: puts records into a company, without an effect in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedRecords {
    /// The company.
    pub realm_id: String,
    /// `Customer` or `Invoice`.
    pub entity: String,
    /// The records, as a create request would send them.
    pub records: Vec<Value>,
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

/// `GET /counts`: what happened so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Where the scenario stands.
    pub scenario: ScenarioState,
    /// What the scenario will send.
    pub planned: Planned,
    /// Webhooks in the journal.
    pub webhooks: u64,
    /// Of these, acknowledged with a 2xx.
    pub acknowledged: u64,
    /// Attempts to send one.
    pub attempts: u64,
    /// Effects by application and entity, such as `quickbooks.Invoice.created`.
    pub effects: BTreeMap<String, u64>,
    /// Requests by application and status, such as `quickbooks.200`; `none` without answer.
    pub requests: BTreeMap<String, u64>,
    /// Faults played, by application.
    pub faults: BTreeMap<String, u64>,
    /// Webhooks that the receiver got, by name.
    pub receipts: BTreeMap<String, u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_as_the_document_shows_it() {
        let rule: FaultRule = serde_json::from_str(
            r#"{"app":"quickbooks","fault":"throttle","retry_after_seconds":3,"entity":"invoice","count":2}"#,
        )
        .unwrap();
        assert_eq!(rule.fault, Fault::Throttle { retry_after_seconds: 3 });
        assert_eq!((rule.count, rule.probability), (Some(2), 1.0));
    }

    #[test]
    fn mistyped_commands_are_refused() {
        assert!(serde_json::from_str::<Scenario>(r#"{"invoice":5}"#).is_err());
        assert!(serde_json::from_str::<Configuration>(r#"{"revenova":{"webhok":{}}}"#).is_err());
        assert!(serde_json::from_str::<FaultRule>(r#"{"app":"quickbooks","fault":"fire"}"#).is_err());
    }

    #[test]
    fn a_scenario_without_fields_is_the_default() {
        assert_eq!(serde_json::from_str::<Scenario>("{}").unwrap(), Scenario::default());
        assert_eq!(Scenario::default().start.to_string(), "2026-11-20T12:00:00Z");
    }
}
