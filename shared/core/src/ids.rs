//! One type per identifier. Each is parsed once, at the edge; inside, the type is the proof.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// Why a text is not a valid identifier. The text itself is not quoted: it may be hostile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {rule}")]
pub struct InvalidId {
    /// The kind of identifier, in the words of the vocabulary.
    pub kind: &'static str,
    /// The rule that the text breaks.
    pub rule: &'static str,
}

fn slug(text: &str, separator: char, longest: usize) -> bool {
    let mut characters = text.chars();
    text.len() <= longest
        && characters.next().is_some_and(|c| c.is_ascii_lowercase())
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == separator)
}

fn visible(text: &str, longest: usize) -> bool {
    !text.is_empty() && text.len() <= longest && !text.chars().any(char::is_control)
}

macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident, $kind:literal, $rule:literal, $valid:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text against the rule of this identifier.
            ///
            /// # Errors
            /// [`InvalidId`] names the rule that the text breaks.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) { Ok(Self(text)) } else { Err(InvalidId { kind: $kind, rule: $rule }) }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

macro_rules! uuid_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

text_id!(
    /// A customer. Owns the PostgreSQL schema `tenant_<id>`.
    TenantId, "tenant", "a lower-case letter, then letters, digits or underscores, at most 40 characters",
    |text| slug(text, '_', 40)
);
text_id!(
    /// A tenant's configured instance of a connector.
    ConnectionId, "connection", "a lower-case letter, then letters, digits or hyphens, at most 60 characters",
    |text| slug(text, '-', 60)
);
text_id!(
    /// How to talk to a kind of application: the name of a folder under `connectors/`.
    ConnectorName, "connector", "a lower-case letter, then letters, digits or hyphens, at most 40 characters",
    |text| slug(text, '-', 40)
);
text_id!(
    /// Source connection and object to entity to target connections.
    FlowId, "flow", "a lower-case letter, then letters, digits or hyphens, at most 60 characters",
    |text| slug(text, '-', 60)
);
text_id!(
    /// A canonical record type, such as `invoice`.
    EntityName, "entity", "a lower-case letter, then letters, digits or underscores, at most 40 characters",
    |text| slug(text, '_', 40)
);
text_id!(
    /// A record type in an application's own terms, such as `rtms__CustomerInvoice__c`.
    ObjectName, "object", "1 to 120 bytes without control characters",
    |text| visible(text, 120)
);
text_id!(
    /// The id of a record in an application's own terms.
    SourceId, "source id", "1 to 255 bytes without control characters",
    |text| visible(text, 255)
);
text_id!(
    /// The id that makes a webhook, a polled change or a fetch one event, whoever repeats it.
    SenderEventId, "event id", "1 to 255 bytes without control characters",
    |text| visible(text, 255)
);

uuid_id!(
    /// The news that one source record may have changed. Time-ordered (version 7), made at L1.
    EventId
);
uuid_id!(
    /// One canonical record of a tenant; see [`crate::canonical::canonical_id`].
    CanonicalId
);
uuid_id!(
    /// One canonical version on its way to one target.
    DeliveryId
);

impl TenantId {
    /// The name of the tenant's PostgreSQL schema.
    #[must_use]
    pub fn schema_name(&self) -> String {
        format!("tenant_{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_can_only_name_its_own_schema() {
        assert_eq!(TenantId::parse("acme").unwrap().schema_name(), "tenant_acme");
        for hostile in ["", "Acme", "a-b", "a;drop", "a\"b", "1a", "a.b", "é", &"a".repeat(41)] {
            assert!(TenantId::parse(hostile).is_err(), "{hostile:?}");
        }
    }

    #[test]
    fn ids_are_checked_when_deserialised() {
        assert!(serde_json::from_str::<ConnectionId>("\"revenova\"").is_ok());
        assert!(serde_json::from_str::<ConnectionId>("\"../revenova\"").is_err());
        assert!(serde_json::from_str::<SourceId>("\"a\\nb\"").is_err());
    }
}
