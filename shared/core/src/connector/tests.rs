//! What a manifest may say, and what a webhook's records come to.

mod authentication;
mod webhook;

use super::*;
use crate::ids::SourceId;
use crate::mapping::Json;
use proptest::prelude::*;
use serde_json::{Value, json};

fn manifest() -> Value {
    json!({
        "connector": "example",
        "title": "Example",
        "base_url": "https://{settings.host}",
        "settings": {"host": {"description": "the host", "required": true}, "area": {"description": "the area", "default": "north"}},
        "credentials": {"token": {"description": "the token"}},
        "authentication": {"kind": "bearer", "token": "token"},
        "webhook": {
            "signature": {"scheme": "token", "header": "X-Token", "secret": "token"},
            "records": ".changes",
        },
        "objects": {"Thing": {"identify": {"id": ".id", "version": ".changed", "deleted": ".gone"}}},
        "target": {
            "once": {"key": {"ttl_seconds": 60}},
            "objects": {"*": {"create": {"method": "POST", "path": "/{object}", "query": {"key": "{key}"}, "body": "."}}},
        },
        "errors": {"code": ".code", "rules": [{"code": ["7"], "means": "conflict"}]},
    })
}

fn compile(manifest: Value) -> Result<CompiledManifest, String> {
    let manifest: Manifest = serde_json::from_value(manifest).map_err(|error| error.to_string())?;
    CompiledManifest::compile(manifest).map_err(|error| error.to_string())
}

/// What is wrong if the value at a place is replaced.
fn wrong(pointer: &str, value: Value) -> String {
    let mut said = manifest();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = said.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    parent.insert(name.to_owned(), value);
    compile(said).err().unwrap_or_else(|| panic!("{pointer} is accepted"))
}

fn object(name: &str) -> ObjectName {
    ObjectName::parse(name).unwrap()
}

#[test]
fn errors_name_the_place_and_come_all_at_once() {
    let create = "/target/objects/*/create";
    for (pointer, value, expected) in [
        ("/base_url", json!("https://{settings.other}"), "base_url: there is no setting other under settings"),
        ("/base_url", json!("https://{id}"), "base_url: there is no {id} at this place"),
        (
            "/settings/host",
            json!({"description": "optional"}),
            "base_url: the setting host must be required, or have a default",
        ),
        ("/authentication/token", json!("key"), "authentication: there is no credential key under credentials"),
        (
            "/webhook/signature/secret",
            json!("key"),
            "webhook.signature.secret: there is no credential key under credentials",
        ),
        (
            "/webhook/signature/header",
            json!("X Token"),
            "webhook.signature: a header's name is letters, digits and hyphens",
        ),
        ("/webhook/records", json!(".changes |"), "webhook.records: mapping webhook.records: line 1"),
        (
            "/objects/Thing/identify/id",
            json!("nosuch"),
            "objects.Thing.identify.id: mapping objects.Thing.identify.id:",
        ),
        ("/objects/Thing/identify/id", json!("$target"), "objects.Thing.identify.id"),
        ("/target/objects", json!({}), "target.objects: a target has at least one object"),
        (
            "/target",
            json!({"once": "none", "test": {"object": "Other", "payload": {}},
                   "objects": {"Thing": {"create": {"method": "POST", "path": ""}}}}),
            "target.test.object: the target has no object Other",
        ),
        (
            &format!("{create}/query"),
            json!({}),
            "target.objects.*.create: target.once is key, and the request does not carry {key}",
        ),
        (&format!("{create}/path"), json!("/{id}"), "target.objects.*.create.path: there is no {id} at this place"),
        (&format!("{create}/path"), json!("things"), "a path is empty or begins with `/`"),
        (&format!("{create}/path"), json!("/things?x=1"), "a path is empty or begins with `/`"),
        (&format!("{create}/method"), json!("GET"), "target.objects.*.create.method: GET may not have an effect"),
        (
            &format!("{create}/headers"),
            json!({"Authorization": "x"}),
            "create.headers.Authorization: only the engine sets this header",
        ),
        (&format!("{create}/headers"), json!({"X Y": "x"}), "a header's name is letters, digits and hyphens"),
        (&format!("{create}/body"), json!("env"), "`env` is not allowed in a mapping"),
        (
            "/errors/rules",
            json!([{"means": "retry"}]),
            "errors.rules.1: a rule names a status, a code, a header or a body",
        ),
        (
            "/errors/rules",
            json!([{"status": 400, "means": "retry", "id": ".id"}]),
            "errors.rules.1: id goes with duplicate_means_success",
        ),
        (
            "/errors/rules",
            json!([{"status": 400, "means": "retry", "retry_after_seconds": 1}]),
            "retry_after_seconds goes with throttle",
        ),
        (
            "/errors",
            json!({"rules": [{"code": ["7"], "means": "retry"}]}),
            "errors.code does not say where the code is",
        ),
        ("/limits", json!({"rate_per_second": 0.0}), "limits.rate_per_second: must be above 0"),
        ("/limits", json!({"request_timeout_seconds": 0}), "limits.request_timeout_seconds: must be above 0"),
        (
            "/credentials",
            json!({"token": {"description": "d"}, "A b": {"description": "d"}}),
            "credentials.A b: a name is lower-case",
        ),
    ] {
        let error = wrong(pointer, value.clone());
        assert!(error.starts_with("connector example; ") && error.contains(expected), "{pointer} = {value}: {error}");
    }
    let mut said = manifest();
    said["base_url"] = json!("https://{settings.a}/{settings.b}");
    assert_eq!(compile(said).unwrap_err().matches("there is no setting").count(), 2);
}

