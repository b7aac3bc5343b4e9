//! Secrets of connections: stored, changed, ended; never given back, and nobody else's.

use crate::support::Stage;
use fluxnex_cloud::secrets::Secrets;
use serde_json::{Value, json};

const SECRET: &str = "marked-secret-value";

async fn content(stage: &Stage, connection: &str) -> Option<Value> {
    stage.setting.secrets.get(&stage.secret(connection)).await.ok().map(|secret| secret.to_json())
}

fn webhook(secret: &str) -> Option<Value> {
    Some(json!({"connector": "webhook", "fields": {"signing_secret": secret}}))
}

#[tokio::test]
async fn a_secret_is_made_replaced_and_shown_by_its_names_only() {
    let stage = Stage::new().await;
    let made = stage.call("PUT", "partner", "secret", webhook(SECRET)).await;
    assert_eq!((made.status, &made.body["secret"]), (201, &json!(stage.secret("partner"))));
    assert_eq!(stage.call("PUT", "partner", "secret", webhook("whsec_b3RoZXI=")).await.status, 200);
    assert_eq!(content(&stage, "partner").await, Some(json!({"signing_secret": "whsec_b3RoZXI="})));
    let shown = stage.call("GET", "partner", "secret", None).await;
    assert_eq!(shown.body["fields"], json!({"signing_secret": {"active": 1}}));
    assert!(!shown.body.to_string().contains("whsec_"), "{}", shown.body);
    let log = stage.log().await;
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log.iter().all(|line| line.starts_with("connection.secret.store") && !line.contains(SECRET)), "{log:?}");
}

#[tokio::test]
async fn a_refresh_token_may_still_be_missing() {
    let stage = Stage::applied().await;
    let fields = json!({"client_id": "i", "client_secret": "s"});
    let body = json!({"connector": "quickbooks-online", "fields": fields});
    assert!(stage.call("PUT", "quickbooks", "secret", Some(body)).await.status < 300);
    let body = json!({"connector": "quickbooks-online", "fields": {"client_id": "i"}});
    let answer = stage.call("PUT", "quickbooks", "secret", Some(body)).await;
    answer.assert_problem(422, "/problems/invalid-request", "fields.client_secret: it is missing");
}

