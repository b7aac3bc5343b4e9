//! Records that wait for a parent, and their release.

use crate::connection::Database;
use crate::error::StoreError;
use crate::tenant::Tenant;
use fluxnex_core::flow::Parent;
use fluxnex_core::ids::{CanonicalId, ConnectionId, EventId, ObjectName, SourceId};
use fluxnex_core::message::{RecordChanged, V1};
use std::collections::HashSet;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// A parent that a record waits for.
pub type MissingParent = Parent;

pub(crate) fn record_changed(tenant: &Tenant, row: &Row) -> Result<RecordChanged, StoreError> {
    let unreadable = |error: fluxnex_core::ids::InvalidId| StoreError::Unreadable(error.to_string());
    Ok(RecordChanged {
        v: V1,
        tenant: tenant.id.clone(),
        connection: ConnectionId::parse(row.try_get::<_, String>(0)?).map_err(unreadable)?,
        object: ObjectName::parse(row.try_get::<_, String>(1)?).map_err(unreadable)?,
        source_id: SourceId::parse(row.try_get::<_, String>(2)?).map_err(unreadable)?,
        event: EventId(row.try_get(3)?),
    })
}

impl Database {
    /// Those of the given canonical records that are stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn known_canonical(
        &self,
        tenant: &Tenant,
        ids: &[CanonicalId],
    ) -> Result<HashSet<CanonicalId>, StoreError> {
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let sql = format!(
            "SELECT canonical_id FROM {}.canonical_records WHERE tenant = $1 AND canonical_id = ANY($2)",
            tenant.schema()
        );
        let rows = self.query(&sql, &[(&tenant.id.as_str(), Type::TEXT), (&ids, Type::UUID_ARRAY)]).await?;
        Ok(rows.iter().map(|row| row.try_get(0).map(CanonicalId)).collect::<Result<_, _>>()?)
    }

    /// The records that wait for any of these parents, as the messages that release them. Called
    /// after the parents are committed, so that a waiter committed meanwhile is seen.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waiters(&self, tenant: &Tenant, parents: &[CanonicalId]) -> Result<Vec<RecordChanged>, StoreError> {
        if parents.is_empty() {
            return Ok(Vec::new());
        }
        let parents: Vec<Uuid> = parents.iter().map(|id| id.0).collect();
        let sql = format!(
            "SELECT DISTINCT connection, object, source_id, event FROM {}.waiting_records
             WHERE tenant = $1 AND parent_id = ANY($2)",
            tenant.schema()
        );
        let rows = self.query(&sql, &[(&tenant.id.as_str(), Type::TEXT), (&parents, Type::UUID_ARRAY)]).await?;
        rows.iter().map(|row| record_changed(tenant, row)).collect()
    }
}
