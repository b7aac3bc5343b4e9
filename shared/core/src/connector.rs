//! Connectors as data: what a `connectors/<name>/connector.yaml` may say, and its compiled form.
//!
//! A manifest says how to talk to one kind of application; a connection adds a tenant's settings
//! and the name of its secret. Texts with `{…}` are [`Template`]s; fields that hold a jq program
//! say so, and are compiled by [`CompiledManifest::compile`]. No credential can reach a template
//! or a program: only authentication and signatures use them.

mod authentication;
mod check;
mod compiled;
mod errors;
mod identify;
mod limits;
mod list;
mod operation;
mod pages;
mod read_many;
mod rotation;
mod target;
mod template;
#[cfg(test)]
mod tests;
mod webhook;

pub use authentication::{Authentication, Claim, ClientAuthentication, JwtAlgorithm, Login};
pub use compiled::{CompiledManifest, ManifestError, Problem, SettingsError};
pub use errors::{
    CompiledErrorRule, CompiledErrors, ErrorRule, Errors, HeaderPattern, Meaning, Refused, StatusPattern,
};
pub use identify::{IdentifiedRecord, IdentifyError};
pub use limits::{CompiledLimitHeaders, LimitHeaders, Limits, LimitsTold, Usage, UsageHeader};
pub use list::{CompiledList, List, ListedPage, MOST_PER_PAGE, PageError};
pub use operation::{CompiledOperation, Method, Operation, OperationKind, OperationVariables};
pub use pages::{FirstOffset, Pages};
pub use read_many::{CompiledReadMany, ReadMany};
pub use target::{Batch, BatchItem, CompiledBatch, CompiledTargetObject, Csrf, Once, Target, TargetObject, TestRecord};
pub use template::{ListPlaces, Template, TemplateError, TemplateValues, Variable};
pub use webhook::{AnotherWay, Sender, Webhook};

use crate::ids::{ConnectorName, ObjectName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name under which a source or a target says how it gives or takes objects that it does not list.
pub const ANY_OBJECT: &str = "*";

/// How to talk to one kind of application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The connector's name; the same as its folder's.
    pub connector: ConnectorName,
    /// What people see.
    pub title: String,
    /// Addresses of the documents that the facts in here come from.
    #[serde(default)]
    pub documentation: Vec<String>,
    /// Where the application's API begins. A connection may name another place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<Template>,
    /// What a connection has to say besides its credentials, by name. Not secret.
    #[serde(default)]
    pub settings: BTreeMap<String, Setting>,
    /// The fields of the connection's secret, by name.
    #[serde(default)]
    pub credentials: BTreeMap<String, Credential>,
    /// How requests prove who sends them.
    #[serde(default)]
    pub authentication: Authentication,
    /// How the application's webhooks are verified and read; absent if it sends none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// The record types that can be had from the application. The name `*` stands for every object
    /// that is not listed.
    #[serde(default)]
    pub objects: BTreeMap<ObjectName, SourceObject>,
    /// How records are written to the application; absent if it is a source only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What the application's refusals mean.
    #[serde(default)]
    pub errors: Errors,
    /// What the application bears, and what is borne from it.
    #[serde(default)]
    pub limits: Limits,
}

/// Something that a connection has to say; not secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// What it is and where to find it, for the person who sets up a connection.
    pub description: String,
    /// Whether a connection without it is refused.
    #[serde(default)]
    pub required: bool,
    /// What holds if the connection does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// A field of the connection's secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// What it is and where to find it, for the person who sets up a connection.
    pub description: String,
    /// Whether the connection works without it.
    #[serde(default)]
    pub optional: bool,
}

/// A record type that can be had from the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SourceObject {
    /// Which record it is, and which state of it.
    pub identify: Identify,
    /// How to read one record by its id (`{id}`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_one: Option<Operation>,
    /// How to read several records by their ids (`{ids}`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_many: Option<ReadMany>,
    /// How to list the records that changed, for polling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_changed: Option<List>,
    /// How to list the records that were deleted; read after those that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_deleted: Option<List>,
}

/// Which record it is, and which state of it: jq programs over a record of the source. They see
/// `$settings`, the connection's settings, so that a connector may leave names of fields to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Identify {
    /// jq: the record's id, a text or an integer.
    pub id: String,
    /// What ids consist of. Anything else is refused before it gets into a request, which matters
    /// where an id stands in a query's text.
    #[serde(default)]
    pub id_characters: IdCharacters,
    /// jq: what grows whenever the record changes; `null` if this record has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What kind of value the version is.
    #[serde(default)]
    pub version_kind: VersionKind,
    /// jq: whether the source deleted the record. Absent: it never says so in the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
}

/// What ids consist of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum IdCharacters {
    /// Whatever is visible.
    #[default]
    Any,
    /// ASCII letters and digits.
    Alphanumeric,
    /// ASCII letters, digits, `-`, `_` and `.`: the codes that business applications number records with.
    Code,
}

impl IdCharacters {
    /// Whether a text consists of these.
    #[must_use]
    pub fn fit(self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Alphanumeric => text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            Self::Code => text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
        }
    }
}

/// What kind of value a source's version is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum VersionKind {
    /// An RFC 3339 moment; compared in microseconds.
    #[default]
    Timestamp,
    /// An integer, as a number or a text.
    Integer,
}

impl Manifest {
    /// How an object is had from the application, if it is.
    #[must_use]
    pub fn source_object(&self, object: &ObjectName) -> Option<&SourceObject> {
        self.objects.get(object).or_else(|| self.objects.get(&ObjectName::parse(ANY_OBJECT).ok()?))
    }
}
