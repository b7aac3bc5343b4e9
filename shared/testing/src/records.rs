//! Records of the simulated source, made of the connector's own samples.

use serde_json::{Value, json};

/// What Revenova calls a customer.
pub const ACCOUNT: &str = "Account";
/// What Revenova calls an invoice.
pub const INVOICE: &str = "rtms__CustomerInvoice__c";

fn sample(name: &str) -> Value {
    let path = format!("{}/../../connectors/revenova/samples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The version stamp of a record: a larger number is a later one.
#[must_use]
pub fn stamp(version: u32) -> String {
    format!("2026-11-20T12:{:02}:{:02}.000+0000", version / 60, version % 60)
}

/// A customer of that id and name.
#[must_use]
pub fn account(id: &str, name: &str, version: u32) -> Value {
    let mut record = sample("account");
    record["Id"] = json!(id);
    record["Name"] = json!(name);
    record["SystemModstamp"] = json!(stamp(version));
    record
}

/// An invoice of that id and number, for the customer that Revenova calls `customer`.
#[must_use]
pub fn invoice(id: &str, number: &str, customer: &str, version: u32) -> Value {
    let mut record = sample("invoice");
    record["Id"] = json!(id);
    record["Name"] = json!(number);
    record["rtms__Customer__c"] = json!(customer);
    record["SystemModstamp"] = json!(stamp(version));
    record
}

/// The body of the webhook that tells of a record.
#[must_use]
pub fn notice(object: &str, record: &Value) -> String {
    json!({"event": "updated", "object": object, "organizationId": "00D5f000000FluxEAA", "record": record}).to_string()
}