#[tokio::test]
async fn garbage_is_refused_without_quoting_it() {
    let stage = Stage::new().await;
    let tenant = stage.setting.tenant.as_str();
    for (garbage, says) in [
        ("", "connector: it is missing"),
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ("\"marked-secret-value\"", "no JSON object"),
        (r#"{"connector":"webhook"}"#, "fields:"),
        (r#"{"connector":"webhook","fields":"marked-secret-value"}"#, "fields:"),
        (r#"{"connector":"webhook","fields":{"signing_secret":["marked-secret-value"]}}"#, "fields.signing_secret"),
        (r#"{"connector":"webhook","fields":{"signing_secret":""}}"#, "fields.signing_secret"),
        (r#"{"connector":"webhook","fields":{"colour":"marked-secret-value"}}"#, "no such credential"),
        (r#"{"connector":"webhook","fields":{"fluxnex_token":"marked-secret-value"}}"#, "no such credential"),
        (r#"{"connector":"webhook","fields":{},"more":"marked-secret-value"}"#, "more: there is no such field"),
        (r#"{"connector":7,"fields":{}}"#, "connector:"),
    ] {
        let answer = stage.call_text("PUT", tenant, "partner", "secret", Some(garbage)).await;
        answer.assert_problem(422, "/problems/invalid-request", says);
        assert!(!answer.body.to_string().contains(SECRET), "{garbage}: {}", answer.body);
    }
    let unknown = json!({"connector": "nosuch", "fields": {}});
    stage.call("PUT", "partner", "secret", Some(unknown)).await.assert_problem(404, "/problems/unknown-connector", "");
    let large = json!({"connector": "webhook", "fields": {"signing_secret": "x".repeat(60_000)}});
    assert_eq!(stage.call("PUT", "partner", "secret", Some(large)).await.status, 413);
    let long = json!({"connector": "webhook", "fields": {"signing_secret": "x".repeat(20_000)}});
    stage.call("PUT", "partner", "secret", Some(long)).await.assert_problem(422, "/problems/invalid-request", "16384");
    assert_eq!(content(&stage, "partner").await, None);
    assert!(stage.log().await.is_empty());
}

#[tokio::test]
async fn nobody_reaches_another_tenants_secret() {
    let stage = Stage::applied().await;
    let other = "fluxnex/local/connections/acme/revenova";
    let before = stage.setting.secrets.get(other).await.unwrap();
    let tenant = stage.setting.tenant.as_str();
    for (tenant, connection) in [
        (tenant, "../acme/revenova"),
        (tenant, "acme/revenova"),
        (tenant, "..%2Facme"),
        (tenant, ""),
        ("acme/revenova", "x"),
        ("../local", "x"),
        ("", "x"),
    ] {
        for (method, what) in [
            ("GET", "secret"),
            ("PUT", "secret"),
            ("PATCH", "secret"),
            ("DELETE", "secret"),
            ("POST", "test"),
            ("POST", "consent"),
            ("POST", "consent/code"),
        ] {
            let answer = stage.call_text(method, tenant, connection, what, Some("{}")).await;
            answer.assert_problem(422, "/problems/invalid-request", "not a valid");
        }
    }
    // A connection that names another tenant's secret never runs, so a name is always the tenant's own.
    let mut bundle = stage.bundle();
    bundle["connections"]["revenova"]["secret"] = json!(other);
    stage.put(&bundle).await.assert_invalid("connections.revenova.secret");
    assert_eq!(stage.setting.secrets.get(other).await.unwrap(), before);
}

#[tokio::test]
async fn a_secret_of_another_connector_is_not_stored_over_a_running_connection() {
    let stage = Stage::applied().await;
    let answer = stage.call("PUT", "quickbooks", "secret", webhook(SECRET)).await;
    answer.assert_problem(409, "/problems/other-connector", "another");
}

#[tokio::test]
async fn a_webhook_secret_rotates_with_an_overlap() {
    let stage = Stage::applied().await;
    stage.call("PUT", "alerts", "secret", webhook("old")).await;
    let add = json!({"add": {"signing_secret": "new"}, "overlap_seconds": 3600});
    for _ in 0..2 {
        let answer = stage.call("PATCH", "alerts", "secret", Some(add.clone())).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.body["rotating"]["signing_secret"].is_string(), "{}", answer.body);
    }
    assert_eq!(content(&stage, "alerts").await.unwrap()["signing_secret"], json!(["new", "old"]));
    let shown = stage.call("GET", "alerts", "secret", None).await.body;
    assert_eq!(shown["fields"], json!({"signing_secret": {"active": 2}}));
    let retire = json!({"retire": ["signing_secret"]});
    let answer = stage.call("PATCH", "alerts", "secret", Some(retire.clone())).await;
    answer.assert_problem(409, "/problems/overlap-not-over", "stay active until");
    stage.setting.clock.advance(std::time::Duration::from_secs(3600));
    assert_eq!(stage.call("PATCH", "alerts", "secret", Some(retire)).await.status, 200);
    assert_eq!(content(&stage, "alerts").await, Some(json!({"signing_secret": "new"})));
}

#[tokio::test]
async fn a_replaced_credential_takes_the_token_with_it() {
    let stage = Stage::applied().await;
    let secret = json!({"client_id": "i", "client_secret": "s", "refresh_token": "r", "fluxnex_token": {"access_token": "t", "expires_at": "2026-11-20T12:00:00Z"}});
    stage.setting.secrets.create(&stage.secret("quickbooks"), secret);
    let replace = json!({"replace": {"client_secret": "next"}});
    assert_eq!(stage.call("PATCH", "quickbooks", "secret", Some(replace)).await.status, 200);
    let expected = json!({"client_id": "i", "client_secret": "next", "refresh_token": "r"});
    assert_eq!(content(&stage, "quickbooks").await, Some(expected));
    let both = json!({"add": {"client_secret": "beside"}});
    let answer = stage.call("PATCH", "quickbooks", "secret", Some(both)).await;
    answer.assert_problem(422, "/problems/invalid-request", "only one of it can be active");
    let unknown = stage.call("PATCH", "nosuch", "secret", Some(json!({"retire": ["x"]}))).await;
    unknown.assert_problem(404, "/problems/unknown-connection", "nosuch");
}

#[tokio::test]
async fn a_secret_is_ended_only_when_nothing_runs_with_it() {
    let stage = Stage::applied().await;
    stage.call("PUT", "alerts", "secret", webhook("old")).await;
    stage.call("DELETE", "alerts", "secret", None).await.assert_problem(409, "/problems/connection-in-use", "bundle");
    let mut bundle = stage.bundle();
    bundle["connections"].as_object_mut().unwrap().remove("alerts");
    bundle["notifications"] = json!([]);
    assert_eq!(stage.put(&bundle).await.status, 200);
    let ended = stage.call("DELETE", "alerts", "secret", None).await;
    assert_eq!((ended.status, &ended.body["ended"], &ended.body["recovery_days"]), (200, &json!(true), &json!(30)));
    let again = stage.call("DELETE", "alerts", "secret", None).await;
    assert_eq!((again.status, &again.body["ended"]), (200, &json!(false)));
    assert_eq!(content(&stage, "alerts").await, None);
    stage.call("GET", "alerts", "secret", None).await.assert_problem(404, "/problems/no-secret", "alerts");
    // Whoever stores it anew brings it back.
    assert_eq!(stage.call("PUT", "alerts", "secret", webhook("new")).await.status, 200);
}

#[tokio::test]
async fn a_silent_store_is_a_matter_of_time() {
    let stage = Stage::new().await;
    stage.setting.secrets.set_silent(true);
    let answer = stage.call("PUT", "partner", "secret", webhook(SECRET)).await;
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &json!("5")));
    assert!(!answer.body.to_string().contains(SECRET));
    stage.setting.secrets.set_silent(false);
    assert_eq!(stage.call("PUT", "partner", "secret", webhook(SECRET)).await.status, 201);
}
