//! How a sender of webhooks signs: told in words, as a document, and as a command that can be tried.

use fluxnex_core::connector::Manifest;
use fluxnex_core::signature::{Encoding, KnownSender, SignatureScheme, TimeUnit, WebhookFormat, WebhookWay};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a sender has to know.
pub struct Webhook {
    pub text: String,
    pub document: Value,
}

/// How senders of webhooks to this URL sign; nothing if the connector takes none with these settings.
pub fn describe(manifest: &Manifest, settings: &BTreeMap<String, String>, url: &str) -> Option<Webhook> {
    let published = manifest.published_webhook(settings, "", false).ok()??;
    let (mut texts, mut documents) = (Vec::new(), Vec::new());
    for way in std::iter::once(&published.way).chain(&published.also) {
        let Told { words, example } = told(way, url);
        let credential = way.signature.secret();
        texts.push(format!(
            "Webhooks{} go to\n  {url}\nsigned with `{credential}`: {words}.\n\nTo try it, with the secret in the variable SECRET:\n\n{}",
            if way.format.is_json() { "" } else { " in XML" },
            indented(&example)
        ));
        documents.push(json!({
            "url": url, "format": way.format, "signature": way.signature, "event_id": way.event_id, "sender": way.sender,
            "example": example,
        }));
    }
    let mut document = documents.remove(0);
    if let (Some(fields), false) = (document.as_object_mut(), documents.is_empty()) {
        fields.insert("also".to_owned(), Value::from(documents));
    }
    Some(Webhook { text: texts.join("\n"), document })
}

/// One way in words, and as a command.
struct Told {
    words: String,
    example: String,
}

fn told(way: &WebhookWay, url: &str) -> Told {
    let body = Body::of(&way.format);
    let (mut words, example) = match &way.signature {
        SignatureScheme::HmacSha256 { header, prefix, encoding, signed, timestamp_header, timestamp_unit, .. } => {
            let signed = String::from(signed.clone());
            let written = match encoding {
                Encoding::Hex => "hexadecimal digits",
                Encoding::Base64 => "base64",
            };
            let mut words = format!("HMAC-SHA256 over {signed} in {written}, in the header {header}");
            if !prefix.is_empty() {
                words.push_str(&format!(" after `{prefix}`"));
            }
            if let Some(timestamp) = timestamp_header {
                let unit = if *timestamp_unit == TimeUnit::Seconds { "seconds" } else { "milliseconds" };
                words.push_str(&format!("; the time of sending, in {unit} since 1970, in {timestamp}"));
            }
            let timestamp = timestamp_header.as_deref().map(|name| (name, *timestamp_unit));
            let hmac = Hmac { header, prefix, encoding: *encoding, signed: &signed, timestamp };
            (words, hmac.example(url, &body))
        }
        SignatureScheme::StandardWebhooks { .. } => {
            let words = "Standard Webhooks 1.0: webhook-id, webhook-timestamp and webhook-signature".to_owned();
            (words, standard(url, &body))
        }
        SignatureScheme::Token { query: Some(name), .. } => {
            let words = format!("a shared token in the URL's query: {url}?{name}=…");
            (words, post(&format!("{url}?{name}=$SECRET"), &body, &[]))
        }
        SignatureScheme::Token { header, prefix, .. } => {
            let header = header.as_deref().unwrap_or_default();
            let words = format!("a shared token in the header {header}, after `{prefix}`");
            (words, post(url, &body, &[format!("{header}: {prefix}$SECRET")]))
        }
    };
    if let Some(KnownSender { at, is, .. }) = &way.sender {
        words.push_str(&format!("; only those that say {is} at {at} are taken"));
    }
    Told { words, example }
}

/// A body to try, and its type.
struct Body {
    content_type: &'static str,
    text: &'static str,
}

impl Body {
    fn of(format: &WebhookFormat) -> Self {
        match format {
            WebhookFormat::Json => Self { content_type: "application/json", text: r#"{"example": true}"# },
            WebhookFormat::Xml { .. } => Self { content_type: "text/xml", text: "<example/>" },
        }
    }
}

/// How a body is signed with HMAC-SHA256.
struct Hmac<'a> {
    header: &'a str,
    prefix: &'a str,
    encoding: Encoding,
    signed: &'a str,
    /// The header with the time of sending, and its unit.
    timestamp: Option<(&'a str, TimeUnit)>,
}

impl Hmac<'_> {
    fn example(&self, url: &str, body: &Body) -> String {
        let Self { header, prefix, encoding, signed, timestamp } = *self;
        let mut lines = vec![format!("body='{}'", body.text)];
        if let Some((_, unit)) = timestamp {
            let thousandths = if unit == TimeUnit::Seconds { "" } else { "000" };
            lines.push(format!("timestamp=$(date +%s){thousandths}"));
        }
        if signed.contains("{body_sha256}") {
            lines.push("body_sha256=$(printf '%s' \"$body\" | openssl dgst -sha256 -r | cut -d' ' -f1)".to_owned());
        }
        let path = url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default();
        let places = [
            ("{method}", "POST"),
            ("{url}", url),
            ("{url_decoded}", url),
            ("{path}", path.as_str()),
            ("{query}", ""),
            ("{timestamp}", "$timestamp"),
            ("{body_sha256}", "$body_sha256"),
            ("{body}", "$body"),
        ];
        let text = places.iter().fold(signed.to_owned(), |text, (place, value)| text.replace(place, value));
        let digest = match encoding {
            Encoding::Hex => "openssl dgst -sha256 -hmac \"$SECRET\" -r | cut -d' ' -f1",
            Encoding::Base64 => "openssl dgst -sha256 -hmac \"$SECRET\" -binary | base64",
        };
        lines.push(format!("signature=$(printf '%s' \"{text}\" | {digest})"));
        let mut headers = vec![format!("{header}: {prefix}$signature")];
        headers.extend(timestamp.map(|(name, _)| format!("{name}: $timestamp")));
        lines.push(post(url, body, &headers).lines().skip(1).collect::<Vec<_>>().join("\n"));
        lines.join("\n")
    }
}

