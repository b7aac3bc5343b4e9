//! Access tokens: how often they are asked for, and what happens to rotated refresh tokens.

use crate::server::{Reply, Server, TestSecrets, client, connection, new_record};
use fluxnex_authoring::cases::outcome::sent;
use fluxnex_connect::{Connection, Engine, SendReport, catalog};
use fluxnex_core::ids::ObjectName;
use jiff::{Timestamp, ToSpan};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

struct Setting {
    server: Server,
    secrets: Arc<TestSecrets>,
    engine: Engine,
    connection: Connection,
    seconds: Arc<AtomicI64>,
}

async fn setting() -> Setting {
    let server = Server::start().await;
    let secrets = TestSecrets::with(
        json!({"client_id": "id", "client_secret": "marked-client-secret", "refresh_token": "marked-refresh-1"}),
    );
    let seconds = Arc::new(AtomicI64::new(0));
    let clock = seconds.clone();
    let engine = Engine::new(client(), secrets.clone())
        .with_clock(move || Timestamp::UNIX_EPOCH + clock.load(Ordering::SeqCst).seconds());
    let token_url = format!("{}/token", server.url);
    let settings = [("realm", "9"), ("token_url", token_url.as_str())];
    let connection = connection(catalog::compiled("quickbooks-online").unwrap(), Some(&server.url), &settings);
    Setting { server, secrets, engine, connection, seconds }
}

impl Setting {
    fn token(&self, access: &str, refresh: Option<&str>) {
        self.server
            .reply(Reply::json(200, json!({"access_token": access, "expires_in": 3600, "refresh_token": refresh})));
    }

    fn record(&self) {
        self.server.reply(Reply::json(200, json!({"Customer": {"Id": "1", "SyncToken": "0"}})));
    }

    async fn send(&self) -> SendReport {
        let (object, payload) =
            (ObjectName::parse("Customer").unwrap(), RawValue::from_string("{}".to_owned()).unwrap());
        let timeout = Duration::from_secs(5);
        let request = new_record(&object, &payload, timeout);
        self.engine.send(&self.connection, &request).await
    }

    async fn succeeds(&self) {
        let outcome = sent(&self.send().await.outcome);
        assert_eq!(outcome, json!({"delivered": {"target_id": "1", "target_version": "0"}}));
    }

    fn paths(&self) -> Vec<String> {
        self.server.requests().into_iter().map(|request| request.path).collect()
    }

    fn asked(&self) -> usize {
        self.paths().iter().filter(|path| *path == "/token").count()
    }
}

#[tokio::test]
async fn a_token_is_asked_for_once_until_shortly_before_it_expires() {
    let setting = setting().await;
    setting.token("a-1", None);
    for _ in 0..3 {
        setting.record();
        setting.succeeds().await;
    }
    setting.seconds.store(3600 - 61, Ordering::SeqCst);
    setting.record();
    setting.succeeds().await;
    assert_eq!(setting.asked(), 1);
    setting.seconds.store(3600 - 60, Ordering::SeqCst);
    setting.token("a-2", None);
    setting.record();
    setting.succeeds().await;
    assert_eq!(setting.asked(), 2);
    assert_eq!(setting.server.requests().last().unwrap().headers["authorization"], "Bearer a-2");
}

