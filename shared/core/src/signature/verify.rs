//! Whether a webhook comes from whom it says, and what its event's id is.

use super::request::mac;
use super::{Encoding, EventIdRule, SignatureScheme, SignedPlace, SignedRequest, TimeUnit, standard, tolerance};
use crate::ids::{InvalidId, SenderEventId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
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
            Self::MissingHeader | Self::MalformedHeader | Self::Mismatch | Self::OutOfTolerance => false,
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
        SignatureScheme::Token { header, prefix, .. } => {
            let given = strip(required(header)?, prefix)?.as_bytes();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::sign_standard_webhook;
    use proptest::prelude::*;
    use serde_json::json;

    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const NOW: i64 = 1_614_265_330;

    fn secrets(value: Value) -> ActiveSecrets {
        ActiveSecrets::of(json!({"secret": value}).as_object().unwrap(), "secret").unwrap()
    }

    fn scheme(text: &str) -> SignatureScheme {
        serde_json::from_str(text).unwrap()
    }

    fn standard() -> SignatureScheme {
        scheme(r#"{"scheme":"standard_webhooks","secret":"secret"}"#)
    }

    fn hmac(signed: &str) -> SignatureScheme {
        scheme(&format!(
            r#"{{"scheme":"hmac_sha256","header":"X-Sign","prefix":"sha256=","encoding":"hex","signed":"{signed}","timestamp_header":"X-Time","secret":"secret"}}"#
        ))
    }

    fn check(
        scheme: &SignatureScheme,
        secret: Value,
        headers: &[(&str, &str)],
        body: &[u8],
        now: i64,
    ) -> Result<(), SignatureError> {
        let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let request = SignedRequest { method: "POST", url: "https://www.example.com/webhook_uri", body };
        verify(scheme, &secrets(secret), header, &request, Timestamp::from_second(now).unwrap())
    }

    // The example of the specification's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn standard_headers(signature: &str) -> [(&'static str, &str); 3] {
        [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", signature),
        ]
    }

    #[test]
    fn standard_webhooks_are_verified() {
        let check =
            |secret: Value, signature: &str, now| check(&standard(), secret, &standard_headers(signature), BODY, now);
        assert_eq!(check(json!(SECRET), SIGNATURE, NOW), Ok(()));
        assert_eq!(check(json!(SECRET.trim_start_matches("whsec_")), SIGNATURE, NOW), Ok(()));
        assert_eq!(check(json!(["whsec_bmV3", SECRET]), SIGNATURE, NOW), Ok(()));
        assert_eq!(check(json!(["no base64!", SECRET]), SIGNATURE, NOW), Ok(()));
        assert_eq!(check(json!(SECRET), &format!("v1a,AAAA v1,AAAA {SIGNATURE}"), NOW), Ok(()));
        assert_eq!(check(json!(SECRET), SIGNATURE, NOW + 300), Ok(()));
        assert_eq!(check(json!(SECRET), SIGNATURE, NOW + 301), Err(SignatureError::OutOfTolerance));
        assert_eq!(check(json!(SECRET), SIGNATURE, NOW - 301), Err(SignatureError::OutOfTolerance));
        assert_eq!(check(json!("whsec_bmV3"), SIGNATURE, NOW), Err(SignatureError::Mismatch));
        assert_eq!(check(json!("no base64!"), SIGNATURE, NOW), Err(SignatureError::Secret));
        assert_eq!(check(json!(SECRET), &SIGNATURE.replace("v1,", "v1a,"), NOW), Err(SignatureError::Mismatch));
        assert_eq!(
            check(json!(SECRET), &format!("{}{SIGNATURE}", "v1,AAAA ".repeat(10)), NOW),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn what_is_signed_with_two_secrets_is_verified_with_either() {
        let now = Timestamp::from_second(NOW).unwrap();
        let signed = sign_standard_webhook(&secrets(json!(["whsec_bmV3", SECRET])), "id-1", now, BODY).unwrap();
        let headers = [
            ("webhook-id", "id-1"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", signed.signature.as_str()),
        ];
        for secret in ["whsec_bmV3", SECRET] {
            assert_eq!(check(&standard(), json!(secret), &headers, BODY, NOW), Ok(()));
        }
        for id in ["", "a.b", "a b", "\n", "é"] {
            assert_eq!(sign_standard_webhook(&secrets(json!(SECRET)), id, now, BODY), Err(SignatureError::MessageId));
        }
    }

    #[test]
    fn an_hmac_covers_what_the_scheme_says() {
        // printf '1614265330.<body>' | openssl dgst -sha256 -hmac example
        let tag = "sha256=b40d47bf973cfe5d29066e2f15dba7c7b6856443e814df879730c686eeda6280";
        let headers = [("x-sign", tag), ("x-time", "1614265330")];
        let scheme = hmac("{timestamp}.{body}");
        assert_eq!(check(&scheme, json!("example"), &headers, BODY, NOW), Ok(()));
        assert_eq!(check(&scheme, json!(["new", "example"]), &headers, BODY, NOW), Ok(()));
        assert_eq!(check(&scheme, json!("Example"), &headers, BODY, NOW), Err(SignatureError::Mismatch));
        assert_eq!(check(&scheme, json!("example"), &headers, b"{}", NOW), Err(SignatureError::Mismatch));
        assert_eq!(check(&hmac("{body}"), json!("example"), &headers, BODY, NOW), Err(SignatureError::Mismatch));
        assert_eq!(
            check(&hmac("{timestamp}{body}"), json!("example"), &headers, BODY, NOW),
            Err(SignatureError::Mismatch)
        );
        assert_eq!(check(&scheme, json!("example"), &headers, BODY, NOW + 301), Err(SignatureError::OutOfTolerance));
        let other_time = [("x-sign", tag), ("x-time", "1614265331")];
        assert_eq!(check(&scheme, json!("example"), &other_time, BODY, NOW), Err(SignatureError::Mismatch));
        assert_eq!(check(&scheme, json!("example"), &headers[..1], BODY, NOW), Err(SignatureError::MissingHeader));
        let upper = tag.to_ascii_uppercase().replace("SHA256", "sha256");
        assert_eq!(check(&scheme, json!("example"), &[("x-sign", &upper), headers[1]], BODY, NOW), Ok(()));
        for garbage in [
            "sha256=",
            "sha256",
            "b40d47bf973cfe5d29066e2f15dba7c7b6856443e814df879730c686eeda6280",
            "sha256=zz",
            &tag[..20],
            &"a".repeat(5000),
        ] {
            let refused = check(&scheme, json!("example"), &[("x-sign", garbage), headers[1]], BODY, NOW);
            assert!(matches!(refused, Err(SignatureError::MalformedHeader | SignatureError::Mismatch)), "{garbage}");
        }
    }

    #[test]
    fn hubspots_third_version_is_verified() {
        let scheme = scheme(
            r#"{"scheme":"hmac_sha256","header":"X-HubSpot-Signature-v3","encoding":"base64",
                "signed":"{method}{url_decoded}{body}{timestamp}","timestamp_header":"X-HubSpot-Request-Timestamp",
                "timestamp_unit":"milliseconds","secret":"secret"}"#,
        );
        // The values of the vendor's own library (HubSpot/hubspot-api-python, tests/spec/utils/test_signature.py).
        let (secret, body) = (json!("yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"), b"{'example_field':'example_value'}");
        let headers = [
            ("x-hubspot-signature-v3", "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="),
            ("x-hubspot-request-timestamp", "1693657560000"),
        ];
        let check = |headers: &[(&str, &str)], body: &[u8], now| check(&scheme, secret.clone(), headers, body, now);
        assert_eq!(check(&headers, body, 1_693_657_560), Ok(()));
        assert_eq!(check(&headers, body, 1_693_657_860), Ok(()));
        assert_eq!(check(&headers, body, 1_693_657_861), Err(SignatureError::OutOfTolerance));
        assert_eq!(check(&headers, b"{}", 1_693_657_560), Err(SignatureError::Mismatch));
        assert_eq!(check(&headers[..1], body, 1_693_657_560), Err(SignatureError::MissingHeader));
        let seconds = [headers[0], ("x-hubspot-request-timestamp", "1693657560")];
        assert_eq!(check(&seconds, body, 1_693_657_560), Err(SignatureError::Mismatch));
        // Another address has another signature.
        let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let request = SignedRequest { method: "POST", url: "https://www.example.com/other", body };
        let now = Timestamp::from_second(1_693_657_560).unwrap();
        assert_eq!(verify(&scheme, &secrets(secret.clone()), header, &request, now), Err(SignatureError::Mismatch));
    }

    #[test]
    fn a_token_is_compared_whole() {
        let scheme = scheme(r#"{"scheme":"token","header":"Authorization","prefix":"Bearer ","secret":"secret"}"#);
        let check = |given: &str| check(&scheme, json!(["token-2", "token-1"]), &[("authorization", given)], BODY, NOW);
        assert_eq!(check("Bearer token-1"), Ok(()));
        assert_eq!(check("Bearer token-2"), Ok(()));
        for garbage in ["Bearer token", "Bearer token-11", "Bearer ", "token-1", "bearer token-1", "Bearer token-3"] {
            assert!(check(garbage).is_err(), "{garbage}");
        }
    }

    #[test]
    fn a_secret_is_a_text_or_a_list_of_texts() {
        let of = |value: Value| ActiveSecrets::of(json!({"secret": value}).as_object().unwrap(), "secret");
        for garbage in [json!(null), json!(""), json!([]), json!([""]), json!(["a", 1]), json!(1), json!({})] {
            assert_eq!(of(garbage), Err(SignatureError::Secret));
        }
        assert_eq!(ActiveSecrets::of(&Map::new(), "secret"), Err(SignatureError::Secret));
        assert_eq!(format!("{:?}", of(json!(["marked", "marked"])).unwrap()), "ActiveSecrets(2)");
    }

    #[test]
    fn an_event_without_an_id_has_its_bodys() {
        let rule = EventIdRule { header: Some("X-Delivery".to_owned()) };
        let id = |value: Option<&'static str>| event_id(&rule, |_| value, BODY).unwrap();
        assert_eq!((id(Some(" d-1 ")).id.as_str(), id(Some("d-1")).derived), ("d-1", false));
        let derived = id(None);
        assert!(derived.derived && derived.id.as_str().starts_with("sha256:") && derived.id.as_str().len() == 71);
        for garbage in ["", " ", "a\u{7}b"] {
            assert_eq!(id(Some(garbage)), derived, "{garbage:?}");
        }
        assert_ne!(event_id(&rule, |_| None, b"other").unwrap().id, derived.id);
    }

    proptest! {
        #[test]
        fn no_garbage_is_believed_or_panics(a in ".{0,80}", b in ".{0,80}", c in ".{0,80}", body: Vec<u8>) {
            for scheme in [standard(), hmac("{timestamp}.{body}"), hmac("{body}")] {
                let headers = [("webhook-id", a.as_str()), ("webhook-timestamp", &b), ("webhook-signature", &c), ("x-sign", &a), ("x-time", &b)];
                prop_assert!(check(&scheme, json!(SECRET), &headers, &body, NOW).is_err());
            }
        }
    }
}
