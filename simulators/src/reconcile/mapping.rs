//! What a source record must look like at its target, written by hand: the checker must not
//! share a mistake with the mappings that it checks.

use serde_json::Value;

use crate::journal::App;

/// Where records of an object end, and how.
pub struct Route {
    pub source: App,
    pub object: &'static str,
    pub target: App,
    pub entity: &'static str,
    /// The field that names the parent, and the parent's object.
    pub parent: Option<(&'static str, &'static str)>,
    /// The fields that the mapping decides. `parent` is the parent's id at the target.
    pub fields: fn(content: &Value, parent: Option<&str>) -> Vec<Field>,
}

/// A field of the target's record: where it is, and what it must hold; `Null`: nothing.
pub struct Field {
    pub pointer: String,
    pub expected: Value,
}

/// Every route that is known. A further application adds its own here.
pub const ROUTES: [Route; 2] = [
    Route {
        source: App::Revenova,
        object: "Account",
        target: App::Quickbooks,
        entity: "Customer",
        parent: None,
        fields: customer,
    },
    Route {
        source: App::Revenova,
        object: "rtms__CustomerInvoice__c",
        target: App::Quickbooks,
        entity: "Invoice",
        parent: Some(("rtms__Customer__c", "Account")),
        fields: invoice,
    },
];

/// The route from an object of a source.
pub fn route_of(source: App, object: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.source == source && route.object == object)
}

/// The route to an entity of a target.
pub fn route_to(target: App, entity: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.target == target && route.entity == entity)
}

fn customer(account: &Value, _parent: Option<&str>) -> Vec<Field> {
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

fn invoice(invoice: &Value, parent: Option<&str>) -> Vec<Field> {
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
fn lines(invoice: &Value) -> &[Value] {
    invoice.pointer("/rtms__Invoice_Line_Items__r/records").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// How many lines the target's record must have, where the entity has lines.
pub fn expected_lines(entity: &str, content: &Value) -> Option<usize> {
    (entity == "Invoice").then(|| lines(content).len())
}

/// Whether the mapping has a result at all. A record that violates the entity's schema has
/// none, and must never take effect.
pub fn violates_schema(object: &str, content: &Value) -> Option<&'static str> {
    if object != "rtms__CustomerInvoice__c" {
        return None;
    }
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

fn note(record: &Value) -> Value {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Value::from(format!("Revenova {} @ {}", text("Id"), text("SystemModstamp")))
}

fn value(record: &Value, name: &str) -> Value {
    record.get(name).cloned().unwrap_or(Value::Null)
}

fn field(pointer: &str, expected: Value) -> Field {
    Field { pointer: pointer.to_owned(), expected }
}

/// Whether two values mean the same: numbers, and texts where a number is expected, by
/// their amount.
pub fn same(expected: &Value, found: &Value) -> bool {
    match (expected, amount(found)) {
        (Value::Number(number), Some(found)) => {
            number.as_f64().is_some_and(|number| (number - found).abs() < 0.000_001_f64.max(number.abs() * 1e-12))
        }
        _ => expected == found,
    }
}

fn amount(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
