//! What a source record must look like at its target, written by hand: the checker must not
//! share a mistake with the mappings that it checks.

mod partner;
mod quickbooks;

use serde_json::Value;

use crate::journal::App;

/// Where records of an object end, and how.
pub struct Route {
    pub source: App,
    pub object: &'static str,
    pub target: App,
    pub entity: &'static str,
    pub parent: Option<Parent>,
    pub lines: Option<Lines>,
    /// The fields that the mapping decides. `parent` is the parent's id at the target.
    pub fields: fn(content: &Value, parent: Option<&str>) -> Vec<Field>,
    /// Why the record violates its entity's schema, if it does. Then it must never take effect.
    pub invalid: fn(content: &Value) -> Option<&'static str>,
    /// The target's record without what the target works out by itself.
    pub written: fn(record: &Value) -> Value,
}

/// The record that must be at the target before.
#[derive(Clone, Copy)]
pub struct Parent {
    /// The field that names it.
    pub field: &'static str,
    /// Its object.
    pub object: &'static str,
}

/// Lines, which must be as many at the target as at the source.
#[derive(Clone, Copy)]
pub struct Lines {
    pub of_source: fn(content: &Value) -> &[Value],
    /// The field of the target's record.
    pub of_target: &'static str,
}

/// A field of the target's record: where it is, and what it must hold; `Null`: nothing.
pub struct Field {
    pub pointer: String,
    pub expected: Value,
}

/// Every route that is known. A further application adds its own here.
pub static ROUTES: [Route; 4] = [
    Route {
        source: App::Revenova,
        object: "Account",
        target: App::Quickbooks,
        entity: "Customer",
        parent: None,
        lines: None,
        fields: quickbooks::customer,
        invalid: |_| None,
        written: Value::clone,
    },
    Route {
        source: App::Revenova,
        object: "rtms__CustomerInvoice__c",
        target: App::Quickbooks,
        entity: "Invoice",
        parent: Some(Parent { field: "rtms__Customer__c", object: "Account" }),
        lines: Some(Lines { of_source: quickbooks::lines, of_target: "Line" }),
        fields: quickbooks::invoice,
        invalid: quickbooks::invalid_invoice,
        written: quickbooks::without_computed_lines,
    },
    Route {
        source: App::Erp,
        object: "Customers",
        target: App::Receiver,
        entity: "customer",
        parent: None,
        lines: None,
        fields: partner::customer,
        invalid: |_| None,
        written: Value::clone,
    },
    Route {
        source: App::Erp,
        object: "Invoices",
        target: App::Receiver,
        entity: "invoice",
        parent: Some(Parent { field: "CustomerID", object: "Customers" }),
        lines: Some(Lines { of_source: partner::lines, of_target: "lines" }),
        fields: partner::invoice,
        invalid: partner::invalid_invoice,
        written: Value::clone,
    },
];

/// The route from an object of a source.
pub fn route_of(source: App, object: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.source == source && route.object == object)
}

/// Whether records of an object are parents of others.
pub fn is_parent(source: App, object: &str) -> bool {
    ROUTES.iter().any(|route| route.source == source && route.parent.is_some_and(|parent| parent.object == object))
}

impl Route {
    /// The id at the source of the record that a record of this route needs.
    pub fn parent_of<'content>(&self, content: &'content Value) -> Option<&'content str> {
        content.get(self.parent?.field).and_then(Value::as_str)
    }

    /// The route of that record.
    pub fn parent_route(&self) -> Option<&'static Route> {
        route_of(self.source, self.parent?.object)
    }
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
