//! Tests of programs: what they give, what is refused, and what is said.

mod documented;
mod hostile;
mod limits;

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
        let filter = build(source, &[], library::all(), functions::all()).unwrap();
        let whole = Program {
            name: "whole".to_owned(),
            source: source.to_owned(),
            variables: vec![],
            filter,
            traced: OnceLock::new(),
        };
        assert_eq!(whole.run(&Json::parse("test", input).unwrap(), vec![]).unwrap().to_text(), expected, "{source}");
    }
}

#[test]
fn programs_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Program>();
}

#[test]
fn run_errors_have_a_place_and_kinds_but_no_values() {
    for (source, input, expected) in [
        (
            "{\n  a: .x,\n  b: (.x + 1)\n}",
            r#"{"x":"secret"}"#,
            "line 3, column 7, `.x + 1`: cannot add a string and a number",
        ),
        (".lines[] | .amount", r#"{"lines":5}"#, "line 1, column 1, `.lines[]`: cannot go through a number"),
        (
            "[.lines[] | {q: (.q | tonumber)}] | length",
            r#"{"lines":[{"q":"secret"}]}"#,
            "line 1, column 23, `tonumber`: ",
        ),
        (
            "if .a then .b.c else .d end | .e",
            r#"{"a":1,"b":"secret"}"#,
            "line 1, column 12, `.b.c`: cannot index a string with a string",
        ),
        (
            ". as {a: $x} | $x | decimal_add(true)",
            r#"{"a":"1"}"#,
            "`decimal_add`: a decimal must be a number, a string or null",
        ),
        ("(try error(\"x\") catch 1) | .a", "{}", "`.a`: cannot index a number with a string"),
        (".a |= (. - {})", r#"{"a":1}"#, "cannot subtract an object from a number"),
        ("error(\"this line has no tax code\")", "1", "this line has no tax code"),
        ("error(.a)", r#"{"a":"secret"}"#, "it raised an error, whose words are not shown"),
        ("{(.a): 1}", r#"{"a":1}"#, "an object's key must be a string, not a number"),
        ("\"a\" | test(\"(\")", "1", "it raised an error"),
        ("map(.a)", "{}", "exactly one value"),
    ] {
        let Err(error) = run(source, input) else {
            assert_eq!(expected, "exactly one value", "{source}");
            continue;
        };
        let error = error.to_string();
        assert!(error.contains(expected), "{source}: {error}");
        assert!(!error.contains("secret"), "{source}: {error}");
    }
}

#[test]
fn compile_errors_have_line_and_column() {
    for (source, expected) in [
        ("{a: .b,\n c: }", "line 2, column 5"),
        ("{\n  a: (.b | nosuch(1; 2))\n}", "line 2, column 12: function `nosuch` with 2 arguments is not known"),
        (".a |\n $nosuch", "line 2, column 2: variable `$nosuch` is not known"),
        ("\n  [range(10)]", "line 2, column 4: `range` is not allowed"),
        ("{a: \"x}", "line 1, column"),
    ] {
        let error = Program::compile("test", source, &[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{source}: {error}");
    }
}

#[test]
fn updates_are_as_in_jq() {
    let input = r#"{"a":[1,2,3,4],"o":{"x":1,"y":2},"n":null,"s":"text"}"#;
    for (source, expected) in [
        (".a[0] = 9 | .a", "[9,2,3,4]"),
        (".a[-1] |= . + 1 | .a", "[1,2,3,5]"),
        (".a[1:3] |= map(. * 10) | .a", "[1,20,30,4]"),
        (".a[1:] = [] | .a", "[1]"),
        (".a[:-1] = [0] | .a", "[0,4]"),
        ("del(.a[1:3]) | .a", "[1,4]"),
        ("del(.a[0], .o.x) | [.a, .o]", r#"[[2,3,4],{"y":2}]"#),
        (".n.deep.er = 1 | .n", r#"{"deep":{"er":1}}"#),
        (".o[] |= . + 1 | .o", r#"{"x":2,"y":3}"#),
        ("(.a[] | select(. > 2)) |= empty | .a | length", "2"),
        (".o |= with_entries(.value += 1) | .o", r#"{"x":2,"y":3}"#),
        ("[paths] | length", "10"),
        ("[.. | numbers] | add", "13"),
        ("to_entries | map(.key) | join(\",\")", r#""a,o,n,s""#),
        (".a | group_by(. % 2) | length", "2"),
        (".s | sub(\"t\"; \"T\")", r#""Text""#),
        (".s | [scan(\"t\")] | length", "2"),
        ("[.s | splits(\"e\")]", r#"["t","xt"]"#),
        (".s | indices(\"t\")", "[0,3]"),
        (".a | index(3)", "2"),
        (".a | contains([2])", "true"),
        (".o | has(\"x\")", "true"),
        (".s | explode | implode", r#""text""#),
        (".a | tojson | fromjson | length", "4"),
        ("-5 | length", "5"),
        (".a - [2,3]", "[1,4]"),
        (".o * {x: {z: 1}} | .x", r#"{"z":1}"#),
        ("\"ab\" * 3", r#""ababab""#),
        (".s / \"x\"", r#"["te","t"]"#),
        ("[.a[] | tostring] | sort_by(.) | reverse | first", r#""4""#),
        ("reduce .a[] as $x (0; . + $x)", "10"),
        ("[foreach .a[] as $x (0; . + $x)] | last", "10"),
        ("pick(.o.x)", r#"{"o":{"x":1}}"#),
        (".[\"missing\", null] // \"none\"", r#""none""#),
    ] {
        assert_eq!(run(source, input).unwrap_or_else(|error| panic!("{source}: {error}")), expected, "{source}");
    }
}

#[test]
fn what_is_offered_is_known() {
    let mut natives: Vec<String> =
        functions::all().map(|(name, arguments, _)| format!("{name}/{}", arguments.len())).collect();
    let definitions = library::all().map(|definition| format!("{}/{}", definition.name, definition.args.len()));
    natives.extend(definitions);
    natives.sort();
    natives.dedup();
    // A new release of jaq may offer what reaches outside: look at what this shows before it is accepted.
    insta::assert_snapshot!(natives.join(" "));
}
