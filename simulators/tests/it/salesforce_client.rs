//! Salesforce's API as published clients see it: `simple-salesforce` and `jsforce`, unchanged.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Simulation, authority};
use crate::published::{node, python, run};

/// An organisation with 20 accounts and 130 invoices, in pages of 50 records.
async fn organisation() -> Simulation {
    let simulation = Simulation::start().await;
    let configuration = json!({"revenova": {
        "page_size": 50, "daily_requests": 5000, "webhook": {"url": "http://127.0.0.1:1/", "secret": ""},
    }});
    assert_eq!(simulation.put("/configuration", configuration).await.status, 204);
    let scenario = json!({"customers": 20, "invoices": 130, "poison": 0, "updates_share": 0, "deadline_seconds": 0});
    assert_eq!(simulation.post("/revenova/scenario", scenario).await.status, 202);
    simulation
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simple_salesforce_queries_pages_reads_and_writes() {
    let simulation = organisation().await;
    let session = simulation.session().await;
    let url = simulation.revenova("");

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simple_salesforce_client.py");
    let ca = authority().ca();
    let output = tokio::task::spawn_blocking(move || {
        run(Command::new(python()).arg(script).arg(url).arg(session).env("REQUESTS_CA_BUNDLE", ca).env("NO_PROXY", "*"))
    })
    .await
    .unwrap();
    let seen: Value = serde_json::from_str(output.lines().last().unwrap()).unwrap();
    let invoices = simulation.get("/revenova/records?object=rtms__CustomerInvoice__c").await.body;
    let lines: usize = invoices
        .as_array()
        .unwrap()
        .iter()
        .map(|invoice| invoice["rtms__Invoice_Line_Items__r"]["records"].as_array().unwrap().len())
        .sum();
    assert_eq!(
        seen,
        json!({
            "first_page": 50, "total": 130, "pages": 3, "all": 130, "iterated": 130, "lines": lines, "count": 20,
            "read_matches": true, "customer_matches": true, "later": 129, "describe": "rtms__CustomerInvoice__c",
            "written": ["Anna Adler", "+49 30 1"], "upserted": [201, 200], "by_external_id": "Cole", "deleted": true,
            "collection": [false, "REQUIRED_FIELD_MISSING", true], "usage": 5000,
            "malformed": "MALFORMED_QUERY", "missing": "NOT_FOUND", "expired": "INVALID_SESSION_ID",
        })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jsforce_logs_in_queries_pages_reads_and_writes() {
    let simulation = organisation().await;
    let url = simulation.revenova("");
    let ca = authority().ca();
    let printed = tokio::task::spawn_blocking(move || {
        run(node("jsforce_client.cjs").args([&url, "key", "hush"]).env("NODE_EXTRA_CA_CERTS", ca))
    })
    .await
    .unwrap();
    let seen: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    let many = ["Max", "many@example.com"];
    assert_eq!(
        seen,
        json!({
            "instance": true,
            "first_page": 50, "pages": 3, "total": 130, "distinct": 130, "fetched": 130, "all_fields": true,
            "created": true, "name": "Anna Adler", "phone": "+49 30 1",
            "upserted": [true, false, true], "upserted_name": "Bea Brooks",
            "gone": "ENTITY_IS_DELETED", "deleted": true, "updated": true,
            "many_created": [true, true, true, true, true],
            "many_upserted": [false, false, "INVALID_FIELD", false, false, true],
            "rolled_back": [false, false, false, false, false, false],
            "many_updated": true,
            // The record that was refused above kept its name.
            "many_read": [many, many, [null, "many@example.com"], many, many],
            "many_deleted": [true, true], "left": 3,
            "refusals": {
                "malformed": "MALFORMED_QUERY", "no_name": "REQUIRED_FIELD_MISSING", "unknown_field": "INVALID_FIELD",
                "read_only": "INVALID_FIELD_FOR_INSERT_UPDATE", "duplicate": "DUPLICATE_VALUE",
                "reference": "INVALID_CROSS_REFERENCE_KEY", "session": "INVALID_SESSION_ID",
            },
            "usage": [true, 5000],
        })
    );
}
