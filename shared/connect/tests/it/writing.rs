//! Upserts, deletes, batches and reading several records, over a real connection.

use crate::server::{Reply, Server, TestSecrets, client, connection};
use fluxnex_authoring::cases::outcome::{batch, contains, read_many, sent};
use fluxnex_connect::{
    BatchEntry, BatchRequest, Connection, DeleteRequest, DeliveryRequest, Engine, TargetRecord, catalog,
};
use fluxnex_core::connector::CompiledManifest;
use fluxnex_core::ids::{ObjectName, SourceId};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use std::time::Duration;

const MANIFEST: &str = r#"
connector: example
title: Example
settings: {key_field: {description: the key, default: id}}
objects:
  Thing:
    identify: {id: .id, id_characters: code}
    read_many: {max: 2, separator: "','", method: GET, path: /things, query: {q: "id in ('{ids}')"}, records: .things}
  Joined:
    identify: {id: .id}
    read_many: {max: 10, method: GET, path: "/joined/{ids}", records: .}
  Listed:
    identify: {id: .id}
    read_many: {max: 10, method: POST, path: /read, body: "{ids: $ids}", records: .}
target:
  once: external_id
  objects:
    Thing:
      upsert: {method: PATCH, path: "/things/{external_id}", body: ". + {ours: $external_id, theirs: $target.id}", id: ".[$settings.key_field] // $external_id", version: .version}
      read: {method: GET, path: "/things/{id}", version: .version}
      delete: {method: DELETE, path: "/things/{id}", headers: {If-Match: "{version}"}}
      batch: {max_items: 3, method: POST, path: /batch, body: "{\"inputs\": map({key: .external_id, id: .target.id, data: (.payload | if .bad then error else . end)})}", items: ".results"}
    Plain:
      upsert: {method: PUT, path: "/plain/{external_id}", body: .}
      delete: {method: POST, path: "/plain/{external_id}/delete"}
      batch: {max_items: 3, method: POST, path: /plain, body: "map(.external_id)", items: "[.done[] as $id | {id: $id}] + [$items[1:][] | {code: (\"X-\" + .key), message: .external_id}]"}
errors:
  code: .code
  rules:
    - {code: [GONE], means: gone}
    - {code: [EXISTS], means: duplicate_means_success, id: .existing}
    - {code: [BUSY], operations: [batch], means: retry}
    - {body: '.reason == "quota"', means: throttle, retry_after_seconds: 30}
    - {header: {name: X-Fault, matches: "^session"}, means: reauthenticate}
"#;

struct Setting {
    server: Server,
    engine: Engine,
    connection: Connection,
}

const TIMEOUT: Duration = Duration::from_secs(5);
const OURS: [&str; 4] = ["ours-0", "ours-1", "ours-2", "ours-3"];

async fn setting() -> Setting {
    let server = Server::start().await;
    let engine = Engine::new(client(), TestSecrets::with(json!({})));
    let manifest = CompiledManifest::compile(catalog::parse(MANIFEST).unwrap()).unwrap();
    let connection = connection(manifest, Some(&server.url), &[]);
    Setting { server, engine, connection }
}

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).unwrap()
}

fn target(id: Option<&str>, version: Option<&str>) -> Option<TargetRecord> {
    id.map(|id| TargetRecord { id: id.to_owned(), version: version.map(str::to_owned) })
}

impl Setting {
    async fn upsert(&self, object: &str, known: Option<&str>) -> Value {
        let (object, payload) = (ObjectName::parse(object).unwrap(), raw(&json!({"total": 1})));
        let request = DeliveryRequest {
            object: &object,
            payload: &payload,
            idempotency_key: "key",
            external_id: Some(OURS[0]),
            target: target(known, None),
            timeout: TIMEOUT,
        };
        sent(&self.engine.send(&self.connection, &request).await.outcome)
    }

    async fn delete(&self, object: &str, known: Option<TargetRecord>) -> Value {
        let object = ObjectName::parse(object).unwrap();
        let request = DeleteRequest {
            object: &object,
            idempotency_key: "key",
            external_id: Some(OURS[0]),
            target: known,
            timeout: TIMEOUT,
        };
        sent(&self.engine.delete(&self.connection, &request).await.outcome)
    }