#[tokio::test]
async fn callers_at_once_ask_once() {
    let setting = setting().await;
    setting.token("a-1", Some("marked-refresh-2"));
    for _ in 0..8 {
        setting.record();
    }
    let (a, b, c, d) = tokio::join!(setting.send(), setting.send(), setting.send(), setting.send());
    for report in [a, b, c, d] {
        assert!(sent(&report.outcome).get("delivered").is_some());
    }
    assert_eq!(setting.asked(), 1);
    assert_eq!(setting.secrets.puts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_rotated_refresh_token_is_stored_before_its_access_token_is_used() {
    let setting = setting().await;
    setting.secrets.change("added_by_an_operator", "kept");
    setting.secrets.refuse_put.store(true, Ordering::SeqCst);
    setting.token("a-1", Some("marked-refresh-2"));
    let outcome = sent(&setting.send().await.outcome);
    assert_eq!(outcome["failed"]["class"], "retry", "{outcome}");
    assert_eq!(setting.paths(), ["/token"], "the access token must not be used");

    // Still not stored: nothing is asked, nothing is sent.
    assert_eq!(sent(&setting.send().await.outcome)["failed"]["class"], "retry");
    assert_eq!(setting.paths(), ["/token"]);

    setting.secrets.refuse_put.store(false, Ordering::SeqCst);
    setting.record();
    setting.succeeds().await;
    assert_eq!(setting.paths(), ["/token", "/v3/company/9/customer"]);
    let secret = setting.secrets.current();
    assert_eq!(
        (secret["refresh_token"].as_str(), secret["added_by_an_operator"].as_str()),
        (Some("marked-refresh-2"), Some("kept"))
    );
}

#[tokio::test]
async fn credentials_that_were_renewed_elsewhere_are_read_before_they_are_used() {
    let setting = setting().await;
    *setting.secrets.remembered.lock().unwrap() = Some(setting.secrets.current());
    setting.secrets.change("refresh_token", "marked-refresh-2");
    setting.token("a-1", None);
    setting.record();
    setting.succeeds().await;
    let requests = setting.server.requests();
    assert!(requests[0].body.contains("marked-refresh-2"), "what is remembered is not what is used");
}

#[tokio::test]
async fn another_place_gets_a_token_of_its_own() {
    let mut setting = setting().await;
    setting.token("a-1", None);
    setting.record();
    setting.succeeds().await;
    setting.connection.settings.insert("token_url".to_owned(), format!("{}/token?other", setting.server.url));
    setting.token("a-2", None);
    setting.record();
    setting.succeeds().await;
    assert_eq!(setting.asked(), 2);
}

#[tokio::test]
async fn what_the_token_endpoint_says_decides_the_class_and_shows_no_credential() {
    let error = |status, body: Value| Reply::json(status, body);
    let cases = [
        (
            error(400, json!({"error": "invalid_grant", "error_description": "marked-refresh-1 expired"})),
            "reauthenticate",
        ),
        (error(401, json!({"error": "invalid_client", "error_description": "marked-client-secret"})), "reauthenticate"),
        (error(500, json!("marked-refresh-1")), "retry"),
        (Reply::with_header(429, "retry-after", "9"), "throttle"),
        (error(200, json!({"access_token": ""})), "retry"),
        (error(200, json!({"token": 1})), "retry"),
        (error(200, json!([])), "retry"),
        (Reply::Reset, "retry"),
        (Reply::Partial { status: 200 }, "retry"),
        (Reply::Endless, "retry"),
    ];
    for (reply, class) in cases {
        let setting = setting().await;
        setting.server.reply(reply.clone());
        let outcome = sent(&setting.send().await.outcome);
        assert_eq!(outcome["failed"]["class"], class, "{reply:?}: {outcome}");
        assert!(!outcome.to_string().contains("marked"), "{outcome}");
        assert!(setting.paths().iter().all(|path| path == "/token"));
    }
}

#[tokio::test]
async fn a_secret_without_its_fields_is_for_a_person() {
    for secret in [
        json!({}),
        json!({"client_id": "", "client_secret": "x", "refresh_token": "y"}),
        json!({"client_id": 1, "client_secret": "x", "refresh_token": "y"}),
    ] {
        let setting = setting().await;
        setting.secrets.secrets.lock().unwrap().insert("secret".to_owned(), secret.as_object().unwrap().clone());
        let outcome = sent(&setting.send().await.outcome);
        assert_eq!(outcome["failed"]["class"], "reauthenticate", "{outcome}");
        assert!(setting.paths().is_empty());
    }
    let mut setting = setting().await;
    setting.connection.secret_name = "nosuch".to_owned();
    assert_eq!(sent(&setting.send().await.outcome)["failed"]["class"], "reauthenticate");
}

#[tokio::test]
async fn lifetimes_of_odd_shapes_are_understood() {
    for (lifetime, asked_after_ten_minutes) in
        [(json!("3600"), 1), (json!(3600), 1), (json!(60), 2), (json!("soon"), 1), (json!(-1), 1), (json!(u64::MAX), 1)]
    {
        let setting = setting().await;
        for _ in 0..2 {
            setting.server.reply(Reply::json(200, json!({"access_token": "a", "expires_in": lifetime})));
            setting.record();
            if asked_after_ten_minutes == 1 {
                setting.record();
            }
        }
        setting.succeeds().await;
        setting.seconds.store(600, Ordering::SeqCst);
        setting.succeeds().await;
        assert_eq!(setting.asked(), asked_after_ten_minutes, "{lifetime}");
    }
}
