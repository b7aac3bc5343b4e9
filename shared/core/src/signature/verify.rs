//! Whether a webhook comes from whom it says, and what its event's id is.

#[cfg(test)]
mod tests;

use super::request::mac;
use super::{Encoding, EventIdRule, SignatureScheme, SignedPlace, SignedRequest, TimeUnit, standard, tolerance};
use crate::ids::{InvalidId, SenderEventId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// The longest signature header that is looked at, in bytes.
const LONGEST_HEADER_BYTES: usize = 2048;

/// Why a webhook is not believed. Never quotes what was sent, nor the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header that the scheme needs is absent or empty.
    #[error("a header of the signature is missing")]
    MissingHeader,
    /// A header that the scheme needs cannot be read.
    #[error("a header of the signature cannot be read")]
    MalformedHeader,
    /// The URL's query has no token, or several.
    #[error("the URL's query has no token, or not only one")]
    Query,
    /// The signature is none of ours.
    #[error("the signature does not match")]
    Mismatch,
    /// The time of sending is too far from now.
    #[error("the time of sending is out of tolerance")]
    OutOfTolerance,
    /// The connection's secret lacks the field, or the field is no usable secret: ours to repair.
    #[error("the connection's secret cannot be used")]
    Secret,
    /// The id of an outgoing message cannot be signed.
    #[error("a message's id is visible ASCII without full stops")]
    MessageId,
}

impl SignatureError {
    /// Whether the cause is the connection's set-up, and not the sender.
    #[must_use]
    pub fn is_ours(self) -> bool {
        match self {
            Self::Secret | Self::MessageId => true,
            Self::MissingHeader | Self::MalformedHeader | Self::Query | Self::Mismatch | Self::OutOfTolerance => false,
        }
    }
}

/// The secrets that are valid now: one, or several while they rotate. Debug shows their number.
#[derive(Clone, PartialEq, Eq)]
pub struct ActiveSecrets(Vec<String>);

impl ActiveSecrets {
    /// The secrets in a field of a connection's secret: a text, or a list of texts.
    ///
    /// # Errors
    /// [`SignatureError::Secret`] if the field is absent, empty, or something else.
    pub fn of(secret: &Map<String, Value>, field: &str) -> Result<Self, SignatureError> {
        let text = |value: &Value| match value {
            Value::String(text) if !text.is_empty() => Ok(text.clone()),
            _ => Err(SignatureError::Secret),
        };
        let secrets = match secret.get(field) {
            Some(Value::Array(values)) if !values.is_empty() => values.iter().map(text).collect::<Result<_, _>>()?,
            Some(value) => vec![text(value)?],
            None => return Err(SignatureError::Secret),
        };
        Ok(Self(secrets))
    }

    /// The secrets, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Debug for ActiveSecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ActiveSecrets({})", self.0.len())
    }
}

