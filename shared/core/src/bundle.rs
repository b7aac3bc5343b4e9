//! A tenant's bundle: its connections, flows and notifications as one document, and the
//! [`Configuration`] that comes of it once everything in it was checked.

mod check;
mod fault;
mod files;
mod read;
mod schedule;

pub use check::{Connectors, Review, review};
pub use fault::{BundleError, BundleErrors, meant, nearest};
pub use files::{Inlined, ReadFile, inline, inline_all, without_value};
pub use read::{Broken, Read, read};
pub use schedule::{Schedule, ScheduleError};

use crate::connector::{CompiledManifest, Manifest};
use crate::flow::{Flow, FlowDefinition};
use crate::ids::{ConnectionId, ConnectorName, EntityName, FlowId, ObjectName, TenantId};
use crate::mapping::Json;
use crate::message::NotificationKind;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The largest bundle, in bytes of JSON.
pub const LARGEST_BUNDLE_BYTES: usize = 1024 * 1024;

/// Everything that a tenant configures, with files already put in their places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Whose bundle it is.
    pub tenant: TenantId,
    /// The tenant's name for people.
    #[serde(default)]
    pub title: String,
    /// Whether an operator stopped everything: senders of webhooks are told to come again later, nothing is polled, and
    /// what is to be delivered waits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// The tenant's connections.
    pub connections: BTreeMap<ConnectionId, ConnectionDefinition>,
    /// The tenant's flows.
    #[serde(default)]
    pub flows: BTreeMap<FlowId, FlowDefinition>,
    /// The tenant's own fields of entities.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub entities: BTreeMap<EntityName, EntityDefinition>,
    /// Who is told what.
    #[serde(default)]
    pub notifications: Vec<NotificationRule>,
}

/// What a tenant adds to an entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EntityDefinition {
    /// A JSON Schema (2020-12) of the tenant's own fields of the entity.
    pub extensions: Value,
}

/// A configured instance of a connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConnectionDefinition {
    /// The connector.
    pub connector: ConnectorName,
    /// Another place than the connector's for the application's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// What the connector asks for besides credentials. Not secret.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Name of the secret with the credentials, in Secrets Manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Whether requests may go to private and loopback addresses.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// The objects that are polled on a schedule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub polls: BTreeMap<ObjectName, PollDefinition>,
    /// Whether an operator stopped it: senders of webhooks are told to come again later, and it is not
    /// polled. What is to be delivered to it waits, and goes on when it is resumed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

/// When an object of a source is polled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PollDefinition {
    /// A schedule of EventBridge: `rate(5 minutes)`, or `cron(0/15 6-20 ? * MON-FRI *)`.
    pub schedule: Schedule,
    /// The time zone of a cron schedule, such as `Europe/Berlin`. Absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Records that changed before this moment (RFC 3339) are of no concern. Absent: all are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub since: Option<Timestamp>,
}

/// Who is told what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NotificationRule {
    /// The connection that is sent the notification.
    pub connection: ConnectionId,
    /// What it is told of.
    pub on: Vec<NotificationKind>,
}

/// A connection with the manifest that it was applied with.
#[derive(Debug)]
pub struct Connection {
    /// Its name.
    pub id: ConnectionId,
    /// What was written down.
    pub definition: ConnectionDefinition,
    /// The connector's manifest at the time of applying.
    pub manifest: Manifest,
    compiled: OnceLock<Result<Arc<CompiledManifest>, String>>,
    settings: OnceLock<Result<String, String>>,
}

impl Connection {
    /// A connection whose manifest is compiled when it is first used.
    #[must_use]
    pub fn new(id: ConnectionId, definition: ConnectionDefinition, manifest: Manifest) -> Self {
        Self { id, definition, manifest, compiled: OnceLock::new(), settings: OnceLock::new() }
    }

