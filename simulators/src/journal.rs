//! What the simulated applications recorded: the only source of DESIGN.md §10's figures.
//!
//! Every instant is in microseconds since the Unix epoch, by the one clock of the process
//! that ran all the applications, so that instants of different sections compare.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The simulated applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum App {
    /// A transport-management system on Salesforce: a source with webhooks.
    Revenova,
    /// A legacy ERP with an OData service: a source that nobody but a poll hears of.
    Erp,
    /// QuickBooks Online: a target.
    Quickbooks,
    /// HubSpot's CRM.
    Hubspot,
    /// The receiver of webhooks: notifications, and a target for flows that end in a webhook.
    Receiver,
}

impl App {
    /// The name on the wire, as in the control API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            App::Revenova => "revenova",
            App::Erp => "erp",
            App::Quickbooks => "quickbooks",
            App::Hubspot => "hubspot",
            App::Receiver => "receiver",
        }
    }
}

/// Everything that was recorded since the start or the last reset.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Journal {
    /// Every version that a source record ever had, announced by a webhook or not.
    pub versions: Vec<SourceVersion>,
    /// Every webhook that was to be sent; one entry for each sending, so that a delivery
    /// id that was sent twice on purpose has two.
    pub sent: Vec<SentWebhook>,
    /// Every change that took effect at a target, in the order in which it did.
    pub effects: Vec<Effect>,
    /// Every request that an application got.
    pub requests: Vec<RequestEntry>,
    /// What the webhook receiver got.
    pub receipts: Vec<Receipt>,
}

/// One version of one source record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceVersion {
    /// The source.
    pub app: App,
    /// The record type in the source's own terms.
    pub object: String,
    /// The record's id at the source.
    pub record_id: String,
    /// Revenova's `SystemModstamp`, the ERP's `ModifiedAt`: later versions of a record have later ones.
    pub version: String,
    /// Who is to bring it to FluxNex.
    pub channel: Channel,
    /// The whole record.
    pub content: Arc<Value>,
    /// When the source had it.
    pub at: i64,
}

/// Who is to bring a version to FluxNex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A webhook announces it.
    Webhook,
    /// Nobody announces it: a poll has to find it.
    Poll,
    /// Nobody does, and no poll has to: it comes only if another record needs it.
    Need,
}

/// Why a webhook was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookKind {
    /// The first version of a record.
    First,
    /// A later version of a record.
    Update,
    /// The same delivery id and content again.
    Duplicate,
    /// The same content under a new delivery id.
    Resend,
    /// A record that violates the entity's schema.
    Poison,
}

/// One webhook, with all its attempts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentWebhook {
    /// Its place among the webhooks of the journal.
    pub sequence: u64,
    /// The sender's id of the event; the same in every attempt.
    pub delivery_id: String,
    /// `created`, `updated` or `deleted`.
    pub event: String,
    /// The record type in the source's own terms.
    pub object: String,
    /// The record's id at the source.
    pub record_id: String,
    /// Revenova's `SystemModstamp` of the content.
    pub version: String,
    /// The record as it was sent.
    pub content: Arc<Value>,
    /// Why it was sent.
    pub kind: WebhookKind,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried first.
    pub first_attempt_at: Option<i64>,
    /// When the sender got a 2xx. Until then the event is not accepted.
    pub acknowledged_at: Option<i64>,
    /// The status of the last attempt that was answered.
    pub last_status: Option<u16>,
    /// What went wrong in the last attempt, if it did.
    pub last_error: Option<String>,
}

/// The record that a target's record says it came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceReference {
    /// The source.
    pub app: App,
    /// The record's id at the source.
    pub record_id: String,
    /// The source version.
    pub version: String,
}

