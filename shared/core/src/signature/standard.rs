//! Standard Webhooks 1.0 (<https://github.com/standard-webhooks/standard-webhooks>): `v1` (HMAC-SHA256) and `v1a`
//! (Ed25519).
//!
//! What a secret begins with says which it is: `whsec_` (or nothing) signs and verifies `v1`; `whsk_` signs `v1a`, and
//! `whpk_` verifies it. Several secrets are active while they rotate, of either kind: a request then carries a
//! signature for each, and one that fits is enough.

use super::verify::{ActiveSecrets, SignatureError};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// What stands before a shared secret's base64.
const SECRET_PREFIX: &str = "whsec_";
/// What stands before a private key's base64.
const PRIVATE_PREFIX: &str = "whsk_";
/// What stands before a public key's base64.
const PUBLIC_PREFIX: &str = "whpk_";
/// What stands before each symmetric signature.
const SYMMETRIC: &str = "v1,";
/// What stands before each asymmetric signature.
const ASYMMETRIC: &str = "v1a,";
/// How many signatures of each kind of one header are looked at: a sender that rotates has two.
const MOST_SIGNATURES: usize = 10;
/// The length of the seed of an Ed25519 key, and of its public half.
const KEY_BYTES: usize = 32;

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
/// [`SignatureError::Secret`] if there is no secret, or one is neither `whsec_` nor `whsk_` and base64;
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
    let content = content(id, &timestamp, body);
    let signatures: Vec<String> = secrets.iter().map(|secret| sign(secret, &content)).collect::<Result<_, _>>()?;
    if signatures.is_empty() {
        return Err(SignatureError::Secret);
    }
    Ok(StandardSignature { id: id.to_owned(), timestamp, signature: signatures.join(" ") })
}

fn sign(secret: &str, content: &[u8]) -> Result<String, SignatureError> {
    if let Some(encoded) = secret.strip_prefix(PRIVATE_PREFIX) {
        let signature = private_key(encoded)?.sign(content);
        return Ok(format!("{ASYMMETRIC}{}", STANDARD.encode(signature.as_ref())));
    }
    let tag = mac(&shared_key(secret)?, content)?.finalize().into_bytes();
    Ok(format!("{SYMMETRIC}{}", STANDARD.encode(tag)))
}

/// Whether one of the signatures in the header is one of these secrets'.
pub(super) fn is_signed(
    secrets: &ActiveSecrets,
    id: &str,
    timestamp: &str,
    body: &[u8],
    header: &str,
) -> Result<bool, SignatureError> {
    let content = content(id, timestamp, body);
    let (symmetric, asymmetric) = (signatures(header, SYMMETRIC), signatures(header, ASYMMETRIC));
    let mut usable = false;
    for secret in secrets.iter() {
        // One broken secret must not refuse what the other one signed.
        if let Some(encoded) = secret.strip_prefix(PUBLIC_PREFIX) {
            let Ok(key) = public_key(encoded) else { continue };
            usable = true;
            if asymmetric.iter().any(|signature| key.verify(&content, signature).is_ok()) {
                return Ok(true);
            }
        } else {
            let Ok(key) = shared_key(secret) else { continue };
            usable = true;
            for tag in &symmetric {
                if mac(&key, &content)?.verify_slice(tag).is_ok() {
                    return Ok(true);
                }
            }
        }
    }
    if usable { Ok(false) } else { Err(SignatureError::Secret) }
}

fn signatures(header: &str, prefix: &str) -> Vec<Vec<u8>> {
    let of_kind = header.split(' ').filter_map(|signature| signature.strip_prefix(prefix));
    of_kind.take(MOST_SIGNATURES).filter_map(|signature| STANDARD.decode(signature).ok()).collect()
}

fn content(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}

fn mac(key: &[u8], content: &[u8]) -> Result<Hmac<Sha256>, SignatureError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| SignatureError::Secret)?;
    mac.update(content);
    Ok(mac)
}

fn shared_key(secret: &str) -> Result<Vec<u8>, SignatureError> {
    // A key of the other kind is base64, too: as a shared secret it would be one that everybody knows.
    if secret.starts_with(PRIVATE_PREFIX) || secret.starts_with(PUBLIC_PREFIX) {
        return Err(SignatureError::Secret);
    }
    let key = decode(secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret))?;
    if key.is_empty() { Err(SignatureError::Secret) } else { Ok(key) }
}

