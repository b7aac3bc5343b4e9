//! How an application's webhooks come in, as a manifest says it, and what of that is published for `ingest`.

use super::{Manifest, SettingsError, Template, TemplateValues};
use crate::ids::ConnectorName;
use crate::signature::{
    Acknowledgement, EventIdRule, KnownSender, SignatureScheme, WebhookFormat, WebhookSettings, WebhookWay,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the application's webhooks are verified and read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// How a sender proves itself.
    pub signature: SignatureScheme,
    /// Where the sender's id of the event is. Absent: it is derived from the body.
    #[serde(default)]
    pub event_id: EventIdRule,
    /// What the body is written in.
    #[serde(default, skip_serializing_if = "WebhookFormat::is_json")]
    pub format: WebhookFormat,
    /// What the body must say of its sender, where the proof does not tell one customer of the application from
    /// another. While the connection does not say it, no webhook is taken this way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// What the sender takes for an acknowledgement; absent: any 2xx, so it gets 202.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<Acknowledgement>,
    /// Another format, in which webhooks come to the same URL; the header `Content-Type` tells which it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<AnotherWay>,
    /// The largest body that is accepted, in bytes.
    #[serde(default = "default_body_max_bytes")]
    pub body_max_bytes: u32,
    /// jq over the body: a list of `{object, id, deleted, record, event}`. `record` is the record as the
    /// application's API returns it; without it the entry is a hint that the record of that `id`
    /// changed. `deleted` is optional. `event` is the sender's id of this entry's event, where it has one
    /// that another content never has. An empty list means that the webhook is of no concern.
    /// Sees `$settings`, the connection's settings.
    pub records: String,
}

/// Another format in which webhooks come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AnotherWay {
    /// How a sender proves itself.
    pub signature: SignatureScheme,
    /// Where the sender's id of the event is. Absent: it is derived from the body.
    #[serde(default)]
    pub event_id: EventIdRule,
    /// What the body is written in.
    pub format: WebhookFormat,
    /// What the body must say of its sender. While the connection does not say it, no webhook is taken this way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
    /// What the sender takes for an acknowledgement; absent: any 2xx, so it gets 202.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<Acknowledgement>,
}

/// What the body of a webhook must say of its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// Where it says so: a JSON pointer into the body.
    pub at: String,
    /// What must stand there, a text or a number; with settings as places.
    pub is: Template,
    /// How many characters are compared, from the first; both must have so many. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub characters: Option<u16>,
}

fn default_body_max_bytes() -> u32 {
    1024 * 1024
}

impl Webhook {
    /// Every way, with the field that says it.
    pub(super) fn ways(&self) -> impl Iterator<Item = (String, AnotherWay)> {
        let Self { signature, event_id, format, sender, acknowledge, .. } = self.clone();
        let first = AnotherWay { signature, event_id, format, sender, acknowledge };
        let also = self.also.iter().cloned().enumerate();
        std::iter::once(("webhook".to_owned(), first))
            .chain(also.map(|(place, way)| (format!("webhook.also.{}", place + 1), way)))
    }

    /// The schemes of every way.
    pub fn signatures(&self) -> impl Iterator<Item = &SignatureScheme> {
        std::iter::once(&self.signature).chain(self.also.iter().map(|way| &way.signature))
    }
}

impl AnotherWay {
    /// Nothing if the connection does not say who the sender is.
    fn published(self, settings: &BTreeMap<String, String>) -> Option<WebhookWay> {
        let Self { signature, event_id, format, sender, acknowledge } = self;
        let sender = match sender {
            None => None,
            Some(Sender { at, is, characters }) => {
                let is = is.fill(&TemplateValues::settings(settings), str::to_owned).ok()?;
                Some(KnownSender { at, is, characters })
            }
        };
        Some(WebhookWay { signature, event_id, format, sender, acknowledge })
    }
}

impl Manifest {
    /// What `ingest` must know of a connection: nothing if the application sends no webhooks, or the connection
    /// cannot take any yet. `given` are the connection's settings.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn published_webhook(
        &self,
        given: &BTreeMap<String, String>,
        secret_name: &str,
        paused: bool,
    ) -> Result<Option<WebhookSettings>, SettingsError> {
        let Some(webhook) = &self.webhook else { return Ok(None) };
        let settings = self.settings(given)?;
        let mut ways = webhook.ways().filter_map(|(_, way)| way.published(&settings));
        let connector: ConnectorName = self.connector.clone();
        Ok(ways.next().map(|way| WebhookSettings {
            connector,
            way,
            also: ways.collect(),
            secret_name: secret_name.to_owned(),
            body_max_bytes: webhook.body_max_bytes,
            paused,
        }))
    }
}
