//! How webhooks may come in, and how not; and what is published of them.

use super::{compile, manifest, wrong};
use crate::connector::Manifest;
use crate::mapping::Json;
use crate::signature::WebhookFormat;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A way for messages in XML, whose sender is in the body.
fn way() -> Value {
    json!({
        "format": {"xml": {"omit": ["SessionId"]}}, "signature": {"scheme": "token", "query": "t", "secret": "token"},
        "sender": {"at": "/a/b", "is": "{settings.area}", "characters": 5},
        "acknowledge": {"content_type": "text/xml", "body": "<ok/>"},
    })
}

#[test]
fn a_way_in_is_checked_where_it_stands() {
    let also = |pointer: &str, value: Value| {
        let mut way = way();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        way.pointer_mut(parent).unwrap()[name] = value;
        json!([way])
    };
    let at = "webhook.also.1";
    for (also, expected) in [
        (also("/signature/secret", json!("nobody")), format!("{at}.signature.secret: there is no credential nobody")),
        (also("/signature/header", json!("X-T")), format!("{at}.signature: header and query exclude each other")),
        (also("/signature/query", Value::Null), format!("{at}.signature: one of header and query")),
        (also("/signature/query", json!("")), format!("{at}.signature.query: a parameter has a name")),
        (also("/signature/prefix", json!("Bearer ")), format!("{at}.signature.prefix: goes with header")),
        (also("/sender/at", json!("a/b")), format!("{at}.sender.at: a JSON pointer begins with /")),
        (also("/sender/is", json!("{settings.other}")), format!("{at}.sender.is: there is no setting other")),
        (also("/sender/characters", json!(0)), format!("{at}.sender.characters: must be above 0")),
        (also("/acknowledge/content_type", json!("text/xml\r\nX: y")), format!("{at}.acknowledge.content_type")),
        (also("/acknowledge/body", json!("x".repeat(5_000))), format!("{at}.acknowledge.body: an answer has")),
        (also("/format", json!({"xml": {"omit": ["sf:Id"]}})), format!("{at}.format.xml.omit: names of elements")),
        (also("/format", json!("json")), "webhook.also: no format comes in two ways".to_owned()),
        (json!([way(), way()]), "webhook.also: no format comes in two ways".to_owned()),
        (also("/format", json!("yaml")), "unknown variant `yaml`".to_owned()),
        (also("/colour", json!("red")), "unknown field `colour`".to_owned()),
    ] {
        let error = wrong("/webhook/also", also.clone());
        assert!(error.contains(&expected), "{also}: {error}");
    }
}

#[test]
fn a_way_whose_sender_is_not_known_is_closed() {
    let mut said = manifest();
    said["webhook"]["also"] = json!([way()]);
    compile(said.clone()).unwrap();
    let manifest: Manifest = serde_json::from_value(said).unwrap();
    let published = |area: &str| {
        let given = BTreeMap::from([("host".to_owned(), "h".to_owned()), ("area".to_owned(), area.to_owned())]);
        manifest.published_webhook(&given, "name", true).unwrap().unwrap()
    };
    let open = published("south");
    assert_eq!((open.secret_name.as_str(), open.paused, open.also.len()), ("name", true, 1));
    assert_eq!(open.also[0].sender.as_ref().unwrap().is, "south");
    assert!(published("").also.is_empty());
    // Where that is the only one, no webhook is taken at all.
    let mut only = manifest.clone();
    let webhook = only.webhook.as_mut().unwrap();
    let also = webhook.also.remove(0);
    (webhook.format, webhook.sender) = (WebhookFormat::Xml { omit: vec![] }, also.sender);
    let given = BTreeMap::from([("host".to_owned(), "h".to_owned()), ("area".to_owned(), String::new())]);
    assert_eq!(only.published_webhook(&given, "name", false), Ok(None));
    assert!(only.published_webhook(&BTreeMap::new(), "name", false).is_err(), "a setting is missing");
}

#[test]
fn a_record_may_have_an_event_of_its_own() {
    let compiled = compile(manifest()).unwrap();
    let body = json!({"changes": [
        {"object": "Thing", "record": {"id": 1}, "event": "n-1"},
        {"object": "Thing", "id": 2, "event": null},
        {"object": "Thing", "id": 3, "event": ""},
        {"object": "Nothing", "id": 4, "event": "n-4"},
    ]});
    let records = compiled.webhook_records(&body.to_string(), &Json::null()).unwrap();
    let events: Vec<Option<String>> =
        records.iter().flatten().map(|record| record.event.as_ref().map(|event| event.as_str().to_owned())).collect();
    assert_eq!(events, [Some("n-1".to_owned()), None, None]);
    assert!(records[3].is_err());
}