/// The seed, or the seed and the public key after it, as most libraries write a private key.
fn private_key(encoded: &str) -> Result<Ed25519KeyPair, SignatureError> {
    let key = decode(encoded)?;
    let pair = match key.split_at_checked(KEY_BYTES) {
        Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
        Some((seed, public)) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
        None => return Err(SignatureError::Secret),
    };
    pair.map_err(|_| SignatureError::Secret)
}

fn public_key(encoded: &str) -> Result<UnparsedPublicKey<Vec<u8>>, SignatureError> {
    let key = decode(encoded)?;
    if key.len() == KEY_BYTES { Ok(UnparsedPublicKey::new(&ED25519, key)) } else { Err(SignatureError::Secret) }
}

fn decode(encoded: &str) -> Result<Vec<u8>, SignatureError> {
    STANDARD.decode(encoded).map_err(|_| SignatureError::Secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    // The first key of RFC 8032, section 7.1; the signature was made by OpenSSL through Node's `crypto.sign`.
    const SEED: &str = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    const PRIVATE: &str =
        "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";
    const PUBLIC: &str = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    const SIGNATURE: &str =
        "v1a,fldxM4gAKugP6nnt1hdz3sgGfZ6d99nzrMFnZOELIxbzEHoVmAb2ADpkJK7zgPePmPsle0zV9jSeGlHFG2NVAw==";
    const SHARED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn active(secrets: &[&str]) -> ActiveSecrets {
        ActiveSecrets::of(json!({"s": secrets}).as_object().unwrap(), "s").unwrap()
    }

    fn signed(secrets: &[&str]) -> Result<String, SignatureError> {
        let now = Timestamp::from_second(1_614_265_330).unwrap();
        sign_standard_webhook(&active(secrets), ID, now, BODY).map(|signed| signed.signature)
    }

    fn believed(secrets: &[&str], header: &str) -> Result<bool, SignatureError> {
        is_signed(&active(secrets), ID, "1614265330", BODY, header)
    }

    #[test]
    fn a_private_key_signs_and_its_public_key_verifies() {
        assert_eq!(signed(&[SEED]).unwrap(), SIGNATURE);
        assert_eq!(signed(&[PRIVATE]).unwrap(), SIGNATURE);
        assert_eq!(believed(&[PUBLIC], SIGNATURE), Ok(true));
        assert_eq!(believed(&[PUBLIC], &SIGNATURE.replace("v1a,", "v1,")), Ok(false));
        assert_eq!(believed(&[PUBLIC], &SIGNATURE.replace("fldx", "fldy")), Ok(false));
        let other = is_signed(&active(&[PUBLIC]), ID, "1614265331", BODY, SIGNATURE);
        assert_eq!(other, Ok(false));
    }

    #[test]
    fn kinds_and_keys_rotate_in_one_header() {
        let both = signed(&[PRIVATE, SHARED]).unwrap();
        assert!(both.starts_with("v1a,") && both.contains(" v1,"));
        for receiver in [PUBLIC, SHARED] {
            assert_eq!(believed(&[receiver], &both), Ok(true));
        }
        assert_eq!(believed(&["whpk_AAAA", PUBLIC], &both), Ok(true), "a broken one refuses nothing");
        assert_eq!(believed(&["whsec_bmV3"], &both), Ok(false));
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        for garbage in ["whsk_", "whsk_AAAA", "whsk_no base64", PUBLIC, &format!("{PRIVATE}AAAA"), "whsec_"] {
            assert_eq!(signed(&[garbage]), Err(SignatureError::Secret), "{garbage}");
        }
        // A seed with another's public key.
        let mixed = PRIVATE.replace("DXWp", "DXWq");
        assert_eq!(signed(&[&mixed]), Err(SignatureError::Secret));
        // A public key is known to all: it must never serve as a shared secret. Nor does who verifies need the private one.
        for garbage in ["whpk_", "whpk_AAAA", PRIVATE, SEED] {
            assert_eq!(believed(&[garbage], SIGNATURE), Err(SignatureError::Secret), "{garbage}");
        }
        for header in ["", "v1a,", "v1a", "v1a,AAAA", "v1a,!!", " ", "v1a,v1a,"] {
            assert_eq!(believed(&[PUBLIC], header), Ok(false), "{header}");
        }
    }
}