#[test]
fn what_is_said_of_writing_and_reading_must_fit_together() {
    let object = "/target/objects/*";
    let operation = json!({"method": "PUT", "path": "/{object}", "query": {"key": "{key}"}, "body": "."});
    let batch = |body: &str, max: u32| json!({"max_items": max, "method": "POST", "path": "/batch", "body": body, "items": ".items"});
    let many = |query: Value| json!({"max": 10, "method": "GET", "path": "/m", "query": query, "records": "."});
    for (pointer, value, expected) in [
        (
            object,
            json!({"update": operation}),
            "target.objects.*: one of create and upsert says how a record is written",
        ),
        (object, json!({"create": operation, "upsert": operation}), "upsert goes in place of create and update"),
        (object, json!({"upsert": operation, "update": operation}), "upsert goes in place of create and update"),
        (
            "/target/objects/*/upsert",
            json!({"method": "PATCH", "path": "/{id}"}),
            "upsert.path: there is no {id} at this place",
        ),
        (
            "/target/objects/*/delete",
            json!({"method": "GET", "path": "/{id}"}),
            "delete.method: GET may not have an effect",
        ),
        ("/target/objects/*/delete", json!({"method": "DELETE", "path": "/{ids}"}), "there is no {ids} at this place"),
        ("/target/objects/*/batch", batch(".", 10), "the request does not carry each item's .key"),
        ("/target/objects/*/batch", batch("map(.key)", 0), "batch.max_items: must be from 1 to 1000"),
        ("/target/objects/*/batch", batch("map(.key) [", 1), "target.objects.*.batch.body"),
        (
            "/target",
            json!({"once": "external_id", "objects": {"*": {"create": operation}}}),
            "does not carry {external_id}",
        ),
        ("/target/objects/*/create/id", json!("$key"), "target.objects.*.create.id"),
        ("/objects/Thing/read_many", many(json!({})), "read_many: the request does not carry {ids}"),
        ("/objects/Thing/read_many", many(json!({"i": "{ids}{id}"})), "there is no {id} at this place"),
        (
            "/objects/Thing/read_many",
            json!({"max": 0, "separator": "", "method": "GET", "path": "/{ids}", "records": "."}),
            "objects.Thing.read_many.max: must be from 1 to 1000; objects.Thing.read_many.separator: must not be empty",
        ),
        ("/limits", json!({"redirects": 6}), "limits.redirects: must be at most 5"),
        ("/limits", json!({"concurrent_requests": 0}), "limits.concurrent_requests: must be above 0"),
        (
            "/limits",
            json!({"request_timeout_seconds": 601}),
            "limits.request_timeout_seconds: must be above 0, and at most 600",
        ),
        ("/limits", json!({"response_max_bytes": 0}), "limits.response_max_bytes: must be above 0"),
        ("/limits", json!({"headers": {"limit": "X Y"}}), "limits.headers.limit: a header's name"),
        (
            "/limits",
            json!({"headers": {"usage": {"header": "X", "matches": "("}}}),
            "usage.matches: is no regular expression",
        ),
        ("/limits", json!({"headers": {"usage": {"header": "X", "matches": "(a)"}}}), "usage.matches: needs 2 groups"),
        (
            "/errors/rules",
            json!([{"header": {"name": "X", "matches": "["}, "means": "retry"}]),
            "errors.rules.1.header.matches: is no regular expression of at most 1000 bytes",
        ),
        (
            "/errors/rules",
            json!([{"header": {"name": "", "matches": "x"}, "means": "retry"}]),
            "errors.rules.1.header.name",
        ),
        ("/errors/rules", json!([{"body": ".a |", "means": "retry"}]), "errors.rules.1.body"),
    ] {
        let error = wrong(pointer, value.clone());
        assert!(error.contains(expected), "{pointer} = {value}: {error}");
    }
    let mut said = manifest();
    said["target"]["objects"]["*"] = json!({
        "upsert": {"method": "PATCH", "path": "/{object}/{external_id}", "query": {"key": "{key}"}, "body": ".", "id": ".id // $external_id"},
        "delete": {"method": "DELETE", "path": "/{object}/{id}"},
        "batch": batch("map({key: .key, payload: .payload})", 100),
    });
    let compiled = compile(said).unwrap();
    let written = compiled.target_object(&self::object("any")).unwrap();
    for is_known in [true, false] {
        assert_eq!(written.write(is_known).unwrap().kind, OperationKind::Upsert);
    }
}

