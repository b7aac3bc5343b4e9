//! What the engine makes of answers, of faults of the network, and of garbage.

use crate::server::{Reply, Server, TestSecrets, client, connection, new_record};
use fluxnex_authoring::cases::outcome::{read, sent};
use fluxnex_connect::connection::Reach;
use fluxnex_connect::{Connection, DeliveryRequest, Engine, SendReport, TargetRecord, catalog};
use fluxnex_core::connector::CompiledManifest;
use fluxnex_core::ids::{ObjectName, SourceId};
use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::Duration;

const MANIFEST: &str = r#"
connector: example
title: Example
credentials: {token: {description: the token}}
settings: {area: {description: the area, default: north}}
authentication: {kind: bearer, token: token}
objects:
  Thing:
    identify: {id: .id}
    read_one: {method: GET, path: "/{settings.area}/things/{id}", record: .thing}
target:
  once: none
  objects:
    Thing:
      create: {method: PUT, path: "/{settings.area}/things", headers: {X-Key: "{key}"}, body: "{thing: ., area: $settings.area, key: $key, target: $target}", id: .id, version: .version}
      update: {method: PATCH, path: "/{settings.area}/things/{id}", headers: {If-Match: "{version}"}, body: ".", version: .version}
      read: {method: GET, path: "/{settings.area}/things/{id}", version: .version}
errors:
  code: .code
  message: .message
  rules:
    - {status: 409, code: [exists], means: duplicate_means_success, id: .existing}
"#;

struct Setting {
    server: Server,
    engine: Engine,
    connection: Connection,
}

async fn setting() -> Setting {
    let server = Server::start().await;
    let engine = Engine::new(client(), TestSecrets::with(json!({"token": "marked-token"})));
    let manifest = CompiledManifest::compile(catalog::parse(MANIFEST).unwrap()).unwrap();
    let connection = connection(manifest, Some(&format!("{}/api/", server.url)), &[]);
    Setting { server, engine, connection }
}

impl Setting {
    async fn send(&self, payload: &str, target: Option<(&str, Option<&str>)>) -> SendReport {
        self.send_in(payload, target, Duration::from_secs(5)).await
    }

    async fn send_in(&self, payload: &str, target: Option<(&str, Option<&str>)>, timeout: Duration) -> SendReport {
        let (object, payload) =
            (ObjectName::parse("Thing").unwrap(), RawValue::from_string(payload.to_owned()).unwrap());
        let target =
            target.map(|(id, version)| TargetRecord { id: id.to_owned(), version: version.map(str::to_owned) });
        let request = DeliveryRequest {
            object: &object,
            payload: &payload,
            idempotency_key: "key-1",
            external_id: None,
            target,
            timeout,
        };
        self.engine.send(&self.connection, &request).await
    }

    async fn outcome(&self, reply: Reply, target: Option<(&str, Option<&str>)>) -> Value {
        self.server.reply(reply);
        sent(&self.send("{}", target).await.outcome)
    }
}

