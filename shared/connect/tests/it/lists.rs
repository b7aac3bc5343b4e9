//! Lists over a real connection: how pages follow each other, and what a source may not do with that.

use crate::server::{Received, Reply, Server, TestSecrets, client, connection};
use fluxnex_authoring::cases::outcome::{listed, listed_deletions};
use fluxnex_connect::{Connection, Engine, ListOutcome, ListReport, ListRequest, catalog};
use fluxnex_core::connector::CompiledManifest;
use fluxnex_core::ids::{ObjectName, SourceId};
use fluxnex_core::mapping::Json;
use fluxnex_core::poll::{Continuation, Listing, Position};
use serde_json::{Value, json};
use std::time::Duration;

const MANIFEST: &str = r#"
connector: example
title: Example
credentials: {token: {description: the token}}
authentication: {kind: bearer, token: token}
limits: {redirects: 2, headers: {limit: X-Max, remaining: X-Left, usage: {header: Limit-Info, matches: 'usage=(\d+)/(\d+)'}}}
objects:
  Urls:
    identify: &identify {id: .id, version: .at}
    list_changed: {method: GET, path: /urls, query: {since: "{since}"}, headers: {X-Page: "{page_size}"}, records: .value, pages: {next_url: .next}}
  Links:
    identify: *identify
    list_changed: {method: GET, path: /links, query: {since: "{since_milliseconds}"}, records: .value, pages: {link_header: true}}
  Cursors:
    identify: *identify
    list_changed: {method: GET, path: /cursors, query: {since: "{since}", after: "{cursor}"}, headers: {X-Cursor: "{cursor}"}, records: .value, pages: {cursor: .next}}
    list_deleted: {method: GET, path: /deleted, query: {since: "{since_unzoned}", to: "{now}"}, records: .value, pages: {link_header: true}, id: .key, version: .at}
  Searches:
    identify: *identify
    list_changed: {method: POST, path: /search, body: "{since: .since_milliseconds, after: .cursor, limit: .page_size}", records: .value, pages: {cursor: .next}}
  Numbers:
    identify: *identify
    list_changed: {method: GET, path: /numbers, query: {since: "{since}", page: "{page}"}, records: .value, pages: {page: 1}, page_size: 2}
  Offsets:
    identify: *identify
    list_changed: {method: GET, path: /offsets, query: {since: "{since}", start: "{offset}"}, records: .value, pages: {offset: 1}, page_size: 2}
"#;

struct Setting {
    server: Server,
    engine: Engine,
    connection: Connection,
}

async fn setting() -> Setting {
    let server = Server::start().await;
    let now = "2026-11-20T12:00:00Z".parse().unwrap();
    let engine = Engine::new(client(), TestSecrets::with(json!({"token": "marked-token"}))).with_clock(move || now);
    let manifest = CompiledManifest::compile(catalog::parse(MANIFEST).unwrap()).unwrap();
    let connection = connection(manifest, Some(&format!("{}/api", server.url)), &[]);
    Setting { server, engine, connection }
}

fn object(name: &str) -> ObjectName {
    ObjectName::parse(name).unwrap()
}

fn records(count: usize) -> Value {
    (0..count).map(|id| json!({"id": format!("r{id}"), "at": "2026-11-20T11:00:00Z"})).collect()
}

impl Setting {
    async fn report(&self, list: Listing, name: &str, continuation: Option<&Continuation>) -> ListReport {
        let position = Position { version: 1_795_000_000_000_000, id: Some(SourceId::parse("r").unwrap()) };
        let (object, timeout) = (object(name), Duration::from_secs(5));
        let request = ListRequest { list, object: &object, position: Some(&position), continuation, timeout };
        self.engine.list(&self.connection, &request).await
    }

    async fn list(&self, name: &str, continuation: Option<&Continuation>) -> Value {
        let report = self.report(Listing::Changed, name, continuation).await;
        let settings = Json::parse("settings", "{}").unwrap();
        listed(&report.outcome, |record| self.connection.manifest.identify(&object(name), record, &settings))
    }

