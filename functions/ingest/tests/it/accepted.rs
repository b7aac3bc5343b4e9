//! What is accepted is durable, and told so.

use crate::support::{Gateway, MAX_BYTES, SECRET, SECRET_NAME, inbound};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::objects::Objects;
use fluxnex_core::message::{EventSource, LARGEST_INLINE_BYTES};
use fluxnex_testing::captured;
use serde_json::{Value, json};
use std::time::Duration;

const BODY: &str = r#"{"event":"updated","record":{"Id":"001","Amount":1.10,"Name":"marked-body"}}"#;

#[tokio::test]
async fn an_accepted_webhook_is_one_durable_message() {
    let gateway = Gateway::new().await;
    let answer = gateway.send(BODY).await;
    assert_eq!(answer.status(), 202);
    let events = gateway.events();
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert_eq!((event.tenant.as_str(), event.connection.as_str()), ("acme", "revenova"));
    assert_eq!(answer.body(), json!({ "event": event.event }));
    assert_eq!((event.sender_event_id.as_str(), event.derived), ("delivery-1", false));
    assert_eq!((event.source, event.arrived_at), (EventSource::Webhook, gateway.clock.now()));
    assert_eq!(event.inline.as_ref().unwrap().get(), BODY, "as it was sent, digit for digit");
    assert!(event.claim_check.is_none() && event.object.is_none());
    let message = &gateway.queues.messages(&inbound())[0];
    assert_eq!((message.group.as_deref(), message.delay), (Some("acme"), Duration::ZERO));
}

#[tokio::test]
async fn the_same_webhook_again_is_another_event_of_the_same_sender_id() {
    let gateway = Gateway::new().await;
    for _ in 0..2 {
        assert_eq!(gateway.send(BODY).await.status(), 202);
    }
    let events = gateway.events();
    assert_ne!(events[0].event, events[1].event);
    assert_eq!(events[0].sender_event_id, events[1].sender_event_id, "replicate recognises it by this");
}

#[tokio::test]
async fn without_an_id_of_the_sender_the_body_gives_one() {
    let gateway = Gateway::new().await;
    for body in [BODY, BODY, "[1]"] {
        let mut request = gateway.request(body);
        request.headers.remove("x-revenova-delivery");
        assert_eq!(gateway.answer(request).await.status(), 202);
    }
    let events = gateway.events();
    assert!(events.iter().all(|event| event.derived && event.sender_event_id.as_str().starts_with("sha256:")));
    assert_eq!(events[0].sender_event_id, events[1].sender_event_id);
    assert_ne!(events[0].sender_event_id, events[2].sender_event_id);
}

#[tokio::test]
async fn a_body_in_base64_is_the_same_body() {
    let gateway = Gateway::new().await;
    let mut request = gateway.request(BODY);
    request.body = Some(STANDARD.encode(BODY));
    request.is_base64_encoded = true;
    assert_eq!(gateway.answer(request).await.status(), 202);
    assert_eq!(gateway.events()[0].inline.as_ref().unwrap().get(), BODY);
}

/// A JSON text of exactly that many bytes.
fn text_of(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

#[tokio::test]
async fn a_body_above_64_kib_waits_in_the_bucket() {
    let gateway = Gateway::new().await;
    let (small, large) = (text_of(LARGEST_INLINE_BYTES), text_of(LARGEST_INLINE_BYTES + 1));
    assert_eq!(gateway.send(&small).await.status(), 202);
    assert_eq!(gateway.objects.keys(), Vec::<String>::new());
    assert_eq!(gateway.send(&large).await.status(), 202);
    let events = gateway.events();
    assert!(events[0].inline.is_some() && events[0].claim_check.is_none());
    assert!(events[1].inline.is_none());
    let check = events[1].claim_check.as_ref().unwrap();
    assert_eq!(check.bytes, 65_537);
    assert_eq!(check.key, format!("payloads/acme/revenova/2026/01/01/{}.json", events[1].event));
    assert_eq!(gateway.objects.get(&check.key, MAX_BYTES).await.unwrap(), large.into_bytes());
    assert!(gateway.queues.messages(&inbound())[1].body.len() < 1000);
}

#[tokio::test]
async fn a_rotated_secret_is_accepted_at_once_and_the_old_one_no_more() {
    let gateway = Gateway::new().await;
    assert_eq!(gateway.send(BODY).await.status(), 202);
    gateway.secrets.create(SECRET_NAME, json!({"webhook_secret": "new"}));
    assert_eq!(gateway.answer(gateway.request_of("new", BODY)).await.status(), 202);
    gateway.answer(gateway.request_of(SECRET, BODY)).await.assert_problem(401, "/problems/signature");
    gateway.secrets.create(SECRET_NAME, json!({"webhook_secret": ["newest", "new"]}));
    gateway.clock.advance(Duration::from_secs(30));
    for secret in ["newest", "new"] {
        assert_eq!(gateway.answer(gateway.request_of(secret, BODY)).await.status(), 202, "both, while they rotate");
    }
}

#[tokio::test]
async fn a_line_says_what_happened_and_nothing_of_what_was_sent() {
    let gateway = Gateway::new().await;
    gateway.send(BODY).await;
    gateway.answer(gateway.request_of("wrong", BODY)).await;
    gateway.send("marked-body is no JSON").await;
    let mut request = gateway.request(BODY);
    let signature = request.headers["x-revenova-signature"].to_str().unwrap().to_owned();
    request.headers.insert("x-revenova-timestamp", "marked-header".parse().unwrap());
    request.headers.insert("authorization", "Bearer marked-header".parse().unwrap());
    gateway.answer(request).await;
    let text = captured::text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_webhooks: Vec<&Value> = lines.iter().filter(|line| line["message"] == "webhook").collect();
    let outcomes: Vec<_> =
        of_webhooks.iter().map(|line| (line["outcome"].as_str().unwrap(), &line["status"])).collect();
    let (none, unauthorised, bad) = (&Value::Null, &json!(401), &json!(400));
    assert_eq!(outcomes, [("accepted", none), ("refused", unauthorised), ("refused", bad), ("refused", unauthorised)]);
    assert_eq!((&of_webhooks[0]["tenant"], &of_webhooks[0]["connection"]), (&json!("acme"), &json!("revenova")));
    assert_eq!(of_webhooks[0]["event"], json!(gateway.events()[0].event));
    for marker in ["marked-body", "marked-header", SECRET, &signature] {
        assert!(!text.contains(marker), "{marker} was logged: {text}");
    }
}