    async fn batch(&self, object: &str, payloads: &[Value]) -> Value {
        let object = ObjectName::parse(object).unwrap();
        let payloads: Vec<_> = payloads.iter().map(raw).collect();
        let entries: Vec<BatchEntry<'_>> = payloads
            .iter()
            .zip(OURS)
            .map(|(payload, ours)| BatchEntry {
                payload,
                idempotency_key: ours,
                external_id: Some(ours),
                target: target((ours == OURS[1]).then_some("known-1"), None),
            })
            .collect();
        let request = BatchRequest { object: &object, entries: &entries, timeout: TIMEOUT };
        let report = self.engine.send_batch(&self.connection, &request).await;
        assert_eq!(report.outcomes.len(), entries.len(), "one outcome for each");
        batch(&report.outcomes)
    }

    async fn read_many(&self, object: &str, ids: &[&str]) -> Value {
        let object = ObjectName::parse(object).unwrap();
        let ids: Vec<SourceId> = ids.iter().map(|id| SourceId::parse(*id).unwrap()).collect();
        read_many(&self.engine.read_many(&self.connection, &object, &ids, TIMEOUT).await.outcome)
    }

    fn paths(&self) -> Vec<String> {
        self.server.requests().iter().map(|request| format!("{} {}", request.method, request.path)).collect()
    }
}

fn assert_contains(actual: &Value, expected: &Value) {
    assert!(contains(actual, expected), "{actual:#}\nlacks\n{expected:#}");
}

#[tokio::test]
async fn an_upsert_carries_our_own_id_whether_the_record_is_known_or_not() {
    for (known, theirs) in [(None, Value::Null), (Some("7"), json!("7"))] {
        let setting = setting().await;
        setting.server.reply(Reply::json(201, json!({"id": "8", "version": "2"})));
        let outcome = setting.upsert("Thing", known).await;
        assert_eq!(outcome, json!({"delivered": {"target_id": "8", "target_version": "2"}}));
        assert_eq!(setting.paths(), ["PATCH /things/ours-0"], "nothing is read before");
        let body: Value = serde_json::from_str(&setting.server.requests()[0].body).unwrap();
        assert_eq!(body, json!({"total": 1, "ours": "ours-0", "theirs": theirs}));
    }
}

#[tokio::test]
async fn an_answer_without_a_body_leaves_the_id_to_the_manifest() {
    let setting = setting().await;
    setting.server.reply(Reply::Answer { status: 204, headers: vec![], body: String::new() });
    assert_eq!(setting.upsert("Thing", None).await["delivered"]["target_id"], "ours-0");
    setting.server.reply(Reply::Answer { status: 204, headers: vec![], body: String::new() });
    assert_eq!(setting.upsert("Plain", Some("7")).await["delivered"]["target_id"], "7");
    setting.server.reply(Reply::json(200, "garbage"));
    assert_eq!(setting.upsert("Thing", None).await["unknown"]["fingerprint"], "example unreadable-answer");
    setting.server.reply(Reply::json(404, "{}"));
    assert_eq!(
        setting.upsert("Thing", None).await["failed"]["class"],
        "permanent",
        "an upsert names no record of theirs"
    );
}

#[tokio::test]
async fn a_delete_names_the_version_and_what_is_gone_is_deleted() {
    let deleted = json!({"delivered": {"target_id": "7"}});
    let setting = setting().await;
    setting.server.reply(Reply::json(200, json!({"version": "3"})));
    setting.server.reply(Reply::Answer { status: 204, headers: vec![], body: String::new() });
    assert_contains(&setting.delete("Thing", target(Some("7"), None)).await, &deleted);
    assert_eq!(setting.paths(), ["GET /things/7", "DELETE /things/7"]);
    assert_eq!(setting.server.requests()[1].headers["if-match"], "3");
    // It changed meanwhile: the version is read, and it is deleted once more.
    let setting = self::setting().await;
    for reply in [Reply::json(412, "{}"), Reply::json(200, json!({"version": "4"})), Reply::json(200, "{}")] {
        setting.server.reply(reply);
    }
    assert_contains(&setting.delete("Thing", target(Some("7"), Some("3"))).await, &deleted);
    assert_eq!(setting.server.requests()[2].headers["if-match"], "4");
    for gone in [Reply::json(404, "{}"), Reply::json(410, "{}"), Reply::json(400, json!({"code": "GONE"}))] {
        let setting = self::setting().await;
        setting.server.reply(gone.clone());
        assert_contains(&setting.delete("Thing", target(Some("7"), Some("3"))).await, &deleted);
        setting.server.reply(gone);
        let outcome = setting.delete("Thing", target(Some("7"), None)).await;
        assert!(outcome.get("delivered").is_some(), "it is gone when its version is read: {outcome}");
    }
    let setting = self::setting().await;
    setting.server.reply(Reply::json(200, "{}"));
    assert!(setting.delete("Plain", None).await.get("delivered").is_some());
    setting.server.reply(Reply::Reset);
    assert!(setting.delete("Plain", None).await.get("unknown").is_some());
    assert_eq!(setting.delete("Thing", None).await["failed"]["fingerprint"], "example payload", "there is no {{id}}");
    assert_eq!(setting.delete("Other", None).await["failed"]["fingerprint"], "example no-operation");
}

