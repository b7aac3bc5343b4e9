//! What a list may say, and what its pages come to.

use crate::connector::{CompiledList, CompiledManifest, ListedPage, Manifest, PageError};
use crate::ids::{ObjectName, SourceId};
use crate::mapping::Json;
use crate::poll::{Continuation, LONGEST_CONTINUATION_BYTES, Position};
use jiff::Timestamp;
use serde_json::{Value, json};

fn manifest() -> Value {
    json!({
        "connector": "example", "title": "Example", "base_url": "https://example.com",
        "settings": {"key_field": {"description": "the key", "default": "ID"}},
        "objects": {"*": {
            "identify": {"id": ".[$settings.key_field]", "version": ".Changed", "id_characters": "code"},
            "list_changed": {
                "method": "GET", "path": "/{object}",
                "query": {"$filter": "Changed gt {since} or (Changed eq {since} and {settings.key_field} gt '{after}')",
                          "$top": "{page_size}"},
                "records": ".value", "more": r#".["@odata.nextLink"] != null"#, "overlap_seconds": 60,
            },
        }},
    })
}

fn compile(manifest: Value) -> Result<CompiledManifest, String> {
    let manifest: Manifest = serde_json::from_value(manifest).map_err(|error| error.to_string())?;
    CompiledManifest::compile(manifest).map_err(|error| error.to_string())
}

fn things() -> ObjectName {
    ObjectName::parse("Things").unwrap()
}

fn page_of(list: &CompiledList, answer: &str) -> Result<ListedPage, PageError> {
    let places = list.places(None, None, Timestamp::UNIX_EPOCH).unwrap();
    list.page(&Json::parse("answer", answer).unwrap(), None, &settings(), &places, |link| Ok(link.to_owned()))
}

/// `{since}` and `{after}`.
fn places(list: &CompiledList, position: Option<&Position>) -> (String, String) {
    let places = list.places(position, None, Timestamp::UNIX_EPOCH).unwrap();
    (places.since, places.after)
}

