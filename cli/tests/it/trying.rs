//! `fluxnex connector try` with many records, in batches, and for deleting: against a small application of this machine.

use crate::command::{Said, fluxnex_with};
use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, get, post};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

const MANIFEST: &str = r#"
connector: desk
title: Desk
documentation: [https://d.example.com/docs]
base_url: https://d.example.com
credentials: {api_token: {description: A token.}}
authentication: {kind: bearer, token: api_token}
objects:
  Ticket:
    identify: {id: .id, id_characters: code}
    read_many: {max: 2, method: GET, path: /tickets, query: {ids: "{ids}"}, records: .data}
target:
  once: {key: {ttl_seconds: 60}}
  objects:
    Ticket:
      create: {method: POST, path: /tickets, headers: {Idempotency-Key: "{key}"}, body: ., id: .id}
      delete: {method: DELETE, path: "/tickets/{id}"}
      batch:
        max_items: 10
        method: POST
        path: /tickets/batch
        body: 'map({key: .key, ours: .external_id, id: .target.id, subject: .payload.subject})'
        items: '.items'
"#;

/// An application with two tickets.
async fn desk() -> String {
    let known = |headers: &HeaderMap| headers.get("authorization").is_some_and(|value| value == "Bearer marked-token");
    let many = async move |headers: HeaderMap, Query(query): Query<HashMap<String, String>>| {
        let there = |id: &&str| ["T-1", "T-2"].contains(id);
        let records: Vec<Value> = query["ids"].split(',').filter(there).map(|id| json!({"id": id})).collect();
        (if known(&headers) { StatusCode::OK } else { StatusCode::UNAUTHORIZED }, json!({"data": records}).to_string())
    };
    let batch = async |body: String| {
        let items: Vec<Value> = serde_json::from_str(&body).unwrap();
        let item = |item: &Value| match item["subject"].as_str() {
            Some(subject) => json!({"id": format!("{subject}/{}/{}", item["ours"], item["id"])}),
            None => json!({"status": 422, "code": "no_subject"}),
        };
        json!({"items": items.iter().map(item).collect::<Vec<_>>()}).to_string()
    };
    let router = Router::new()
        .route("/tickets", get(many))
        .route("/tickets/batch", post(batch))
        .route("/tickets/T-1", delete(async || StatusCode::NO_CONTENT))
        .route("/tickets/T-2", delete(async || (StatusCode::CONFLICT, "{}")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn tried(folder: &Path, url: &str, operation: &[&str]) -> Said {
    let mut arguments = vec!["--json", "connector", "try", "desk", "--local", "--base-url", url];
    arguments.extend(operation);
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    let folder = folder.to_owned();
    let run = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        fluxnex_with(&folder, &arguments, &[("FLUXNEX_SECRET_API_TOKEN", "marked-token")])
    };
    let said = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(!said.out.contains("marked-token"), "{said:?}");
    said
}

fn outcome(said: &Said) -> Value {
    let answer: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    answer["outcome"].clone()
}

#[tokio::test]
async fn many_are_read_sent_in_batches_and_deleted() {
    let url = desk().await;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("desk")).unwrap();
    fs::write(folder.path().join("desk/connector.yaml"), MANIFEST).unwrap();
    let run = async |operation: &[&str]| tried(folder.path(), &url, operation).await;

    let read = run(&["read-many", "Ticket", "T-1", "T-9", "T-2"]).await;
    assert_eq!((read.code, outcome(&read)), (0, json!({"found": [{"id": "T-1"}, null, {"id": "T-2"}]})), "{read:?}");
    let requests = serde_json::from_str::<Value>(&read.out).unwrap()["exchanges"].as_array().unwrap().len();
    assert_eq!(requests, 2, "as many as one request takes");

    let items = json!([
        {"payload": {"subject": "a"}, "external_id": "e-1", "key": "k-1"},
        {"payload": {"subject": "b"}, "target_id": "T-7"},
    ]);
    fs::write(folder.path().join("items.json"), items.to_string()).unwrap();
    let sent = run(&["send-batch", "Ticket", "items.json"]).await;
    assert_eq!(sent.code, 0, "{sent:?}");
    assert_eq!(outcome(&sent).pointer("/items/0/delivered/target_id"), Some(&json!("a/\"e-1\"/null")));
    assert_eq!(outcome(&sent).pointer("/items/1/delivered/target_id"), Some(&json!("b/null/\"T-7\"")));
    fs::write(folder.path().join("items.json"), r#"[{"payload": {"subject": "a"}}, {"payload": {}}]"#).unwrap();
    let partly = run(&["send-batch", "Ticket", "items.json"]).await;
    assert_eq!((partly.code, outcome(&partly).pointer("/items/1/failed/status")), (1, Some(&json!(422))), "{partly:?}");

    let deleted = run(&["delete", "Ticket", "T-1"]).await;
    assert_eq!(
        (deleted.code, outcome(&deleted).pointer("/delivered/target_id")),
        (0, Some(&json!("T-1"))),
        "{deleted:?}"
    );
    let refused = run(&["delete", "Ticket", "T-2"]).await;
    assert_eq!((refused.code, outcome(&refused).pointer("/failed/status")), (1, Some(&json!(409))), "{refused:?}");

    for (garbage, expected) in
        [("[]", "has no records"), ("{}", "is no list of"), (r#"[{"record": {}}]"#, "is no list of")]
    {
        fs::write(folder.path().join("items.json"), garbage).unwrap();
        let said = run(&["send-batch", "Ticket", "items.json"]).await;
        assert!(said.code == 2 && format!("{}{}", said.out, said.err).contains(expected), "{garbage}: {said:?}");
    }
    for operation in [&["delete", "Nothing", "T-1"][..], &["send-batch", "Nothing", "items.json"]] {
        assert_eq!(run(operation).await.code, 2, "{operation:?}");
    }
    assert_eq!(run(&["read-many", "Ticket"]).await.code, 2, "an id is needed");
}
