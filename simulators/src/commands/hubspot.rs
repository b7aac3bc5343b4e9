//! HubSpot: its settings, and events that it tells of.

use serde::{Deserialize, Serialize};

use super::WebhookTarget;

/// Settings of HubSpot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HubspotSettings {
    /// Who may get tokens. Replaces the whole list.
    pub clients: Option<Vec<HubspotClient>>,
    /// How long an access token lives.
    pub access_token_seconds: Option<u64>,
    /// The records that one search gives at most, 1 to 10,000.
    pub search_bound: Option<usize>,
    /// Whether the limits of requests are kept.
    pub limited: Option<bool>,
    /// Where events go; the secret is the client secret of the app.
    pub webhook: Option<WebhookTarget>,
}

/// An app that the account has installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubspotClient {
    /// The client id.
    pub client_id: String,
    /// The client secret.
    pub client_secret: String,
    /// The refresh token, which stays.
    pub refresh_token: String,
}

/// `POST /hubspot/events`: sends one request with an event for each record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubspotEvents {
    /// `contacts` or `companies`.
    pub object: String,
    /// `creation`, `propertyChange` or `deletion`.
    pub event: String,
    /// The records' ids; whether they exist is not looked at.
    pub ids: Vec<u64>,
}

/// The answer to [`HubspotEvents`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubspotSent {
    /// The status that the receiver answered with.
    pub status: u16,
}
