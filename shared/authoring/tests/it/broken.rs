//! Each way in which a bundle can be wrong is told once, with its file, its line, and what would be right.

use fluxnex_authoring::bundle::{Checked, Values, Variables, check};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const BUNDLE: &str = "fluxnex.yaml";
const MAPPING: &str = "mappings/customer.to_entity.jq";
const EXTENSIONS: &str = "invoice.extensions.json";

/// What is wrong: its name, the file that is changed, a text of it, and what stands there instead.
type Fault = (&'static str, &'static str, &'static str, &'static str);

const FAULTS: &[Fault] = &[
    ("unknown_field", BUNDLE, "title: Acme", "titel: Acme"),
    ("unknown_field_in_a_flow", BUNDLE, "entity: invoice\n    ordering", "entitty: invoice\n    ordering"),
    ("unknown_field_unlike_any", BUNDLE, "title: Acme", "colour: Acme"),
    ("missing_field", BUNDLE, "    to_entity: { file: mappings/customer.to_entity.jq }\n", ""),
    (
        "wrong_type",
        BUNDLE,
        "secret: fluxnex/local/connections/acme/alerts",
        "paused: perhaps\n    secret: fluxnex/local/connections/acme/alerts",
    ),
    ("number_for_a_text", BUNDLE, "realm: \"4620816365\"", "realm: 4620816365"),
    ("yaml_that_breaks_off", BUNDLE, "on: [event.failed]", "on: [event.failed"),
    ("field_twice", BUNDLE, "title: Acme Freight", "title: Acme Freight\ntitle: Acme"),
    ("alias_without_anchor", BUNDLE, "title: Acme Freight", "title: *name"),
    ("tenant_name", BUNDLE, "tenant: acme", "tenant: Acme-Freight"),
    ("connection_name", BUNDLE, "  alerts:\n", "  Our CRM: { connector: revenova }\n  alerts:\n"),
    ("unknown_connector", BUNDLE, "connector: quickbooks-online", "connector: quickboks-online"),
    ("unknown_setting", BUNDLE, "instance: acme", "instnace: acme"),
    ("missing_setting", BUNDLE, "    settings:\n      realm: \"4620816365\"\n", ""),
    (
        "credential_in_clear",
        BUNDLE,
        "realm: \"4620816365\"",
        "realm: \"4620816365\"\n      client_secret: marked-secret",
    ),
    (
        "secret_in_clear",
        BUNDLE,
        "secret: fluxnex/local/connections/acme/alerts",
        "secret: whsec_marked0secret0of0a0webhook",
    ),
    ("password_in_an_address", BUNDLE, "https://alerts.example.com", "https://user:marked-secret@alerts.example.com"),
    ("secret_of_another_tenant", BUNDLE, "connections/acme/alerts", "connections/globex/alerts"),
    ("no_secret", BUNDLE, "    secret: fluxnex/local/connections/acme/quickbooks\n", ""),
    ("poll_of_an_unknown_object", BUNDLE, "Account: { schedule", "Acount: { schedule"),
    ("schedule", BUNDLE, "rate(15 minutes)", "every 15 minutes"),
    ("schedule_that_comes_once", BUNDLE, "rate(15 minutes)", "\"at(2026-11-20T13:00:00)\""),
    (
        "timezone_without_cron",
        BUNDLE,
        "schedule: rate(15 minutes)",
        "schedule: rate(15 minutes), timezone: Europe/Berlin",
    ),
    ("no_moment", BUNDLE, "schedule: rate(15 minutes)", "schedule: rate(15 minutes), since: yesterday"),
    ("unknown_source", BUNDLE, "{ connection: revenova, object: Account }", "{ connection: revenva, object: Account }"),
    ("unknown_object", BUNDLE, "object: rtms__CustomerInvoice__c", "object: rtms__CustomerInvoices__c"),
    ("unknown_entity", BUNDLE, "entity: customer\n", "entity: costumer\n"),
    (
        "no_targets",
        BUNDLE,
        "    targets:\n      - connection: quickbooks\n        object: Customer\n        to_target: \"{ DisplayName: .name }\"\n",
        "    targets: []\n",
    ),
    (
        "unknown_target",
        BUNDLE,
        "connection: quickbooks\n        object: Invoice",
        "connection: quickbook\n        object: Invoice",
    ),
    ("object_that_a_target_does_not_take", BUNDLE, "object: Invoice\n", "object: Bill\n"),
    (
        "target_twice",
        BUNDLE,
        "to_target: \"{ DisplayName: .name }\"",
        "to_target: \"{ DisplayName: .name }\"\n      - { connection: quickbooks, object: Customer, to_target: . }",
    ),
    ("ordering_key", BUNDLE, "ordering_key: record", "ordering_key: recrod"),
    ("jq_of_an_ordering_key", BUNDLE, "ordering_key: record", "ordering_key: { by: .rtms__Customer__c | lowercase }"),
    ("ordering_key_without_expression", BUNDLE, "ordering_key: record", "ordering_key: by"),
    ("ordering_key_of_two_kinds", BUNDLE, "ordering_key: record", "ordering_key: { by: .a, of: .b }"),
    ("settle_for_too_long", BUNDLE, "ordering_key: record", "settle: 1h"),
    (
        "parent_that_no_flow_makes",
        BUNDLE,
        "name: customer, entity: customer",
        "name: customer, entity: invoice, object: Account",
    ),
    ("name_of_a_requirement", BUNDLE, "name: customer, entity", "name: Customer, entity"),
    (
        "two_flows_that_do_the_same",
        BUNDLE,
        "object: rtms__CustomerInvoice__c }\n    entity: invoice",
        "object: Account }\n    entity: customer",
    ),
    ("jq_syntax", MAPPING, "email: .Email__c", "email: .Email__c["),
    ("jq_word_that_reaches_outside", MAPPING, "email: .Email__c", "email: (.Email__c // env)"),
    ("jq_unknown_function", MAPPING, "email: .Email__c", "email: (.Email__c | lowercase)"),
    ("jq_in_the_bundle", BUNDLE, "when: .total != \"0\"", "when: .total != \"0\" and"),
    (
        "jq_of_several_lines_in_the_bundle",
        BUNDLE,
        "customer: $parents.customer\n",
        "customer: $parents.customer,\n        at: now\n",
    ),
    ("missing_file", BUNDLE, "mappings/customer.to_entity.jq", "mappings/customers.to_entity.jq"),
    ("file_outside", BUNDLE, "mappings/customer.to_entity.jq", "../customer.to_entity.jq"),
    (
        "file_with_more_fields",
        BUNDLE,
        "{ file: mappings/customer.to_entity.jq }",
        "{ file: mappings/customer.to_entity.jq, when: . }",
    ),
    ("unknown_notification", BUNDLE, "on: [event.failed]", "on: [event.faild]"),
    ("notification_to_nobody", BUNDLE, "connection: alerts\n    on", "connection: alarms\n    on"),
    ("extensions_that_are_no_schema", EXTENSIONS, "\"type\": \"string\"", "\"type\": \"text\""),
    ("extensions_that_lead_out", EXTENSIONS, "\"type\": \"string\"", "\"$ref\": \"https://example.com/region.json\""),
    ("extensions_that_are_no_json", EXTENSIONS, "{ \"type\": \"object\"", "{ type: \"object\""),
    ("variable_without_value", BUNDLE, "https://acme.example.com", "${REVENOVA_URL}"),
];

