//! What QuickBooks demands of a customer and of an invoice.

use serde_json::{Map, Value};

use super::answer::Fault;

/// The record types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entity {
    Customer,
    Invoice,
}

impl Entity {
    pub const ALL: [Entity; 2] = [Entity::Customer, Entity::Invoice];

    /// Finds an entity by its name in a path, a query or a command; case does not matter.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|entity| entity.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Entity::Customer => "Customer",
            Entity::Invoice => "Invoice",
        }
    }

    /// The field that carries the reference to the source record.
    pub fn note(self) -> &'static str {
        match self {
            Entity::Customer => "Notes",
            Entity::Invoice => "PrivateNote",
        }
    }
}

/// Intuit: 21 characters.
const LONGEST_DOC_NUMBER: usize = 21;
/// Intuit: 500 characters for names, 4,000 for notes, 1,000 lines.
const LONGEST_NAME: usize = 500;
const LONGEST_NOTE: usize = 4_000;
const MOST_LINES: usize = 1_000;

/// Checks a whole record as it would be stored. References to other records are the
/// caller's to check.
///
/// # Errors
/// The fault that QuickBooks answers.
pub fn check(entity: Entity, record: &Map<String, Value>) -> Result<(), Fault> {
    match entity {
        Entity::Customer => check_customer(record),
        Entity::Invoice => check_invoice(record),
    }
}

fn check_customer(record: &Map<String, Value>) -> Result<(), Fault> {
    let name = text(record, "DisplayName")?.unwrap_or_default();
    if name.trim().is_empty() {
        return Err(Fault::required("DisplayName"));
    }
    if name.contains([':', '\t', '\n']) {
        return Err(Fault::business("The name contains a colon, a tab or a line break"));
    }
    for field in ["DisplayName", "CompanyName"] {
        shorter(record, field, LONGEST_NAME)?;
    }
    shorter(record, "Notes", LONGEST_NOTE)?;
    for (field, part) in [("PrimaryEmailAddr", "Address"), ("PrimaryPhone", "FreeFormNumber"), ("CurrencyRef", "value")]
    {
        if let Some(object) = object(record, field)? {
            text(object, part)?;
        }
    }
    object(record, "BillAddr").map(|_| ())
}

fn check_invoice(record: &Map<String, Value>) -> Result<(), Fault> {
    reference(record, "CustomerRef")?.ok_or_else(|| Fault::required("CustomerRef"))?;
    shorter(record, "DocNumber", LONGEST_DOC_NUMBER)?;
    shorter(record, "PrivateNote", LONGEST_NOTE)?;
    for field in ["TxnDate", "DueDate"] {
        let date = text(record, field)?;
        if date.is_some_and(|date| date.parse::<jiff::civil::Date>().is_err()) {
            return Err(Fault::unparsable(field));
        }
    }
    let lines = match record.get("Line") {
        None => return Err(Fault::required("Line")),
        Some(Value::Array(lines)) => lines,
        Some(_) => return Err(Fault::unparsable("Line")),
    };
    if lines.is_empty() {
        return Err(Fault::required("Line"));
    }
    if lines.len() > MOST_LINES {
        return Err(Fault::business("A transaction cannot have more than 1000 lines"));
    }
    lines.iter().try_for_each(check_line)
}

fn check_line(line: &Value) -> Result<(), Fault> {
    let line = line.as_object().ok_or_else(|| Fault::unparsable("Line"))?;
    let detail_type = text(line, "DetailType")?.ok_or_else(|| Fault::required("DetailType"))?;
    match detail_type {
        "SalesItemLineDetail" => {}
        "SubTotalLineDetail" | "DescriptionOnly" => return Ok(()),
        _ => return Err(Fault::unparsable("DetailType")),
    }
    number(line, "Amount")?.ok_or_else(|| Fault::required("Amount"))?;
    let detail = object(line, "SalesItemLineDetail")?.ok_or_else(|| Fault::required("SalesItemLineDetail"))?;
    reference(detail, "ItemRef")?;
    number(detail, "Qty")?;
    number(detail, "UnitPrice").map(|_| ())
}

fn shorter(record: &Map<String, Value>, field: &'static str, most: usize) -> Result<(), Fault> {
    let length = text(record, field)?.map_or(0, |text| text.chars().count());
    if length > most { Err(Fault::too_long(field, most, length)) } else { Ok(()) }
}

