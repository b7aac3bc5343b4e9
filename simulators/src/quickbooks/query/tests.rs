//! Queries over three customers.

use serde_json::json;

use super::*;

fn company() -> Company {
    let mut company = Company::default();
    for (name, at) in [("Acme", 0), ("O'Hara", 1_000_000), ("Bolt", 2_000_000)] {
        let record = json!({"DisplayName": name, "Notes": name.to_uppercase()});
        company.write(Entity::Customer, &record, at).unwrap();
    }
    company
}

fn names(statement: &str) -> Vec<String> {
    let response = parse(statement).unwrap().run(&company());
    let records = response["Customer"].as_array().cloned().unwrap_or_default();
    records.iter().map(|record| record["DisplayName"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn queries_select() {
    for (rest, expected) in [
        ("", vec!["Acme", "O'Hara", "Bolt"]),
        ("WHERE DisplayName = 'acme'", vec!["Acme"]),
        ("where displayname = 'O\\'Hara'", vec!["O'Hara"]),
        ("WHERE DisplayName LIKE '%o%' AND Id > '2'", vec!["Bolt"]),
        ("WHERE Id IN ('1', '3')", vec!["Acme", "Bolt"]),
        ("WHERE MetaData.LastUpdatedTime >= '1970-01-01T00:00:01+00:00'", vec!["O'Hara", "Bolt"]),
        ("WHERE Active = true AND Balance = '0' AND Id != '1'", vec!["O'Hara", "Bolt"]),
        ("WHERE Missing = 'x'", vec![]),
        ("ORDERBY DisplayName DESC", vec!["O'Hara", "Bolt", "Acme"]),
        ("ORDER BY DisplayName ASC STARTPOSITION 2 MAXRESULTS 1", vec!["Bolt"]),
        ("STARTPOSITION 4", vec![]),
        ("MAXRESULTS 0", vec![]),
    ] {
        assert_eq!(names(&format!("SELECT * FROM Customer {rest}")), expected, "{rest}");
    }
}

#[test]
fn answers_have_intuits_shape() {
    let run = |statement: &str| parse(statement).unwrap().run(&company());
    assert_eq!(run("SELECT COUNT(*) FROM customer WHERE Id < '3'"), json!({"totalCount": 2}));
    assert_eq!(run("SELECT * FROM Invoice"), json!({}));
    let some = run("SELECT DisplayName, MetaData.CreateTime FROM Customer MAXRESULTS 1");
    assert_eq!((&some["startPosition"], &some["maxResults"]), (&json!(1), &json!(1)));
    let mut names: Vec<&String> = some["Customer"][0].as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["DisplayName", "Id", "MetaData", "SyncToken", "domain", "sparse"]);
}

#[test]
fn broken_queries_are_refused() {
    for (statement, code) in [
        ("", "4000"),
        ("SELECT", "4000"),
        ("SELECT * Customer", "4000"),
        ("SELECT * FROM Customer WHERE", "4000"),
        ("SELECT * FROM Customer WHERE Id = '1' OR Id = '2'", "4000"),
        ("SELECT * FROM Customer WHERE Id = 'open", "4000"),
        ("SELECT * FROM Customer WHERE (Id = '1')", "4000"),
        ("SELECT * FROM Customer STARTPOSITION x", "4000"),
        ("SELECT * FROM Customer MAXRESULTS -5", "4000"),
        ("SELECT * FROM Customer; DELETE", "4000"),
        ("SELECT COUNT(Id) FROM Customer", "4000"),
        ("SELECT * FROM Vendor", "4001"),
        ("SELECT * FROM Customer STARTPOSITION 0", "4001"),
    ] {
        assert_eq!(parse(statement).unwrap_err().code, code, "{statement}");
    }
    let many = format!("SELECT * FROM Customer WHERE Id = '1'{}", " AND Id = '1'".repeat(200));
    assert_eq!(parse(&many).unwrap_err().code, "4001");
}
