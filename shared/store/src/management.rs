//! What the management API reads back and notes: the bundle that runs, and what people did.

use crate::catalog::parse;
use crate::connection::Database;
use crate::error::StoreError;
use crate::json::JsonText;
use crate::migrations::CATALOG;
use fluxnex_core::bundle::Bundle;
use fluxnex_core::ids::TenantId;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// One thing that somebody did.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// Its id.
    pub entry: Uuid,
    /// Who did it.
    pub actor: String,
    /// What was done, such as `connection.secret.store`.
    pub action: &'static str,
    /// With what; never a secret.
    pub detail: Value,
    /// When.
    pub at: Timestamp,
}

/// A version of a tenant's bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleVersion {
    /// Counted from 1.
    pub version: i64,
    /// The tenant's name for people, in it.
    pub title: String,
    /// Who applied it.
    pub applied_by: String,
    /// When.
    pub applied_at: Timestamp,
    /// Whether it is the one that runs.
    pub running: bool,
    /// How many connections it has.
    pub connections: i64,
    /// How many flows it has.
    pub flows: i64,
}

impl Database {
    /// The bundle that a tenant runs, and its version.
    ///
    /// # Errors
    /// [`StoreError::UnknownTenant`] if it runs none.
    pub async fn running_bundle(&self, tenant: &TenantId) -> Result<(i64, Bundle), StoreError> {
        let running = self.bundle_version(tenant, None).await?;
        running.ok_or_else(|| StoreError::UnknownTenant(tenant.to_string()))
    }

    /// One version of a tenant's bundle, or the one that runs; nothing if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bundle_version(
        &self,
        tenant: &TenantId,
        version: Option<i64>,
    ) -> Result<Option<(i64, Bundle)>, StoreError> {
        let sql = format!(
            "SELECT c.version, c.title, c.notifications, c.entities, c.paused,
                    (SELECT coalesce(json_object_agg(connection, definition), '{{}}')
                     FROM {CATALOG}.connections WHERE tenant = $1 AND version = c.version),
                    (SELECT coalesce(json_object_agg(flow, definition), '{{}}')
                     FROM {CATALOG}.flows WHERE tenant = $1 AND version = c.version)
             FROM {CATALOG}.configurations c
             JOIN {CATALOG}.tenants t ON t.tenant = c.tenant
             WHERE c.tenant = $1 AND c.version = coalesce($2, t.running_version)"
        );
        let rows = self.query(&sql, &[(&tenant.as_str(), Type::TEXT), (&version, Type::INT8)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let bundle = Bundle {
            tenant: tenant.clone(),
            title: row.try_get(1)?,
            paused: row.try_get(4)?,
            notifications: parse("notifications", row.try_get::<_, JsonText<'_>>(2)?.0)?,
            entities: parse("entities", row.try_get::<_, JsonText<'_>>(3)?.0)?,
            connections: parse("connections", row.try_get::<_, JsonText<'_>>(5)?.0)?,
            flows: parse("flows", row.try_get::<_, JsonText<'_>>(6)?.0)?,
        };
        Ok(Some((row.try_get(0)?, bundle)))
    }

    /// The versions of a tenant's bundle, the newest first: at most `limit`, all below `before`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bundle_versions(
        &self,
        tenant: &TenantId,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<BundleVersion>, StoreError> {
        let sql = format!(
            "SELECT c.version, c.title, c.applied_by, c.applied_at, c.version = t.running_version,
                    (SELECT count(*) FROM {CATALOG}.connections WHERE tenant = $1 AND version = c.version),
                    (SELECT count(*) FROM {CATALOG}.flows WHERE tenant = $1 AND version = c.version)
             FROM {CATALOG}.configurations c
             JOIN {CATALOG}.tenants t ON t.tenant = c.tenant
             WHERE c.tenant = $1 AND ($2::int8 IS NULL OR c.version < $2)
             ORDER BY c.version DESC LIMIT $3"
        );
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&tenant.as_str(), Type::TEXT), (&before, Type::INT8), (&limit, Type::INT8)];
        let rows = self.query(&sql, &parameters).await?;
        rows.iter()
            .map(|row| {
                Ok(BundleVersion {
                    version: row.try_get(0)?,
                    title: row.try_get(1)?,
                    applied_by: row.try_get(2)?,
                    applied_at: row.try_get(3)?,
                    running: row.try_get(4)?,
                    connections: row.try_get(5)?,
                    flows: row.try_get(6)?,
                })
            })
            .collect()
    }

    /// Notes what somebody did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note(&self, tenant: &TenantId, entry: &AuditEntry) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO {CATALOG}.audit_log (entry, tenant, actor, action, detail, at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (entry) DO NOTHING"
        );
        let detail = entry.detail.to_string();
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 6] = [
            (&entry.entry, Type::UUID),
            (&tenant.as_str(), Type::TEXT),
            (&entry.actor, Type::TEXT),
            (&entry.action, Type::TEXT),
            (&JsonText(&detail), Type::JSON),
            (&entry.at, Type::TIMESTAMPTZ),
        ];
        self.query(&sql, &parameters).await.map(drop)
    }
}
