//! The catalog: tenants, their configurations, and the audit log.

use crate::connection::Database;
use crate::error::StoreError;
use crate::json::JsonText;
use crate::migrations::{CATALOG, newest_tenant_migration};
use crate::tenant::Tenant;
use fluxnex_core::bundle::{Bundle, Configuration, Connection, NotificationRule};
use fluxnex_core::connector::Manifest;
use fluxnex_core::flow::FlowDefinition;
use fluxnex_core::ids::{ConnectionId, FlowId, TenantId};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// What applying a bundle did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppliedConfiguration {
    /// The version that runs now.
    pub version: i64,
    /// False if the bundle was the one that ran already.
    pub changed: bool,
}

pub(crate) fn parse<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Unreadable(format!("{what}: {error}")))
}

fn json_texts(texts: &[String]) -> Vec<JsonText<'_>> {
    texts.iter().map(|text| JsonText(text)).collect()
}

impl Database {
    /// The tenants that have a configuration.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let sql = format!("SELECT tenant FROM {CATALOG}.tenants WHERE running_version > 0 ORDER BY tenant");
        let rows = self.query(&sql, &[]).await?;
        rows.iter()
            .map(|row| {
                TenantId::parse(row.try_get::<_, String>(0)?).map_err(|error| StoreError::Unreadable(error.to_string()))
            })
            .collect()
    }

    /// Every connection that a tenant has, or ever had.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn connections_ever(&self, tenant: &TenantId) -> Result<Vec<ConnectionId>, StoreError> {
        let sql = format!("SELECT DISTINCT connection FROM {CATALOG}.connections WHERE tenant = $1");
        let rows = self.query(&sql, &[(&tenant.as_str(), Type::TEXT)]).await?;
        rows.iter()
            .map(|row| {
                ConnectionId::parse(row.try_get::<_, String>(0)?)
                    .map_err(|error| StoreError::Unreadable(error.to_string()))
            })
            .collect()
    }

    /// The version of the configuration that a tenant runs.
    ///
    /// # Errors
    /// [`StoreError::UnknownTenant`] if it has none.
    pub async fn running_version(&self, tenant: &TenantId) -> Result<i64, StoreError> {
        let sql = format!("SELECT running_version FROM {CATALOG}.tenants WHERE tenant = $1 AND running_version > 0");
        let rows = self.query(&sql, &[(&tenant.as_str(), Type::TEXT)]).await?;
        match rows.first() {
            Some(row) => Ok(row.try_get(0)?),
            None => Err(StoreError::UnknownTenant(tenant.to_string())),
        }
    }

    /// Loads a tenant with the configuration that it runs.
    ///
    /// # Errors
    /// [`StoreError::UnknownTenant`] if it has none, [`StoreError::OldSchema`] if its schema is
    /// older than this program needs.
    pub async fn tenant(&self, tenant: &TenantId) -> Result<Tenant, StoreError> {
        let sql = format!(
            "SELECT t.schema_name, t.running_version, c.notifications, c.entities, c.paused,
                    (SELECT coalesce(json_object_agg(connection, json_build_array(definition, manifest)), '{{}}')
                     FROM {CATALOG}.connections WHERE tenant = $1 AND version = t.running_version),
                    (SELECT coalesce(json_object_agg(flow, definition), '{{}}')
                     FROM {CATALOG}.flows WHERE tenant = $1 AND version = t.running_version)
             FROM {CATALOG}.tenants t
             JOIN {CATALOG}.configurations c ON c.tenant = t.tenant AND c.version = t.running_version
             WHERE t.tenant = $1"
        );
        let rows = self.query(&sql, &[(&tenant.as_str(), Type::TEXT)]).await?;
        let Some(row) = rows.first() else { return Err(StoreError::UnknownTenant(tenant.to_string())) };
        let schema: String = row.try_get(0)?;
        if schema != tenant.schema_name() {
            return Err(StoreError::Unreadable(format!("the schema of {tenant} has another tenant's name")));
        }
        let at = self.schema_version(&schema).await?;
        if at < newest_tenant_migration() {
            return Err(StoreError::OldSchema { schema, at, needed: newest_tenant_migration() });
        }
        let notifications: Vec<NotificationRule> = parse("notifications", row.try_get::<_, JsonText<'_>>(2)?.0)?;
        let connections: BTreeMap<ConnectionId, (_, Manifest)> =
            parse("connections", row.try_get::<_, JsonText<'_>>(5)?.0)?;
        let connections = connections
            .into_iter()
            .map(|(id, (definition, manifest))| Connection::new(id, definition, manifest))
            .collect();
        let flows: BTreeMap<FlowId, FlowDefinition> = parse("flows", row.try_get::<_, JsonText<'_>>(6)?.0)?;
        let entities = parse("entities", row.try_get::<_, JsonText<'_>>(3)?.0)?;
        let configuration = Configuration::assemble(tenant.clone(), row.try_get(1)?, connections, flows, notifications)
            .map_err(|error| StoreError::Unreadable(error.to_string()))?
            .with_entities(entities)
            .with_paused(row.try_get(4)?);
        Ok(Tenant { id: tenant.clone(), schema: schema.into(), configuration: Arc::new(configuration) })
    }

    /// Registers a tenant, so that its schema can be made. Does nothing if it is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn register_tenant(&self, tenant: &TenantId, now: Timestamp) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO {CATALOG}.tenants (tenant, schema_name, created_at, updated_at) VALUES ($1, $2, $3, $3)
             ON CONFLICT (tenant) DO NOTHING"
        );
        let schema = tenant.schema_name();
        self.query(&sql, &[(&tenant.as_str(), Type::TEXT), (&schema, Type::TEXT), (&now, Type::TIMESTAMPTZ)])
            .await
            .map(drop)
    }

    /// Stores a checked bundle as the tenant's next version and lets it run; in one transaction.
    /// A bundle that runs already changes nothing.
    ///
    /// # Errors
    /// [`StoreError::UnknownTenant`] if the tenant was not registered.
    pub async fn apply_bundle(
        &self,
        bundle: &Bundle,
        manifests: &BTreeMap<ConnectionId, Manifest>,
        actor: &str,
        entry: Uuid,
        now: Timestamp,
    ) -> Result<AppliedConfiguration, StoreError> {
        let applied = self.apply_bundle_over(None, bundle, manifests, actor, entry, now).await?;
        applied.ok_or_else(|| StoreError::Unreadable("a bundle that may replace any was not applied".to_owned()))
    }

    /// As [`Database::apply_bundle`], if `expected` is the version that runs (0: none), or the bundle runs
    /// already. Answers nothing if another version runs.
    ///
    /// # Errors
    /// [`StoreError::UnknownTenant`] if the tenant was not registered.
    pub async fn apply_bundle_over(
        &self,
        expected: Option<i64>,
        bundle: &Bundle,
        manifests: &BTreeMap<ConnectionId, Manifest>,
        actor: &str,
        entry: Uuid,
        now: Timestamp,
    ) -> Result<Option<AppliedConfiguration>, StoreError> {
        let parts = Parts::of(bundle, manifests)?;
        self.transaction(async |transaction| parts.apply(transaction, expected, actor, entry, now).await).await
    }
}

/// A bundle as the rows that it becomes.
struct Parts {
    tenant: TenantId,
    title: String,
    paused: bool,
    hash: Vec<u8>,
    notifications: String,
    entities: String,
    connections: Vec<String>,
    definitions: Vec<String>,
    manifests: Vec<String>,
    flows: Vec<String>,
    flow_definitions: Vec<String>,
}

impl Parts {
    fn of(bundle: &Bundle, manifests: &BTreeMap<ConnectionId, Manifest>) -> Result<Self, StoreError> {
        let text = |value: serde_json::Result<String>| {
            value.map_err(|error| StoreError::Unreadable(format!("the bundle cannot be written: {error}")))
        };
        let hash = Sha256::new()
            .chain_update(text(serde_json::to_string(bundle))?)
            .chain_update(text(serde_json::to_string(manifests))?)
            .finalize()
            .to_vec();
        let mut parts = Self {
            tenant: bundle.tenant.clone(),
            title: bundle.title.clone(),
            paused: bundle.paused,
            hash,
            notifications: text(serde_json::to_string(&bundle.notifications))?,
            entities: text(serde_json::to_string(&bundle.entities))?,
            connections: Vec::new(),
            definitions: Vec::new(),
            manifests: Vec::new(),
            flows: Vec::new(),
            flow_definitions: Vec::new(),
        };
        for (id, definition) in &bundle.connections {
            let manifest = manifests
                .get(id)
                .ok_or_else(|| StoreError::Unreadable(format!("the connection {id} has no manifest")))?;
            parts.connections.push(id.to_string());
            parts.definitions.push(text(serde_json::to_string(definition))?);
            parts.manifests.push(text(serde_json::to_string(manifest))?);
        }
        for (id, definition) in &bundle.flows {
            parts.flows.push(id.to_string());
            parts.flow_definitions.push(text(serde_json::to_string(definition))?);
        }
        Ok(parts)
    }

    async fn apply(
        &self,
        transaction: &crate::gate::Transaction<'_>,
        expected: Option<i64>,
        actor: &str,
        entry: Uuid,
        now: Timestamp,
    ) -> Result<Option<AppliedConfiguration>, StoreError> {
        let tenant = self.tenant.as_str();
        let sql = format!(
            "SELECT t.running_version, c.content_hash,
                    (SELECT coalesce(max(version), 0) FROM {CATALOG}.configurations WHERE tenant = $1)
             FROM {CATALOG}.tenants t
             LEFT JOIN {CATALOG}.configurations c ON c.tenant = t.tenant AND c.version = t.running_version
             WHERE t.tenant = $1 FOR UPDATE OF t"
        );
        let row = transaction.query_typed_opt(&sql, &[(&tenant, Type::TEXT)]).await?;
        let Some(row) = row else { return Err(StoreError::UnknownTenant(tenant.to_owned())) };
        let running: i64 = row.try_get(0)?;
        if row.try_get::<_, Option<&[u8]>>(1)? == Some(self.hash.as_slice()) {
            return Ok(Some(AppliedConfiguration { version: running, changed: false }));
        }
        if expected.is_some_and(|expected| expected != running) {
            return Ok(None);
        }
        let version = row.try_get::<_, i64>(2)? + 1;
        let sql = format!(
            "INSERT INTO {CATALOG}.configurations
                 (tenant, version, content_hash, notifications, applied_by, applied_at, title, entities, paused)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        );
        transaction
            .execute_typed(
                &sql,
                &[
                    (&tenant, Type::TEXT),
                    (&version, Type::INT8),
                    (&self.hash, Type::BYTEA),
                    (&JsonText(&self.notifications), Type::JSON),
                    (&actor, Type::TEXT),
                    (&now, Type::TIMESTAMPTZ),
                    (&self.title, Type::TEXT),
                    (&JsonText(&self.entities), Type::JSON),
                    (&self.paused, Type::BOOL),
                ],
            )
            .await?;
        let sql = format!(
            "INSERT INTO {CATALOG}.connections (tenant, version, connection, definition, manifest)
             SELECT $1, $2, k.* FROM unnest($3::text[], $4::json[], $5::json[]) k"
        );
        let (definitions, manifests) = (json_texts(&self.definitions), json_texts(&self.manifests));
        transaction
            .execute_typed(
                &sql,
                &[
                    (&tenant, Type::TEXT),
                    (&version, Type::INT8),
                    (&self.connections, Type::TEXT_ARRAY),
                    (&definitions, Type::JSON_ARRAY),
                    (&manifests, Type::JSON_ARRAY),
                ],
            )
            .await?;
        let sql = format!(
            "INSERT INTO {CATALOG}.flows (tenant, version, flow, definition)
             SELECT $1, $2, k.* FROM unnest($3::text[], $4::json[]) k"
        );
        let flows = json_texts(&self.flow_definitions);
        transaction
            .execute_typed(
                &sql,
                &[
                    (&tenant, Type::TEXT),
                    (&version, Type::INT8),
                    (&self.flows, Type::TEXT_ARRAY),
                    (&flows, Type::JSON_ARRAY),
                ],
            )
            .await?;
        let sql = format!(
            "WITH pointed AS (
                 UPDATE {CATALOG}.tenants SET running_version = $2, title = $3, updated_at = $4 WHERE tenant = $1
             )
             INSERT INTO {CATALOG}.audit_log (entry, tenant, actor, action, detail, at)
             VALUES ($5, $1, $6, 'bundle.apply', json_build_object('version', $2::int8), $4)"
        );
        transaction
            .execute_typed(
                &sql,
                &[
                    (&tenant, Type::TEXT),
                    (&version, Type::INT8),
                    (&self.title, Type::TEXT),
                    (&now, Type::TIMESTAMPTZ),
                    (&entry, Type::UUID),
                    (&actor, Type::TEXT),
                ],
            )
            .await?;
        Ok(Some(AppliedConfiguration { version, changed: true }))
    }
}
