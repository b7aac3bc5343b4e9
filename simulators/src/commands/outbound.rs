//! Outbound messages of Salesforce.

use serde::{Deserialize, Serialize};

/// `POST /revenova/outbound-messages`: sends one message with a notification for each record. Nothing is sent again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundMessage {
    /// Where it goes, with the secret in its query.
    pub url: String,
    /// The record type.
    pub object: String,
    /// The records, 1 to 100.
    pub record_ids: Vec<String>,
    /// The fields that are sent, besides the id; what is null is left out.
    pub fields: Vec<String>,
    /// Another organisation than the one that is configured.
    #[serde(default)]
    pub organization_id: Option<String>,
    /// A session of the sender, if it is to be sent along.
    #[serde(default)]
    pub session_id: Option<String>,
    /// The notifications' ids, for a message that comes again; otherwise new ones.
    #[serde(default)]
    pub notification_ids: Vec<String>,
}

/// The answer to [`OutboundMessage`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundMessageSent {
    /// The status that was answered.
    pub status: u16,
    /// Whether the answer is an acknowledgement: 200, with `<Ack>true</Ack>` in its envelope.
    pub acknowledged: bool,
    /// The notifications' ids.
    pub notification_ids: Vec<String>,
}
