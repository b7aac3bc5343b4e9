//! Settings of the applications.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ErpSettings, HubspotSettings};

/// `PUT /configuration`: settings of the applications. What is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// Settings of Revenova.
    pub revenova: RevenovaSettings,
    /// Settings of QuickBooks Online.
    pub quickbooks: QuickbooksSettings,
    /// Settings of the ERP.
    pub erp: ErpSettings,
    /// Settings of HubSpot.
    pub hubspot: HubspotSettings,
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
    /// The most requests of a day, as the header `Sforce-Limit-Info` tells them; further ones are refused.
    pub daily_requests: Option<u64>,
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
    /// Names of hooks that are targets: what arrives there, rightly signed and under a new
    /// `webhook-id`, takes effect. Each needs a secret. Adds.
    pub targets: BTreeSet<String>,
}
