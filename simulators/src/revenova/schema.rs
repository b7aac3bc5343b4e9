//! The objects of the simulated Salesforce organisation, and their fields.

use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    Id,
    Reference,
    Text,
    Number,
    Boolean,
    Date,
    DateTime,
}

pub struct Field {
    pub name: &'static str,
    pub kind: FieldType,
    pub access: Access,
}

/// What callers may do with a field besides reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: the organisation sets it.
    ReadOnly,
    /// Set it.
    Writable,
    /// Set it, and name a record by it: an external id, unique.
    ExternalId,
}

pub struct Parent {
    /// As a query names it (`rtms__Customer__r`).
    pub relationship: &'static str,
    /// The field that holds the parent's id.
    pub field: &'static str,
    pub object: &'static str,
}

pub struct Children {
    /// As a query names it, and where the record holds them (`rtms__Invoice_Line_Items__r`).
    pub relationship: &'static str,
    pub object: &'static str,
    /// The child's field that holds its parent's id.
    pub field: &'static str,
}

pub struct Object {
    pub name: &'static str,
    pub label: &'static str,
    pub key_prefix: &'static str,
    pub fields: &'static [Field],
    pub parents: &'static [Parent],
    pub children: &'static [Children],
    /// The fields that a new record must have.
    pub required: &'static [&'static str],
    /// Whether records are stored by themselves. Lines are held by their invoice.
    pub stored: bool,
}

const fn field(name: &'static str, kind: FieldType) -> Field {
    Field { name, kind, access: Access::Writable }
}

const fn system(name: &'static str, kind: FieldType) -> Field {
    Field { name, kind, access: Access::ReadOnly }
}

/// The field that this organisation's administrators made for ids of other systems.
const EXTERNAL_ID: Field = Field { name: "FluxNex_Id__c", kind: Text, access: Access::ExternalId };

use FieldType::{Boolean, Date, DateTime, Id, Number, Reference, Text};

const ACCOUNT: &[Field] = &[
    system("Id", Id),
    field("Name", Text),
    field("AccountNumber", Text),
    field("Phone", Text),
    field("Email__c", Text),
    field("BillingStreet", Text),
    field("BillingCity", Text),
    field("BillingStateCode", Text),
    field("BillingPostalCode", Text),
    field("BillingCountryCode", Text),
    field("CurrencyIsoCode", Text),
    EXTERNAL_ID,
    system("IsDeleted", Boolean),
    system("CreatedDate", DateTime),
    system("LastModifiedDate", DateTime),
    system("SystemModstamp", DateTime),
];

const CONTACT: &[Field] = &[
    system("Id", Id),
    field("AccountId", Reference),
    // Salesforce makes it of the next two.
    system("Name", Text),
    field("FirstName", Text),
    field("LastName", Text),
    field("Email", Text),
    field("Phone", Text),
    EXTERNAL_ID,
    system("IsDeleted", Boolean),
    system("CreatedDate", DateTime),
    system("LastModifiedDate", DateTime),
    system("SystemModstamp", DateTime),
];

const INVOICE: &[Field] = &[
    system("Id", Id),
    field("Name", Text),
    field("rtms__Customer__c", Reference),
    field("rtms__Invoice_Date__c", Date),
    field("rtms__Due_Date__c", Date),
    field("rtms__Invoice_Status__c", Text),
    field("rtms__Load__c", Reference),
    field("rtms__Load_Number__c", Text),
    field("CurrencyIsoCode", Text),
    field("rtms__Invoice_Total__c", Number),
    EXTERNAL_ID,
    system("IsDeleted", Boolean),
    system("CreatedDate", DateTime),
    system("LastModifiedDate", DateTime),
    system("SystemModstamp", DateTime),
];

const LINE: &[Field] = &[
    system("Id", Id),
    field("rtms__Description__c", Text),
    field("rtms__Quantity__c", Number),
    field("rtms__Unit_Price__c", Number),
    field("rtms__Amount__c", Number),
];

