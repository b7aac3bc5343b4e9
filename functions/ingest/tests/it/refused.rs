//! What is not accepted leaves nothing behind, and is told no more than it needs to know.

use crate::support::{Gateway, MAX_BYTES, SECRET, settings};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fluxnex_cloud::clock::Clock;
use fluxnex_testing::{signed, webhook_request};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_signature_that_is_not_ours_is_refused() {
    let gateway = Gateway::new().await;
    gateway.answer(gateway.request_of("wrong", "{}")).await.assert_problem(401, "/problems/signature");
    for garbage in ["", "sha256=", "sha256=zz", "sha256=00", "00", "sha256=\u{e9}"] {
        let mut request = gateway.request("{}");
        request.headers.insert("x-revenova-signature", garbage.parse().unwrap());
        gateway.answer(request).await.assert_problem(401, "/problems/signature");
    }
    let mut request = gateway.request("{}");
    request.body = Some("[]".to_owned());
    gateway.answer(request).await.assert_problem(401, "/problems/signature");
    gateway.assert_nothing_kept();
}

#[tokio::test]
async fn headers_that_are_missing_or_old_are_refused() {
    let gateway = Gateway::new().await;
    for name in ["x-revenova-signature", "x-revenova-timestamp"] {
        let mut request = gateway.request("{}");
        request.headers.remove(name);
        gateway.answer(request).await.assert_problem(401, "/problems/signature");
    }
    let now = gateway.clock.now().as_second();
    for seconds in [now - 301, now + 301, i64::MIN, i64::MAX] {
        let headers = signed(SECRET, "d", seconds, b"{}");
        let request = webhook_request("acme", "revenova", &headers, "{}");
        gateway.answer(request).await.assert_problem(401, "/problems/signature");
    }
    gateway.assert_nothing_kept();
    for seconds in [now - 300, now + 300] {
        let headers = signed(SECRET, "d", seconds, b"{}");
        assert_eq!(gateway.answer(webhook_request("acme", "revenova", &headers, "{}")).await.status(), 202);
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_told_from_what_cannot_exist() {
    let gateway = Gateway::new().await;
    let mut answers = Vec::new();
    for (tenant, connection) in [
        ("acme", "quickbooks"),
        ("globex", "revenova"),
        ("ACME", "revenova"),
        ("acme", "../revenova"),
        ("", ""),
        ("acme; drop schema tenant_acme", "revenova"),
    ] {
        let headers = signed(SECRET, "d", gateway.clock.now().as_second(), b"{}");
        let answer = gateway.answer(webhook_request(tenant, connection, &headers, "{}")).await;
        answer.assert_problem(404, "/problems/unknown-connection");
        answers.push(answer.body());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let mut request = gateway.request("{}");
    request.path_parameters.clear();
    gateway.answer(request).await.assert_problem(404, "/problems/unknown-connection");
    gateway.assert_nothing_kept();
}

#[tokio::test]
async fn a_paused_connection_asks_to_come_again() {
    let gateway = Gateway::new().await;
    let mut paused = settings();
    paused["paused"] = json!(true);
    gateway.publish(2, &paused).await;
    let answer = gateway.send("{}").await;
    answer.assert_problem(503, "/problems/connection-paused");
    assert_eq!(answer.header("retry-after"), Some("60"));
    gateway.assert_nothing_kept();
    gateway.publish(3, &settings()).await;
    gateway.clock.advance(Duration::from_secs(30));
    assert_eq!(gateway.send("{}").await.status(), 202, "a new version is in force within 30 seconds");
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    let gateway = Gateway::new().await;
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let deep_objects = format!("{}1{}", "{\"a\":".repeat(2000), "}".repeat(2000));
    for body in ["", " ", "x", "{\"a\":1", "{} {}", "{\"a\":01}", "{'a':1}", "\u{feff}{}", "NaN", &deep, &deep_objects]
    {
        gateway.send(body).await.assert_problem(400, "/problems/body");
    }
    let mut request = gateway.request("");
    request.body = None;
    gateway.answer(request).await.assert_problem(400, "/problems/body");
    gateway.assert_nothing_kept();
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let gateway = Gateway::new().await;
    for bytes in [&b"\xff\xfe"[..], b"{\"a\":\"\xc3\x28\"}", b"\xed\xa0\x80"] {
        let headers = signed(SECRET, "d", gateway.clock.now().as_second(), bytes);
        let mut request = webhook_request("acme", "revenova", &headers, &STANDARD.encode(bytes));
        request.is_base64_encoded = true;
        gateway.answer(request).await.assert_problem(400, "/problems/body");
    }
    let mut request = gateway.request("{}");
    request.is_base64_encoded = true;
    request.body = Some("not base64!".to_owned());
    gateway.answer(request).await.assert_problem(400, "/problems/body");
    gateway.assert_nothing_kept();
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whoever_sends_it() {
    let gateway = Gateway::new().await;
    let body = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    gateway.send(&body(MAX_BYTES + 1)).await.assert_problem(413, "/problems/body-too-large");
    gateway
        .answer(gateway.request_of("wrong", &body(MAX_BYTES + 1)))
        .await
        .assert_problem(413, "/problems/body-too-large");
    for bytes in [MAX_BYTES + 1, MAX_BYTES * 5] {
        let mut request = gateway.request(&body(bytes));
        request.body = Some(STANDARD.encode(body(bytes)));
        request.is_base64_encoded = true;
        gateway.answer(request).await.assert_problem(413, "/problems/body-too-large");
    }
    gateway.assert_nothing_kept();
    assert_eq!(gateway.send(&body(MAX_BYTES)).await.status(), 202, "the limit itself is allowed");
}
