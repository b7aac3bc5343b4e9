//! Queries over a handful of records.

use serde_json::json;

use super::*;

fn accounts() -> Vec<Arc<Value>> {
    let account = |id: &str, name: &str, phone: Value, stamp: &str| {
        Arc::new(json!({"Id": id, "Name": name, "Phone": phone, "IsDeleted": false, "SystemModstamp": stamp}))
    };
    vec![
        account("001000000000001AAA", "Acme", json!("555"), "2026-11-20T12:00:00.000+0000"),
        account("001000000000002AAA", "bolt", Value::Null, "2026-11-20T12:00:01.000+0000"),
        account("001000000000003AAA", "Crane's", json!("777"), "2026-11-20T12:00:02.000+0000"),
    ]
}

fn invoices() -> Vec<Arc<Value>> {
    let invoice = |name: &str, customer: &str, total: Value, date: &str, lines: Value| {
        Arc::new(json!({"Id": format!("a0X{name}"), "Name": name, "rtms__Customer__c": customer,
            "rtms__Invoice_Total__c": total, "rtms__Invoice_Date__c": date,
            "rtms__Invoice_Line_Items__r": {"totalSize": 1, "done": true, "records": lines}}))
    };
    vec![
        invoice(
            "1",
            "001000000000001AAA",
            json!(10.5),
            "2026-11-01",
            json!([
            {"Id": "a0Y1", "rtms__Description__c": "haul", "rtms__Quantity__c": 2.0},
            {"Id": "a0Y2", "rtms__Description__c": "fuel", "rtms__Quantity__c": 1.0}]),
        ),
        invoice("2", "001000000000009AAA", json!(99), "2026-11-02", json!([])),
        invoice("3", "001000000000003AAA", Value::Null, "not-a-date", json!([])),
    ]
}

fn lookup(object: &str, id: &str) -> Option<Arc<Value>> {
    let found = |record: &Arc<Value>| record["Id"] == id;
    (object == "Account").then(|| accounts().into_iter().find(found)).flatten()
}

