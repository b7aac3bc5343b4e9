//! What a run may use, and what ordinary runs do use.

use super::run;
use crate::mapping::{Json, Limit, MappingError, Program, budget};

#[test]
fn no_handler_of_the_program_sees_that_it_was_stopped() {
    for source in [
        "try (\"x\" * 100000000) catch \"caught\"",
        "(\"x\" * 100000000)? // \"caught\"",
        "first((\"x\" * 100000000), 1)",
        "[.[] | try (\"x\" * 100000000) catch 1]",
        "isempty(\"x\" * 100000000)",
    ] {
        let stopped = run(source, "[1]");
        assert!(matches!(stopped, Err(MappingError::Stopped { limit: Limit::Text, .. })), "{source}: {stopped:?}");
    }
}

#[test]
fn a_stopped_run_leaves_the_next_one_its_whole_budget() {
    let hostile = Program::compile("hostile", "[.[] | \"x\" * 100000000]", &[]).unwrap();
    let fine = Program::compile("fine", "map(. + 1) | add", &[]).unwrap();
    let input = Json::parse("test", "[1,2]").unwrap();
    for _ in 0..3 {
        let error = hostile.run(&input, vec![]).unwrap_err().to_string();
        assert!(error.starts_with("mapping hostile: made a text of more than"), "{error}");
        assert_eq!(fine.run(&input, vec![]).unwrap().to_text(), "5");
    }
    assert_eq!(input.to_text(), "[1,2]");
}

#[test]
fn an_invoice_takes_a_small_part_of_the_budget() {
    let root = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let mapping = read("examples/acme/mappings/invoice.to_entity.jq");
    let program = Program::compile("invoice", &mapping, &["$parents", "$source"]).unwrap();
    let input = Json::parse("invoice", &read("connectors/revenova/samples/invoice.json")).unwrap();
    let variables = [Json::parse("parents", r#"{"customer":"x"}"#).unwrap(), Json::null()];
    let used = budget::within(0, || {
        let before = budget::steps_left();
        let output = super::super::run_once(&program.filter, &input, &variables);
        assert!(output.is_ok());
        before - budget::steps_left()
    });
    let used = used.unwrap();
    eprintln!("{used} steps");
    assert!(used < budget::MOST_STEPS / 200, "{used} steps");
}

#[test]
fn a_large_record_passes() {
    let line = r#"{"rtms__Description__c":"Linehaul from here to there","rtms__Quantity__c":1.0,"rtms__Unit_Price__c":12.50,"rtms__Amount__c":12.50}"#;
    let lines = vec![line; 1000].join(",");
    let input = format!(r#"{{"Name":"INV-1","rtms__Invoice_Line_Items__r":{{"records":[{lines}]}}}}"#);
    let root = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mapping = std::fs::read_to_string(root.join("examples/acme/mappings/invoice.to_entity.jq")).unwrap();
    let program = Program::compile("invoice", &mapping, &["$parents", "$source"]).unwrap();
    let output = program.run(&Json::parse("test", &input).unwrap(), vec![Json::null(), Json::null()]).unwrap();
    assert!(output.to_text().len() > 50_000);
}

#[test]
fn inputs_that_would_take_long_to_read_are_refused() {
    let number = "9".repeat(1_000_000);
    for text in [number.clone(), format!("[{number}]"), format!("{{\"a\":-{number}.5}}"), "[".repeat(100_000)] {
        assert!(matches!(Json::parse("test", &text), Err(MappingError::Input { .. })));
    }
    assert!(Json::parse("test", &format!("\"{number}\"")).is_ok(), "digits of a text are no number");
    assert!(Json::parse("test", &format!("[\"a\\\"\",\"{number}\"]")).is_ok());
    assert!(run("fromjson", &format!("\"{number}\"")).is_err());
    assert!(run("fromjson", &format!("\"{}\"", "[".repeat(100_000))).is_err());
    assert!(run("tonumber", &format!("\"{number}\"")).is_err());
}
