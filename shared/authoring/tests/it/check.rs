//! Each way in which a folder can be wrong is found, with its file and line.

use crate::skeleton::write;
use fluxnex_authoring::skeleton::Kind;
use fluxnex_authoring::{Checked, check};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let holder = tempfile::tempdir().unwrap();
    let folder = holder.path().join("help-desk");
    write(Kind::Bearer, &folder);
    (holder, folder)
}

fn change(folder: &Path, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(folder.join(file), text.replacen(from, to, 1)).unwrap();
}

fn shown(checked: &Checked) -> Vec<String> {
    checked.findings.iter().map(ToString::to_string).collect()
}

async fn assert_found(file: &str, from: &str, to: &str, expected: &str) {
    let (_holder, folder) = folder();
    change(&folder, file, from, to);
    let checked = check(&folder).await;
    let found = shown(&checked);
    assert!(found.iter().any(|finding| finding.contains(expected)), "{from} → {to}: {expected} is not in {found:#?}");
    // A line number that is given is one of the file's.
    for finding in &checked.findings {
        let lines = fs::read_to_string(folder.join(&finding.file)).unwrap_or_default().lines().count() as u64;
        assert!(finding.place.as_ref().is_none_or(|place| (1..=lines + 1).contains(&place.line)), "{finding}");
    }
}

#[tokio::test]
async fn faults_of_a_manifest_are_found_at_their_line() {
    const FILE: &str = "connector.yaml";
    assert_found(FILE, "base_url:", "base_ulr:", "did you mean `base_url`?").await;
    assert_found(FILE, "token: api_token", "token: api_tokne", "there is no credential api_tokne").await;
    assert_found(FILE, "kind: bearer", "kind: bear", "bear").await;
    assert_found(FILE, "id: .id", "id: '.id['", "objects.Ticket.identify.id").await;
    assert_found(FILE, "path: /ticket/{id}", "path: /ticket/{key}", "there is no {key} at this place").await;
    assert_found(FILE, "path: /ticket/{id}", "path: \"/ticket/{id\"", "do not pair").await;
    assert_found(FILE, "updated_since: \"{since}\", ", "", "does not carry {since}").await;
    assert_found(FILE, "connector: help-desk", "connector: helpdesk", "the connector is called helpdesk").await;
    assert_found(FILE, "status: 403", "status: 200", "a status is a number from 300 to 599").await;
    assert_found(FILE, "documentation:\n  - ", "#  - ", "where its facts come from").await;
    assert_found(FILE, "connector: help-desk", "connector: [", "connector.yaml:").await;
}

#[tokio::test]
async fn what_is_not_promised_is_found_at_its_case() {
    const FILE: &str = "tests/read-one.yaml";
    assert_found(FILE, "path: /ticket/1001", "path: /tickets/1001", "expected: GET /tickets/1001").await;
    assert_found(FILE, "Bearer example-token", "Bearer other-token", "expected: Authorization: Bearer other-token")
        .await;
    assert_found(FILE, "outcome: gone", "outcome: {found: {}}", "a record that is not there: it differs").await;
    assert_found(FILE, "samples/ticket.json", "samples/nosuch.json", "samples/nosuch.json cannot be read").await;
    assert_found(FILE, "read_one:", "read_two:", "did you mean `read_one`?").await;
    assert_found(
        FILE,
        "answer: {status: 404}",
        "answer: {status: 404}\n      - {request: *read, answer: {status: 200}}",
        "2 requests were expected, 1 were made",
    )
    .await;
}

#[tokio::test]
async fn what_lacks_is_found() {
    let (holder, folder) = folder();
    fs::remove_file(folder.join("README.md")).unwrap();
    fs::remove_dir_all(folder.join("tests")).unwrap();
    fs::write(folder.join("samples/notes.txt"), "x").unwrap();
    fs::write(folder.join("samples/broken.json"), "{").unwrap();
    let found = shown(&check(&folder).await);
    for expected in [
        "README.md: a connector has one page",
        "tests: there is no .yaml file",
        "only .json and .xml files",
        "it is no JSON",
    ] {
        assert!(found.iter().any(|finding| finding.contains(expected)), "{expected} is not in {found:#?}");
    }
    let nothing = shown(&check(&holder.path().join("nosuch")).await);
    assert!(nothing[0].contains("fluxnex connector new"), "{nothing:?}");
}
