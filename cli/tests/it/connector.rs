//! The commands for authors.

use crate::command::{fluxnex, fluxnex_with};
use serde_json::Value;
use std::fs;

const NEW: &[&str] = &["connector", "new", "desk", "--base-url", "https://d.example.com", "--object", "Ticket"];

fn new(folder: &std::path::Path, more: &[&str]) -> crate::command::Said {
    let mut arguments = NEW.to_vec();
    arguments.extend([
        "--title",
        "Desk",
        "--documentation",
        "https://d.example.com/docs",
        "--authentication",
        "bearer",
    ]);
    arguments.extend(more);
    fluxnex(folder, &arguments)
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (&["--help"][..], "Exit codes"),
        (&["connector", "new", "--help"], "Examples:"),
        (&["connector", "check", "--help"], "Examples:"),
        (&["connector", "try", "--help"], "never arguments"),
    ] {
        let said = fluxnex(folder.path(), arguments);
        assert!(said.code == 0 && said.out.contains(expected), "{arguments:?}: {said:?}");
    }
    assert_eq!(fluxnex(folder.path(), &["connector", "fly"]).code, 2);
}

#[test]
fn a_folder_is_made_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let made = new(folder.path(), &[]);
    assert_eq!((made.code, made.err.as_str()), (0, ""), "{made:?}");
    let again = new(folder.path(), &[]);
    assert!(again.code == 2 && again.err.contains("is there already"), "{again:?}");
    let checked = fluxnex(&folder.path().join("desk"), &["connector", "check"]);
    assert!(checked.code == 0 && checked.out.contains("fine (1 sample, 5 cases)"), "{checked:?}");
    for garbage in ["Desk", "../desk", ""] {
        assert_eq!(fluxnex(folder.path(), &["connector", "new", garbage]).code, 2, "{garbage}");
    }
}

#[test]
fn faults_are_shown_and_told_to_programs() {
    let folder = tempfile::tempdir().unwrap();
    new(folder.path(), &[]);
    let manifest = folder.path().join("desk/connector.yaml");
    let text = fs::read_to_string(&manifest).unwrap().replace("identify:", "identfy:");
    fs::write(&manifest, text).unwrap();
    let said = fluxnex(folder.path(), &["connector", "check", "desk"]);
    assert_eq!(said.code, 1);
    for expected in ["identfy", "desk/connector.yaml:", "did you mean `identify`?", "1 fault"] {
        assert!(said.out.contains(expected), "{expected}: {}", said.out);
    }
    let said = fluxnex(folder.path(), &["--json", "connector", "check", "desk"]);
    let answer: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(said.code, 1);
    assert_eq!(answer["findings"][0]["hint"], "did you mean `identify`?");
    assert!(answer["findings"][0]["place"]["line"].as_u64().unwrap() > 1);
    let tried = fluxnex(folder.path(), &["connector", "try", "desk", "read-one", "Ticket", "1"]);
    assert!(tried.code == 1 && tried.err.contains("did you mean"), "{tried:?}");
}

#[test]
fn what_cannot_be_tried_is_said_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    new(folder.path(), &[]);
    for (arguments, expected) in [
        (
            &["read-one", "Ticket", "1"][..],
            "no api_token: give --secrets FILE, or the variable FLUXNEX_SECRET_API_TOKEN",
        ),
        (&["read-one", "Tickets", "1"], "there are: Ticket"),
        (&["send", "Ticket", "desk/samples/ticket.json"], "cannot be sent Ticket; it has none"),
        (&["list-changed", "Ticket", "--since", "yesterday"], "no moment"),
        (&["list-changed", "Ticket", "--after", "1"], "--after needs --since"),
    ] {
        let mut all = vec!["connector", "try", "desk"];
        all.extend(arguments);
        let said = fluxnex(folder.path(), &all);
        assert!(said.code == 2 && said.err.contains(expected), "{arguments:?}: {said:?}");
    }
    // Without --local nothing on this machine is reached.
    let arguments = ["connector", "try", "desk", "--base-url", "https://127.0.0.1:1", "read-one", "Ticket", "1"];
    let said = fluxnex_with(folder.path(), &arguments, &[("FLUXNEX_SECRET_API_TOKEN", "marked-secret")]);
    assert!(said.code == 1 && said.out.contains("may not reach"), "{said:?}");
    assert!(!said.out.contains("marked-secret") && !said.err.contains("marked-secret"));
}
