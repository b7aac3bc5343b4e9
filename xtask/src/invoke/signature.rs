//! Signs a webhook's event as its sender would: by what is published of the connection that its path names,
//! with the connection's secret on the platform.

use anyhow::{Context, Result, anyhow, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use fluxnex_core::signature::{
    ActiveSecrets, Encoding, SignatureScheme, SignedPlace, SignedRequest, WebhookSettings, sign_standard_webhook,
};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::Sha256;

use super::{
    HOW_TO_APPLY,
    placeholders::{SIGNATURE, needs_signature},
};
use crate::aws::{Aws, Deployed};

/// The setting of a function that names the table that connections are published in.
const CONTROL_TABLE: &str = "CONTROL_TABLE";
/// Puts the signature into the header that asks for it.
pub async fn fill(event: &mut Value, deployed: &Deployed, aws: &Aws) -> Result<()> {
    let table = deployed.variables().get(CONTROL_TABLE);
    let table = table
        .ok_or_else(|| anyhow!("{} takes no webhooks: {SIGNATURE} means nothing there", deployed.function_name))?;
    let part = |name: &str| event.get("pathParameters").and_then(|names| names.get(name)?.as_str());
    let (Some(tenant), Some(connection)) = (part("tenant"), part("connection")) else {
        bail!("{SIGNATURE} needs an event whose pathParameters name tenant and connection");
    };
    let key = format!("connection#{tenant}#{connection}");
    let published = aws.item_text(table, (&key, "webhook"), "document").await;
    let published = published.context("the platform's control table cannot be read")?.ok_or_else(|| {
        anyhow!("{tenant} has no connection {connection} that takes webhooks on this platform; {HOW_TO_APPLY}")
    })?;
    let settings: WebhookSettings =
        serde_json::from_str(&published).context("what is published of the connection is not understood")?;
    let secret = aws.secret(&settings.secret_name).await?;
    let signature_scheme = &settings.way_of(header(event, "content-type").ok()).signature;
    let secrets = ActiveSecrets::of(&secret.as_object().cloned().unwrap_or_default(), signature_scheme.secret())
        .with_context(|| format!("the secret {} cannot be used", settings.secret_name))?;
    let signature = sign(event, signature_scheme, &secrets)?;
    let headers = event.get_mut("headers").and_then(Value::as_object_mut);
    let asking = headers.into_iter().flat_map(Map::values_mut).filter(|value| value.as_str() == Some(SIGNATURE));
    let mut filled = 0;
    for value in asking {
        *value = Value::String(signature.clone());
        filled += 1;
    }
    if let Some(Value::String(query)) = event.get_mut("rawQueryString").filter(|query| needs_signature(query)) {
        *query = query.replace(SIGNATURE, &signature);
        filled += 1;
    }
    if filled == 0 {
        Err(anyhow!("{SIGNATURE} can only be the whole value of a header, or stand in the URL's query"))
    } else {
        Ok(())
    }
}

/// The value of the signature's header.
fn sign(event: &Value, scheme: &SignatureScheme, secrets: &ActiveSecrets) -> Result<String> {
    let body = body(event)?;
    let secret = secrets.iter().next().unwrap_or_default();
    match scheme {
        SignatureScheme::HmacSha256 { prefix, encoding, signed, timestamp_header, .. } => {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
            let timestamp = match signed.has(SignedPlace::Timestamp) {
                true => header(event, timestamp_header.as_deref().unwrap_or_default())?,
                false => "",
            };
            let url = url(event);
            for piece in signed.fill(&SignedRequest { method: "POST", url: &url, body: &body }, timestamp) {
                mac.update(&piece);
            }
            let tag = mac.finalize().into_bytes();
            let tag = match encoding {
                Encoding::Hex => hex::encode(tag),
                Encoding::Base64 => STANDARD.encode(tag),
            };
            Ok(format!("{prefix}{tag}"))
        }
        SignatureScheme::StandardWebhooks { .. } => {
            let (id, sent) = (header(event, "webhook-id")?, header(event, "webhook-timestamp")?);
            let sent = Timestamp::from_second(sent.parse().context("webhook-timestamp is not a number of seconds")?)?;
            Ok(sign_standard_webhook(secrets, id, sent, &body)?.signature)
        }
        SignatureScheme::Token { prefix, .. } => Ok(format!("{prefix}{secret}")),
    }
}

/// The URL that the event says was called, as `ingest` takes it from there.
fn url(event: &Value) -> String {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let query = text("/rawQueryString");
    let mark = if query.is_empty() { "" } else { "?" };
    format!("https://{}{}{mark}{query}", text("/requestContext/domainName"), text("/rawPath"))
}

fn body(event: &Value) -> Result<Vec<u8>> {
    let text = event.get("body").and_then(Value::as_str).unwrap_or_default();
    if event.get("isBase64Encoded").and_then(Value::as_bool) == Some(true) {
        STANDARD.decode(text).context("the body is not base64, though isBase64Encoded says so")
    } else {
        Ok(text.as_bytes().to_vec())
    }
}

/// API Gateway writes names of headers in lower case.
fn header<'a>(event: &'a Value, name: &str) -> Result<&'a str> {
    let name = name.to_ascii_lowercase();
    let value = event.get("headers").and_then(|headers| headers.get(&name)?.as_str());
    value.ok_or_else(|| anyhow!("the signature covers the header {name}, which the event does not have"))
}