#[tokio::test]
async fn a_request_is_made_as_the_manifest_says_and_numbers_keep_their_digits() {
    let setting = setting().await;
    setting.server.reply(Reply::json(201, r#"{"id": 7, "version": 1.50}"#));
    let report = setting.send(r#"{"amount":1000.10,"big":12345678901234567890123}"#, None).await;
    assert_eq!(sent(&report.outcome), json!({"delivered": {"target_id": "7", "target_version": "1.50"}}));
    let request = &setting.server.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("PUT", "/api/north/things"));
    assert_eq!(request.headers["x-key"], "key-1");
    assert_eq!(request.headers["authorization"], "Bearer marked-token");
    let body =
        r#"{"thing":{"amount":1000.10,"big":12345678901234567890123},"area":"north","key":"key-1","target":null}"#;
    assert_eq!(request.body, body);
    let effort = report.effort;
    assert_eq!((effort.requests, effort.status, effort.request.unwrap().bytes), (1, Some(201), body.len() as u64));
    assert_eq!(effort.response.unwrap().bytes, 26);
    assert!(effort.duration > Duration::ZERO);
}

#[tokio::test]
async fn ids_are_encoded_and_cannot_leave_their_place() {
    let setting = setting().await;
    setting.server.reply(Reply::json(200, json!({"version": "2"})));
    setting.send("{}", Some(("a/../b?c#d é", Some("1")))).await;
    assert_eq!(setting.server.requests()[0].path, "/api/north/things/a%2F..%2Fb%3Fc%23d%20%C3%A9");
    for id in ["..", ".", ""] {
        let outcome = sent(&setting.send("{}", Some((id, Some("1")))).await.outcome);
        assert_eq!(outcome["failed"]["class"], "permanent", "{id}: {outcome}");
    }
    let outcome = sent(&setting.send("{}", Some(("1", Some("a\r\nX-Evil: 1")))).await.outcome);
    assert_eq!(outcome["failed"]["class"], "permanent");
    assert_eq!(setting.server.requests().len(), 1);
}

#[tokio::test]
async fn without_a_rule_http_decides() {
    let known = Some(("7", Some("1")));
    let cases = [
        (400, None, "permanent"),
        (401, None, "reauthenticate"),
        (403, None, "permanent"),
        (404, None, "permanent"),
        (404, known, "gone"),
        (408, None, "retry"),
        (409, None, "conflict"),
        (410, None, "gone"),
        (422, None, "permanent"),
        (425, None, "retry"),
        (429, None, "throttle"),
        (301, None, "permanent"),
        (501, None, "permanent"),
    ];
    for (status, target, class) in cases {
        let outcome = setting().await.outcome(Reply::json(status, "{}"), target).await;
        assert_eq!(outcome["failed"]["class"], class, "{status}: {outcome}");
        assert_eq!(outcome["failed"]["fingerprint"], format!("example {status}"));
    }
    for status in [500, 502, 503, 504, 520] {
        let outcome = setting().await.outcome(Reply::json(status, "{}"), None).await;
        assert_eq!(outcome["unknown"]["status"], status, "{outcome}");
    }
    let outcome = setting().await.outcome(Reply::with_header(503, "retry-after", "30"), None).await;
    assert_eq!(
        (&outcome["failed"]["class"], &outcome["failed"]["retry_after_seconds"]),
        (&json!("throttle"), &json!(30))
    );
    for garbage in ["-1", "soon", "99999999999999999999", ""] {
        let outcome = setting().await.outcome(Reply::with_header(429, "retry-after", garbage), None).await;
        assert_eq!(outcome["failed"]["retry_after_seconds"], Value::Null, "{garbage}");
    }
    let outcome = setting().await.outcome(Reply::with_header(429, "retry-after", "999999"), None).await;
    assert_eq!(outcome["failed"]["retry_after_seconds"], 86_400);
}

#[tokio::test]
async fn what_is_there_already_is_delivered() {
    let body = json!({"code": "exists", "existing": 42});
    let outcome = setting().await.outcome(Reply::json(409, body), None).await;
    assert_eq!(outcome, json!({"delivered": {"target_id": "42", "target_version": null}}));
    let outcome = setting().await.outcome(Reply::json(409, json!({"code": "exists"})), None).await;
    assert_eq!(outcome["delivered"]["target_id"], Value::Null);
}

#[tokio::test]
async fn faults_of_the_network_are_in_doubt_only_once_sent() {
    for (reply, fingerprint) in [
        (Reply::Reset, "example no-answer"),
        (Reply::Partial { status: 201 }, "example unreadable-answer"),
        (Reply::Endless, "example unreadable-answer"),
        (Reply::json(201, "garbage"), "example unreadable-answer"),
        (Reply::json(201, json!({"id": null})), "example unreadable-answer"),
        (Reply::json(201, "[".repeat(100_000)), "example unreadable-answer"),
    ] {
        let outcome = setting().await.outcome(reply.clone(), None).await;
        assert_eq!(outcome["unknown"]["fingerprint"], fingerprint, "{reply:?}: {outcome}");
    }
    let setting = setting().await;
    setting.server.reply(Reply::Silence);
    let report = setting.send_in("{}", None, Duration::from_millis(300)).await;
    assert_eq!(sent(&report.outcome)["unknown"]["reason"], "no answer came in time");
    assert!(report.effort.duration < Duration::from_secs(2));

    let unreachable = Connection { base_url: Some("http://127.0.0.1:1".to_owned()), ..setting.connection.clone() };
    let setting = Setting { connection: unreachable, ..setting };
    let outcome = sent(&setting.send("{}", None).await.outcome);
    assert_eq!(
        (&outcome["failed"]["class"], &outcome["failed"]["fingerprint"]),
        (&json!("retry"), &json!("example unreachable"))
    );
}

#[tokio::test]
async fn nothing_is_begun_without_time_to_end_it() {
    let setting = setting().await;
    let outcome = sent(&setting.send_in("{}", None, Duration::ZERO).await.outcome);
    assert_eq!(outcome["failed"]["fingerprint"], "example out-of-time");
    assert!(setting.server.requests().is_empty());
}

#[tokio::test]
async fn a_lost_answer_while_the_version_is_read_leaves_no_doubt() {
    let setting = setting().await;
    setting.server.reply(Reply::json(409, "{}"));
    let outcome = setting.outcome(Reply::Reset, Some(("7", Some("1")))).await;
    assert_eq!(outcome["failed"]["class"], "retry", "{outcome}");
    // And the attempt that is told is the write.
    let setting = self::setting().await;
    setting.server.reply(Reply::json(409, "{\"x\":1}"));
    setting.server.reply(Reply::json(200, json!({"version": "2"})));
    setting.server.reply(Reply::json(200, json!({"version": "3"})));
    let report = setting.send("{\"a\":1}", Some(("7", Some("1")))).await;
    assert_eq!(sent(&report.outcome), json!({"delivered": {"target_id": "7", "target_version": "3"}}));
    assert_eq!((report.effort.requests, report.effort.status, report.effort.request.unwrap().bytes), (3, Some(200), 7));
    let versions: Vec<_> =
        setting.server.requests().iter().filter_map(|request| request.headers.get("if-match").cloned()).collect();
    assert_eq!(versions, ["1", "2"]);
}

#[tokio::test]
async fn reasons_are_short_and_show_no_credential() {
    let words = format!("marked-token {}\r\nX: y", "long ".repeat(500));
    let outcome =
        setting().await.outcome(Reply::json(400, json!({"code": "marked-token", "message": words})), None).await;
    let failed = &outcome["failed"];
    assert_eq!(failed["fingerprint"], "example 400 [redacted]");
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.starts_with("400 [redacted]: [redacted] long") && reason.chars().count() == 500, "{reason}");
    assert!(!outcome.to_string().contains("marked") && !reason.contains('\n'));
}

#[tokio::test]
async fn a_token_that_was_renewed_by_hand_is_used_at_once() {
    let server = Server::start().await;
    let secrets = TestSecrets::with(json!({"token": "new-token"}));
    *secrets.remembered.lock().unwrap() = json!({"token": "old-token"}).as_object().cloned();
    let engine = Engine::new(client(), secrets);
    let setting = Setting {
        connection: Connection { base_url: Some(server.url.clone()), ..setting().await.connection },
        server,
        engine,
    };
    setting.server.reply(Reply::json(401, "{}"));
    let outcome = setting.outcome(Reply::json(200, json!({"id": "1"})), None).await;
    assert_eq!(outcome["delivered"]["target_id"], "1");
    let tokens: Vec<_> =
        setting.server.requests().iter().map(|request| request.headers["authorization"].clone()).collect();
    assert_eq!(tokens, ["Bearer old-token", "Bearer new-token"]);
}

#[tokio::test]
async fn a_connection_that_is_set_up_wrongly_is_for_a_person() {
    let setting = setting().await;
    let good = &setting.connection;
    let wrong = [
        Connection { base_url: None, ..good.clone() },
        Connection { base_url: Some("nonsense".to_owned()), ..good.clone() },
        Connection { base_url: Some("mailto:x@example.com".to_owned()), ..good.clone() },
        Connection { base_url: Some("ftp://example.com".to_owned()), ..good.clone() },
        Connection { settings: [("colour".to_owned(), "red".to_owned())].into(), ..good.clone() },
        Connection { reach: Reach::default(), ..good.clone() },
        Connection { reach: Reach { private_addresses: false, plain_http: true }, ..good.clone() },
        Connection { secret_name: "nosuch".to_owned(), ..good.clone() },
    ];
    let Setting { server, engine, .. } = setting;
    let mut setting = Setting { connection: wrong[0].clone(), server, engine };
    for connection in wrong {
        setting.connection = connection;
        let outcome = sent(&setting.send("{}", None).await.outcome);
        assert_eq!(outcome["failed"]["class"], "reauthenticate", "{:?}: {outcome}", setting.connection.base_url);
    }
    assert!(setting.server.requests().is_empty());
}

#[tokio::test]
async fn payloads_that_no_program_can_handle_are_permanent() {
    let setting = setting().await;
    for payload in ["[".repeat(70) + &"]".repeat(70), "1".to_owned()] {
        let target = Some(("7", Some("1")));
        let report = setting.send(&payload, target).await;
        if payload == "1" {
            // The update sends what it gets: a number is fine, and the server says what it thinks.
            assert!(sent(&report.outcome).get("unknown").is_some());
        } else {
            assert_eq!(sent(&report.outcome)["failed"]["fingerprint"], "example payload");
        }
    }
    let object = ObjectName::parse("Other").unwrap();
    let payload = RawValue::from_string("{}".to_owned()).unwrap();
    let timeout = Duration::from_secs(1);
    let request = new_record(&object, &payload, timeout);
    let outcome = sent(&setting.engine.send(&setting.connection, &request).await.outcome);
    assert_eq!(outcome["failed"]["fingerprint"], "example no-operation");
}

#[tokio::test]
async fn reading_finds_or_tells_that_it_is_gone() {
    let setting = setting().await;
    let cases = [
        (Reply::json(200, r#"{"thing": {"id": 1, "amount": 10.00}}"#), json!({"found": {"id": 1, "amount": 10.0}})),
        (Reply::json(200, json!({"thing": null})), json!("gone")),
        (Reply::json(404, "{}"), json!("gone")),
        (Reply::json(410, "{}"), json!("gone")),
    ];
    let (object, id) = (ObjectName::parse("Thing").unwrap(), SourceId::parse("1").unwrap());
    for (reply, expected) in cases {
        setting.server.reply(reply);
        let report = setting.engine.read_one(&setting.connection, &object, &id, Duration::from_secs(5)).await;
        assert_eq!(read(&report.outcome), expected);
    }
    for (reply, class) in [
        (Reply::json(500, "{}"), "retry"),
        (Reply::Reset, "retry"),
        (Reply::json(200, "garbage"), "retry"),
        (Reply::json(200, "[]"), "retry"),
        (Reply::Partial { status: 200 }, "retry"),
        (Reply::json(403, "{}"), "permanent"),
        (Reply::json(429, "{}"), "throttle"),
    ] {
        setting.server.reply(reply.clone());
        let report = setting.engine.read_one(&setting.connection, &object, &id, Duration::from_secs(5)).await;
        assert_eq!(read(&report.outcome)["failed"]["class"], class, "{reply:?}");
    }
}

#[tokio::test]
async fn what_the_webhook_connector_sends_is_verified_by_the_published_library() {
    let server = Server::start().await;
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let engine = Engine::new(
        client(),
        TestSecrets::with(json!({"signing_secret": ["whsec_bWFya2VkLW90aGVyLXNlY3JldA==", secret]})),
    );
    let connection =
        connection(catalog::compiled("webhook").unwrap(), None, &[("url", &format!("{}/hooks/x", server.url))]);
    server.reply(Reply::json(200, "{}"));
    let (object, payload) =
        (ObjectName::parse("invoice.updated").unwrap(), RawValue::from_string("{\"é\":1.10}".to_owned()).unwrap());
    let timeout = Duration::from_secs(5);
    let request = DeliveryRequest {
        object: &object,
        payload: &payload,
        idempotency_key: "id-1",
        external_id: None,
        target: None,
        timeout,
    };
    assert!(sent(&engine.send(&connection, &request).await.outcome).get("delivered").is_some());
    let received = &server.requests()[0];
    let webhook = standardwebhooks::Webhook::new(secret).unwrap();
    let headers: reqwest::header::HeaderMap = received
        .headers
        .iter()
        .map(|(name, value)| (name.parse::<reqwest::header::HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    webhook.verify(received.body.as_bytes(), &headers).unwrap();
    let sent_at: i64 = received.headers["webhook-timestamp"].parse().unwrap();
    assert!((Timestamp::now().as_second() - sent_at).abs() < 60);
    // An id with a full stop would make the signed text ambiguous.
    let request = DeliveryRequest { idempotency_key: "id.1", ..request };
    assert_eq!(sent(&engine.send(&connection, &request).await.outcome)["failed"]["class"], "permanent");
}

#[test]
fn the_engine_can_be_used_from_any_task() {
    fn sendable<T: Send>(_: &T) {}
    fn shared<T: Send + Sync>() {}
    shared::<Engine>();
    fn check(engine: &Engine, connection: &Connection, request: &DeliveryRequest<'_>) {
        sendable(&engine.send(connection, request));
    }
    let _ = check;
}