fn text<'record>(record: &'record Map<String, Value>, field: &'static str) -> Result<Option<&'record str>, Fault> {
    match record.get(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Fault::unparsable(field)),
    }
}

fn object<'record>(
    record: &'record Map<String, Value>,
    field: &'static str,
) -> Result<Option<&'record Map<String, Value>>, Fault> {
    match record.get(field) {
        None => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Fault::unparsable(field)),
    }
}

/// The `value` of a reference.
pub fn reference<'record>(
    record: &'record Map<String, Value>,
    field: &'static str,
) -> Result<Option<&'record str>, Fault> {
    match object(record, field)? {
        None => Ok(None),
        Some(reference) => text(reference, "value")?.map(Some).ok_or_else(|| Fault::required(field)),
    }
}

/// A number; QuickBooks takes one in quotes, too.
pub fn number(record: &Map<String, Value>, field: &'static str) -> Result<Option<f64>, Fault> {
    let number = match record.get(field) {
        None => return Ok(None),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        Some(_) => None,
    };
    number.map(Some).ok_or_else(|| Fault::unparsable(field))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(entity: Entity, record: Value) -> &'static str {
        check(entity, record.as_object().unwrap()).map_or_else(|fault| fault.code, |()| "")
    }

    fn invoice() -> Value {
        json!({"CustomerRef": {"value": "1"}, "DocNumber": "INV-000123", "TxnDate": "2026-11-01", "Line": [
            {"DetailType": "SalesItemLineDetail", "Amount": 10, "SalesItemLineDetail": {"ItemRef": {"value": "1"}, "Qty": "2", "UnitPrice": 5.0}}]})
    }

    #[test]
    fn good_records_pass() {
        assert_eq!(code(Entity::Invoice, invoice()), "");
        assert_eq!(code(Entity::Customer, json!({"DisplayName": "Acme", "Notes": "x", "BillAddr": {}})), "");
    }

    #[test]
    fn each_demand_of_a_customer_is_enforced() {
        for (record, expected) in [
            (json!({}), "2020"),
            (json!({"DisplayName": "  "}), "2020"),
            (json!({"DisplayName": 5}), "2010"),
            (json!({"DisplayName": "a:b"}), "6000"),
            (json!({"DisplayName": "x".repeat(501)}), "2050"),
            (json!({"DisplayName": "a", "Notes": "x".repeat(4_001)}), "2050"),
            (json!({"DisplayName": "a", "PrimaryEmailAddr": "a@b"}), "2010"),
            (json!({"DisplayName": "a", "PrimaryPhone": {"FreeFormNumber": 5}}), "2010"),
            (json!({"DisplayName": "a", "BillAddr": []}), "2010"),
        ] {
            assert_eq!(code(Entity::Customer, record.clone()), expected, "{record}");
        }
    }

    #[test]
    fn each_demand_of_an_invoice_is_enforced() {
        let line = |line: Value| json!([line]);
        for (field, value, expected) in [
            ("CustomerRef", Value::Null, "2010"),
            ("CustomerRef", json!({}), "2020"),
            ("CustomerRef", json!({"value": 1}), "2010"),
            ("DocNumber", json!("x".repeat(22)), "2050"),
            ("TxnDate", json!("not-a-date"), "2010"),
            ("DueDate", json!(20_261_101), "2010"),
            ("Line", json!([]), "2020"),
            ("Line", json!({}), "2010"),
            ("Line", json!([5]), "2010"),
            ("Line", line(json!({"Amount": 1})), "2020"),
            ("Line", line(json!({"DetailType": "Nonsense"})), "2010"),
            ("Line", line(json!({"DetailType": "SalesItemLineDetail", "Amount": "a lot"})), "2010"),
            ("Line", line(json!({"DetailType": "SalesItemLineDetail", "Amount": "NaN"})), "2010"),
            ("Line", line(json!({"DetailType": "SalesItemLineDetail", "Amount": 1})), "2020"),
            ("Line", line(json!({"DetailType": "SalesItemLineDetail", "SalesItemLineDetail": {}})), "2020"),
            ("Line", json!(vec![json!({"DetailType": "DescriptionOnly"}); 1_001]), "6000"),
        ] {
            let mut record = invoice();
            record[field] = value;
            assert_eq!(code(Entity::Invoice, record.clone()), expected, "{record}");
        }
        assert_eq!(code(Entity::Invoice, json!({})), "2020");
    }
}
