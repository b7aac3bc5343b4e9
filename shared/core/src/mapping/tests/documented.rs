//! What docs/mappings.md says of functions is what they do.

use super::run;
use crate::mapping::functions;
use std::collections::BTreeSet;

const DOCUMENT: &str = include_str!("../../../../../docs/mappings.md");

/// Lines `program #=> result`.
fn examples() -> Vec<(&'static str, &'static str)> {
    let lines = DOCUMENT.lines().filter_map(|line| line.split_once("#=>"));
    lines.map(|(program, result)| (program.trim(), result.trim())).collect()
}

#[test]
fn every_example_gives_what_is_written() {
    let examples = examples();
    assert!(examples.len() > 25);
    for (program, expected) in examples {
        let given = run(program, "null").unwrap_or_else(|error| panic!("{program}: {error}"));
        assert_eq!(given, expected, "{program}");
    }
}

#[test]
fn every_function_has_an_example() {
    let of_jq = ["fromjson", "tojson", "length", "contains", "has", "indices", "regular_cost"];
    let missing: BTreeSet<&str> = functions::names_of_ours()
        .filter(|name| !of_jq.contains(name))
        .filter(|name| !examples().iter().any(|(program, _)| program.contains(&format!("| {name}"))))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn null_and_blank_give_null_and_the_rest_fails() {
    for function in [
        "trimmed",
        "lookup({})",
        "decimal",
        "decimal_add(1)",
        "decimal_round(1; \"up\")",
        "money_round(\"USD\")",
        "minor_units(\"USD\")",
        "from_minor_units(\"USD\")",
        "to_moment",
        "to_moment(\"UTC\")",
        "date_in(\"UTC\")",
        "moment_in(\"UTC\")",
        "date_from(\"%Y\")",
        "moment_from(\"%Y\"; \"UTC\")",
        "country",
        "country_alpha3",
        "country_name",
        "state(\"US\")",
        "state_name(\"CA\")",
        "phone(\"US\")",
    ] {
        assert_eq!(run(&format!(". | {function}"), "null").unwrap(), "null", "{function}");
        if function != "lookup({})" {
            assert_eq!(run(&format!("\" \" | {function}"), "null").unwrap(), "null", "{function}");
        }
        if function != "trimmed" {
            let error = run(&format!("\"top secret\" | {function}"), "null").unwrap_err().to_string();
            let name = function.split('(').next().unwrap();
            assert!(error.contains(&format!("`{name}`: ")) || name == "to_moment", "{function}: {error}");
            assert!(!error.contains("secret\""), "{function}: {error}");
        }
        assert!(run(&format!("{{}} | {function}"), "null").is_err(), "{function}");
    }
}

#[test]
fn phone_numbers_are_taken_only_where_they_are_certain() {
    for (text, country, expected) in [
        ("415-555-2671", "US", "+14155552671"),
        ("1 (415) 555-2671", "CA", "+14155552671"),
        ("+49 30 901820", "US", "+4930901820"),
        ("011 44 20 7946 0958", "US", "+442079460958"),
        ("0044 20 7946 0958", "DE", "+442079460958"),
    ] {
        assert_eq!(run(&format!("\"{text}\" | phone(\"{country}\")"), "null").unwrap(), format!("\"{expected}\""));
    }
    for (text, country) in [
        ("030 901820", "DE"),
        ("115-555-2671", "US"),
        ("415-155-2671", "US"),
        ("415 555 2671 x12", "US"),
        ("+0123456789", "US"),
        ("+1234567890123456", "DE"),
        ("12", "US"),
        ("++14155552671", "US"),
    ] {
        assert!(run(&format!("\"{text}\" | phone(\"{country}\")"), "null").is_err(), "{text}");
    }
}

#[test]
fn decimals_are_exact_and_bounded() {
    for (program, expected) in [
        ("\"0.1\" | decimal_add(\"0.2\")", "\"0.3\""),
        (
            "\"999999999999999.999999\" | decimal_multiply(\"999999999999999.999999\")",
            "\"999999999999999999998000000000.000000000001\"",
        ),
        ("1e3 | decimal", "\"1000\""),
        ("\"-2.5\" | decimal_round(0; \"half_even\")", "\"-2\""),
        ("\"-2.5\" | decimal_round(0; \"half_up\")", "\"-3\""),
        ("\"1.234\" | money_round(\"KWD\")", "\"1.234\""),
        ("\"1.5\" | money_round(\"JPY\")", "\"2\""),
        ("1250 | from_minor_units(\"USD\")", "\"12.50\""),
    ] {
        assert_eq!(run(program, "null").unwrap(), expected, "{program}");
    }
    for program in [
        "\"1e400000000\" | decimal",
        "\"1_000\" | decimal",
        "\"0x10\" | decimal",
        "\"NaN\" | decimal",
        "\"1,5\" | decimal",
        "1 | decimal_divide(0; 2; \"up\")",
        "1 | decimal_round(21; \"up\")",
        "1 | decimal_round(2; \"up and away\")",
        "\"12.345\" | minor_units(\"USD\")",
        "1 | money_round(\"XXQ\")",
        "nan | decimal",
    ] {
        assert!(run(program, "null").is_err(), "{program}");
    }
}
