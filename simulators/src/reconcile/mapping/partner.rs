//! What the ERP's records must look like at the partner that takes them by webhook.

use serde_json::Value;

use super::{Field, field, value};

pub fn customer(customer: &Value, _parent: Option<&str>) -> Vec<Field> {
    let mut fields = vec![field("/source", note(customer))];
    let mapped = [
        ("/number", "ID"),
        ("/name", "Name"),
        ("/email", "Email"),
        ("/phone", "Phone"),
        ("/currency", "Currency"),
        ("/address/street", "Street"),
        ("/address/city", "City"),
        ("/address/region", "Region"),
        ("/address/postal_code", "PostalCode"),
        ("/address/country", "Country"),
    ];
    fields.extend(mapped.map(|(pointer, name)| field(pointer, value(customer, name))));
    fields
}

/// `parent` is what the partner knows the customer by.
pub fn invoice(invoice: &Value, parent: Option<&str>) -> Vec<Field> {
    let mut fields = vec![field("/source", note(invoice)), field("/customer", parent.map_or(Value::Null, Value::from))];
    let mapped = [
        ("/number", "ID"),
        ("/date", "InvoiceDate"),
        ("/due_date", "DueDate"),
        ("/status", "Status"),
        ("/currency", "Currency"),
        ("/total", "TotalAmount"),
    ];
    fields.extend(mapped.map(|(pointer, name)| field(pointer, value(invoice, name))));
    for (position, line) in lines(invoice).iter().enumerate() {
        let mapped = [
            ("description", "Description"),
            ("quantity", "Quantity"),
            ("unit_price", "UnitPrice"),
            ("amount", "Amount"),
        ];
        fields.extend(mapped.map(|(rest, name)| field(&format!("/lines/{position}/{rest}"), value(line, name))));
    }
    fields
}

/// The lines of an invoice at the source.
pub fn lines(invoice: &Value) -> &[Value] {
    invoice.get("Lines").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether the mapping has a result at all.
pub fn invalid_invoice(invoice: &Value) -> Option<&'static str> {
    lines(invoice).is_empty().then_some("the invoice has no lines")
}

fn note(record: &Value) -> Value {
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Value::from(format!("ERP {} @ {}", text("ID"), text("ModifiedAt")))
}
