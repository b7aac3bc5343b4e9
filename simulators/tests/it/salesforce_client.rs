//! Salesforce's API as a published client sees it: `simple-salesforce`, unchanged.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Simulation, authority};

/// The client that the test drives. The platform's tools install the same version.
const PACKAGE: &str = "simple-salesforce==1.12.10";

/// A Python that has the client: the one that is given, or one of our own.
fn python() -> PathBuf {
    if let Some(given) = std::env::var_os("FLUXNEX_TOOLS_PYTHON") {
        return given.into();
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{PACKAGE}"));
    let python = folder.join("bin/python");
    let complete = folder.join("complete");
    if !complete.exists() {
        let _ = std::fs::remove_dir_all(&folder);
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", PACKAGE]));
        std::fs::write(complete, PACKAGE).unwrap();
    }
    python
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simple_salesforce_queries_pages_and_reads() {
    let simulation = Simulation::start().await;
    let configuration = json!({"revenova": {"page_size": 50, "webhook": {"url": "http://127.0.0.1:1/", "secret": ""}}});
    assert_eq!(simulation.put("/configuration", configuration).await.status, 204);
    let scenario = json!({"customers": 20, "invoices": 130, "poison": 0, "updates_share": 0, "deadline_seconds": 0});
    assert_eq!(simulation.post("/revenova/scenario", scenario).await.status, 202);
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
            "malformed": "MALFORMED_QUERY", "missing": "NOT_FOUND", "expired": "INVALID_SESSION_ID",
        })
    );
}
