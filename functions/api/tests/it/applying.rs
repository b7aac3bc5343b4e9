//! Health, and bundles that are applied.

use crate::support::Stage;
use fluxnex_cloud::control::{Control, Facet};
use fluxnex_core::ids::ConnectionId;
use fluxnex_core::signature::WebhookSettings;
use fluxnex_testing::{Setting, TestDatabase};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

async fn published(stage: &Stage, connection: &str) -> Option<(u64, Value)> {
    let connection = ConnectionId::parse(connection).unwrap();
    let document = stage.setting.control.published(&stage.setting.tenant, &connection, Facet::Webhook).await.unwrap();
    document.map(|document| (document.version, document.body))
}

#[tokio::test]
async fn health_tells_life_from_readiness() {
    let stage = Stage::new().await;
    let answer = stage.get("/v1/health/live").await;
    assert_eq!((answer.status, answer.body), (200, json!({"status": "live"})));
    let answer = stage.get("/v1/health/ready").await;
    assert_eq!((answer.status, answer.body), (200, json!({"status": "ready"})));
    assert_eq!(stage.get("/v1/elsewhere").await.status, 404);

    let setting = Setting::bare(TestDatabase::shared()).await;
    let stage = Stage::of(setting, Arc::new(TestDatabase::nobody()));
    assert_eq!(stage.get("/v1/health/live").await.status, 200, "it lives without a database");
    let answer = stage.get("/v1/health/ready").await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &json!("5")));
    assert!(!answer.body.to_string().contains("marked-password"), "{}", answer.body);
}

#[tokio::test]
async fn a_bundle_runs_and_its_webhooks_are_published() {
    let stage = Stage::new().await;
    let answer = stage.put(&stage.bundle()).await;
    let tenant = stage.setting.tenant.as_str();
    assert_eq!((answer.status, answer.body), (200, json!({"tenant": tenant, "version": 1, "changed": true})));
    let running = stage.setting.database.tenant(&stage.setting.tenant).await.unwrap();
    let flows: Vec<&str> = running.configuration().flows.keys().map(|flow| flow.as_str()).collect();
    assert_eq!(flows, ["customers", "invoices"]);
    let (version, body) = published(&stage, "revenova").await.unwrap();
    let settings: WebhookSettings = serde_json::from_value(body).unwrap();
    assert_eq!((version, settings.secret_name), (1, format!("fluxnex/local/connections/{tenant}/revenova")));
    assert!(!settings.paused && settings.body_max_bytes > 0);
    assert_eq!(published(&stage, "alerts").await, None, "it takes no webhooks");
    let log = format!("SELECT actor || ' ' || action FROM fluxnex_master.audit_log WHERE tenant = '{tenant}'");
    assert_eq!(stage.setting.texts(&log).await, ["arn:aws:iam::000000000000:user/ops bundle.apply"]);
}

#[tokio::test]
async fn the_same_bundle_again_changes_nothing_and_another_one_is_the_next_version() {
    let stage = Stage::new().await;
    let mut bundle = stage.bundle();
    assert_eq!(stage.put(&bundle).await.body["changed"], true);
    let again = stage.put(&bundle).await.body;
    assert_eq!((&again["version"], &again["changed"]), (&json!(1), &json!(false)));
    bundle["title"] = json!("Another title");
    bundle["connections"]["revenova"]["settings"]["instance"] = json!("other.my.salesforce.com");
    let next = stage.put(&bundle).await.body;
    assert_eq!((&next["version"], &next["changed"]), (&json!(2), &json!(true)));
    assert_eq!(published(&stage, "revenova").await.unwrap().0, 2);
}

#[tokio::test]
async fn a_connection_that_is_gone_takes_no_more_webhooks() {
    let stage = Stage::new().await;
    let mut bundle = stage.bundle();
    assert_eq!(stage.put(&bundle).await.status, 200);
    bundle["flows"] = json!({});
    bundle["connections"].as_object_mut().unwrap().remove("revenova");
    assert_eq!(stage.put(&bundle).await.status, 200);
    assert_eq!(published(&stage, "revenova").await, None);
}

#[tokio::test]
async fn what_was_cut_short_is_finished_by_the_same_call_again() {
    let stage = Stage::new().await;
    let bundle = stage.bundle();
    stage.functions.silent.store(true, Ordering::SeqCst);
    assert_eq!(stage.put(&bundle).await.status, 503);
    assert!(stage.setting.database.tenant(&stage.setting.tenant).await.is_err(), "nothing runs yet");
    stage.functions.silent.store(false, Ordering::SeqCst);
    stage.setting.control.set_silent(true);
    let answer = stage.put(&bundle).await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &json!("5")));
    assert!(answer.body["detail"].as_str().unwrap().contains("apply it again"), "{}", answer.body);
    stage.setting.control.set_silent(false);
    assert_eq!(published(&stage, "revenova").await, None);
    let answer = stage.put(&bundle).await.body;
    assert_eq!((&answer["version"], &answer["changed"]), (&json!(1), &json!(false)));
    assert!(published(&stage, "revenova").await.is_some(), "published although nothing changed");
}