impl SourceReference {
    /// Reads `Revenova <Id> @ <SystemModstamp>` or `ERP <ID> @ <ModifiedAt>` from anywhere in a note.
    #[must_use]
    pub fn parse(note: &str) -> Option<Self> {
        [("Revenova ", App::Revenova), ("ERP ", App::Erp)].into_iter().find_map(|(name, app)| {
            let (_, rest) = note.split_once(name)?;
            let (record_id, rest) = rest.split_once(" @ ")?;
            let version = rest.split_whitespace().next()?;
            let belongs = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
            let plausible = !record_id.is_empty() && record_id.len() <= 64 && record_id.chars().all(belongs);
            plausible.then(|| Self { app, record_id: record_id.to_owned(), version: version.to_owned() })
        })
    }
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A record came into being.
    Created,
    /// A record changed.
    Updated,
}

/// A change that took effect at a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Its place among the effects of the journal; the order in which they took effect.
    pub sequence: u64,
    /// The target.
    pub app: App,
    /// The record type in the target's own terms (`Customer`, `Invoice`).
    pub entity: String,
    /// The record's id at the target.
    pub target_id: String,
    /// The source record and version, as the written record says.
    pub source: Option<SourceReference>,
    /// The caller's idempotency key.
    pub request_id: Option<String>,
    /// Created or updated.
    pub action: Action,
    /// The request's body.
    pub payload: Arc<Value>,
    /// The whole record after the change.
    pub record: Arc<Value>,
    /// When it took effect.
    pub at: i64,
}

/// One request that an application got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestEntry {
    /// The application.
    pub app: App,
    /// The HTTP method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The record type that it is about.
    pub entity: Option<String>,
    /// The record that it is about.
    pub target_id: Option<String>,
    /// The caller's idempotency key.
    pub request_id: Option<String>,
    /// A statement in the application's query language.
    pub statement: Option<String>,
    /// The answer's status; none if no answer was sent.
    pub status: Option<u16>,
    /// The id of the fault that was played, if one was.
    pub fault: Option<u64>,
    /// When it arrived.
    pub at: i64,
    /// How long it took, in microseconds.
    pub duration: i64,
}

/// A webhook that the receiver got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The last part of the path it was sent to.
    pub name: String,
    /// Its headers, in lower case; of a repeated header, the last.
    pub headers: std::collections::BTreeMap<String, String>,
    /// The body as text, bytes that are no UTF-8 replaced.
    pub body: String,
    /// Whether the signature holds; none if the receiver knows no secret for the name.
    pub verified: Option<bool>,
    /// Why the signature does not hold.
    pub reason: Option<String>,
    /// When it arrived.
    pub at: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_its_source() {
        let reference = SourceReference::parse("Revenova 001A @ 2026-11-20T12:00:00.000+0000");
        let expected = SourceReference {
            app: App::Revenova,
            record_id: "001A".to_owned(),
            version: "2026-11-20T12:00:00.000+0000".to_owned(),
        };
        assert_eq!(reference.as_ref(), Some(&expected));
        assert_eq!(
            SourceReference::parse("Paid late.\nRevenova 001A @ 2026-11-20T12:00:00.000+0000\nVIP"),
            Some(expected)
        );
        let erp = SourceReference::parse("ERP INV-4K2M-000123 @ 2026-11-21T10:00:00.123Z").unwrap();
        assert_eq!((erp.app, erp.record_id.as_str()), (App::Erp, "INV-4K2M-000123"));
        assert_eq!(erp.version, "2026-11-21T10:00:00.123Z");
    }

    #[test]
    fn a_note_without_a_source_is_no_reference() {
        for note in [
            "",
            "Revenova",
            "Revenova 001",
            "Revenova  @ ",
            "Revenova 001 @ ",
            "Revenova 0 1 @ x",
            "SAP C-1 @ x",
            "ERP C'1 @ x",
        ] {
            assert_eq!(SourceReference::parse(note), None, "{note:?}");
        }
        let long = format!("Revenova {} @ x", "0".repeat(65));
        assert_eq!(SourceReference::parse(&long), None);
    }
}