#[test]
fn a_rule_fits_by_status_code_header_and_body_together() {
    let mut said = manifest();
    said["errors"]["rules"] = json!([
        {"status": 400, "code": ["7"], "header": {"name": "X-Fault", "matches": "^quota"}, "body": ".kind == 1", "means": "throttle"},
        {"body": ".kind == 2", "means": "gone"},
        {"header": {"name": "x-fault", "matches": "session"}, "operations": ["read", "batch"], "means": "reauthenticate"},
    ]);
    let compiled = compile(said).unwrap();
    let meaning = |status: u16, code: Option<&str>, header: Option<&str>, body: &str, operation: OperationKind| {
        let body = Json::parse("body", body).unwrap();
        let refused = Refused { operation, status, code, body: &body };
        let header = |name: &str| header.filter(|_| name.eq_ignore_ascii_case("x-fault"));
        compiled.errors().rule_for(&refused, header).map(|rule| rule.rule.means)
    };
    let kind = r#"{"kind": 1}"#;
    assert_eq!(meaning(400, Some("7"), Some("quota used"), kind, OperationKind::Create), Some(Meaning::Throttle));
    assert_eq!(meaning(401, Some("7"), Some("quota used"), kind, OperationKind::Create), None);
    assert_eq!(meaning(400, Some("8"), Some("quota used"), kind, OperationKind::Create), None);
    assert_eq!(meaning(400, Some("7"), Some("no quota"), kind, OperationKind::Create), None);
    assert_eq!(meaning(400, Some("7"), None, kind, OperationKind::Create), None);
    assert_eq!(meaning(400, Some("7"), Some("quota used"), "{}", OperationKind::Create), None);
    assert_eq!(meaning(500, None, None, r#"{"kind": 2}"#, OperationKind::Delete), Some(Meaning::Gone));
    for garbage in ["null", "[]", "7", "\"text\"", r#"{"kind": -1}"#, r#"{"kind": [2]}"#] {
        assert_eq!(meaning(500, None, None, garbage, OperationKind::Delete), None, "{garbage}");
    }
    assert_eq!(meaning(403, None, Some("a session"), "null", OperationKind::Batch), Some(Meaning::Reauthenticate));
    assert_eq!(meaning(403, None, Some("a session"), "null", OperationKind::Create), None);
}

#[test]
fn fields_that_do_not_exist_are_refused_everywhere() {
    for pointer in [
        "",
        "/settings/host",
        "/credentials/token",
        "/authentication",
        "/webhook",
        "/webhook/signature",
        "/objects/Thing",
        "/objects/Thing/identify",
        "/target",
        "/target/once/key",
        "/target/objects/*",
        "/target/objects/*/create",
        "/errors",
        "/errors/rules/0",
    ] {
        let error = wrong(&format!("{pointer}/colour"), json!("red"));
        assert!(error.contains("colour"), "{pointer}: {error}");
    }
}

#[test]
fn every_way_to_say_once_is_read() {
    for once in [
        json!("none"),
        json!("external_id"),
        json!({"read_back": {"settle_seconds": 5}}),
        json!({"key": {"ttl_seconds": 5, "max_bytes": 50}}),
    ] {
        let mut said = manifest();
        said["target"]["once"] = once.clone();
        said["target"]["objects"]["*"]["create"]["query"]["external_id"] = json!("{external_id}");
        let compiled = compile(said).unwrap();
        assert_eq!(serde_json::to_value(&compiled.manifest().target.as_ref().unwrap().once).unwrap(), once);
    }
    for garbage in [json!("sometimes"), json!({"key": {}}), json!({}), json!(null), json!("key")] {
        wrong("/target/once", garbage);
    }
}

#[test]
fn settings_are_completed_and_checked() {
    let compiled = compile(manifest()).unwrap();
    let settings = |given: &[(&str, &str)]| {
        compiled.settings(&given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    };
    assert_eq!(settings(&[("host", "h")]).unwrap()["area"], "north");
    assert_eq!(settings(&[("host", "h"), ("area", "south")]).unwrap()["area"], "south");
    assert_eq!(settings(&[]), Err(SettingsError::Missing { name: "host".to_owned() }));
    assert_eq!(settings(&[("host", "h"), ("x", "")]), Err(SettingsError::Unknown { name: "x".to_owned() }));
}

#[test]
fn records_of_a_webhook_are_identified_each_by_itself() {
    let compiled = compile(manifest()).unwrap();
    let body = r#"{"changes": [
        {"object": "Thing", "record": {"id": 1, "changed": "1970-01-01T00:00:01Z", "amount": 10.00}},
        {"object": "Thing", "id": "2", "deleted": true},
        {"object": "Thing", "record": {"id": "3", "gone": true}},
        {"object": "Thing", "deleted": true, "record": {"id": "4"}},
        {"object": "Other", "id": "5"},
        {"object": "Thing"},
        {"object": "Thing", "record": {"id": "6", "changed": "never"}},
        {"object": "Thing", "record": "text"}
    ]}"#;
    let records = compiled.webhook_records(body, &Json::null()).unwrap();
    let summary: Vec<_> = records
        .iter()
        .map(|record| {
            record.as_ref().map(|record| (record.id.as_str(), record.version, record.deleted, record.record.is_some()))
        })
        .collect();
    assert_eq!(
        summary[..4],
        [
            Ok(("1", Some(1_000_000), false, true)),
            Ok(("2", None, true, false)),
            Ok(("3", None, true, true)),
            Ok(("4", None, true, true)),
        ]
    );
    assert_eq!(records[4], Err(IdentifyError::UnknownObject));
    assert_eq!(records[5], Err(IdentifyError::NoId));
    assert!(
        matches!(records[6], Err(IdentifyError::Version { .. }))
            && matches!(records[7], Err(IdentifyError::Program(_)))
    );
    assert!(records[0].as_ref().unwrap().record.as_ref().unwrap().contains("10.00"), "numbers keep their digits");
    assert_eq!(compiled.webhook_records(r#"{"changes": []}"#, &Json::null()).unwrap(), []);
}

#[test]
fn bodies_that_are_something_else_are_refused_as_a_whole() {
    let compiled = compile(manifest()).unwrap();
    for garbage in [
        "",
        "{",
        "[]",
        "null",
        "1",
        r#"{"changes": 1}"#,
        r#"{"changes": [1]}"#,
        r#"{"changes": [{}]}"#,
        r#"{"changes": [{"object": ""}]}"#,
        r#"{"changes": [{"object": "Thing", "colour": 1}]}"#,
        r#"{"changes": [{"object": "Thing", "deleted": "yes"}]}"#,
        "\u{feff}{}",
    ] {
        assert!(compiled.webhook_records(garbage, &Json::null()).is_err(), "{garbage}");
    }
    assert!(compiled.webhook_records(&"[".repeat(100_000), &Json::null()).is_err());
    let mut said = manifest();
    said.as_object_mut().unwrap().remove("webhook");
    assert_eq!(compile(said).unwrap().webhook_records("{}", &Json::null()), Err(IdentifyError::NoWebhooks));
}

#[test]
fn an_object_that_is_not_listed_is_taken_if_the_target_takes_any() {
    let compiled = compile(manifest()).unwrap();
    assert!(compiled.target_object(&object("whatever")).is_some());
    assert!(compiled.identify(&object("whatever"), "{}", &Json::null()).is_err());
    assert!(compiled.read_one(&object("Thing"), &SourceId::parse("1").unwrap()).is_err());
}

proptest! {
    #[test]
    fn no_manifest_panics(pointer in prop::sample::select(vec!["/base_url", "/webhook/records", "/objects/Thing/identify/id", "/target/objects/*/create/body", "/target/objects/*/create/path"]), text in ".{0,60}") {
        let mut said = manifest();
        *said.pointer_mut(pointer).unwrap() = json!(text);
        let _ = compile(said);
    }

    #[test]
    fn no_body_panics(body in ".{0,200}") {
        let _ = compile(manifest()).unwrap().webhook_records(&body, &Json::null());
    }
}
