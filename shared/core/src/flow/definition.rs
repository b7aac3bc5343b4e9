//! A flow as it is written down.

use super::Settle;
use crate::ids::{ConnectionId, EntityName, ObjectName};
use serde::{Deserialize, Serialize};

/// A flow as it is written down: every mapping is a jq program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FlowDefinition {
    /// Where its records come from.
    pub source: Endpoint,
    /// The canonical record type that it makes.
    pub entity: EntityName,
    /// The parents that a record needs before it can be stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Requirement>,
    /// Source record → entity. `$parents.<name>` is the canonical id of a parent, or null;
    /// `$source.id` and `$source.version` are the record's own.
    pub to_entity: String,
    /// Where its records go.
    pub targets: Vec<TargetDefinition>,
    /// What must stay in order at a target.
    #[serde(default)]
    pub ordering_key: OrderingKey,
    /// How long a delivery waits after its event arrived, so that what arrived before it and is still on its way goes
    /// first: `30s`, `2m`, at most `15m`. Absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle: Option<Settle>,
    /// Whether an operator stopped it: its records are replicated, normalised and routed, and its deliveries wait until
    /// it is resumed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Whether its records are mapped and recorded only: each delivery ends as `skipped`, with what would have been sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// What becomes of a record at its targets when the source deletes it, or merges it into another one.
    #[serde(default, skip_serializing_if = "OnDelete::is_ignore")]
    pub on_delete: OnDelete,
}

/// What becomes of a record at its targets when the source deletes it. A record that a source merged into another
/// one is deleted there; what it was merged into is a change of that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// Nothing: the targets keep it.
    #[default]
    Ignore,
    /// It is deleted there as well.
    Delete,
    /// It is sent once more, as the target's `archive` says.
    Archive,
}

impl OnDelete {
    fn is_ignore(&self) -> bool {
        matches!(self, Self::Ignore)
    }
}

/// One record type of one connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The connection.
    pub connection: ConnectionId,
    /// The record type there.
    pub object: ObjectName,
}

/// A parent that a record refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The name by which mappings speak of it: `$parents.<name>`, `$references.<name>`.
    pub name: String,
    /// Its canonical record type.
    pub entity: EntityName,
    /// Its record type at the source. May be left out where one flow of the connection makes
    /// that entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectName>,
    /// Source record → the parent's id at the source, or null where the record has no such parent.
    pub by: String,
}

/// A target of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TargetDefinition {
    /// The connection that receives the record.
    pub connection: ConnectionId,
    /// The record type there.
    pub object: ObjectName,
    /// Entity → boolean: whether this target takes the record. Absent: it takes all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Entity → what the target is sent. `$references.<name>` is what the target calls that
    /// parent; it is filled in when the delivery is sent. `$canonical.id` and
    /// `$canonical.version` are the record's own.
    pub to_target: String,
    /// Entity, as it was before the source deleted it → what a target that knows it is sent then, under
    /// `on_delete: archive`. Sees `$canonical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
}

/// What must stay in order at a target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OrderingKey {
    /// The versions of one canonical record.
    #[default]
    Record,
    /// Everything that goes to the target.
    Connection,
    /// What an expression gives: source record → a text or a number that records share which must stay in order, such as
    /// the id of their customer; null where a record stands for itself.
    By(String),
}