#[tokio::test]
async fn each_record_of_a_batch_has_an_outcome_of_its_own() {
    let setting = setting().await;
    let results = json!({"results": [
        {"id": 10, "version": "1", "status": 201},
        {"status": 200},
        {"status": 400, "code": "INVALID", "message": "no such field"},
    ]});
    setting.server.reply(Reply::json(207, results));
    setting.server.reply(Reply::json(207, json!({"results": [{"id": "13"}]})));
    let outcome = setting.batch("Thing", &[json!({"n": 1.10}), json!({}), json!({}), json!({})]).await;
    let expected = json!({"items": [
        {"delivered": {"target_id": "10", "target_version": "1"}},
        {"delivered": {"target_id": "known-1", "target_version": null}},
        {"failed": {"class": "permanent", "status": 400, "fingerprint": "example 400 INVALID", "reason": "400 INVALID: no such field"}},
        {"delivered": {"target_id": "13"}},
    ]});
    assert_contains(&outcome, &expected);
    assert_eq!(setting.paths(), ["POST /batch", "POST /batch"], "three at a time");
    let body: Value = serde_json::from_str(&setting.server.requests()[0].body).unwrap();
    assert_eq!(body["inputs"][1], json!({"key": "ours-1", "id": "known-1", "data": {}}));
}

#[tokio::test]
async fn items_are_judged_by_the_rules() {
    let setting = setting().await;
    let results = json!({"results": [
        {"code": "EXISTS", "existing": 42},
        {"code": "BUSY"},
        {"status": 403, "reason": "quota"},
    ]});
    setting.server.reply(Reply::json(200, results));
    let outcome = setting.batch("Thing", &[json!({}), json!({}), json!({})]).await;
    let expected = json!({"items": [
        {"delivered": {"target_id": "42"}},
        {"failed": {"class": "retry", "fingerprint": "example 200 BUSY"}},
        {"failed": {"class": "throttle", "retry_after_seconds": 30}},
    ]});
    assert_contains(&outcome, &expected);
    let setting = self::setting().await;
    setting.server.reply(Reply::json(200, json!({"done": ["a"]})));
    let outcome = setting.batch("Plain", &[json!({}), json!({})]).await;
    assert_contains(
        &outcome,
        &json!({"items": [{"delivered": {"target_id": "a"}}, {"failed": {"reason": "200 X-ours-1: ours-1"}}]}),
    );
}

