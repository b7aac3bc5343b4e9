//! What the engine is told: a connection, and what to send through it.

use fluxnex_core::bundle;
use fluxnex_core::connector::CompiledManifest;
use fluxnex_core::ids::{ConnectionId, ObjectName, TenantId};
use fluxnex_core::poll::{Continuation, Listing, Position};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A tenant's configured instance of a connector. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which of the tenant's connections it is.
    pub id: ConnectionId,
    /// How to talk to the application.
    pub manifest: Arc<CompiledManifest>,
    /// Where the application is, if not where the manifest says.
    pub base_url: Option<String>,
    /// The settings that the manifest asks for.
    pub settings: BTreeMap<String, String>,
    /// The name of the connection's secret.
    pub secret_name: String,
    /// What the connection may reach.
    pub reach: Reach,
}

impl Connection {
    /// A connection as a tenant configured it.
    ///
    /// # Errors
    /// What is wrong with its manifest or its settings.
    pub fn of(tenant: &TenantId, configured: &bundle::Connection) -> Result<Self, String> {
        let manifest = configured.compiled()?.clone();
        let definition = &configured.definition;
        Ok(Self {
            tenant: tenant.clone(),
            id: configured.id.clone(),
            settings: manifest.settings(&definition.settings).map_err(|error| error.to_string())?,
            manifest,
            base_url: definition.base_url.clone(),
            secret_name: definition.secret.clone().unwrap_or_default(),
            reach: Reach { private_addresses: definition.allow_private_addresses, plain_http: false },
        })
    }
}

/// What a connection may reach besides public addresses over HTTPS. Link-local addresses (among
/// them the cloud's metadata services) are never reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Reach {
    /// Private and loopback addresses: an application in the tenant's own network, or on this machine.
    pub private_addresses: bool,
    /// Plain HTTP.
    pub plain_http: bool,
}

/// One record for a target.
#[derive(Debug, Clone)]
pub struct DeliveryRequest<'a> {
    /// What the target calls records of this type.
    pub object: &'a ObjectName,
    /// The record in the target's shape, its references resolved.
    pub payload: &'a RawValue,
    /// The same for all attempts of one revision, different for every other: visible ASCII without
    /// full stops (it becomes the id of a signed webhook).
    pub idempotency_key: &'a str,
    /// Our own id of the record, the same for all its revisions: its canonical id. Nothing where there
    /// is no record (a notification).
    pub external_id: Option<&'a str>,
    /// The record at the target, if it is there already.
    pub target: Option<TargetRecord>,
    /// How long the whole call may take, with all requests that it makes.
    pub timeout: Duration,
}

/// A record that is to be deleted at a target.
#[derive(Debug, Clone)]
pub struct DeleteRequest<'a> {
    /// What the target calls records of this type.
    pub object: &'a ObjectName,
    /// As of a [`DeliveryRequest`].
    pub idempotency_key: &'a str,
    /// Our own id of the record.
    pub external_id: Option<&'a str>,
    /// The record at the target, if it is known there.
    pub target: Option<TargetRecord>,
    /// How long the whole call may take, with all requests that it makes.
    pub timeout: Duration,
}

/// Several records for a target.
#[derive(Debug, Clone)]
pub struct BatchRequest<'a> {
    /// What the target calls records of this type.
    pub object: &'a ObjectName,
    /// The records. More than one request takes are sent in several, one after the other.
    pub entries: &'a [BatchEntry<'a>],
    /// How long the whole call may take, with all requests that it makes.
    pub timeout: Duration,
}

/// One record of a batch; each field as of a [`DeliveryRequest`].
#[derive(Debug, Clone)]
pub struct BatchEntry<'a> {
    /// The record in the target's shape.
    pub payload: &'a RawValue,
    /// The same for all attempts of one revision.
    pub idempotency_key: &'a str,
    /// Our own id of the record.
    pub external_id: Option<&'a str>,
    /// The record at the target, if it is there already.
    pub target: Option<TargetRecord>,
}

/// One page of a list.
#[derive(Debug, Clone, Copy)]
pub struct ListRequest<'a> {
    /// Which of the object's lists.
    pub list: Listing,
    /// The object.
    pub object: &'a ObjectName,
    /// Where the page, or the query that it is a page of, begins; nothing: at the very beginning.
    pub position: Option<&'a Position>,
    /// What the source said to ask with for this page; nothing: it is the first one.
    pub continuation: Option<&'a Continuation>,
    /// How long the whole call may take, with all requests that it makes.
    pub timeout: Duration,
}

/// A record as the target knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRecord {
    /// Its id at the target.
    pub id: String,
    /// The target's version of it, as last seen.
    pub version: Option<String>,
}