/// The names of the records that a query finds.
fn names(query: &str) -> Vec<String> {
    let query = parse(query).unwrap();
    let records = if query.object.name == "Account" { accounts() } else { invoices() };
    let found = query.matching(&records, &lookup);
    found.iter().map(|record| record["Name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn conditions_select() {
    for (condition, expected) in [
        ("Name = 'ACME'", vec!["Acme"]),
        ("Name != 'Acme'", vec!["bolt", "Crane's"]),
        ("Name = 'Crane\\'s'", vec!["Crane's"]),
        ("Name LIKE '%o%'", vec!["bolt"]),
        ("Phone = null", vec!["bolt"]),
        ("Phone != null AND IsDeleted = false", vec!["Acme", "Crane's"]),
        ("Phone > null", vec![]),
        ("Id = '001000000000001'", vec!["Acme"]),
        ("Id IN ('001000000000001AAA','001000000000003AAA')", vec!["Acme", "Crane's"]),
        ("Id NOT IN ('001000000000001AAA')", vec!["bolt", "Crane's"]),
        ("NOT Name = 'Acme'", vec!["bolt", "Crane's"]),
        ("SystemModstamp > 2026-11-20T12:00:00Z", vec!["bolt", "Crane's"]),
        ("SystemModstamp >= 2026-11-20T13:00:01+01:00", vec!["bolt", "Crane's"]),
        ("SystemModstamp < 2026-11-20T12:00:01.000+0000", vec!["Acme"]),
        (
            "(SystemModstamp = 2026-11-20T12:00:01.000Z AND Id > '001000000000001') OR Name = 'acme'",
            vec!["Acme", "bolt"],
        ),
    ] {
        assert_eq!(names(&format!("SELECT Id FROM Account WHERE {condition}")), expected, "{condition}");
    }
}

#[test]
fn numbers_dates_and_parents_select() {
    for (condition, expected) in [
        ("rtms__Invoice_Total__c >= 10.5", vec!["1", "2"]),
        ("rtms__Invoice_Total__c = 99", vec!["2"]),
        ("rtms__Invoice_Date__c < 2026-11-02", vec!["1"]),
        ("rtms__Customer__r.Name = 'acme'", vec!["1"]),
        ("rtms__Customer__r.Name = null", vec!["2"]),
    ] {
        let query = format!("select Id from rtms__customerinvoice__C where {condition}");
        assert_eq!(names(&query), expected, "{condition}");
    }
}

#[test]
fn records_come_in_order_and_in_pages() {
    assert_eq!(names("SELECT Id FROM Account ORDER BY Name DESC"), ["Crane's", "bolt", "Acme"]);
    assert_eq!(names("SELECT Id FROM Account ORDER BY Phone, Name"), ["bolt", "Acme", "Crane's"]);
    assert_eq!(names("SELECT Id FROM Account ORDER BY Phone NULLS LAST LIMIT 2"), ["Acme", "Crane's"]);
    assert_eq!(names("SELECT Id FROM Account ORDER BY SystemModstamp ASC LIMIT 1 OFFSET 1"), ["bolt"]);
    assert_eq!(names("SELECT Id FROM rtms__CustomerInvoice__c ORDER BY rtms__Invoice_Total__c"), ["3", "1", "2"]);
    assert!(names("SELECT Id FROM Account LIMIT 0").is_empty());
}

/// How a poll reads what changed: after the last record that it read, by stamp and then by id.
#[test]
fn a_keyset_goes_on_after_the_last_record() {
    let stamped = |id: &str, stamp: &str| Arc::new(json!({"Id": id, "Name": id, "SystemModstamp": stamp}));
    let records = [
        stamped("001000000000005AAA", "2026-11-21T10:00:00.124+0000"),
        // One stamp, and ids that differ in case alone: capital letters come first.
        stamped("00100000000000bAAA", "2026-11-21T10:00:00.123+0000"),
        stamped("00100000000000BAAQ", "2026-11-21T10:00:00.123+0000"),
        stamped("001000000000009AAA", "2026-11-21T10:00:00.123+0000"),
        stamped("001000000000001AAA", "2026-11-21T10:00:00.122+0000"),
    ];
    let page = |since: &str, after: &str, limit: usize| {
        let query = format!(
            "SELECT Id FROM Account WHERE SystemModstamp > {since} OR (SystemModstamp = {since} AND Id > '{after}') \
             ORDER BY SystemModstamp, Id LIMIT {limit}"
        );
        let found = parse(&query).unwrap().matching(&records, &lookup);
        found.iter().map(|record| record["Id"].as_str().unwrap()[12..15].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(page("1970-01-01T00:00:00Z", "000000000000000", 200), ["001", "009", "00B", "00b", "005"]);
    assert_eq!(page("2026-11-21T10:00:00.123Z", "000000000000000", 200), ["009", "00B", "00b", "005"]);
    assert_eq!(page("2026-11-21T10:00:00.123Z", "001000000000009AAA", 1), ["00B"]);
    assert_eq!(page("2026-11-21T10:00:00.123Z", "00100000000000BAAQ", 200), ["00b", "005"]);
    assert_eq!(page("2026-11-21T10:00:00.123Z", "00100000000000b", 200), ["005"]);
    assert_eq!(page("2026-11-21T10:00:00.1235Z", "000000000000000", 200), ["005"]);
    assert!(page("2026-11-21T10:00:00.124Z", "001000000000005AAA", 200).is_empty());
}

#[test]
fn parents_and_children_are_shaped() {
    let query = parse(
        "SELECT id, rtms__Customer__r.Name, rtms__Customer__r.Phone, \
         (SELECT Id, rtms__Description__c FROM rtms__Invoice_Line_Items__r WHERE rtms__Quantity__c > 1) \
         FROM rtms__CustomerInvoice__c ORDER BY Name",
    )
    .unwrap();
    let found = query.matching(&invoices(), &lookup);
    let shaped: Vec<Value> = found.iter().map(|record| query.project(record, "v62.0", &lookup)).collect();
    assert_eq!(
        shaped[0],
        json!({
            "attributes": {"type": "rtms__CustomerInvoice__c", "url": "/services/data/v62.0/sobjects/rtms__CustomerInvoice__c/a0X1"},
            "Id": "a0X1",
            "rtms__Customer__r": {
                "attributes": {"type": "Account", "url": "/services/data/v62.0/sobjects/Account/001000000000001AAA"},
                "Name": "Acme", "Phone": "555"},
            "rtms__Invoice_Line_Items__r": {"totalSize": 1, "done": true, "records": [{
                "attributes": {"type": "rtms__CustomerInvoiceLineItem__c", "url": "/services/data/v62.0/sobjects/rtms__CustomerInvoiceLineItem__c/a0Y1"},
                "Id": "a0Y1", "rtms__Description__c": "haul"}]},
        })
    );
    assert_eq!(shaped[1]["rtms__Customer__r"], Value::Null);
    assert_eq!(shaped[1]["rtms__Invoice_Line_Items__r"], Value::Null);
}

#[test]
fn broken_queries_get_salesforces_errors() {
    for (query, code) in [
        ("", "MALFORMED_QUERY"),
        ("SELECT", "MALFORMED_QUERY"),
        ("SELECT FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FORM Account", "MALFORMED_QUERY"),
        ("SELECT Id, FROM Account", "MALFORMED_QUERY"),
        ("SELECT * FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = Acme", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE (Name = 'a'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name IN ()", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = 'open", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account LIMIT -1", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account LIMIT x", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account; DROP TABLE Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account GROUP BY Id", "MALFORMED_QUERY"),
        ("SELECT COUNT(), Id FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE SystemModstamp > 2026-99-99T00:00:00Z", "MALFORMED_QUERY"),
        ("SELECT Nope FROM Account", "INVALID_FIELD"),
        ("SELECT Owner.Name FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE SystemModstamp > '2026-11-20T12:00:00Z'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE SystemModstamp > 2026-11-20", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Name > 5", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE IsDeleted LIKE 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead", "INVALID_TYPE"),
        ("SELECT Id FROM rtms__CustomerInvoiceLineItem__c", "INVALID_TYPE"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "INVALID_TYPE"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
    ] {
        match parse(query) {
            Err(error) => assert_eq!(error.code, code, "{query}: {}", error.message),
            Ok(_) => panic!("{query} was accepted"),
        }
    }
}

#[test]
fn a_malformed_query_is_marked_at_its_place() {
    let Err(error) = parse("SELECT Id\nFORM Account") else { panic!("accepted") };
    assert_eq!(error.message, "\nFORM Account\n^\nERROR at Row:2:Column:1\nunexpected token: 'FORM'");
}

#[test]
fn deep_and_long_queries_end() {
    let deep = format!("SELECT Id FROM Account WHERE {}Name = 'a'{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(parse(&deep).is_err());
    let negated = format!("SELECT Id FROM Account WHERE {}Name = 'a'", "NOT ".repeat(10_000));
    assert!(parse(&negated).is_err());
    let many = format!("SELECT Id FROM Account WHERE Id IN ({}'x')", "'x',".repeat(5_000));
    assert!(parse(&many).is_ok());
    let nested = format!("SELECT {} FROM Account", "(SELECT ".repeat(5_000));
    assert!(parse(&nested).is_err());
}
