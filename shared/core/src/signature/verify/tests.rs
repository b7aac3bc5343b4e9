//! Signatures of senders, good and bad.

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
    let headers =
        [("webhook-id", "id-1"), ("webhook-timestamp", "1614265330"), ("webhook-signature", signed.signature.as_str())];
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
    assert_eq!(check(&hmac("{timestamp}{body}"), json!("example"), &headers, BODY, NOW), Err(SignatureError::Mismatch));
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
fn a_token_in_the_query_is_compared_whole() {
    let scheme = scheme(r#"{"scheme":"token","query":"token","secret":"secret"}"#);
    let secrets = secrets(json!(["token-2", "a b+c"]));
    let verify = |query: &str| {
        let url = format!("https://a.example/v1/webhooks/acme/crm{query}");
        let request = SignedRequest { method: "POST", url: &url, body: BODY };
        verify(&scheme, &secrets, |_| None, &request, Timestamp::from_second(NOW).unwrap())
    };
    for good in ["?token=token-2", "?a=1&token=token-2&b", "?token=a%20b%2Bc", "?token=a+b%2bc"] {
        assert_eq!(verify(good), Ok(()), "{good}");
    }
    for other in ["?token=token-1", "?token=token", "?token=token-22", "?token=%FF", "?token=a+b+c"] {
        assert_eq!(verify(other), Err(SignatureError::Mismatch), "{other}");
    }
    let long = format!("?token={}", "x".repeat(3_000));
    for none in
        ["", "?", "?token", "?token=", "?Token=token-2", "?token=token-2&token=token-2", "#token=token-2", &long]
    {
        assert_eq!(verify(none), Err(SignatureError::Query), "{none}");
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
