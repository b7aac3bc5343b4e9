//! What a list may say, and what its pages come to.

use crate::connector::{CompiledManifest, Manifest};
use crate::ids::{ObjectName, SourceId};
use crate::mapping::Json;
use crate::poll::Position;
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

fn settings() -> Json {
    Json::parse("settings", r#"{"key_field": "ID"}"#).unwrap()
}

#[test]
fn any_object_is_listed_page_by_page() {
    let compiled = compile(manifest()).unwrap();
    let list = compiled.list_changed(&things()).unwrap();
    let page = |answer: &str| list.page(&Json::parse("answer", answer).unwrap(), &settings());
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
    let page = |answer: &str| list.page(&Json::parse("answer", answer).unwrap(), &settings()).unwrap().more;
    assert_eq!((page(r#"{"value": [1]}"#), page(r#"{"value": [1, 2]}"#)), (false, true));
}

#[test]
fn positions_are_written_as_the_source_reads_them() {
    let compiled = compile(manifest()).unwrap();
    let list = compiled.list_changed(&things()).unwrap();
    let position = Position { version: 1_500_000, id: Some(SourceId::parse("A-1").unwrap()) };
    assert_eq!(list.places(Some(&position)), ("1970-01-01T00:00:01.5Z".to_owned(), "A-1".to_owned()));
    assert_eq!(list.places(None), ("1970-01-01T00:00:00Z".to_owned(), String::new()));
    let mut said = manifest();
    let object = said.pointer_mut("/objects/*").unwrap();
    object["identify"]["version_kind"] = json!("integer");
    object["list_changed"]["overlap_seconds"] = json!(0);
    object["list_changed"]["first_id"] = json!("000");
    let compiled = compile(said).unwrap();
    let list = compiled.list_changed(&things()).unwrap();
    assert_eq!(list.places(Some(&Position { version: 7, id: None })), ("7".to_owned(), "000".to_owned()));
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