fn settings() -> Json {
    Json::parse("settings", r#"{"key_field": "ID"}"#).unwrap()
}

#[test]
fn any_object_is_listed_page_by_page() {
    let compiled = compile(manifest()).unwrap();
    let list = compiled.list_changed(&things()).unwrap();
    let page = |answer: &str| page_of(list, answer);
    let first = page(r#"{"value": [{"ID": "A-1", "Total": 10.00}], "@odata.nextLink": "x"}"#).unwrap();
    assert!(first.more);
    assert_eq!(first.records[0].get(), r#"{"ID":"A-1","Total":10.00}"#, "numbers keep their digits");
    assert!(!page(r#"{"value": [{"ID": "A-1"}]}"#).unwrap().more);
    // A source that promises more and gives nothing would be asked for ever.
    assert!(!page(r#"{"value": [], "@odata.nextLink": "x"}"#).unwrap().more);
    for garbage in ["{}", "[]", r#"{"value": {}}"#, r#"{"value": 1}"#] {
        assert!(page(garbage).is_err(), "{garbage}");
    }
}

#[test]
fn without_a_sign_of_more_a_full_page_is_one() {
    let mut said = manifest();
    let list = said.pointer_mut("/objects/*/list_changed").unwrap().as_object_mut().unwrap();
    list.remove("more");
    list.insert("page_size".to_owned(), json!(2));
    let compiled = compile(said).unwrap();
    let list = compiled.list_changed(&things()).unwrap();
    let page = |answer: &str| page_of(list, answer).unwrap().more;
    assert_eq!((page(r#"{"value": [1]}"#), page(r#"{"value": [1, 2]}"#)), (false, true));
}

#[test]
fn positions_are_written_as_the_source_reads_them() {
    let compiled = compile(manifest()).unwrap();
    let list = compiled.list_changed(&things()).unwrap();
    let position = Position { version: 1_500_000, id: Some(SourceId::parse("A-1").unwrap()) };
    assert_eq!(places(list, Some(&position)), ("1970-01-01T00:00:01.5Z".to_owned(), "A-1".to_owned()));
    assert_eq!(places(list, None), ("1970-01-01T00:00:00Z".to_owned(), String::new()));
    let mut said = manifest();
    let object = said.pointer_mut("/objects/*").unwrap();
    object["identify"]["version_kind"] = json!("integer");
    object["list_changed"]["overlap_seconds"] = json!(0);
    object["list_changed"]["first_id"] = json!("000");
    let compiled = compile(said).unwrap();
    let list = compiled.list_changed(&things()).unwrap();
    assert_eq!(places(list, Some(&Position { version: 7, id: None })), ("7".to_owned(), "000".to_owned()));
}

#[test]
fn ids_that_could_leave_their_quotes_are_none() {
    let compiled = compile(manifest()).unwrap();
    let identify =
        |id: &str| compiled.identify(&things(), &json!({"ID": id, "Changed": null}).to_string(), &settings());
    assert!(identify("INV-000.1_a").is_ok());
    for hostile in ["a' or 1 eq 1", "a b", "ä", ""] {
        assert!(identify(hostile).is_err(), "{hostile}");
    }
}

#[test]
fn a_list_that_cannot_work_is_refused() {
    let list = "/objects/*/list_changed";
    for (pointer, value, expected) in [
        (format!("{list}/page_size"), json!(0), "page_size: must be from 1 to 1000"),
        (format!("{list}/page_size"), json!(1001), "page_size: must be from 1 to 1000"),
        (format!("{list}/query"), json!({"after": "{after}"}), "the request does not carry {since}"),
        (format!("{list}/query"), json!({"since": "{since}"}), "the request does not carry {after}"),
        (format!("{list}/query"), json!({"a": "{since}{after}{id}"}), "there is no {id} at this place"),
        (format!("{list}/records"), json!(".value ["), "expected"),
        (format!("{list}/more"), json!("input"), "not allowed"),
        ("/objects/*/identify/version".to_owned(), Value::Null, "nobody can tell what changed"),
        ("/objects/*/identify/version_kind".to_owned(), json!("integer"), "only versions that are moments can overlap"),
    ] {
        let mut said = manifest();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        said.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(name.to_owned(), value);
        let error = compile(said).err().unwrap_or_else(|| panic!("{pointer} is accepted"));
        assert!(error.contains(expected), "{pointer}: {error}");
    }
}

/// The manifest with other fields of its list.
fn with(fields: Value) -> Value {
    let mut said = manifest();
    let list = said.pointer_mut("/objects/*/list_changed").unwrap().as_object_mut().unwrap();
    list.remove("more");
    list.extend(fields.as_object().unwrap().clone());
    said
}

const SINCE: &str = "Changed ge {since}";

#[test]
fn ways_to_go_on_that_cannot_work_are_refused() {
    let of = |fields: Value| {
        let mut all = json!({"query": {"f": SINCE, "p": "{cursor}"}, "pages": {"cursor": ".next"}});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        compile(with(all)).err()
    };
    assert_eq!(of(json!({})), None);
    assert_eq!(of(json!({"bound": 200, "ordered": true, "look_back_seconds": 1})), None);
    for (fields, expected) in [
        (json!({"query": {"f": SINCE}}), "list_changed: the request does not carry {cursor}"),
        (json!({"query": {"p": "{cursor}"}}), "list_changed: the request does not carry {since}"),
        (json!({"pages": {"page": 1}}), "the request does not carry {page}"),
        (json!({"pages": {"offset": true}}), "the request does not carry {offset}"),
        (
            json!({"pages": {"offset": false}, "query": {"f": SINCE, "p": "{offset}"}}),
            "pages.offset: false says nothing",
        ),
        (json!({"pages": {"link_header": false}, "query": {"f": SINCE}}), "pages.link_header: false says nothing"),
        (json!({"pages": {"next_url": ".next ["}, "query": {"f": SINCE}}), "list_changed.pages.next_url"),
        (
            json!({"pages": {"link_header": true}, "method": "POST", "query": {"f": SINCE}}),
            "method: a next page that is a URL",
        ),
        (json!({"path": "/{object}/{cursor}"}), "path: {cursor} cannot stand in a path"),
        (json!({"bound": 199}), "bound: must not be below page_size"),
        (json!({"bound": 1000, "ordered": false}), "bound: goes only with records in the order of version"),
        (
            json!({"pages": "keyset", "query": {"f": "{since}{after}"}, "bound": 1000}),
            "bound: does not go with a keyset",
        ),
        (
            json!({"pages": "keyset", "query": {"f": "{since}{after}"}, "ordered": false}),
            "ordered: a keyset is ordered",
        ),
        (json!({"look_back_seconds": 0}), "look_back_seconds: must be above 0"),
        (json!({"id": ".id"}), "list_changed.id: goes with list_deleted"),
        (json!({"pages": {"cursor": ".next", "page": 1}}), ""),
        (json!({"pages": "sometimes"}), "sometimes"),
        (json!({"pages": {"page": -1}}), ""),
        (json!({"pages": {"offset": -1}}), ""),
        (json!({"bound": -1}), ""),
        (json!({"look_back_seconds": -1}), ""),
    ] {
        let error = of(fields.clone()).unwrap_or_else(|| panic!("{fields} is accepted"));
        assert!(error.contains(expected), "{fields}: {error}");
    }
    let integers = |fields: Value| {
        let mut said =
            with(json!({"query": {"f": SINCE, "p": "{cursor}"}, "pages": {"cursor": ".next"}, "overlap_seconds": 0}));
        let object = said.pointer_mut("/objects/*").unwrap();
        object["identify"]["version_kind"] = json!("integer");
        object["list_changed"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        compile(said).err()
    };
    assert_eq!(integers(json!({})), None);
    assert!(
        integers(json!({"ordered": false}))
            .unwrap()
            .contains("ordered: false goes only with versions that are moments")
    );
    assert!(
        integers(json!({"look_back_seconds": 5}))
            .unwrap()
            .contains("look_back_seconds: only versions that are moments")
    );
    assert!(
        integers(json!({"query": {"f": "{since_milliseconds}{cursor}"}})).unwrap().contains("no {since_milliseconds}")
    );
}

#[test]
fn deletions_that_nobody_can_tell_are_refused() {
    let of = |fields: Value| {
        let mut said = manifest();
        let mut list = json!({"method": "GET", "path": "/d", "query": {"s": "{since}"}, "records": ".", "id": ".id",
            "version": ".at", "pages": {"link_header": true}});
        list.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        said["objects"]["*"]["list_deleted"] = list;
        compile(said).err()
    };
    assert_eq!(of(json!({})), None);
    assert_eq!(of(json!({"query": {}, "ordered": false})), None);
    assert_eq!(of(json!({"version": null})), None);
    for (fields, expected) in [
        (json!({"id": null}), "list_deleted: id is missing: jq over a record"),
        (json!({"id": ".id ["}), "list_deleted.id"),
        (json!({"query": {}}), "list_deleted: the request does not carry {since}; only a list with ordered: false"),
        (
            json!({"version": null, "pages": "keyset", "query": {"s": "{since}{after}"}}),
            "version is missing: a keyset goes by it",
        ),
        (json!({"version": null, "bound": 1000}), "bound: goes only with records in the order of version"),
    ] {
        let error = of(fields.clone()).unwrap_or_else(|| panic!("{fields} is accepted"));
        assert!(error.contains(expected), "{fields}: {error}");
    }
    let mut alone = manifest();
    let object = alone.pointer_mut("/objects/*").unwrap().as_object_mut().unwrap();
    let list = object.remove("list_changed").unwrap();
    object.insert("list_deleted".to_owned(), list);
    assert!(compile(alone).unwrap_err().contains("list_deleted: goes with list_changed"));
}

#[test]
fn pages_go_on_as_the_source_says() {
    for (pages, query, answer, next) in [
        (json!({"cursor": ".next"}), "{cursor}", r#"{"value": [1], "next": "c"}"#, Some("c")),
        (
            json!({"cursor": ".next"}),
            "{cursor}",
            r#"{"value": [1], "next": 12345678901234567890123}"#,
            Some("12345678901234567890123"),
        ),
        (json!({"cursor": ".next"}), "{cursor}", r#"{"value": [], "next": "c"}"#, Some("c")),
        (json!({"cursor": ".next"}), "{cursor}", r#"{"value": [1], "next": null}"#, None),
        (json!({"cursor": ".next"}), "{cursor}", r#"{"value": [1], "next": ""}"#, None),
        (json!({"next_url": ".next"}), "x", r#"{"value": [1], "next": "/x?page=2"}"#, Some("/x?page=2")),
        (json!({"page": 1}), "{page}", r#"{"value": [1, 2]}"#, Some("2")),
        (json!({"page": 1}), "{page}", r#"{"value": [1]}"#, None),
        (json!({"page": 0}), "{page}", r#"{"value": [1, 2]}"#, Some("1")),
        (json!({"offset": true}), "{offset}", r#"{"value": [1, 2, 3]}"#, Some("3")),
        (json!({"offset": 1}), "{offset}", r#"{"value": [1, 2]}"#, Some("3")),
        (json!({"offset": 1}), "{offset}", r#"{"value": []}"#, None),
    ] {
        let said = with(json!({"pages": pages, "page_size": 2, "query": {"f": SINCE, "p": query}}));
        let compiled = compile(said).unwrap();
        let page = page_of(compiled.list_changed(&things()).unwrap(), answer).unwrap();
        assert_eq!(page.next.as_ref().map(Continuation::as_str), next, "{pages}: {answer}");
        assert_eq!(
            (page.more, page.mark.is_some()),
            (next.is_some(), next.is_some() || query != "{cursor}"),
            "{pages}"
        );
    }
}

#[test]
fn what_no_next_page_can_be_asked_for_with_is_refused() {
    let list = |pages: Value| with(json!({"pages": pages, "query": {"f": SINCE, "p": "{cursor}"}}));
    let compiled = compile(list(json!({"cursor": ".next"}))).unwrap();
    let list = compiled.list_changed(&things()).unwrap();
    let huge = "x".repeat(LONGEST_CONTINUATION_BYTES + 1);
    for garbage in [json!(huge), json!("a\nb"), json!([1]), json!({}), json!(true)] {
        let answer = json!({"value": [1], "next": garbage}).to_string();
        assert!(page_of(list, &answer).is_err(), "{garbage}");
    }
}

#[test]
fn a_page_is_asked_for_with_what_was_kept() {
    let places = |pages: Value, kept: Option<&str>| {
        let query = json!({"f": SINCE, "p": "{cursor}{page}{offset}"});
        let mut said = with(json!({"pages": pages, "query": query}));
        // Of these places each list has one.
        for place in ["cursor", "page", "offset"].into_iter().filter(|place| pages.get(place).is_none()) {
            let text = said.pointer("/objects/*/list_changed/query/p").unwrap().as_str().unwrap();
            let text = text.replace(&format!("{{{place}}}"), "");
            *said.pointer_mut("/objects/*/list_changed/query/p").unwrap() = json!(text);
        }
        let kept = kept.map(|kept| Continuation::parse(kept).unwrap());
        let compiled = compile(said).unwrap();
        compiled.list_changed(&things()).unwrap().places(None, kept.as_ref(), Timestamp::UNIX_EPOCH)
    };
    assert_eq!(places(json!({"cursor": "."}), None).unwrap().cursor, None);
    assert_eq!(places(json!({"cursor": "."}), Some("c")).unwrap().cursor.as_deref(), Some("c"));
    assert_eq!(places(json!({"page": 1}), None).unwrap().page, Some(1));
    assert_eq!(places(json!({"page": 1}), Some("7")).unwrap().page, Some(7));
    assert_eq!(places(json!({"offset": true}), None).unwrap().offset, Some(0));
    assert_eq!(places(json!({"offset": 1}), Some("201")).unwrap().offset, Some(201));
    for garbage in ["-1", "x", "99999999999", "1.5", "/path"] {
        assert_eq!(places(json!({"page": 1}), Some(garbage)), Err(PageError::Changed), "{garbage}");
        assert_eq!(places(json!({"offset": true}), Some(garbage)), Err(PageError::Changed), "{garbage}");
    }
}

#[test]
fn moments_are_written_in_several_ways_and_none_is_longer_ago_than_the_source_knows() {
    let compiled = compile(with(json!({"look_back_seconds": 60}))).unwrap();
    let list = compiled.list_changed(&things()).unwrap();
    let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let of = |second: i64| {
        let position = Position { version: second * 1_000_000 + 500_999, id: Some(SourceId::parse("A").unwrap()) };
        list.places(Some(&position), None, now).unwrap()
    };
    let recent = of(now.as_second() - 30);
    assert_eq!(recent.since, "2026-11-20T11:59:30.500999Z");
    assert_eq!(recent.since_unzoned.as_deref(), Some("2026-11-20T11:59:30.500999"));
    assert_eq!(recent.since_milliseconds, Some((now.as_second() - 30) * 1_000 + 500));
    assert_eq!((recent.after.as_str(), recent.now.as_str()), ("A", "2026-11-20T12:00:00Z"));
    let old = of(0);
    assert_eq!((old.since.as_str(), old.after.as_str()), ("2026-11-20T11:59:00Z", ""));
}

#[test]
fn a_deletion_has_an_id_and_perhaps_a_version() {
    let mut said = manifest();
    let object = said.pointer_mut("/objects/*").unwrap().as_object_mut().unwrap();
    let deleted = json!({
        "method": "GET", "path": "/deleted", "query": {"since": "{since}", "to": "{now}", "after": "{cursor}"},
        "records": ".deleted", "pages": {"cursor": ".next"}, "id": ".id", "version": ".at",
    });
    object.insert("list_deleted".to_owned(), deleted.clone());
    let compiled = compile(said.clone()).unwrap();
    let list = compiled.list_deleted(&things()).unwrap();
    let of = |record: &str| list.deletion(record, &settings());
    let id = SourceId::parse("A-1").unwrap();
    assert_eq!(of(r#"{"id": "A-1", "at": "1970-01-01T00:00:01Z"}"#), Ok((id.clone(), Some(1_000_000))));
    assert_eq!(of(r#"{"id": "A-1", "at": null}"#), Ok((id.clone(), None)));
    for garbage in ["{}", "[]", "7", "garbage", r#"{"id": "a' or 1"}"#, r#"{"id": "A", "at": -1}"#, r#"{"id": -1.5}"#] {
        assert!(of(garbage).is_err(), "{garbage}");
    }
    assert!(list.manner().ordered && list.manner().versioned);
    said.pointer_mut("/objects/*/list_deleted").unwrap().as_object_mut().unwrap().remove("version");
    let compiled = compile(said).unwrap();
    let list = compiled.list_deleted(&things()).unwrap();
    assert_eq!(list.deletion(r#"{"id": "A-1"}"#, &settings()), Ok((id, None)));
    assert!(!list.manner().ordered && !list.manner().versioned);
}
