//! The examples are fine and do what their cases say; a new bundle is fine from the beginning.

use crate::broken::folder;
use fluxnex_authoring::bundle::cases::{Choice, Tested, test};
use fluxnex_authoring::bundle::run::{Given, run};
use fluxnex_authoring::bundle::skeleton::{End, Skeleton};
use fluxnex_authoring::bundle::{Checked, Values, Variables, check};
use fluxnex_authoring::schema;
use fluxnex_connect::catalog::BuiltIn;
use fluxnex_core::ids::{ConnectionId, ConnectorName, EntityName, FlowId, ObjectName, TenantId};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn bundles() -> Vec<PathBuf> {
    let folders = fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<PathBuf> = folders.filter(|folder| folder.join("fluxnex.yaml").is_file()).collect();
    assert!(found.len() >= 2);
    found
}

fn look(folder: &Path) -> Checked {
    let checked = check(folder, &Variables::default(), Values::MayLack);
    let told: Vec<String> = checked.findings.iter().map(ToString::to_string).collect();
    assert!(checked.findings.is_empty() && checked.bundle.is_some(), "{}: {told:#?}", folder.display());
    checked
}

fn assert_passed(folder: &Path, tested: &Tested) {
    assert!(tested.is_ok(), "{}: {:#?}", folder.display(), tested);
}

#[test]
fn the_examples_are_fine_and_do_what_their_cases_say() {
    for folder in bundles() {
        let checked = look(&folder);
        let tested = test(&folder, checked.configuration.as_ref().unwrap(), Choice::default());
        assert_passed(&folder, &tested);
        for flow in checked.bundle.unwrap().flows.keys() {
            assert!(tested.ran.iter().any(|ran| ran.flow == *flow), "{}: {flow} has no case", folder.display());
        }
    }
}

#[test]
fn the_committed_schema_is_current_and_the_examples_satisfy_it() {
    let committed = fs::read_to_string(examples().join("fluxnex.schema.json")).unwrap_or_default();
    let advice = "write it anew: cargo run -p fluxnex-cli -- schema > examples/fluxnex.schema.json";
    assert!(committed == schema::bundle_text(), "{advice}");
    let validator = jsonschema::validator_for(&schema::bundle()).unwrap();
    for folder in bundles() {
        let text = fs::read_to_string(folder.join("fluxnex.yaml")).unwrap();
        assert!(text.starts_with("# yaml-language-server: $schema=../fluxnex.schema.json\n"), "{}", folder.display());
        let bundle: Value = serde_saphyr::from_str(&text).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&bundle).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(faults.is_empty(), "{}: {faults:#?}", folder.display());
        for (pointer, value) in [("/tenant", json!(7)), ("/flows", json!([])), ("/colour", json!("red"))] {
            let mut wrong = bundle.clone();
            wrong.as_object_mut().unwrap().insert(pointer.trim_start_matches('/').to_owned(), value);
            assert!(!validator.is_valid(&wrong), "{pointer}");
        }
    }
    for garbage in [json!({}), json!([]), json!("tenant"), Value::Null] {
        assert!(!validator.is_valid(&garbage), "{garbage}");
    }
}

fn skeleton(entity: &str, source: &str, target: &str) -> Skeleton {
    let end = |connection: &str, connector: &str, object: &str, customer: &str| End {
        connection: ConnectionId::parse(connection).unwrap(),
        connector: ConnectorName::parse(connector).unwrap(),
        object: ObjectName::parse(object).unwrap(),
        customer_object: ObjectName::parse(customer).unwrap(),
    };
    Skeleton {
        tenant: TenantId::parse("acme").unwrap(),
        entity: EntityName::parse(entity).unwrap(),
        source: end("erp", source, "Things: \"x\"", "Customers"),
        target: end("partner", target, "thing.updated", "customer.updated"),
    }
}