// The specification's key is the base64 after `whsec_`.
fn standard(url: &str, body: &Body) -> String {
    let headers = ["webhook-id: $id", "webhook-timestamp: $timestamp", "webhook-signature: v1,$signature"];
    let post = post(url, body, &headers.map(str::to_owned));
    let (body, post) = post.split_once('\n').unwrap_or_default();
    [
        body,
        "id=msg_$(date +%s) timestamp=$(date +%s)",
        "key=$(printf '%s' \"${SECRET#whsec_}\" | base64 -d | od -An -v -tx1 | tr -d ' \\n')",
        "signature=$(printf '%s' \"$id.$timestamp.$body\" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | base64)",
        post,
    ]
    .join("\n")
}

fn post(url: &str, body: &Body, headers: &[String]) -> String {
    let Body { content_type, text } = body;
    let headers: String = headers.iter().map(|header| format!(" \\\n  -H \"{header}\"")).collect();
    format!(
        "body='{text}'\ncurl -X POST \"{url}\" -H 'Content-Type: {content_type}'{headers} \\\n  --data-binary \"$body\""
    )
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fluxnex_connect::catalog;
    use fluxnex_core::signature::{ActiveSecrets, SignedRequest, verify};
    use jiff::Timestamp;
    use std::process::Command;

    const URL: &str = "https://api.example.com/v1/webhooks/acme/source";
    const SECRET: &str = "whsec_ZXhhbXBsZS1zaWduaW5nLWtleS0wMDAw";

    /// Runs the example with a `curl` that prints its arguments, and gives URL, headers and body.
    fn run(example: &str) -> (String, BTreeMap<String, String>, String) {
        let script = format!("curl() {{ for word in \"$@\"; do printf '%s\\n' \"$word\"; done; }}\n{example}\n");
        let output = Command::new("sh").args(["-euc", &script]).env("SECRET", SECRET).output().unwrap();
        assert!(output.status.success(), "{example}\n{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let headers = text.lines().filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let url = text.lines().find(|line| line.starts_with("https://")).unwrap().to_owned();
        (url, headers, text.lines().last().unwrap().to_owned())
    }

    #[test]
    fn what_is_told_to_senders_is_what_ingest_accepts() {
        let standard = r#"{"scheme":"standard_webhooks","secret":"secret"}"#;
        let token = r#"{"scheme":"token","header":"X-Token","prefix":"Bearer ","secret":"secret"}"#;
        let query = r#"{"scheme":"token","query":"token","secret":"secret"}"#;
        let decoded = r#"{"scheme":"hmac_sha256","header":"X-Signature","encoding":"base64","signed":"{method}{url}{body}{timestamp}","timestamp_header":"X-Time","timestamp_unit":"milliseconds","secret":"secret"}"#;
        let mut manifests: Vec<Manifest> = catalog::names().map(|name| catalog::manifest(name).unwrap()).collect();
        let base = manifests.iter().find(|manifest| manifest.connector.as_str() == "hubspot").unwrap().clone();
        for scheme in [standard, token, query, decoded] {
            let mut manifest = base.clone();
            manifest.webhook.as_mut().unwrap().signature = serde_json::from_str(scheme).unwrap();
            manifests.push(manifest);
        }
        let mut tried = 0;
        for manifest in manifests {
            let required = manifest.settings.iter().filter(|(_, setting)| setting.required);
            let mut settings: BTreeMap<String, String> = required.map(|(name, _)| (name.clone(), "x".into())).collect();
            if manifest.settings.contains_key("organization_id") {
                settings.insert("organization_id".to_owned(), "00D000000000001EAA".to_owned());
            }
            let Some(webhook) = describe(&manifest, &settings, URL) else { continue };
            let published = manifest.published_webhook(&settings, "", false).unwrap().unwrap();
            let also = webhook.document["also"].as_array().into_iter().flatten();
            for document in std::iter::once(&webhook.document).chain(also) {
                let (url, headers, body) = run(document["example"].as_str().unwrap());
                let header = |name: &str| headers.get(name).map(String::as_str);
                let way = published.way_of(header("content-type"));
                assert_eq!(document["signature"], serde_json::json!(way.signature));
                let secret = serde_json::json!({ way.signature.secret(): SECRET });
                let secrets = ActiveSecrets::of(secret.as_object().unwrap(), way.signature.secret()).unwrap();
                let request = SignedRequest { method: "POST", url: &url, body: body.as_bytes() };
                let verified = verify(&way.signature, &secrets, header, &request, Timestamp::now());
                assert_eq!(verified, Ok(()), "{}: {}\n{headers:?}\n{body}", manifest.connector, webhook.text);
                tried += 1;
            }
        }
        assert!(tried >= 7, "{tried}");
    }
}