    /// The page's continuation.
    async fn goes_on(&self, name: &str, continuation: Option<&Continuation>) -> Option<Continuation> {
        match self.report(Listing::Changed, name, continuation).await.outcome {
            ListOutcome::Listed(page) => page.next,
            ListOutcome::Failed(failure) => panic!("{failure:?}"),
        }
    }

    fn last(&self) -> Received {
        self.server.requests().pop().unwrap()
    }
}

/// An answer with two records, and a text to go on with.
fn page(next: &Value) -> Reply {
    Reply::json(200, json!({"value": records(2), "next": next}))
}

fn link(value: &str) -> Reply {
    let headers = vec![("Link".to_owned(), value.to_owned())];
    Reply::Answer { status: 200, headers, body: json!({"value": records(2)}).to_string() }
}

#[tokio::test]
async fn a_next_url_is_asked_for_as_it_is_with_the_same_proof_and_headers() {
    for next in
        ["{server}/api/urls?skip=2&x=a%20b", "/api/urls?skip=2&x=a%20b", "urls?skip=2&x=a%20b", "?skip=2&x=a%20b"]
    {
        let setting = setting().await;
        setting.server.reply(page(&json!(next.replace("{server}", &setting.server.url))));
        let continuation = setting.goes_on("Urls", None).await.unwrap();
        assert_eq!(continuation.as_str(), "/api/urls?skip=2&x=a%20b", "{next}");
        assert_eq!(setting.last().query["since"], "2026-11-18T11:06:40Z");
        setting.server.reply(page(&Value::Null));
        assert_eq!(setting.goes_on("Urls", Some(&continuation)).await, None);
        let request = setting.last();
        assert_eq!(
            (request.path.as_str(), request.query.len(), &request.query["skip"]),
            ("/api/urls", 2, &"2".to_owned())
        );
        assert_eq!(request.headers["authorization"], "Bearer marked-token");
        assert_eq!(request.headers["x-page"], "200");
    }
}