#[cfg(test)]
mod tests {
    use fluxnex_core::signature::verify;
    use serde_json::json;

    use super::*;

    fn secrets() -> ActiveSecrets {
        let secret = json!({ "webhook": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=" });
        ActiveSecrets::of(secret.as_object().unwrap(), "webhook").unwrap()
    }

    /// Signs an event, and lets the receiver's own code judge it.
    fn is_believed(scheme: Value, mut event: Value, name: &str) -> bool {
        let scheme: SignatureScheme = serde_json::from_value(scheme).unwrap();
        let signature = sign(&event, &scheme, &secrets()).unwrap();
        event["headers"][name] = signature.into();
        let header = |name: &str| event["headers"][name].as_str();
        let (body, url) = (body(&event).unwrap(), url(&event));
        let request = SignedRequest { method: "POST", url: &url, body: &body };
        verify(&scheme, &secrets(), header, &request, Timestamp::from_second(1_795_176_000).unwrap()).is_ok()
    }

    #[test]
    fn each_scheme_is_signed_as_its_receiver_wants_it() {
        let hmac = |encoding: &str, signed: &str| {
            json!({ "scheme": "hmac_sha256", "header": "X-Sig", "prefix": "sha256=", "encoding": encoding, "signed": signed,
                    "timestamp_header": "X-Time", "secret": "webhook" })
        };
        let event = json!({ "headers": { "x-time": "1795176000" }, "body": "{\"a\":1}" });
        assert!(is_believed(hmac("hex", "{timestamp}.{body}"), event.clone(), "x-sig"));
        assert!(is_believed(hmac("base64", "{body}"), event.clone(), "x-sig"));
        assert!(is_believed(hmac("base64", "{method}{url}{body}{timestamp}"), event.clone(), "x-sig"));
        let encoded = json!({ "headers": { "x-time": "1795176000" }, "body": "eyJhIjoxfQ==", "isBase64Encoded": true });
        assert!(is_believed(hmac("hex", "{timestamp}.{body}"), encoded, "x-sig"));
        let token = json!({ "scheme": "token", "header": "Authorization", "prefix": "Bearer ", "secret": "webhook" });
        assert!(is_believed(token, event, "authorization"));
        let standard = json!({ "scheme": "standard_webhooks", "secret": "webhook" });
        let event =
            json!({ "headers": { "webhook-id": "m1", "webhook-timestamp": "1795176000" }, "body": "{\"a\":1}" });
        assert!(is_believed(standard, event, "webhook-signature"));
    }

    #[test]
    fn a_header_that_is_signed_must_be_there() {
        let scheme: SignatureScheme =
            serde_json::from_value(json!({ "scheme": "standard_webhooks", "secret": "s" })).unwrap();
        let error = sign(&json!({ "headers": {}, "body": "" }), &scheme, &secrets()).unwrap_err();
        assert!(error.to_string().contains("webhook-id"), "{error}");
    }
}
