//! Tests of programs: what they give, what is refused, and what is said.

use super::*;

fn run(source: &str, input: &str) -> Result<String, MappingError> {
    let program = Program::compile("test", source, &[])?;
    Ok(program.run(&Json::parse("test", input)?, vec![])?.to_text())
}

#[test]
fn numbers_keep_their_digits() {
    assert_eq!(
        run("{a: .a, b: (.b | tostring)}", r#"{"a":1000.10,"b":1234.50}"#).unwrap(),
        r#"{"a":1000.10,"b":"1234.50"}"#
    );
    assert_eq!(run(".", "123456789012345678901234567890").unwrap(), "123456789012345678901234567890");
}

#[test]
fn words_that_reach_outside_or_loop_are_refused() {
    for source in [
        "def f: f; f",
        "env",
        "$ENV",
        "now",
        "input",
        "repeat(.)",
        "[range(10)]",
        "\"\\(env)\"",
        "{a: [until(false; .)]}",
    ] {
        assert!(matches!(Program::compile("test", source, &[]), Err(MappingError::Refused { .. })), "{source}");
    }
    assert!(Program::compile("test", "\"now and env\"", &[]).is_ok());
    assert!(Program::compile("test", ".now", &[]).is_ok());
}

#[test]
fn errors_name_the_place_and_never_the_value() {
    let error = Program::compile("invoice.to_entity", "{a: .b,\n c: }", &[]).unwrap_err().to_string();
    assert!(error.contains("invoice.to_entity") && error.contains("line 2"), "{error}");
    let error = Program::compile("x", "nosuch(.)", &[]).unwrap_err().to_string();
    assert!(error.contains("nosuch"), "{error}");
    let error = run(".a + 1", r#"{"a":"secret"}"#).unwrap_err().to_string();
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn exactly_one_output_is_asked_for() {
    assert!(matches!(run("empty", "1"), Err(MappingError::Output { .. })));
    assert!(matches!(run(".,.", "1"), Err(MappingError::Output { .. })));
    assert!(matches!(run(".", "{,}"), Err(MappingError::Input { .. })));
    assert!(matches!(run(".", "nan"), Err(MappingError::Input { .. })));
}

#[test]
fn variables_are_given_in_order() {
    let program = Program::compile("test", "{k: $key, v: .}", &["$key"]).unwrap();
    assert_eq!(program.run(&Json::null(), vec![Json::from("a\"b")]).unwrap().to_text(), r#"{"k":"a\"b","v":null}"#);
}

#[test]
fn the_cut_library_gives_the_same_results() {
    let input = r#"{"a":[{"k":"x","v":1.50},{"k":"y","v":2}],"t":"2026-11-01T08:15:00Z","n":null}"#;
    for (source, expected) in [
        ("[.a[] | select(.v > 1) | .k] | join(\"-\")", r#""x-y""#),
        (".a | map({(.k): .v}) | add", r#"{"x":1.50,"y":2}"#),
        (".a | sort_by(.v) | last.k | ascii_upcase", r#""Y""#),
        ("[.a | to_entries[] | .key]", "[0,1]"),
        ("[..|numbers] | length", "2"),
        (".t | fromdateiso8601 | todateiso8601", r#""2026-11-01T08:15:00Z""#),
        ("@json \"v=\\(.a[0].v)\"", r#""v=1.50""#),
        (".n // \"none\"", r#""none""#),
        ("[.a[] | .v |= tostring | .v] | any(. == \"2\")", "true"),
        ("[limit(1; .a[])] | length", "1"),
        ("try error(\"x\") catch .", r#""x""#),
        ("[splits(\"a\")]? // \"no\"", r#""no""#),
        (".a as [$x, $y] | {$x} | keys", r#"["x"]"#),
    ] {
        assert_eq!(run(source, input).unwrap(), expected, "{source}");
        let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let filter = build("whole", source, &[], library::all(), functions).unwrap();
        let whole = Program { name: "whole".to_owned(), variables: 0, filter };
        assert_eq!(
            whole.run(&Json::parse("test", input).unwrap(), vec![]).unwrap().to_text(),
            expected,
            "{source}"
        );
    }
}

#[test]
fn programs_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Program>();
}
