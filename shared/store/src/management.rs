//! What the management API reads back and notes: the bundle that runs, and what people did.

use crate::catalog::parse;
use crate::connection::Database;
use crate::error::StoreError;
use crate::json::JsonText;
use crate::migrations::CATALOG;
use fluxnex_core::bundle::Bundle;
use fluxnex_core::ids::TenantId;
use jiff::Timestamp;
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

impl Database {
    /// The bundle that a tenant runs, and its version.
    ///
    /// # Errors
    /// [`StoreError::UnknownTenant`] if it runs none.
    pub async fn running_bundle(&self, tenant: &TenantId) -> Result<(i64, Bundle), StoreError> {
        let sql = format!(
            "SELECT t.running_version, t.title, c.notifications,
                    (SELECT coalesce(json_object_agg(connection, definition), '{{}}')
                     FROM {CATALOG}.connections WHERE tenant = $1 AND version = t.running_version),
                    (SELECT coalesce(json_object_agg(flow, definition), '{{}}')
                     FROM {CATALOG}.flows WHERE tenant = $1 AND version = t.running_version)
             FROM {CATALOG}.tenants t
             JOIN {CATALOG}.configurations c ON c.tenant = t.tenant AND c.version = t.running_version
             WHERE t.tenant = $1"
        );
        let rows = self.query(&sql, &[(&tenant.as_str(), Type::TEXT)]).await?;
        let Some(row) = rows.first() else { return Err(StoreError::UnknownTenant(tenant.to_string())) };
        let bundle = Bundle {
            tenant: tenant.clone(),
            title: row.try_get(1)?,
            notifications: parse("notifications", row.try_get::<_, JsonText<'_>>(2)?.0)?,
            connections: parse("connections", row.try_get::<_, JsonText<'_>>(3)?.0)?,
            flows: parse("flows", row.try_get::<_, JsonText<'_>>(4)?.0)?,
        };
        Ok((row.try_get(0)?, bundle))
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
