//! Standard Webhooks 1.0 (<https://github.com/standard-webhooks/standard-webhooks>), `v1`.

use super::verify::{ActiveSecrets, SignatureError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// What stands before a secret's base64.
const SECRET_PREFIX: &str = "whsec_";
/// What stands before each symmetric signature.
const VERSION_PREFIX: &str = "v1,";
/// How many signatures of one header are looked at: a sender that rotates has two.
const MOST_SIGNATURES: usize = 10;

/// The headers that a signed request carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandardSignature {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: String,
    /// `webhook-signature`: one for each active secret, separated by spaces.
    pub signature: String,
}

/// Signs a request. The id stays the same over all attempts, the time does not.
///
/// # Errors
/// [`SignatureError::Secret`] if there is no secret, or one is not `whsec_` and base64;
/// [`SignatureError::MessageId`] if the id is empty or contains a full stop.
pub fn sign_standard_webhook(
    secrets: &ActiveSecrets,
    id: &str,
    now: Timestamp,
    body: &[u8],
) -> Result<StandardSignature, SignatureError> {
    // The specification forbids the separator in an id: the signed text would be ambiguous.
    if id.is_empty() || id.contains('.') || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SignatureError::MessageId);
    }
    let timestamp = now.as_second().to_string();
    let mut signatures = Vec::new();
    for secret in secrets.iter() {
        let tag = mac(&key(secret)?, id, &timestamp, body)?.finalize().into_bytes();
        signatures.push(format!("{VERSION_PREFIX}{}", STANDARD.encode(tag)));
    }
    if signatures.is_empty() {
        return Err(SignatureError::Secret);
    }
    Ok(StandardSignature { id: id.to_owned(), timestamp, signature: signatures.join(" ") })
}

/// Whether one of the signatures in the header is one of these secrets'.
pub(super) fn is_signed(
    secrets: &ActiveSecrets,
    id: &str,
    timestamp: &str,
    body: &[u8],
    header: &str,
) -> Result<bool, SignatureError> {
    let tags: Vec<Vec<u8>> = header
        .split(' ')
        .filter_map(|signature| signature.strip_prefix(VERSION_PREFIX))
        .take(MOST_SIGNATURES)
        .filter_map(|tag| STANDARD.decode(tag).ok())
        .collect();
    let mut usable = false;
    for secret in secrets.iter() {
        // One broken secret must not refuse what the other one signed.
        let Ok(key) = key(secret) else { continue };
        usable = true;
        for tag in &tags {
            if mac(&key, id, timestamp, body)?.verify_slice(tag).is_ok() {
                return Ok(true);
            }
        }
    }
    if usable { Ok(false) } else { Err(SignatureError::Secret) }
}

fn mac(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Result<Hmac<Sha256>, SignatureError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| SignatureError::Secret)?;
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    Ok(mac)
}

fn key(secret: &str) -> Result<Vec<u8>, SignatureError> {
    let encoded = secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret);
    let key = STANDARD.decode(encoded).map_err(|_| SignatureError::Secret)?;
    if key.is_empty() { Err(SignatureError::Secret) } else { Ok(key) }
}
