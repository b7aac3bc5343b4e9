//! Conditions over a handful of customers and invoices.

use axum::http::StatusCode;
use serde_json::json;

use super::*;
use crate::erp::schema::{CUSTOMERS, INVOICES, set};

fn entities(name: &str) -> Vec<Value> {
    let customer = |id: &str, name: &str, phone: Value, limit: Value, blocked: bool, stamp: &str| json!({"ID": id, "Name": name, "Phone": phone, "CreditLimit": limit, "Blocked": blocked, "ModifiedAt": stamp});
    if name == INVOICES {
        return vec![
            json!({"ID": "I1", "CustomerID": "C1", "InvoiceDate": "2026-11-01", "TotalAmount": 10.5, "Lines": []}),
            json!({"ID": "I2", "CustomerID": "C2", "InvoiceDate": "2026-11-02", "TotalAmount": 99, "Lines": []}),
        ];
    }
    vec![
        customer("C1", "Acme", json!("555"), json!(1000), false, "2026-11-20T12:00:00.000Z"),
        customer("C2", "bolt", Value::Null, Value::Null, true, "2026-11-20T12:00:00.001Z"),
        customer("C3", "Crane's", json!("777"), json!(2.5), false, "2026-11-20T12:00:00.001Z"),
    ]
}

/// The ids of the entities for which an expression holds.
fn found(name: &str, expression: &str) -> Vec<String> {
    let condition = parse(expression, set(name).unwrap()).unwrap_or_else(|error| panic!("{expression}: {error:?}"));
    let holds = |entity: &Value| condition.holds(entity) == Some(true);
    entities(name)
        .iter()
        .filter(|entity| holds(entity))
        .map(|entity| entity["ID"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn conditions_select() {
    for (expression, expected) in [
        ("Name eq 'Acme'", vec!["C1"]),
        ("'Acme' eq Name", vec!["C1"]),
        ("Name ne 'Acme'", vec!["C2", "C3"]),
        ("Name eq 'Crane''s'", vec!["C3"]),
        ("Name gt 'Z'", vec!["C2"]),
        ("ID gt ''", vec!["C1", "C2", "C3"]),
        ("CreditLimit ge 1000", vec!["C1"]),
        ("CreditLimit lt 1e3", vec!["C3"]),
        ("CreditLimit gt -1.5", vec!["C1", "C3"]),
        ("Blocked eq true", vec!["C2"]),
        ("Blocked", vec!["C2"]),
        ("not Blocked", vec!["C1", "C3"]),
        ("true", vec!["C1", "C2", "C3"]),
        ("contains(Name,'o')", vec!["C2"]),
        ("startswith(Name, 'Cr')", vec!["C3"]),
        ("startswith(Name,'cr')", vec![]),
        ("not contains(Name,'o') and Blocked eq false", vec!["C1", "C3"]),
        ("ModifiedAt gt 2026-11-20T12:00:00Z", vec!["C2", "C3"]),
        ("ModifiedAt gt 2026-11-20T13:00:00.000+01:00", vec!["C2", "C3"]),
        (
            "(ModifiedAt gt 2026-11-20T12:00:00.001Z) or (ModifiedAt eq 2026-11-20T12:00:00.001Z and ID gt 'C2')",
            vec!["C3"],
        ),
        // `and` binds tighter than `or`.
        ("Name eq 'Acme' or Name eq 'bolt' and Blocked eq false", vec!["C1"]),
        ("(Name eq 'Acme' or Name eq 'bolt') and Blocked eq true", vec!["C2"]),
        ("not (Name eq 'Acme' or\tName eq 'bolt')", vec!["C3"]),
        ("not not (Name eq 'Acme')", vec!["C1"]),
    ] {
        assert_eq!(found(CUSTOMERS, expression), expected, "{expression}");
    }
    assert_eq!(found(INVOICES, "InvoiceDate ge 2026-11-02 and TotalAmount gt 10.50"), ["I2"]);
    assert_eq!(found(INVOICES, "ID eq CustomerID"), Vec::<String>::new());
}

#[test]
fn null_is_equal_to_itself_and_otherwise_unknown() {
    for (expression, expected) in [
        ("Phone eq null", vec!["C2"]),
        ("Phone ne null", vec!["C1", "C3"]),
        ("Phone ne '555'", vec!["C2", "C3"]),
        ("CreditLimit le 5000", vec!["C1", "C3"]),
        ("not (CreditLimit le 5000)", vec!["C2"]),
        ("contains(Phone,'5')", vec!["C1"]),
        ("not contains(Phone,'5')", vec!["C3"]),
        ("contains(Phone,'5') or Blocked", vec!["C1", "C2"]),
        ("not (contains(Phone,'5') and true)", vec!["C3"]),
    ] {
        assert_eq!(found(CUSTOMERS, expression), expected, "{expression}");
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for expression in [
        "",
        " ",
        "Name",
        "Name eq",
        "Name eq 'Acme' and",
        "Name eq 'Acme",
        "Name eq Acme",
        "Name = 'Acme'",
        "Name EQ 'Acme'",
        "name eq 'Acme'",
        "Nope eq 1",
        "Name eq 5",
        "CreditLimit eq '5'",
        "ModifiedAt gt '2026-11-20T12:00:00Z'",
        "ModifiedAt gt 2026-11-20",
        "ModifiedAt gt 2026-11-20T12:00:00",
        "ModifiedAt gt 2026-99-20T12:00:00Z",
        "CreditLimit gt null",
        "null le null",
        "CreditLimit eq 1.2.3",
        "(Name eq 'Acme'",
        "Name eq 'Acme')",
        "()",
        "Name+eq+'Acme'",
        "Name eq \"Acme\"",
        "Name eq 'Acme'; drop",
        "explode(Name,'x')",
        "contains(Name)",
        "contains('x',Name)",
        "contains(Blocked,'x')",
        "contains(Name,5)",
        "not Name eq 'Acme'",
        "(Name) eq 'Acme'",
        "Name eq 'Acme' Name eq 'bolt'",
        "Blocked eq true eq true",
        "null",
    ] {
        let refusal = parse(expression, set(CUSTOMERS).unwrap()).expect_err(expression);
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{expression}: {refusal:?}");
    }
}

#[test]
fn what_odata_knows_and_this_service_does_not_is_not_implemented() {
    for expression in [
        "endswith(Name,'e')",
        "tolower(Name) eq 'acme'",
        "year(ModifiedAt) eq 2026",
        "ModifiedAt gt now()",
        "Name in ('Acme')",
        "CreditLimit add 5 gt 10",
        "Lines/any(l:l/Amount gt 5)",
        "Lines eq null",
        "Name eq @name",
    ] {
        let set = if expression.starts_with("Lines") { INVOICES } else { CUSTOMERS };
        let refusal = parse(expression, super::super::schema::set(set).unwrap()).expect_err(expression);
        assert_eq!(refusal.status, StatusCode::NOT_IMPLEMENTED, "{expression}: {refusal:?}");
    }
}

#[test]
fn deep_and_long_expressions_end() {
    let customers = set(CUSTOMERS).unwrap();
    for expression in
        [format!("{}Blocked{}", "(".repeat(10_000), ")".repeat(10_000)), format!("{}Blocked", "not ".repeat(10_000))]
    {
        assert!(parse(&expression, customers).is_err());
    }
    let long = format!("{}Blocked", "Blocked or ".repeat(5_000));
    assert!(parse(&long, customers).is_ok());
}
