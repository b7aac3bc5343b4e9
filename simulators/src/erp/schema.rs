//! The ERP's data model: two entity sets, and their types as OData names them.

/// The namespace of the types.
pub const NAMESPACE: &str = "Erp";
/// The key of every entity.
pub const KEY: &str = "ID";
/// What grows with every change of an entity.
pub const MODIFIED: &str = "ModifiedAt";

/// A type of the Entity Data Model, as far as the ERP uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdmType {
    Text,
    Decimal,
    Integer,
    Boolean,
    Date,
    DateTimeOffset,
    /// `Collection(Erp.InvoiceLine)`: comes inline with its entity, and cannot be compared.
    Lines,
}

impl EdmType {
    /// As it stands in the metadata.
    pub fn name(self) -> &'static str {
        match self {
            EdmType::Text => "Edm.String",
            EdmType::Decimal => "Edm.Decimal",
            EdmType::Integer => "Edm.Int32",
            EdmType::Boolean => "Edm.Boolean",
            EdmType::Date => "Edm.Date",
            EdmType::DateTimeOffset => "Edm.DateTimeOffset",
            EdmType::Lines => "Collection(Erp.InvoiceLine)",
        }
    }
}

#[derive(Debug)]
pub struct Property {
    pub name: &'static str,
    pub kind: EdmType,
    pub nullable: bool,
}

pub struct EntitySet {
    pub name: &'static str,
    /// The entity type, without the namespace.
    pub entity: &'static str,
    pub properties: &'static [Property],
}

const fn property(name: &'static str, kind: EdmType) -> Property {
    Property { name, kind, nullable: false }
}

const fn nullable(name: &'static str, kind: EdmType) -> Property {
    Property { name, kind, nullable: true }
}

use EdmType::{Boolean, Date, DateTimeOffset, Decimal, Integer, Lines, Text};

/// The name of the customers' set.
pub const CUSTOMERS: &str = "Customers";
/// The name of the invoices' set.
pub const INVOICES: &str = "Invoices";

/// Every entity set.
pub static SETS: [EntitySet; 2] = [
    EntitySet {
        name: CUSTOMERS,
        entity: "Customer",
        properties: &[
            property(KEY, Text),
            property("Name", Text),
            nullable("Email", Text),
            nullable("Phone", Text),
            nullable("Street", Text),
            nullable("City", Text),
            nullable("Region", Text),
            nullable("PostalCode", Text),
            nullable("Country", Text),
            property("Currency", Text),
            nullable("CreditLimit", Decimal),
            property("Blocked", Boolean),
            property("CreatedAt", DateTimeOffset),
            property(MODIFIED, DateTimeOffset),
        ],
    },
    EntitySet {
        name: INVOICES,
        entity: "Invoice",
        properties: &[
            property(KEY, Text),
            property("CustomerID", Text),
            property("InvoiceDate", Date),
            nullable("DueDate", Date),
            property("Status", Text),
            property("Currency", Text),
            property("TotalAmount", Decimal),
            property("Lines", Lines),
            property("CreatedAt", DateTimeOffset),
            property(MODIFIED, DateTimeOffset),
        ],
    },
];

/// The complex type of an invoice's lines.
pub const LINE: &[Property] = &[
    property("LineNumber", Integer),
    nullable("Description", Text),
    property("Quantity", Decimal),
    property("UnitPrice", Decimal),
    property("Amount", Decimal),
];

/// Finds an entity set by its name; case matters, as everywhere in OData 4.0.
pub fn set(name: &str) -> Option<&'static EntitySet> {
    SETS.iter().find(|set| set.name == name)
}

impl EntitySet {
    pub fn property(&self, name: &str) -> Option<&'static Property> {
        let properties: &'static [Property] = self.properties;
        properties.iter().find(|property| property.name == name)
    }
}