#[tokio::test]
async fn a_link_header_leads_to_the_next_page() {
    let setting = setting().await;
    setting.server.reply(link(r#"</api/links?p=1>; rel="prev", </api/links?p=3>; rel="next""#));
    let continuation = setting.goes_on("Links", None).await.unwrap();
    assert_eq!(setting.last().query["since"], "1795000000000");
    setting.server.reply(link(r#"</api/links?p=1>; rel="prev""#));
    assert_eq!(setting.goes_on("Links", Some(&continuation)).await, None);
    assert_eq!(setting.last().query["p"], "3");
}

#[tokio::test]
async fn a_cursor_goes_along_from_the_second_page_on() {
    let setting = setting().await;
    setting.server.reply(page(&json!("c/1")));
    let continuation = setting.goes_on("Cursors", None).await.unwrap();
    let first = setting.last();
    assert!(!first.query.contains_key("after") && !first.headers.contains_key("x-cursor"), "{first:?}");
    setting.server.reply(page(&Value::Null));
    assert_eq!(setting.goes_on("Cursors", Some(&continuation)).await, None);
    let second = setting.last();
    assert_eq!((&second.query["after"], &second.headers["x-cursor"]), (&"c/1".to_owned(), &"c/1".to_owned()));
    assert_eq!(second.query["since"], first.query["since"], "it is the same query");

    setting.server.reply(page(&json!(7)));
    let continuation = setting.goes_on("Searches", None).await.unwrap();
    assert_eq!(setting.last().body, r#"{"since":1795000000000,"after":null,"limit":200}"#);
    setting.server.reply(page(&Value::Null));
    setting.goes_on("Searches", Some(&continuation)).await;
    assert_eq!(setting.last().body, r#"{"since":1795000000000,"after":"7","limit":200}"#);
}

#[tokio::test]
async fn pages_and_records_are_counted() {
    for (name, field, expected) in [("Numbers", "page", ["1", "2", "3"]), ("Offsets", "start", ["1", "3", "5"])] {
        let setting = setting().await;
        let mut continuation = None;
        for (index, number) in expected.into_iter().enumerate() {
            let count = if index == 2 { 1 } else { 2 };
            setting.server.reply(Reply::json(200, json!({"value": records(count)})));
            continuation = setting.goes_on(name, continuation.as_ref()).await;
            assert_eq!(setting.last().query[field], number, "{name}");
        }
        assert_eq!(continuation, None, "the last page is not full");
    }
}

#[tokio::test]
async fn deletions_are_listed_with_their_ids_and_versions() {
    let setting = setting().await;
    let gone = json!({"value": [{"key": "a", "at": "2026-11-20T11:00:00Z"}, {"key": 7, "at": "2026-11-20T11:00:01Z"}, {"key": -1.5}]});
    setting.server.reply(Reply::json(200, gone));
    let report = setting.report(Listing::Deleted, "Cursors", None).await;
    let manifest = &setting.connection.manifest;
    let list = manifest.list_deleted(&object("Cursors")).unwrap();
    let settings = Json::parse("settings", "{}").unwrap();
    let outcome = listed_deletions(&report.outcome, |record| list.deletion(record, &settings));
    let deleted = &outcome["listed"]["deleted"];
    assert_eq!(deleted[0], json!({"id": "a", "version": 1_795_172_400_000_000_i64}));
    assert_eq!((&deleted[1]["id"], deleted[2].get("unidentified").is_some()), (&json!("7"), true), "{outcome}");
    assert_eq!(setting.last().query["since"], "2026-11-18T11:06:40");
    assert_eq!(setting.last().query["to"], "2026-11-20T12:00:00Z");
    let report = setting.report(Listing::Deleted, "Urls", None).await;
    assert!(matches!(report.outcome, ListOutcome::Failed(failure) if failure.fingerprint == "example no-operation"));
}

#[tokio::test]
async fn a_next_page_elsewhere_is_refused_and_nobody_there_is_asked() {
    let elsewhere = Server::start().await;
    for next in [
        elsewhere.url.clone() + "/steal",
        elsewhere.url.replace("http:", "") + "/steal",
        elsewhere.url.replace("http:", "https:"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "\\\\evil.example\\x".to_owned(),
        "file:///etc/passwd".to_owned(),
        "data:,x".to_owned(),
        "http://[::1".to_owned(),
    ] {
        let setting = setting().await;
        setting.server.reply(page(&json!(next)));
        let outcome = setting.list("Urls", None).await;
        let failed = &outcome["failed"];
        assert_eq!(
            (&failed["class"], &failed["fingerprint"]),
            (&json!("permanent"), &json!("example next-page")),
            "{next}: {outcome}"
        );
        setting.server.reply(link(&format!("<{next}>; rel=next")));
        assert_eq!(setting.list("Links", None).await["failed"]["fingerprint"], "example next-page", "{next}");
        assert_eq!(setting.server.requests().len(), 2);
    }
    // A user name would make the credentials somebody else's.
    let setting = setting().await;
    setting.server.reply(page(&json!(setting.server.url.replace("//", "//user:password@"))));
    assert_eq!(setting.list("Urls", None).await["failed"]["fingerprint"], "example next-page");
    // What was kept may have been tampered with: it stays at the origin whatever it is.
    let kept = elsewhere.url.replace("http:", "") + "/steal";
    setting.server.reply(page(&Value::Null));
    setting.list("Urls", Some(&Continuation::parse(kept).unwrap())).await;
    assert!(setting.last().path.ends_with("/steal") && setting.server.requests().len() == 2);
    for garbage in ["https://evil.example/", "x", "?page=2"] {
        let outcome = setting.list("Urls", Some(&Continuation::parse(garbage).unwrap())).await;
        assert_eq!(outcome["failed"]["class"], "permanent", "{garbage}");
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn what_cannot_be_kept_to_go_on_with_ends_the_list_visibly() {
    let setting = setting().await;
    for (name, next, fingerprint) in [
        ("Cursors", json!("x".repeat(3_000)), "example next-page"),
        ("Urls", json!(format!("/x?c={}", "x".repeat(3_000))), "example next-page"),
        ("Cursors", json!("a\nb"), "example next-page"),
        ("Cursors", json!("see marked-token"), "example next-page"),
        ("Urls", json!("/x?token=marked-token"), "example next-page"),
        ("Cursors", json!([1]), "example unreadable-answer"),
        ("Cursors", json!({"a": 1}), "example unreadable-answer"),
        ("Urls", json!(true), "example unreadable-answer"),
    ] {
        setting.server.reply(page(&next));
        let outcome = setting.list(name, None).await;
        assert_eq!(outcome["failed"]["fingerprint"], fingerprint, "{name} {next}: {outcome}");
        assert!(!outcome.to_string().contains("marked"), "{outcome}");
    }
    for body in ["", "garbage", "[]", "null", "-1", r#"{"value": 7}"#, r#"{"value": {"a": 1}}"#] {
        setting.server.reply(Reply::json(200, body));
        assert_eq!(setting.list("Numbers", None).await["failed"]["class"], "retry", "{body}");
    }
    for garbage in ["-1", "x", "99999999999", "1.5"] {
        let outcome = setting.list("Numbers", Some(&Continuation::parse(garbage).unwrap())).await;
        assert_eq!(outcome["failed"]["fingerprint"], "example next-page", "{garbage}");
    }
}

#[tokio::test]
async fn redirects_are_followed_so_often_as_the_manifest_says_at_the_same_origin_and_by_get_only() {
    let to = |location: &str| Reply::with_header(307, "location", location);
    let setting = setting().await;
    setting.server.reply(to("/moved?a=1"));
    setting.server.reply(to(&format!("{}/moved/again", setting.server.url)));
    setting.server.reply(page(&json!("?skip=2")));
    assert_eq!(setting.list("Urls", None).await["listed"]["next"], "/moved/again?skip=2");
    let requests = setting.server.requests();
    assert_eq!(
        requests.iter().map(|request| request.path.as_str()).collect::<Vec<_>>(),
        ["/api/urls", "/moved", "/moved/again"]
    );
    assert!(requests.iter().all(|request| request.headers["authorization"] == "Bearer marked-token"));

    let setting = self::setting().await;
    for _ in 0..3 {
        setting.server.reply(to("/round"));
    }
    assert_eq!(setting.list("Urls", None).await["failed"]["status"], 307);
    assert_eq!(setting.server.requests().len(), 3, "the first one and two more");

    let elsewhere = Server::start().await;
    for location in
        [elsewhere.url.as_str(), "http://169.254.169.254/", "//evil.example/", "file:///etc/passwd", "http://[", ""]
    {
        let setting = self::setting().await;
        setting.server.reply(to(location));
        let outcome = setting.list("Urls", None).await;
        if location.is_empty() {
            // The same address once more, which has nothing to say by now.
            continue;
        }
        assert_eq!((&outcome["failed"]["status"], setting.server.requests().len()), (&json!(307), 1), "{location}");
    }
    assert!(elsewhere.requests().is_empty());
    let setting = self::setting().await;
    setting.server.reply(to("/moved"));
    assert_eq!(setting.list("Searches", None).await["failed"]["status"], 307);
    assert_eq!(setting.server.requests().len(), 1, "what has a body is not sent to another place");
}

#[tokio::test]
async fn what_answers_tell_of_limits_is_told() {
    let setting = setting().await;
    let headers = [("x-max", "100"), ("X-LEFT", "7"), ("limit-info", "api-usage=18/5000")];
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    setting.server.reply(Reply::Answer { status: 200, headers, body: json!({"value": []}).to_string() });
    let limits = setting.report(Listing::Changed, "Urls", None).await.effort.limits.unwrap();
    let usage = limits.usage.unwrap();
    assert_eq!((limits.limit, limits.remaining, limits.reset_at), (Some(100), Some(7), None));
    assert_eq!((usage.used, usage.of), (18, 5000));
    setting.server.reply(page(&Value::Null));
    assert_eq!(setting.report(Listing::Changed, "Urls", None).await.effort.limits, None);
}
