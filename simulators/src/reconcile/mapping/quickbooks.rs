//! What Revenova's records must look like at QuickBooks Online.

use serde_json::Value;

use super::{Field, field, value};

pub fn customer(account: &Value, _parent: Option<&str>) -> Vec<Field> {
    let mut fields = vec![field("/Notes", note(account))];
    let mapped = [
        ("/DisplayName", "Name"),
        ("/CompanyName", "Name"),
        ("/PrimaryEmailAddr/Address", "Email__c"),
        ("/PrimaryPhone/FreeFormNumber", "Phone"),
        ("/BillAddr/Line1", "BillingStreet"),
        ("/BillAddr/City", "BillingCity"),
        ("/BillAddr/CountrySubDivisionCode", "BillingStateCode"),
        ("/BillAddr/PostalCode", "BillingPostalCode"),
        ("/BillAddr/Country", "BillingCountryCode"),
        ("/CurrencyRef/value", "CurrencyIsoCode"),
    ];
    fields.extend(mapped.map(|(pointer, name)| field(pointer, value(account, name))));
    fields
}

pub fn invoice(invoice: &Value, parent: Option<&str>) -> Vec<Field> {
    let mut fields = vec![
        field("/PrivateNote", note(invoice)),
        field("/CustomerRef/value", parent.map_or(Value::Null, Value::from)),
    ];
    let mapped = [
        ("/DocNumber", "Name"),
        ("/TxnDate", "rtms__Invoice_Date__c"),
        ("/DueDate", "rtms__Due_Date__c"),
        ("/CurrencyRef/value", "CurrencyIsoCode"),
    ];
    fields.extend(mapped.map(|(pointer, name)| field(pointer, value(invoice, name))));
    for (position, line) in lines(invoice).iter().enumerate() {
        let at = |rest: &str| format!("/Line/{position}/{rest}");
        let mapped = [
            ("Amount", "rtms__Amount__c"),
            ("Description", "rtms__Description__c"),
            ("SalesItemLineDetail/Qty", "rtms__Quantity__c"),
            ("SalesItemLineDetail/UnitPrice", "rtms__Unit_Price__c"),
        ];
        fields.push(field(&at("SalesItemLineDetail/ItemRef/value"), Value::from("1")));
        fields.extend(mapped.map(|(rest, name)| field(&at(rest), value(line, name))));
    }
    fields
}

/// The lines of an invoice at the source.
pub fn lines(invoice: &Value) -> &[Value] {
    invoice.pointer("/rtms__Invoice_Line_Items__r/records").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether the mapping has a result at all. A record that violates the entity's schema has
/// none, and must never take effect.
pub fn invalid_invoice(content: &Value) -> Option<&'static str> {
    let date = content.get("rtms__Invoice_Date__c").and_then(Value::as_str).unwrap_or_default();
    if date.parse::<jiff::civil::Date>().is_err() {
        return Some("the invoice date is no date");
    }
    let lines = lines(content);
    if lines.is_empty() {
        return Some("the invoice has no lines");
    }
    let typed = lines.iter().all(|line| line.get("rtms__Quantity__c").is_some_and(Value::is_number));
    (!typed).then_some("a quantity is no number")
}

/// QuickBooks adds a subtotal to an invoice's lines; it is nobody's input.
pub fn without_computed_lines(record: &Value) -> Value {
    let mut record = record.clone();
    if let Some(lines) = record.get_mut("Line").and_then(Value::as_array_mut) {
        lines.retain(|line| line.get("DetailType").and_then(Value::as_str) == Some("SalesItemLineDetail"));
    }
    record
}

fn note(record: &Value) -> Value {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Value::from(format!("Revenova {} @ {}", text("Id"), text("SystemModstamp")))
}