pub fn folder() -> (TempDir, PathBuf) {
    let holder = tempfile::tempdir().unwrap();
    let folder = holder.path().join("bundle");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundle");
    fs::create_dir_all(folder.join("mappings")).unwrap();
    for file in [BUNDLE, MAPPING, EXTENSIONS] {
        fs::copy(from.join(file), folder.join(file)).unwrap();
    }
    (holder, folder)
}

fn change(folder: &Path, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(folder.join(file), text.replacen(from, to, 1)).unwrap();
}

fn strictly(folder: &Path) -> Checked {
    check(folder, &Variables::default(), Values::Needed)
}

/// All findings as a person sees them.
fn shown(folder: &Path, checked: &Checked) -> String {
    let text = |path: &Path| fs::read_to_string(folder.join(path)).ok();
    let all: Vec<String> =
        checked.findings.iter().map(|finding| finding.render(text(&finding.file).as_deref(), false)).collect();
    all.join("\n\n")
}

#[test]
fn the_bundle_itself_is_fine() {
    let (_holder, folder) = folder();
    let checked = strictly(&folder);
    assert!(checked.findings.is_empty() && checked.is_ok(), "{}", shown(&folder, &checked));
    assert!(checked.bundle.is_some() && checked.configuration.is_some());
    assert!(check(&folder.join(BUNDLE), &Variables::default(), Values::Needed).is_ok(), "its file may be named too");
}

