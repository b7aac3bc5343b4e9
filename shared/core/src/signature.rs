//! Signatures of webhooks: verified when they come in, made when they go out.
//!
//! Pure: the caller gives headers, body, secrets and the time. Comparisons take constant time, and
//! no error quotes a header, a secret or a body. Each operation takes all active secrets, so that a
//! secret can be rotated without refusing a sender.

mod request;
mod signed_text;
mod standard;
mod verify;
mod webhook;

pub use request::{RequestSignature, sign_request};
pub use signed_text::{SignedPlace, SignedRequest, SignedText};
pub use standard::{StandardSignature, sign_standard_webhook};
pub use verify::{ActiveSecrets, EventIdentity, SignatureError, event_id, verify};
pub use webhook::{Acknowledgement, KnownSender, WebhookBodyError, WebhookFormat, WebhookSettings, WebhookWay};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far the clocks of sender and receiver may differ (Standard Webhooks 1.0 recommends it).
const TOLERANCE_SECONDS: u32 = 300;

/// How a sender proves itself. `secret` names a field of the connection's secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "scheme", rename_all = "snake_case", deny_unknown_fields)]
pub enum SignatureScheme {
    /// HMAC-SHA256 over what `signed` says.
    #[serde(rename = "hmac_sha256")]
    HmacSha256 {
        /// The header that carries the signature.
        header: String,
        /// What stands before it in the header, such as `sha256=`.
        #[serde(default)]
        prefix: String,
        /// How it is written.
        encoding: Encoding,
        /// What is signed.
        #[serde(default)]
        signed: SignedText,
        /// The header that carries the time of sending.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timestamp_header: Option<String>,
        /// What that time is counted in.
        #[serde(default, skip_serializing_if = "TimeUnit::is_seconds")]
        timestamp_unit: TimeUnit,
        /// How far that time may be from ours, in seconds, either way.
        #[serde(default = "tolerance_seconds")]
        tolerance_seconds: u32,
        /// The credential that holds the secret, or several while they rotate.
        secret: String,
    },
    /// Standard Webhooks 1.0: `v1` signatures, or `v1a`, as the secret says.
    StandardWebhooks {
        /// The credential that holds the secret (`whsec_…`) or the public key (`whpk_…`), or several while they rotate.
        secret: String,
        /// How far the time of sending may be from ours, in seconds, either way.
        #[serde(default = "tolerance_seconds")]
        tolerance_seconds: u32,
    },
    /// A shared token in a header, or in the URL's query for senders that can set no header: proves the sender, but
    /// not the body.
    Token {
        /// The header that carries it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<String>,
        /// The parameter of the URL's query that carries it, where no header does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<String>,
        /// What stands before it in the header, such as `Bearer `.
        #[serde(default)]
        prefix: String,
        /// The credential that holds the token, or several while they rotate.
        secret: String,
    },
}

impl SignatureScheme {
    /// The credential that holds the secret.
    #[must_use]
    pub fn secret(&self) -> &str {
        match self {
            Self::HmacSha256 { secret, .. } | Self::StandardWebhooks { secret, .. } | Self::Token { secret, .. } => {
                secret
            }
        }
    }

    /// The headers that it reads, if the manifest chooses them.
    #[must_use]
    pub fn headers(&self) -> Vec<&str> {
        match self {
            Self::HmacSha256 { header, timestamp_header, .. } => {
                std::iter::once(header).chain(timestamp_header).map(String::as_str).collect()
            }
            Self::Token { header, .. } => header.iter().map(String::as_str).collect(),
            Self::StandardWebhooks { .. } => vec![],
        }
    }
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Hexadecimal digits, of either case.
    Hex,
    /// Base64 of the standard alphabet, padded.
    Base64,
}

/// Where the sender's id of the event is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EventIdRule {
    /// The header that carries it. Absent: it is derived from the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// What a time in a header is counted in, since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Seconds.
    #[default]
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

impl TimeUnit {
    /// The moment as it is written.
    #[must_use]
    pub fn write(self, moment: Timestamp) -> String {
        match self {
            Self::Seconds => moment.as_second().to_string(),
            Self::Milliseconds => moment.as_millisecond().to_string(),
        }
    }

    /// What was written, in whole seconds.
    fn seconds(self, text: &str) -> Option<i64> {
        let number: i64 = text.parse().ok()?;
        match self {
            Self::Seconds => Some(number),
            Self::Milliseconds => Some(number.div_euclid(1_000)),
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
    fn is_seconds(&self) -> bool {
        *self == Self::Seconds
    }
}

/// Whether the text can be the name of a header.
#[must_use]
pub fn is_header_name(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn tolerance_seconds() -> u32 {
    TOLERANCE_SECONDS
}

fn tolerance(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}
