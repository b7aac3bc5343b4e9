//! Sends Revenova's webhooks: signed, and again until they are acknowledged or it is too late.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::http::{HeaderName, HeaderValue};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use tokio::time::Instant;

use crate::clock::now_microseconds;
use crate::commands::WebhookTarget;
use crate::journal::SentWebhook;
use crate::random::Random;
use crate::recorder::{Attempt, Recorder};

/// An HTTP client for webhooks.
pub struct Sender {
    client: reqwest::Client,
}

/// How long, and how often, a webhook is tried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub deadline: Instant,
    pub request_timeout: Duration,
    pub retry_base: Duration,
    pub retry_max: Duration,
}

impl Sender {
    /// A sender that trusts the given authority, and no other, for `https` targets.
    ///
    /// # Errors
    /// If the authority cannot be read.
    pub fn new(extra_authority: Option<&Path>) -> Result<Self> {
        let authorities = match extra_authority {
            None => Vec::new(),
            Some(path) => {
                let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
                reqwest::Certificate::from_pem_bundle(&pem)
                    .with_context(|| format!("{} holds no certificates", path.display()))?
            }
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only(authorities)
            .build()?;
        Ok(Self { client })
    }

    /// The client, for applications that sign in another way.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Sends one planned webhook and records every attempt. Ends with the acknowledgement,
    /// or when the deadline leaves no room for another attempt.
    pub async fn deliver(
        &self,
        target: &WebhookTarget,
        organization_id: &str,
        webhook: &SentWebhook,
        sequence: u64,
        patience: Patience,
        (recorder, random): (&Recorder, &mut Random),
    ) {
        let body = json!({
            "event": webhook.event,
            "object": webhook.object,
            "organizationId": organization_id,
            "record": webhook.content,
        })
        .to_string();
        let mut pause = patience.retry_base;
        loop {
            let left = patience.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let timeout = left.min(patience.request_timeout);
            let attempt = self.attempt(target, &webhook.delivery_id, body.clone(), timeout).await;
            let acknowledged = attempt.acknowledged_at.is_some();
            recorder.attempted(sequence, attempt);
            if acknowledged {
                return;
            }
            // Half of the pause is drawn, so that many senders do not come back as one.
            let drawn = pause.mul_f64(0.5 + random.below(1_000) as f64 / 2_000.0);
            let left = patience.deadline.saturating_duration_since(Instant::now());
            tokio::time::sleep(drawn.min(left)).await;
            pause = (pause * 2).min(patience.retry_max);
        }
    }

    async fn attempt(&self, target: &WebhookTarget, delivery_id: &str, body: String, timeout: Duration) -> Attempt {
        let at = now_microseconds();
        let timestamp = (at / 1_000_000).to_string();
        let signature = sign(&target.secret, &timestamp, &body);
        let mut request = self
            .client
            .post(&target.url)
            .timeout(timeout)
            .header("content-type", "application/json")
            .header("x-revenova-delivery", delivery_id)
            .header("x-revenova-timestamp", timestamp)
            .header("x-revenova-signature", signature);
        for (name, value) in &target.headers {
            request = request.header(name, value);
        }
        match request.body(body).send().await {
            Ok(response) => {
                let status = response.status();
                let acknowledged_at = status.is_success().then(now_microseconds);
                // Reading the answer to its end lets the connection be used again.
                let _ = response.bytes().await;
                let error = (!status.is_success()).then(|| format!("answered {status}"));
                Attempt { at, acknowledged_at, status: Some(status.as_u16()), error }
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
                Attempt { at, acknowledged_at: None, status: None, error: Some(format!("{error}{cause}")) }
            }
        }
    }
}

/// `sha256=<hex HMAC-SHA256(secret, "<timestamp>.<raw body>")>`.
fn sign(secret: &str, timestamp: &str, body: &str) -> String {
    // HMAC takes keys of any length; there is no error to handle.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// Whether webhooks can be sent so.
///
/// # Errors
/// Says what is wrong with the target.
pub fn check(target: &WebhookTarget) -> Result<(), String> {
    let url = reqwest::Url::parse(&target.url).map_err(|error| format!("the webhook's address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the webhook's address must begin with http:// or https://".to_owned());
    }
    for (name, value) in &target.headers {
        let usable = name.parse::<HeaderName>().is_ok() && value.parse::<HeaderValue>().is_ok();
        if !usable {
            return Err(format!("{name:?} is no header that can be sent"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_hmac_over_timestamp_and_body() {
        // From: printf '1795176000.{}' | openssl dgst -sha256 -hmac secret
        assert_eq!(
            sign("secret", "1795176000", "{}"),
            "sha256=a710a42e74b94b6cce7677d4751a844dfcbccb4a993893c3009da2da7e9a796e"
        );
    }

    #[test]
    fn targets_that_cannot_be_reached_are_refused() {
        let target =
            |url: &str| WebhookTarget { url: url.to_owned(), secret: String::new(), headers: Default::default() };
        assert_eq!(check(&target("http://localhost:4566/v1")), Ok(()));
        for url in ["", "localhost", "ftp://localhost", "http://"] {
            assert!(check(&target(url)).is_err(), "{url}");
        }
        let mut split = target("http://localhost");
        split.headers.insert("x".to_owned(), "a\r\nb: c".to_owned());
        assert!(check(&split).is_err());
    }
}