#[test]
fn each_fault_is_told_once_with_its_line_and_a_hint() {
    assert!(FAULTS.len() >= 30);
    for (name, file, from, to) in FAULTS {
        let (_holder, folder) = folder();
        change(&folder, file, from, to);
        let checked = strictly(&folder);
        let shown = shown(&folder, &checked);
        let faults: Vec<_> = checked.findings.iter().filter(|finding| finding.is_fault()).collect();
        assert_eq!(faults.len(), 1, "{name}: {shown}");
        assert!(checked.bundle.is_none() && !checked.is_ok(), "{name}");
        assert!(!shown.contains("marked"), "a secret is shown: {shown}");
        for finding in &checked.findings {
            let place = finding.place.as_ref().unwrap_or_else(|| panic!("{name} has no line: {shown}"));
            let lines = fs::read_to_string(folder.join(&finding.file)).unwrap().lines().count() as u64;
            assert!((1..=lines + 1).contains(&place.line), "{shown}");
        }
        insta::assert_snapshot!(*name, shown);
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let (_holder, folder) = folder();
    for (_, file, from, to) in FAULTS.iter().filter(|(name, ..)| {
        ["unknown_field", "wrong_type", "unknown_setting", "ordering_key", "jq_syntax", "unknown_notification"]
            .contains(name)
    }) {
        change(&folder, file, from, to);
    }
    let checked = strictly(&folder);
    assert_eq!(checked.findings.len(), 6, "{}", shown(&folder, &checked));
}

#[test]
fn what_is_odd_is_a_warning() {
    let (_holder, folder) = folder();
    change(&folder, BUNDLE, "notifications:\n  - connection: alerts\n    on: [event.failed]\n", "");
    change(&folder, BUNDLE, "Account: {", "rtms__CustomerInvoice__c: { schedule: rate(1 hour) }\n      Account: {");
    let variables = Variables::collect(&["NOBODYS=1".to_owned()], None, std::iter::empty()).unwrap();
    let checked = check(&folder, &variables, Values::Needed);
    assert!(checked.is_ok() && checked.bundle.is_some(), "{}", shown(&folder, &checked));
    insta::assert_snapshot!(shown(&folder, &checked));
}

#[test]
fn without_values_what_depends_on_them_is_not_judged() {
    let (_holder, folder) = folder();
    change(&folder, BUNDLE, "rate(15 minutes)", "\"${SCHEDULE}\", since: \"${SINCE}\"");
    change(&folder, BUNDLE, "fluxnex/local/connections/acme/alerts", "fluxnex/${PROFILE}/connections/acme/alerts");
    change(&folder, BUNDLE, "https://acme.example.com", "${REVENOVA_URL}/services");
    let checked = check(&folder, &Variables::default(), Values::MayLack);
    assert!(checked.findings.is_empty(), "{}", shown(&folder, &checked));
    assert_eq!(checked.missing, ["PROFILE", "REVENOVA_URL", "SCHEDULE", "SINCE"]);
    let strict = strictly(&folder);
    assert_eq!(strict.findings.len(), 4, "{}", shown(&folder, &strict));
    let set = ["SCHEDULE=rate(1 hour)", "SINCE=yesterday", "PROFILE=local", "REVENOVA_URL=https://r.example.com"];
    let variables = Variables::collect(&set.map(str::to_owned), None, std::iter::empty()).unwrap();
    let checked = check(&folder, &variables, Values::Needed);
    assert!(checked.findings.len() == 1 && shown(&folder, &checked).contains("since"), "values are judged");
}

#[cfg(unix)]
#[test]
fn nothing_outside_the_folder_is_read_and_nothing_large() {
    let (holder, folder) = folder();
    let outside = holder.path().join("outside.jq");
    fs::write(&outside, "marked-outside").unwrap();
    let mapping = folder.join(MAPPING);
    let says = |expected: &str| {
        let checked = strictly(&folder);
        let shown = shown(&folder, &checked);
        assert!(checked.findings.len() == 1 && shown.contains(expected), "{expected}: {shown}");
        assert!(!shown.contains("marked-outside"), "{shown}");
    };
    fs::remove_file(&mapping).unwrap();
    std::os::unix::fs::symlink(&outside, &mapping).unwrap();
    says("it leads out of the bundle's folder");
    fs::remove_file(&mapping).unwrap();
    fs::create_dir(&mapping).unwrap();
    says("it is no file");
    fs::remove_dir(&mapping).unwrap();
    fs::write(&mapping, "#".repeat(65 * 1024)).unwrap();
    says("longer than 65536 bytes");
    fs::write(&mapping, "#".repeat(300 * 1024)).unwrap();
    says("it is too large");
    fs::write(&mapping, [0xff, 0xfe]).unwrap();
    says("it is no text in UTF-8");
}

#[test]
fn garbage_is_told_and_nothing_panics() {
    let (_holder, folder) = folder();
    for garbage in ["", "[]", "tenant", "a: [", "\u{0}", "&a [*a]", "tenant: acme\nconnections: 7\n", "? [a]\n: b\n"] {
        fs::write(folder.join(BUNDLE), garbage).unwrap();
        let checked = strictly(&folder);
        assert!(!checked.is_ok() && !checked.findings.is_empty(), "{garbage:?}");
    }
    fs::write(folder.join(BUNDLE), "- ".repeat(300_000)).unwrap();
    assert!(!strictly(&folder).is_ok());
    assert!(shown(&folder, &strictly(&folder.join("nosuch"))).contains("fluxnex init"));
}