#[test]
fn a_new_bundle_is_fine_from_the_beginning_for_every_entity() {
    for entity in fluxnex_core::entity::names() {
        for (source, target) in [("odata", "webhook"), ("salesforce", "hubspot"), ("rest", "rest")] {
            let folder = tempfile::tempdir().unwrap();
            let skeleton = skeleton(entity, source, target);
            let written = skeleton.write(folder.path(), &BuiltIn).unwrap();
            assert!(written.len() >= 6, "{written:?}");
            let checked = look(folder.path());
            let configuration = checked.configuration.as_ref().unwrap();
            let first = test(folder.path(), configuration, Choice::default());
            assert!(!first.is_ok() && first.ran[0].difference.as_ref().unwrap().contains("--update"), "{first:?}");
            let choice = Choice { update: true, ..Choice::default() };
            assert_passed(folder.path(), &test(folder.path(), configuration, choice));
            assert_passed(folder.path(), &test(folder.path(), configuration, Choice::default()));
            let expected = fs::read_to_string(folder.path().join(format!("tests/{entity}s.expected.json"))).unwrap();
            assert!(expected.contains("\"payload\"") && !expected.contains("failure"), "{expected}");
            let again = skeleton.write(folder.path(), &BuiltIn).unwrap_err();
            assert!(again.to_string().contains("is there already"), "{again}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(skeleton("customer", "nosuch", "webhook").write(folder.path(), &BuiltIn).is_err());
    assert!(skeleton("nosuch", "odata", "webhook").write(folder.path(), &BuiltIn).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written then");
}

#[test]
fn a_case_that_differs_is_shown_and_can_be_taken_over() {
    let (_holder, folder) = folder();
    fs::create_dir(folder.join("tests")).unwrap();
    let cases = "cases:\n  - {name: a customer, record: {Name: Adler, Email__c: a@b.example}, id: '7', version: 1}\n  \
                 - {name: no name, record: {}, id: '8'}\n";
    fs::write(folder.join("tests/customers.yaml"), cases).unwrap();
    let checked = look(&folder);
    let configuration = checked.configuration.as_ref().unwrap();
    let update = Choice { update: true, ..Choice::default() };
    assert_eq!(test(&folder, configuration, update).written.len(), 1);
    assert!(test(&folder, configuration, update).written.is_empty(), "nothing changed");
    let file = folder.join("tests/customers.expected.json");
    let right = fs::read_to_string(&file).unwrap();
    insta::assert_snapshot!("results_of_cases", right);
    fs::write(&file, right.replace("Adler", "Brandt")).unwrap();
    let tested = test(&folder, configuration, Choice::default());
    let difference = tested.ran[0].difference.as_ref().unwrap();
    assert!(
        difference.contains("-    \"name\": \"Brandt\"") && difference.contains("+    \"name\": \"Adler\""),
        "{difference}"
    );
    assert_eq!(tested.ran[1].difference, None);
    let other = Choice { filter: Some("customers/no name"), ..Choice::default() };
    let tested = test(&folder, configuration, other);
    assert!(tested.is_ok() && tested.ran.len() == 1, "{tested:?}");
    assert_passed(&folder, &test(&folder, configuration, update));
    assert_eq!(fs::read_to_string(&file).unwrap(), right);
}

#[test]
fn cases_that_cannot_run_are_told() {
    let (_holder, folder) = folder();
    fs::create_dir(folder.join("tests")).unwrap();
    let checked = look(&folder);
    let configuration = checked.configuration.as_ref().unwrap();
    for (file, text, expected) in [
        ("nosuch.yaml", "cases: []", "there is no flow nosuch"),
        ("customers.yaml", "cases: [", "customers.yaml"),
        ("customers.yaml", "cases: [{name: a, recrd: {}}]", "did you mean `record`?"),
        ("customers.yaml", "cases: [{name: a, record: ../x.json}]", "leads out of the bundle's folder"),
        ("customers.yaml", "cases: [{name: a, record: nosuch.json}]", "there is no such file"),
        ("customers.expected.json", "[", "it is no JSON"),
    ] {
        fs::write(folder.join("../x.json"), "{}").unwrap();
        let path = folder.join("tests").join(file);
        fs::write(&path, text).unwrap();
        if file.ends_with("json") {
            fs::write(folder.join("tests/customers.yaml"), "cases: []").unwrap();
        }
        let tested = test(&folder, configuration, Choice::default());
        let told: Vec<String> = tested.findings.iter().map(ToString::to_string).collect();
        assert!(!tested.is_ok() && told.iter().any(|it| it.contains(expected)), "{expected}: {told:?}");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_step_that_fails_says_why_and_keeps_what_was_before() {
    let (_holder, folder) = folder();
    let checked = look(&folder);
    let configuration = checked.configuration.as_ref().unwrap();
    let flow = FlowId::parse("invoices").unwrap();
    let on = |record: &str| run(configuration, &flow, &Given { record, id: Some("1"), ..Given::default() }).unwrap();
    let invalid = on(r#"{"Name": "INV-1", "rtms__Customer__c": "C-1"}"#);
    assert_eq!(invalid["parents"], json!({"customer": "C-1"}));
    assert!(invalid["failure"].as_str().unwrap().contains("not a valid invoice"), "{invalid}");
    assert!(invalid.get("targets").is_none());
    for garbage in ["", "[", "[]", "7", "null"] {
        assert!(on(garbage)["failure"].is_string(), "{garbage}");
    }
    let unknown = run(configuration, &FlowId::parse("nosuch").unwrap(), &Given::default()).unwrap_err();
    assert!(unknown.contains("there are: customers, invoices"), "{unknown}");
    let by_connector = run(configuration, &flow, &Given { record: "{}", ..Given::default() }).unwrap();
    assert!(by_connector["failure"].as_str().unwrap().contains("give its id and version"), "{by_connector}");
}