#[tokio::test]
async fn what_the_answer_does_not_say_of_a_record_is_unknown() {
    let two = [json!({}), json!({})];
    for (answer, expected) in [
        (json!({"results": [{"id": "1"}]}), ["delivered", "unknown"]),
        (json!({"results": [null, {"id": "1"}]}), ["unknown", "delivered"]),
        (json!({"results": []}), ["unknown", "unknown"]),
        (json!({"results": [{"id": "1"}, {"id": "2"}, {"id": "3"}]}), ["unknown", "unknown"]),
        (json!({"results": "text"}), ["unknown", "unknown"]),
        (json!({"results": [7, "x"]}), ["unknown", "unknown"]),
        (json!({"results": [{"status": -1}, {"status": 99_999}]}), ["unknown", "unknown"]),
        (json!({"results": [{}, {}]}), ["unknown", "delivered"]),
        (json!(null), ["unknown", "unknown"]),
        (json!([]), ["unknown", "unknown"]),
    ] {
        let setting = setting().await;
        setting.server.reply(Reply::json(200, &answer));
        let outcome = setting.batch("Thing", &two).await;
        let kinds: Vec<&String> = outcome["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item.as_object().unwrap().keys().next().unwrap())
            .collect();
        assert_eq!(kinds, expected, "{answer}: {outcome}");
    }
    for (reply, kind) in [
        (Reply::Reset, "unknown"),
        (Reply::Partial { status: 200 }, "unknown"),
        (Reply::json(200, "garbage"), "unknown"),
        (Reply::json(500, "{}"), "unknown"),
        (Reply::json(503, "{}"), "unknown"),
        (Reply::json(429, "{}"), "failed"),
        (Reply::json(400, "{}"), "failed"),
        (Reply::with_header(403, "x-fault", "session is over"), "failed"),
    ] {
        let setting = setting().await;
        setting.server.reply(reply.clone());
        let outcome = setting.batch("Thing", &two).await;
        assert!(
            outcome["items"].as_array().unwrap().iter().all(|item| item.get(kind).is_some()),
            "{reply:?}: {outcome}"
        );
        if matches!(reply, Reply::Answer { status: 403, .. }) {
            assert_eq!(outcome["items"][1]["failed"]["class"], "reauthenticate");
        }
    }
    let setting = setting().await;
    assert_eq!(setting.batch("Thing", &[]).await, json!({"items": []}));
    assert_eq!(setting.batch("Other", &two).await["items"][1]["failed"]["fingerprint"], "example no-operation");
    assert!(setting.paths().is_empty());
}

#[tokio::test]
async fn a_record_that_no_program_can_handle_does_not_take_the_others_with_it() {
    let setting = setting().await;
    setting.server.reply(Reply::json(200, json!({"results": [{"id": "1"}, {"id": "3"}]})));
    let outcome = setting.batch("Thing", &[json!({}), json!({"bad": true}), json!({})]).await;
    let expected = json!({"items": [
        {"delivered": {"target_id": "1"}}, {"failed": {"class": "permanent", "fingerprint": "example payload"}}, {"delivered": {"target_id": "3"}},
    ]});
    assert_contains(&outcome, &expected);
    assert_eq!(setting.batch("Thing", &[json!({"bad": true})]).await["items"][0]["failed"]["class"], "permanent");
    assert_eq!(setting.paths().len(), 1);
}

#[tokio::test]
async fn several_records_are_read_and_told_in_the_order_of_their_ids() {
    let setting = setting().await;
    setting.server.reply(Reply::json(200, r#"{"things": [{"id": "b", "total": 1.10}, {"id": "x"}, {"id": "a"}]}"#));
    setting.server.reply(Reply::json(200, r#"{"things": []}"#));
    let outcome = setting.read_many("Thing", &["a", "b", "c"]).await;
    assert_eq!(outcome, json!({"found": [{"id": "a"}, {"id": "b", "total": 1.1}, null]}));
    let queries: Vec<String> = setting.server.requests().iter().map(|request| request.query["q"].clone()).collect();
    assert_eq!(queries, ["id in ('a','b')", "id in ('c')"]);
    setting.server.reply(Reply::json(200, r#"[{"id": "a,b"}]"#));
    assert_eq!(setting.read_many("Listed", &["a,b"]).await, json!({"found": [{"id": "a,b"}]}));
    assert_eq!(setting.server.requests()[2].body, r#"{"ids":["a,b"]}"#);
    assert_eq!(
        setting.read_many("Joined", &["a,b"]).await["failed"]["fingerprint"],
        "example payload",
        "it would be two ids"
    );
    assert_eq!(setting.read_many("Listed", &[]).await, json!({"found": []}));
    for (ids, fingerprint) in [(&["x' or '1"][..], "example no-operation"), (&["a", "ä"], "example no-operation")] {
        assert_eq!(setting.read_many("Thing", ids).await["failed"]["fingerprint"], fingerprint, "{ids:?}");
    }
    assert_eq!(setting.server.requests().len(), 3, "none of these was asked for");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_taken_for_an_absence() {
    for (reply, class) in [
        (Reply::json(200, r#"[{"id": "a"}, {"name": "whose?"}]"#), "retry"),
        (Reply::json(200, r#"[{"id": -1.5}]"#), "retry"),
        (Reply::json(200, r#"{"a": 1}"#), "retry"),
        (Reply::json(200, "garbage"), "retry"),
        (Reply::Reset, "retry"),
        (Reply::json(500, "{}"), "retry"),
        (Reply::json(429, "{}"), "throttle"),
        (Reply::json(404, "{}"), "gone"),
    ] {
        let setting = setting().await;
        setting.server.reply(reply.clone());
        let outcome = setting.read_many("Listed", &["a", "b"]).await;
        assert_eq!(outcome["failed"]["class"], class, "{reply:?}: {outcome}");
    }
}
