//! Bundles on the command line: made, checked, tried, and applied against the real API.

use crate::command::{Said, fluxnex, fluxnex_with};
use crate::gateway::Gateway;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

const INIT: &[&str] = &[
    "init",
    "acme",
    "--tenant",
    "acme",
    "--entity",
    "customer",
    "--source",
    "odata",
    "--source-object",
    "Customers",
    "--target",
    "webhook",
    "--target-object",
    "customer.updated",
];

fn answer(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

fn change(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from}: {text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn help_shows_examples() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["init", "validate", "test", "map", "plan", "apply", "history", "rollback", "pause", "resume"] {
        let said = fluxnex(folder.path(), &[command, "--help"]);
        assert!(said.code == 0 && said.out.contains("Examples:"), "{command}: {said:?}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let said = fluxnex(folder.path(), &["completions", shell]);
        assert!(said.code == 0 && said.out.contains("rollback"), "{shell}");
    }
}

#[test]
fn a_bundle_is_made_checked_and_tried() {
    let holder = tempfile::tempdir().unwrap();
    let made = fluxnex(holder.path(), INIT);
    assert!(made.code == 0 && made.out.contains("Next: fluxnex validate acme"), "{made:?}");
    let again = fluxnex(holder.path(), INIT);
    assert!(again.code == 2 && again.err.contains("is there already"), "{again:?}");
    let asked = fluxnex(holder.path(), &["init", "other", "--tenant", "acme", "--json"]);
    assert!(asked.code == 2 && asked.err.contains("give --entity"), "{asked:?}");
    let said = fluxnex(holder.path(), &["validate", "acme"]);
    assert!(said.code == 0 && said.out.starts_with("acme: fine (2 connections, 1 flow); without a value:"), "{said:?}");
    let strict = fluxnex(holder.path(), &["validate", "acme", "--strict"]);
    assert!(strict.code == 1 && strict.out.contains("give --set ODATA_URL=…"), "{strict:?}");
    let folder = holder.path().join("acme");
    assert!(fluxnex(&folder, &["test"]).out.contains("1 case, 0 failed"));
    let mapped =
        fluxnex(&folder, &["map", "customers", "--record", "tests/records/customer.json", "--id", "7", "--json"]);
    assert_eq!(
        (mapped.code, &answer(&mapped)["entity"]["name"]),
        (0, &Value::from("Adler GmbH & Co. KG")),
        "{mapped:?}"
    );
    let length =
        fluxnex(&folder, &["map", "--expression", ".name | length", "--record", "tests/records/customer.json"]);
    assert_eq!((length.code, length.out.trim()), (0, "19"), "{length:?}");
    let wrong = fluxnex(&folder, &["map", "--expression", ".name[", "--record", "tests/records/customer.json"]);
    assert!(wrong.code == 1 && wrong.out.contains("mapping expression"), "{wrong:?}");
    for (arguments, expected) in [
        (&["map", "nosuch", "--record", "tests/records/customer.json"][..], "there are: customers"),
        (&["map", "customers", "--record", "nosuch.json"], "cannot read nosuch.json"),
        (
            &["map", "customers", "--record", "tests/records/customer.json", "--id", "1", "--target", "x"],
            "there are: webhook",
        ),
        (&["map", "customers", "--sample", "../customer"], "--sample is a name"),
        (&["validate", "--set", "x"], "NAME=value"),
        (&["validate", "--variables", "nosuch.yaml"], "nosuch.yaml"),
    ] {
        let said = fluxnex(&folder, arguments);
        assert!(said.code == 2 && said.err.contains(expected), "{arguments:?}: {said:?}");
    }
    change(&folder.join("mappings/customer.to_entity.jq"), ".name", ".nme");
    let failed = fluxnex(&folder, &["test", ".", "--json"]);
    assert_eq!((failed.code, &answer(&failed)["failed"]), (1, &Value::from(1)), "{failed:?}");
    let shown = fluxnex(&folder, &["test"]);
    assert!(shown.out.contains("DIFFERS customers/a customer") && shown.out.contains("+  \"failure\""), "{shown:?}");
    change(&folder.join("mappings/customer.to_entity.jq"), ".nme", ".nme[");
    let faulty = fluxnex(holder.path(), &["validate", "acme", "--json"]);
    assert_eq!(
        (faulty.code, &answer(&faulty)["findings"][0]["file"]),
        (1, &Value::from("mappings/customer.to_entity.jq"))
    );
    assert_eq!(fluxnex(&folder, &["test"]).code, 1, "a bundle with faults is not tried");
    assert_eq!(fluxnex(holder.path(), &["validate", "nosuch"]).code, 1);
}

#[test]
fn a_sample_of_the_connector_goes_through_an_example() {
    let clone = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let said = fluxnex(&clone, &["map", "invoices", "--folder", "examples/acme", "--sample", "invoice", "--json"]);
    assert_eq!(
        (said.code, &answer(&said)["targets"]["quickbooks"]["payload"]["DocNumber"]),
        (0, &Value::from("INV-000123")),
        "{said:?}"
    );
    let unknown = fluxnex(&clone, &["map", "invoices", "--folder", "examples/acme", "--sample", "nosuch"]);
    assert!(unknown.code == 2 && unknown.err.contains("there are: account, invoice"), "{unknown:?}");
}

const VARIABLES: &[(&str, &str)] = &[
    ("FLUXNEX_VAR_PROFILE", "local"),
    ("FLUXNEX_VAR_ODATA_URL", "https://erp.example.com"),
    ("FLUXNEX_VAR_WEBHOOK_URL", "https://partner.example.com"),
];

#[test]
fn without_an_api_nothing_is_applied() {
    let holder = tempfile::tempdir().unwrap();
    assert_eq!(fluxnex(holder.path(), INIT).code, 0);
    let faulty = fluxnex(holder.path(), &["apply", "acme"]);
    assert!(faulty.code == 1 && faulty.out.contains("nothing is done"), "{faulty:?}");
    let said = fluxnex_with(holder.path(), &["plan", "acme", "--api", "https://127.0.0.1:1"], VARIABLES);
    assert!(said.code == 2 && said.err.contains("does not answer"), "{said:?}");
}

#[tokio::test]
async fn a_bundle_is_planned_applied_and_taken_back() {
    let mut gateway = Gateway::start().await;
    let holder = tempfile::tempdir().unwrap();
    let tenant = gateway.setting.tenant.to_string();
    let init: Vec<&str> = INIT.iter().map(|word| if *word == "acme" { tenant.as_str() } else { *word }).collect();
    assert_eq!(fluxnex(holder.path(), &init).code, 0);
    let folder = holder.path().join(&tenant);
    let values = [
        "--set",
        "PROFILE=local",
        "--set",
        "ODATA_URL=https://erp.example.com",
        "--set",
        "WEBHOOK_URL=https://partner.example.com",
    ];
    let with =
        |command: &'static [&'static str]| -> Vec<&'static str> { command.iter().copied().chain(values).collect() };

    let planned = gateway.run_in(&folder, &with(&["plan", "--detailed-exitcode"])).await;
    assert_eq!(planned.code, 1, "{planned:?}");
    for expected in
        ["+ connection odata", "- connection revenova", "~ flow customers", "source.connection: revenova -> odata"]
    {
        assert!(planned.out.contains(expected), "{expected}: {}", planned.out);
    }
    let refused = gateway.run_in(&folder, &with(&["apply"])).await;
    assert!(refused.code == 2 && refused.err.contains("would remove connection alerts"), "{refused:?}");
    let applied = gateway.run_in(&folder, &with(&["apply", "--yes", "--json"])).await;
    assert_eq!((applied.code, &answer(&applied)["version"]), (0, &Value::from(3)), "{applied:?}");
    let same = gateway.run_in(&folder, &with(&["plan", "--detailed-exitcode"])).await;
    assert!(same.code == 0 && same.out.contains("what runs is this bundle"), "{same:?}");

    change(&folder.join("mappings/customer.to_entity.jq"), "name: .name", "name: (.name | ascii_upcase)");
    let planned = gateway.run_in(&folder, &with(&["plan"])).await;
    assert!(planned.code == 0 && planned.out.contains("+  name: (.name | ascii_upcase)"), "{planned:?}");
    assert_eq!(gateway.run_in(&folder, &with(&["apply"])).await.code, 0, "nothing is removed: nothing is asked");

    let back = gateway.run_in(&folder, &["rollback"]).await;
    assert!(back.code == 0 && back.out.contains("version 5 runs"), "{back:?}");
    let history = gateway.run_in(&folder, &["history", "--json"]).await;
    let versions: Vec<i64> =
        answer(&history)["versions"].as_array().unwrap().iter().map(|it| it["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, [5, 4, 3, 2, 1]);
    assert!(gateway.run_in(&folder, &["history"]).await.out.starts_with("*    5  "));
    let first = gateway.run_in(&folder, &["rollback", "--to", "2", "--yes"]).await;
    assert!(first.code == 0 && first.out.contains("+ connection revenova"), "{first:?}");
    let unknown = gateway.run_in(&folder, &["rollback", "--to", "99"]).await;
    assert!(unknown.code == 1 && unknown.err.contains("no version 99"), "{unknown:?}");
}

#[tokio::test]
async fn a_plan_looks_at_records_and_a_record_goes_through_a_flow() {
    let mut gateway = Gateway::start().await;
    for id in ["A1", "A2"] {
        let payload = format!(r#"{{"Id": "{id}", "Name": "Customer {id}", "Total__c": 1.10, "IsDeleted": false}}"#);
        gateway.setting.store_account(id, &payload, true).await;
    }
    let tenant = gateway.setting.tenant.to_string();
    let (target, holder) = (gateway.setting.target.url.clone(), tempfile::tempdir().unwrap());
    let folder = copy_of_example(holder.path(), &tenant);
    let values: Vec<String> = [
        ("REVENOVA_URL", target.as_str()),
        ("QUICKBOOKS_URL", &target),
        ("QUICKBOOKS_REALM", "4620816365"),
        ("RECEIVER_URL", &format!("{target}/hooks/alerts")),
        ("POLL_SINCE", "2026-11-20T12:00:00Z"),
    ]
    .iter()
    .flat_map(|(name, value)| ["--set".to_owned(), format!("{name}={value}")])
    .collect();
    let with = |command: &[&str]| -> Vec<String> {
        command.iter().map(|word| (*word).to_owned()).chain(values.iter().cloned()).collect()
    };
    let mut run = async |command: &[&str]| {
        let words = with(command);
        gateway.run_in(&folder, &words.iter().map(String::as_str).collect::<Vec<_>>()).await
    };

    let same = run(&["plan"]).await;
    assert!(same.code == 0 && same.out.contains("what runs is this bundle"), "{same:?}");
    change(&folder.join("mappings/customer.to_entity.jq"), "name: .Name,", "name: (.Name | ascii_upcase),");
    let planned = run(&["plan"]).await;
    assert!(planned.code == 0 && planned.out.contains("flow customers over 2 records of its source"), "{planned:?}");
    for expected in
        ["entity: 2 differ", "quickbooks: 2 differ", "entity of A1:", "name: \"Customer A1\" -> \"CUSTOMER A1\""]
    {
        assert!(planned.out.contains(expected), "{expected}: {}", planned.out);
    }
    let none = run(&["plan", "--records", "0", "--json"]).await;
    assert_eq!((none.code, &answer(&none)["samples"]), (0, &serde_json::json!([])));
    change(&folder.join("mappings/customer.to_entity.jq"), "name: (.Name | ascii_upcase),", "name: 1,");
    let failing = run(&["plan", "--json"]).await;
    assert_eq!(
        (failing.code, &answer(&failing)["samples"][0]["entity"]["newly_fails"]),
        (1, &Value::from(2)),
        "{failing:?}"
    );

    change(&folder.join("mappings/customer.to_entity.jq"), "name: 1,", "name: \"\\(.Name): \\(.Total__c)\",");
    let live = run(&["map", "customers", "--live", "A2", "--json"]).await;
    assert_eq!((live.code, &answer(&live)["entity"]["name"]), (0, &Value::from("Customer A2: 1.10")), "{live:?}");
    let expression = run(&["map", "customers", "--live", "A2", "--expression", ".Name"]).await;
    assert!(expression.code == 0 && expression.out.contains("Customer A2"), "{expression:?}");
    let unknown = run(&["map", "customers", "--live", "A9"]).await;
    assert!(unknown.code == 1 && unknown.err.contains("was seen"), "{unknown:?}");
}

/// The example bundle, of another tenant.
fn copy_of_example(holder: &Path, tenant: &str) -> std::path::PathBuf {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/acme");
    let folder = holder.join("bundle");
    fs::create_dir_all(folder.join("mappings")).unwrap();
    let text = fs::read_to_string(example.join("fluxnex.yaml")).unwrap();
    let text = text.replace("tenant: acme", &format!("tenant: {tenant}")).replace("/acme/", &format!("/{tenant}/"));
    fs::write(folder.join("fluxnex.yaml"), text).unwrap();
    for entry in fs::read_dir(example.join("mappings")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join("mappings").join(entry.file_name())).unwrap();
    }
    folder
}

#[tokio::test]
async fn a_call_whose_answer_got_lost_is_made_again_and_done_once() {
    let mut gateway = Gateway::start().await;
    gateway.losing.store(2, Ordering::SeqCst);
    let count = |history: &Said| answer(history)["versions"].as_array().unwrap().len();
    let before = count(&gateway.run_in(Path::new("/"), &["history", "--json"]).await);
    let said = gateway.run_in(Path::new("/"), &["pause", "connection", "quickbooks"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let history = gateway.run_in(Path::new("/"), &["history", "--json"]).await;
    let versions = count(&history);
    assert_eq!((versions, gateway.losing.load(Ordering::SeqCst)), (before + 1, 0), "{history:?}");
}

#[tokio::test]
async fn a_flow_that_is_new_delivers_nothing_until_it_is_applied_without_shadow() {
    let mut gateway = Gateway::start().await;
    let holder = tempfile::tempdir().unwrap();
    let tenant = gateway.setting.tenant.to_string();
    let init: Vec<&str> = INIT.iter().map(|word| if *word == "acme" { tenant.as_str() } else { *word }).collect();
    assert_eq!(fluxnex(holder.path(), &init).code, 0);
    let folder = holder.path().join(&tenant);
    change(&folder.join("fluxnex.yaml"), "  customers:\n", "  clients:\n");
    let values = ["PROFILE=local", "ODATA_URL=https://e.example.com", "WEBHOOK_URL=https://p.example.com"]
        .map(|it| ["--set", it]);
    for (more, shadow) in [(&["--shadow"][..], true), (&["--shadow"], true), (&[], false), (&["--shadow"], false)] {
        let arguments: Vec<&str> =
            ["apply", "--yes", "--json"].iter().chain(more).chain(values.iter().flatten()).copied().collect();
        let applied = gateway.run_in(&folder, &arguments).await;
        let listed = answer(&applied)["shadow"].as_array().unwrap().len();
        assert_eq!((applied.code, listed == 1), (0, shadow), "{more:?}: {applied:?}");
    }
}