    /// The compiled manifest.
    ///
    /// # Errors
    /// What is wrong with it, which can only be if the program is newer than the configuration.
    pub fn compiled(&self) -> Result<&Arc<CompiledManifest>, String> {
        self.compiled
            .get_or_init(|| {
                CompiledManifest::compile(self.manifest.clone()).map(Arc::new).map_err(|error| error.to_string())
            })
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The connection's settings with the connector's defaults, as the connector's programs see them.
    ///
    /// # Errors
    /// What is wrong with them, or with the manifest.
    pub fn settings(&self) -> Result<Json, String> {
        let text = self.settings.get_or_init(|| {
            let settings = self.compiled()?.settings(&self.definition.settings).map_err(|error| error.to_string())?;
            serde_json::to_string(&settings).map_err(|error| error.to_string())
        });
        Json::parse("settings", text.as_ref().map_err(Clone::clone)?).map_err(|error| error.to_string())
    }
}

/// What a tenant runs: one applied version of its bundle.
#[derive(Debug)]
pub struct Configuration {
    /// Whose it is.
    pub tenant: TenantId,
    /// Counted from 1 by each apply that changed something.
    pub version: i64,
    /// Whether an operator stopped everything.
    pub paused: bool,
    /// The connections.
    pub connections: BTreeMap<ConnectionId, Connection>,
    /// The flows, by name.
    pub flows: BTreeMap<FlowId, Flow>,
    /// Who is told what.
    pub notifications: Vec<NotificationRule>,
    /// The tenant's own fields of entities.
    pub entities: BTreeMap<EntityName, EntityDefinition>,
}

impl Configuration {
    /// The flows that take records of an object.
    pub fn flows_of<'a>(
        &'a self,
        connection: &'a ConnectionId,
        object: &'a ObjectName,
    ) -> impl Iterator<Item = &'a Flow> {
        self.flows.values().filter(move |flow| {
            flow.definition.source.connection == *connection && flow.definition.source.object == *object
        })
    }

    /// The connector of a connection.
    #[must_use]
    pub fn connector_of(&self, connection: &ConnectionId) -> Option<&ConnectorName> {
        self.connections.get(connection).map(|connection| &connection.definition.connector)
    }

    /// Whether an operator stopped a connection, or everything.
    #[must_use]
    pub fn is_paused(&self, connection: &ConnectionId) -> bool {
        self.paused || self.connections.get(connection).is_some_and(|connection| connection.definition.paused)
    }

    /// The connections that an operator stopped; all if everything is stopped.
    #[must_use]
    pub fn paused_connections(&self) -> Vec<&str> {
        self.connections.keys().filter(|id| self.is_paused(id)).map(ConnectionId::as_str).collect()
    }

    /// The flows that an operator stopped.
    #[must_use]
    pub fn paused_flows(&self) -> Vec<&str> {
        self.flows_with(|definition| definition.paused)
    }

    /// The flows that are mapped and recorded only.
    #[must_use]
    pub fn shadow_flows(&self) -> Vec<&str> {
        self.flows_with(|definition| definition.shadow)
    }

    fn flows_with(&self, is_so: fn(&FlowDefinition) -> bool) -> Vec<&str> {
        self.flows.values().filter(|flow| is_so(&flow.definition)).map(|flow| flow.id.as_str()).collect()
    }

    /// The same, stopped or not.
    #[must_use]
    pub fn with_paused(self, paused: bool) -> Self {
        Self { paused, ..self }
    }

    /// Assembles a configuration from its stored parts, without looking at its mappings.
    ///
    /// # Errors
    /// [`BundleErrors`] with everything that does not fit together.
    pub fn assemble(
        tenant: TenantId,
        version: i64,
        connections: Vec<Connection>,
        flows: BTreeMap<FlowId, FlowDefinition>,
        notifications: Vec<NotificationRule>,
    ) -> Result<Self, BundleErrors> {
        let connections: BTreeMap<_, _> =
            connections.into_iter().map(|connection| (connection.id.clone(), connection)).collect();
        let scope = check::Scope { connections: &connections, broken: &Broken::default() };
        let (flows, mut errors) = check::flows(&scope, flows);
        check::notifications(&scope, &notifications, &mut errors);
        check::all(errors)?;
        let entities = BTreeMap::new();
        Ok(Self { tenant, version, paused: false, connections, flows, notifications, entities })
    }

    /// The same with the tenant's own fields of entities.
    #[must_use]
    pub fn with_entities(self, entities: BTreeMap<EntityName, EntityDefinition>) -> Self {
        let flows = self.flows.into_iter().map(|(id, flow)| match entities.get(&flow.definition.entity) {
            Some(own) => (id, flow.with_own_fields(own.extensions.clone())),
            None => (id, flow),
        });
        Self { flows: flows.collect(), entities, ..self }
    }
}