/// Verifies a webhook. `header` gives a header's value by its lower-case name.
///
/// # Errors
/// [`SignatureError`]; [`is_ours`](SignatureError::is_ours) tells a refusal of the sender from a
/// connection that is set up wrongly.
pub fn verify<'h>(
    scheme: &SignatureScheme,
    secrets: &ActiveSecrets,
    header: impl Fn(&str) -> Option<&'h str>,
    request: &SignedRequest<'_>,
    now: Timestamp,
) -> Result<(), SignatureError> {
    let required = |name: &str| {
        let value = header(&name.to_ascii_lowercase()).map(str::trim).filter(|value| !value.is_empty());
        let value = value.ok_or(SignatureError::MissingHeader)?;
        if value.len() > LONGEST_HEADER_BYTES { Err(SignatureError::MalformedHeader) } else { Ok(value) }
    };
    match scheme {
        SignatureScheme::HmacSha256 {
            header,
            prefix,
            encoding,
            signed,
            timestamp_header,
            timestamp_unit,
            tolerance_seconds,
            ..
        } => {
            let tag = decode(strip(required(header)?, prefix)?, *encoding)?;
            let timestamp = timestamp_header.as_deref().map(required).transpose()?;
            if signed.has(SignedPlace::Timestamp) && timestamp.is_none() {
                return Err(SignatureError::MissingHeader);
            }
            let mut known = false;
            for secret in secrets.iter() {
                known |= mac(secret, signed, request, timestamp.unwrap_or_default())?.verify_slice(&tag).is_ok();
            }
            believe(known)?;
            timestamp.map_or(Ok(()), |sent| check_time(sent, *timestamp_unit, now, tolerance(*tolerance_seconds)))
        }
        SignatureScheme::StandardWebhooks { tolerance_seconds, .. } => {
            let (id, sent) = (required("webhook-id")?, required("webhook-timestamp")?);
            believe(standard::is_signed(secrets, id, sent, request.body, required("webhook-signature")?)?)?;
            check_time(sent, TimeUnit::Seconds, now, tolerance(*tolerance_seconds))
        }
        SignatureScheme::Token { header, query, prefix, .. } => {
            let given = match (header, query) {
                (Some(header), _) => Cow::Borrowed(strip(required(header)?, prefix)?),
                (None, Some(name)) => parameter(request.url, name)?,
                (None, None) => return Err(SignatureError::Secret),
            };
            let given = given.as_bytes();
            let mut known = false;
            for secret in secrets.iter() {
                // Tags instead of the tokens themselves: verifying tags takes constant time.
                let tag = tag_of(secret, given)?.finalize().into_bytes();
                known |= tag_of(secret, secret.as_bytes())?.verify_slice(&tag).is_ok();
            }
            believe(known)
        }
    }
}

/// What makes a webhook one event, however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventIdentity {
    /// The id of the event at its sender.
    pub id: SenderEventId,
    /// Whether the id was derived from the body: then it says only that the same bytes came before,
    /// and never drops content that differs from what we have.
    pub derived: bool,
}

/// The id of the event that a webhook brings. A header that is absent or no id counts as none.
///
/// # Errors
/// [`InvalidId`] if not even the body gives one, which does not happen.
pub fn event_id<'h>(
    rule: &EventIdRule,
    header: impl Fn(&str) -> Option<&'h str>,
    body: &[u8],
) -> Result<EventIdentity, InvalidId> {
    let given = rule.header.as_deref().and_then(|name| header(&name.to_ascii_lowercase()));
    if let Some(Ok(id)) = given.map(|text| SenderEventId::parse(text.trim())) {
        return Ok(EventIdentity { id, derived: false });
    }
    let id = SenderEventId::parse(format!("sha256:{}", hex::encode(Sha256::digest(body))))?;
    Ok(EventIdentity { id, derived: true })
}

/// The value of a parameter in a URL's query, which may stand there once.
fn parameter<'u>(url: &'u str, name: &str) -> Result<Cow<'u, str>, SignatureError> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) if !value.is_empty() && value.len() <= LONGEST_HEADER_BYTES => Ok(value),
        _ => Err(SignatureError::Query),
    }
}

fn believe(known: bool) -> Result<(), SignatureError> {
    if known { Ok(()) } else { Err(SignatureError::Mismatch) }
}

fn strip<'v>(value: &'v str, prefix: &str) -> Result<&'v str, SignatureError> {
    value.strip_prefix(prefix).filter(|rest| !rest.is_empty()).ok_or(SignatureError::MalformedHeader)
}

fn decode(text: &str, encoding: Encoding) -> Result<Vec<u8>, SignatureError> {
    let decoded = match encoding {
        Encoding::Hex => hex::decode(text).ok(),
        Encoding::Base64 => STANDARD.decode(text).ok(),
    };
    decoded.ok_or(SignatureError::MalformedHeader)
}

fn tag_of(secret: &str, text: &[u8]) -> Result<Hmac<Sha256>, SignatureError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| SignatureError::Secret)?;
    mac.update(text);
    Ok(mac)
}

fn check_time(sent: &str, unit: TimeUnit, now: Timestamp, tolerance: Duration) -> Result<(), SignatureError> {
    let sent = unit.seconds(sent).ok_or(SignatureError::MalformedHeader)?;
    let apart = now.as_second().checked_sub(sent).ok_or(SignatureError::OutOfTolerance)?.unsigned_abs();
    if apart <= tolerance.as_secs() { Ok(()) } else { Err(SignatureError::OutOfTolerance) }
}
