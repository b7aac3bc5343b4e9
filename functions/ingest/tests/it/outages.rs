//! What is silent or set up wrongly: never 202 for what is not durable, and served where it can be.

use crate::support::{Answer, Gateway, SECRET_NAME, inbound, settings};
use async_trait::async_trait;
use fluxnex_cloud::cached_secrets::CachedSecrets;
use fluxnex_cloud::control::{Control, Facet};
use fluxnex_cloud::objects::{ObjectError, Objects};
use ingest::Ingest;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn assert_unavailable(answer: &Answer) {
    answer.assert_problem(503, "about:blank");
    assert_eq!(answer.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn a_silent_queue_is_never_202() {
    let gateway = Gateway::new().await;
    gateway.queues.set_silent(&inbound(), true);
    assert_unavailable(&gateway.send("{}").await);
    assert_unavailable(&gateway.send(&format!("\"{}\"", "x".repeat(70_000))).await);
    assert!(gateway.events().is_empty());
    gateway.queues.set_silent(&inbound(), false);
    assert_eq!(gateway.send("{}").await.status(), 202);
    assert_eq!(gateway.events().len(), 1);
}

/// A bucket that takes nothing.
struct SilentObjects;

#[async_trait]
impl Objects for SilentObjects {
    async fn put(&self, key: &str, _: Vec<u8>, _: &str) -> Result<(), ObjectError> {
        Err(ObjectError::Unavailable { key: key.to_owned(), code: "Silent".to_owned(), source: None })
    }

    async fn get(&self, key: &str, _: usize) -> Result<Vec<u8>, ObjectError> {
        Err(ObjectError::NotFound { key: key.to_owned() })
    }
}

#[tokio::test]
async fn a_silent_bucket_stops_large_bodies_only() {
    let gateway = Gateway::new().await;
    let stage = Ingest::new(
        gateway.control.clone(),
        Arc::new(CachedSecrets::new(gateway.secrets.clone(), gateway.clock.clone())),
        gateway.queues.clone(),
        Arc::new(SilentObjects),
        gateway.clock.clone(),
        inbound(),
    );
    let gateway = Gateway { stage, ..gateway };
    assert_unavailable(&gateway.send(&format!("\"{}\"", "x".repeat(70_000))).await);
    assert!(gateway.events().is_empty(), "no message without its payload");
    assert_eq!(gateway.send("{}").await.status(), 202);
}

#[tokio::test]
async fn what_is_remembered_serves_while_the_control_table_is_silent() {
    let gateway = Gateway::new().await;
    assert_eq!(gateway.send("{}").await.status(), 202);
    gateway.control.set_silent(true);
    for _ in 0..3 {
        gateway.clock.advance(Duration::from_secs(3600));
        assert_eq!(gateway.send("{}").await.status(), 202);
    }
    assert_eq!(gateway.events().len(), 4);
}

#[tokio::test]
async fn nothing_remembered_and_a_silent_control_table_asks_to_come_again() {
    let gateway = Gateway::new().await;
    gateway.control.set_silent(true);
    assert_unavailable(&gateway.send("{}").await);
    gateway.assert_nothing_kept();
    gateway.control.set_silent(false);
    assert_eq!(gateway.send("{}").await.status(), 202, "the outage itself is not remembered");
}

#[tokio::test]
async fn a_connection_made_a_moment_ago_is_served_within_30_seconds() {
    let gateway = Gateway::new().await;
    let mut request = gateway.request("{}");
    request.path_parameters.insert("connection".to_owned(), "other".to_owned());
    assert_eq!(gateway.answer(request.clone()).await.status(), 404);
    let (tenant, connection) = ("acme".parse().unwrap(), "other".parse().unwrap());
    gateway.control.publish(&tenant, &connection, Facet::Webhook, 1, &settings()).await.unwrap();
    gateway.clock.advance(Duration::from_secs(30));
    assert_eq!(gateway.answer(request).await.status(), 202);
}

#[tokio::test]
async fn a_secret_that_cannot_be_had_or_used_is_our_fault() {
    let gateway = Gateway::new().await;
    gateway.secrets.set_silent(true);
    assert_unavailable(&gateway.send("{}").await);
    gateway.secrets.set_silent(false);
    gateway.secrets.delete(SECRET_NAME);
    assert_unavailable(&gateway.send("{}").await);
    gateway.clock.advance(Duration::from_secs(60));
    for unusable in
        [json!({}), json!({"webhook_secret": ""}), json!({"webhook_secret": 1}), json!({"webhook_secret": []})]
    {
        gateway.secrets.create(SECRET_NAME, unusable);
        gateway.clock.advance(Duration::from_secs(300));
        assert_unavailable(&gateway.send("{}").await);
    }
    gateway.assert_nothing_kept();
}

#[tokio::test]
async fn a_remembered_secret_bridges_an_outage_of_secrets() {
    let gateway = Gateway::new().await;
    assert_eq!(gateway.send("{}").await.status(), 202);
    gateway.secrets.set_silent(true);
    gateway.clock.advance(Duration::from_secs(1800));
    assert_eq!(gateway.send("{}").await.status(), 202);
}

#[tokio::test]
async fn settings_that_cannot_be_read_are_our_fault() {
    let gateway = Gateway::new().await;
    for garbage in [json!({}), json!("x"), json!({"connector": "revenova", "signature": {"scheme": "none"}})] {
        gateway.publish(2, &garbage).await;
        gateway.clock.advance(Duration::from_secs(30));
        assert_unavailable(&gateway.send("{}").await);
    }
    gateway.assert_nothing_kept();
}
