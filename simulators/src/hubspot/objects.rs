//! The record types of the account, and their properties. Values are texts, whatever their type.

/// What a property holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A moment, written as RFC 3339; a search may also name it by milliseconds since 1970.
    Moment,
}

pub struct Property {
    pub name: &'static str,
    pub kind: Kind,
    /// Whether two records may not have the same value.
    pub unique: bool,
    /// Whether HubSpot sets it.
    pub read_only: bool,
}

pub struct Object {
    /// As an address names it.
    pub name: &'static str,
    /// As an error names it.
    pub singular: &'static str,
    /// The property that says when a record changed.
    pub modified: &'static str,
    pub properties: &'static [Property],
    /// What a read gives if nobody says.
    pub usual: &'static [&'static str],
}

const fn text(name: &'static str) -> Property {
    Property { name, kind: Kind::Text, unique: false, read_only: false }
}

const fn unique(name: &'static str) -> Property {
    Property { name, kind: Kind::Text, unique: true, read_only: false }
}

const fn system(name: &'static str, kind: Kind) -> Property {
    Property { name, kind, unique: false, read_only: true }
}

/// Every record type.
pub const OBJECTS: &[Object] = &[
    Object {
        name: "contacts",
        singular: "Contact",
        modified: "lastmodifieddate",
        properties: &[
            unique("email"),
            text("firstname"),
            text("lastname"),
            text("phone"),
            text("company"),
            // Made by the account's administrators.
            unique("fluxnex_id"),
            system("hs_object_id", Kind::Text),
            system("createdate", Kind::Moment),
            system("lastmodifieddate", Kind::Moment),
        ],
        usual: &["createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"],
    },
    Object {
        name: "companies",
        singular: "Company",
        modified: "hs_lastmodifieddate",
        properties: &[
            text("name"),
            text("domain"),
            text("phone"),
            text("city"),
            text("country"),
            unique("fluxnex_id"),
            system("hs_object_id", Kind::Text),
            system("createdate", Kind::Moment),
            system("hs_lastmodifieddate", Kind::Moment),
        ],
        usual: &["createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"],
    },
];

/// Finds a record type by its name.
pub fn object(name: &str) -> Option<&'static Object> {
    OBJECTS.iter().find(|object| object.name == name)
}

impl Object {
    pub fn property(&self, name: &str) -> Option<&'static Property> {
        let properties: &'static [Property] = self.properties;
        properties.iter().find(|property| property.name == name)
    }
}
