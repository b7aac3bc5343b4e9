//! Sends events as HubSpot does: a list, signed with signature v3.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::objects;
use crate::clock::now_microseconds;
use crate::commands::{HubspotEvents, HubspotSent};
use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(15);
/// HubSpot puts up to a hundred events into one request.
const MOST_EVENTS: usize = 100;

/// Sends one request with events and tells what was answered. Nothing is tried again.
///
/// # Errors
/// If there is nowhere to send to, or no such event.
pub async fn send(world: &Arc<World>, command: HubspotEvents) -> Result<HubspotSent, String> {
    let target =
        world.hubspot.settings().webhook.ok_or("configure hubspot.webhook first: there is nowhere to send to")?;
    let object = objects::object(&command.object).ok_or_else(|| format!("there is no object {:?}", command.object))?;
    if !matches!(command.event.as_str(), "creation" | "propertyChange" | "deletion") {
        return Err(format!("there is no event {:?}", command.event));
    }
    if command.ids.len() > MOST_EVENTS {
        return Err(format!("a request has at most {MOST_EVENTS} events"));
    }
    let milliseconds = now_microseconds() / 1_000;
    let kind = format!("{}.{}", object.singular.to_lowercase(), command.event);
    let event = |(place, id): (usize, &u64)| {
        json!({
            "eventId": milliseconds + place as i64, "subscriptionId": 1, "portalId": 12345, "appId": 67890,
            "occurredAt": milliseconds, "subscriptionType": kind, "attemptNumber": 0, "objectId": id,
            "changeSource": "CRM_UI",
        })
    };
    let body = serde_json::Value::from(command.ids.iter().enumerate().map(event).collect::<Vec<_>>()).to_string();
    let timestamp = milliseconds.to_string();
    let signature = sign(&target.secret, "POST", &target.url, &body, &timestamp);
    let mut request = world
        .revenova
        .sender
        .client()
        .post(&target.url)
        .timeout(PATIENCE)
        .header("content-type", "application/json")
        .header("x-hubspot-request-timestamp", timestamp)
        .header("x-hubspot-signature-v3", signature);
    for (name, value) in &target.headers {
        request = request.header(name, value);
    }
    let response = request.body(body).send().await.map_err(|error| error.to_string())?;
    Ok(HubspotSent { status: response.status().as_u16() })
}

/// Base64 of HMAC-SHA256(client secret, method + URL + body + time).
fn sign(secret: &str, method: &str, url: &str, body: &str, timestamp: &str) -> String {
    // HMAC takes keys of any length; there is no error to handle.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    for part in [method, url, body, timestamp] {
        mac.update(part.as_bytes());
    }
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_hmac_over_method_url_body_and_time() {
        // From: printf 'POSThttps://example.com/hook[]1795176000123' | openssl dgst -sha256 -hmac secret -binary | base64
        let signature = sign("secret", "POST", "https://example.com/hook", "[]", "1795176000123");
        assert_eq!(signature, "sxx+yYnnSP3IOT+TTslsT8DvWWCoxN8p8nT+afp/TnU=");
    }
}