/// Every object.
pub const OBJECTS: &[Object] = &[
    Object {
        name: "Account",
        label: "Account",
        key_prefix: "001",
        fields: ACCOUNT,
        parents: &[],
        children: &[],
        required: &["Name"],
        stored: true,
    },
    Object {
        name: "Contact",
        label: "Contact",
        key_prefix: "003",
        fields: CONTACT,
        parents: &[Parent { relationship: "Account", field: "AccountId", object: "Account" }],
        children: &[],
        required: &["LastName"],
        stored: true,
    },
    Object {
        name: "rtms__CustomerInvoice__c",
        label: "Customer Invoice",
        key_prefix: "a0X",
        fields: INVOICE,
        parents: &[Parent { relationship: "rtms__Customer__r", field: "rtms__Customer__c", object: "Account" }],
        children: &[Children {
            relationship: "rtms__Invoice_Line_Items__r",
            object: "rtms__CustomerInvoiceLineItem__c",
            field: "rtms__Customer_Invoice__c",
        }],
        required: &[],
        stored: true,
    },
    Object {
        name: "rtms__CustomerInvoiceLineItem__c",
        label: "Customer Invoice Line Item",
        key_prefix: "a0Y",
        fields: LINE,
        parents: &[],
        children: &[],
        required: &[],
        stored: false,
    },
];

/// Finds an object by its name; case does not matter.
pub fn object(name: &str) -> Option<&'static Object> {
    OBJECTS.iter().find(|object| object.name.eq_ignore_ascii_case(name))
}

impl Object {
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        let fields: &'static [Field] = self.fields;
        fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    pub fn parent(&self, relationship: &str) -> Option<&'static Parent> {
        let parents: &'static [Parent] = self.parents;
        parents.iter().find(|parent| parent.relationship.eq_ignore_ascii_case(relationship))
    }

    pub fn children(&self, relationship: &str) -> Option<&'static Children> {
        let children: &'static [Children] = self.children;
        children.iter().find(|child| child.relationship.eq_ignore_ascii_case(relationship))
    }

    /// The answer to `describe`, cut down to what clients commonly read.
    pub fn describe(&self, version: &str) -> Value {
        let fields: Vec<Value> = self.fields.iter().map(|field| self.describe_field(field)).collect();
        let children: Vec<Value> = self
            .children
            .iter()
            .map(|child| {
                json!({"childSObject": child.object, "field": child.field, "relationshipName": child.relationship})
            })
            .collect();
        let url = format!("/services/data/{version}/sobjects/{}", self.name);
        json!({
            "name": self.name, "label": self.label, "labelPlural": format!("{}s", self.label),
            "keyPrefix": self.key_prefix, "custom": self.name.ends_with("__c"), "queryable": self.stored,
            "retrieveable": self.stored, "createable": self.stored, "updateable": self.stored, "deletable": self.stored,
            "replicateable": self.stored, "fields": fields, "childRelationships": children,
            "urls": {"sobject": url, "describe": format!("{url}/describe"), "rowTemplate": format!("{url}/{{ID}}")},
        })
    }

    fn describe_field(&self, field: &Field) -> Value {
        let (kind, soap_type, length) = match field.kind {
            Id => ("id", "tns:ID", 18),
            Reference => ("reference", "tns:ID", 18),
            Text => ("string", "xsd:string", 255),
            Number => ("double", "xsd:double", 0),
            Boolean => ("boolean", "xsd:boolean", 0),
            Date => ("date", "xsd:date", 0),
            DateTime => ("datetime", "xsd:dateTime", 0),
        };
        let parent = self.parents.iter().find(|parent| parent.field == field.name);
        let (writable, external) = (field.access != Access::ReadOnly, field.access == Access::ExternalId);
        json!({
            "name": field.name, "label": field.name.trim_start_matches("rtms__").trim_end_matches("__c").replace('_', " "),
            "type": kind, "soapType": soap_type, "length": length, "nillable": field.kind != Id,
            "custom": field.name.ends_with("__c"), "filterable": true, "sortable": true,
            "createable": writable, "updateable": writable, "externalId": external, "unique": external,
            "idLookup": external || field.kind == Id,
            "relationshipName": parent.map(|parent| parent.relationship),
            "referenceTo": parent.map(|parent| vec![parent.object]).unwrap_or_default(),
        })
    }
}
