//! What the control API takes and answers. `README.md` shows each call.
//!
//! Every part of a command that is left out keeps its default, or its present value where
//! the command changes a setting. Unknown names are refused, so that a typing mistake does
//! not pass as a default.

mod configuration;
mod erp;
mod faults;
mod hubspot;
mod outbound;
mod scenario;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use configuration::{
    Configuration, QuickbooksClient, QuickbooksSettings, ReceiverSettings, RevenovaClient, RevenovaSettings,
    WebhookTarget,
};
pub use erp::{ErpChanges, ErpPlanned, ErpScenario, ErpSettings};
pub use faults::{Fault, FaultRule, ListedFault};
pub use hubspot::{HubspotClient, HubspotEvents, HubspotSent, HubspotSettings};
pub use outbound::{OutboundMessage, OutboundMessageSent};
pub use scenario::{Planned, PoisonKind, Scenario, ScenarioState, SilentChanges, SilentVersions};

/// The line that the program prints when everything listens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Revenova (HTTPS).
    pub revenova: u16,
    /// QuickBooks Online (HTTPS).
    pub quickbooks: u16,
    /// The ERP (HTTPS). Who wrote the line down before there was one reads 0: any free port.
    #[serde(default)]
    pub erp: u16,
    /// HubSpot (HTTPS). Likewise.
    #[serde(default)]
    pub hubspot: u16,
    /// The webhook receiver (HTTPS).
    pub receiver: u16,
    /// The control API (plain HTTP).
    pub control: u16,
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

/// `GET /counts`: what happened so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Where the scenario stands.
    pub scenario: ScenarioState,
    /// What the scenario will send.
    pub planned: Planned,
    /// Records that the applications hold, such as `quickbooks.Invoice`.
    pub records: BTreeMap<String, u64>,
    /// Webhooks in the journal.
    pub webhooks: u64,
    /// Of these, acknowledged with a 2xx.
    pub acknowledged: u64,
    /// Attempts to send one.
    pub attempts: u64,
    /// Versions that nobody announced and that a poll has to find, by application.
    pub silent_versions: BTreeMap<String, u64>,
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
            r#"{"app":"quickbooks","fault":{"kind":"throttle","retry_after_seconds":3},"entity":"invoice","count":2}"#,
        )
        .unwrap();
        assert_eq!(rule.fault, Fault::Throttle { retry_after_seconds: 3 });
        assert_eq!((rule.count, rule.probability), (Some(2), 1.0));
    }

    #[test]
    fn mistyped_commands_are_refused() {
        assert!(serde_json::from_str::<Scenario>(r#"{"invoice":5}"#).is_err());
        assert!(serde_json::from_str::<ErpScenario>(r#"{"invoice":5}"#).is_err());
        assert!(serde_json::from_str::<ErpChanges>(r#"{"shares":0.5}"#).is_err());
        assert!(serde_json::from_str::<SilentChanges>(r#"{"seed":5}"#).is_err());
        assert!(serde_json::from_str::<Configuration>(r#"{"revenova":{"webhok":{}}}"#).is_err());
        for rule in [
            r#"{"app":"quickbooks","fault":{"kind":"fire"}}"#,
            r#"{"app":"quickbooks","fault":{"kind":"slow","milliseconds":1,"second":2}}"#,
            r#"{"app":"quickbooks","fault":{"kind":"throttle"},"entitty":"invoice"}"#,
        ] {
            assert!(serde_json::from_str::<FaultRule>(rule).is_err(), "{rule}");
        }
    }

    #[test]
    fn a_scenario_without_fields_is_the_default() {
        assert_eq!(serde_json::from_str::<ErpScenario>("{}").unwrap(), ErpScenario::default());
        assert_eq!(serde_json::from_str::<Scenario>("{}").unwrap(), Scenario::default());
        assert_eq!(Scenario::default().start.to_string(), "2026-11-20T12:00:00Z");
    }
}
