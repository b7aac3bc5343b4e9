//! Records that wait for a parent, and their release.

use crate::canonical::{end, end_events};
use crate::connection::Database;
use crate::error::StoreError;
use crate::tenant::Tenant;
use fluxnex_core::event::FlowOutcome;
use fluxnex_core::flow::Parent;
use fluxnex_core::ids::{CanonicalId, ConnectionId, EventId, FlowId, InvalidId, ObjectName, SourceId};
use fluxnex_core::message::{RecordChanged, V1};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// A parent that a record waits for.
#[derive(Debug, Clone)]
pub struct MissingParent {
    /// The parent.
    pub parent: Parent,
    /// From when on it is fetched if it has not come by then; nothing where its source cannot be asked.
    pub fetch_at: Option<Timestamp>,
}

/// A wait that cannot end well.
#[derive(Debug, Clone)]
pub struct HopelessWait {
    /// The event.
    pub event: EventId,
    /// The flow that it waited in.
    pub flow: FlowId,
    /// Where its record came from.
    pub connection: ConnectionId,
    /// The record, for people.
    pub record: String,
    /// Why it failed.
    pub reason: String,
}

/// Event, flow, connection, object, source id, and the parent's entity and source id.
fn hopeless(row: &Row, why: &str) -> Result<HopelessWait, StoreError> {
    let unreadable = |error: InvalidId| StoreError::Unreadable(error.to_string());
    let texts: Vec<String> = (1..7).map(|column| row.try_get(column)).collect::<Result<_, _>>()?;
    let [flow, connection, object, source_id, entity, parent] = texts.as_slice() else {
        return Err(StoreError::Unreadable("a wait has other columns".to_owned()));
    };
    Ok(HopelessWait {
        event: EventId(row.try_get(0)?),
        flow: FlowId::parse(flow.as_str()).map_err(unreadable)?,
        connection: ConnectionId::parse(connection.as_str()).map_err(unreadable)?,
        record: format!("{object} {source_id}"),
        reason: format!("{entity} {parent} of {connection}: {why}"),
    })
}

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
    /// Those of the given canonical records that are stored, and were not deleted at their source.
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
            "SELECT canonical_id FROM {}.canonical_records WHERE tenant = $1 AND canonical_id = ANY($2) AND NOT deleted",
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

    /// The waits whose deadline has passed. They are to be told of, and then ended by
    /// [`end_waits`](Self::end_waits): told twice after a crash, with the same id, but never not told.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn expired_waits(
        &self,
        tenant: &Tenant,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<HopelessWait>, StoreError> {
        let sql = format!(
            "SELECT DISTINCT ON (event, flow) event, flow, connection, object, source_id, parent_entity, parent_source_id
             FROM (SELECT * FROM {}.waiting_records WHERE tenant = $1 AND deadline <= $2 ORDER BY deadline LIMIT $3) w
             ORDER BY event, flow",
            tenant.schema()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&tenant.id.as_str(), Type::TEXT), (&now, Type::TIMESTAMPTZ), (&limit, Type::INT8)];
        let rows = self.query(&sql, &parameters).await?;
        rows.iter().map(|row| hopeless(row, "it did not arrive in time")).collect()
    }

    /// The waits for a parent that cannot be had; `why` in words. As with
    /// [`expired_waits`](Self::expired_waits), they are told of and then ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn waits_for(
        &self,
        tenant: &Tenant,
        parent: CanonicalId,
        why: &str,
    ) -> Result<Vec<HopelessWait>, StoreError> {
        let sql = format!(
            "SELECT event, flow, connection, object, source_id, parent_entity, parent_source_id
             FROM {}.waiting_records WHERE tenant = $1 AND parent_id = $2 ORDER BY event, flow",
            tenant.schema()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&tenant.id.as_str(), Type::TEXT), (&parent.0, Type::UUID)];
        self.query(&sql, &parameters).await?.iter().map(|row| hopeless(row, why)).collect()
    }

    /// Ends waits: their events fail visibly. One whose parent came meanwhile goes on instead.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_waits(&self, tenant: &Tenant, expired: &[HopelessWait]) -> Result<(), StoreError> {
        if expired.is_empty() {
            return Ok(());
        }
        let events: Vec<Uuid> = expired.iter().map(|expired| expired.event.0).collect();
        let flows: Vec<&str> = expired.iter().map(|expired| expired.flow.as_str()).collect();
        let sql = format!(
            "DELETE FROM {}.waiting_records w USING unnest($2::uuid[], $3::text[]) k (event, flow)
             WHERE w.tenant = $1 AND w.event = k.event AND w.flow = k.flow RETURNING w.event, w.flow",
            tenant.schema()
        );
        let sql = sql.as_str();
        let (events, flows) = (&events, &flows);
        self.transaction(async |transaction| {
            let parameters: [(&(dyn ToSql + Sync), Type); 3] =
                [(&tenant.id.as_str(), Type::TEXT), (events, Type::UUID_ARRAY), (flows, Type::TEXT_ARRAY)];
            let rows = transaction.query_typed(sql, &parameters).await?;
            let mut ended: BTreeSet<(Uuid, String)> = BTreeSet::new();
            for row in &rows {
                ended.insert((row.try_get(0)?, row.try_get(1)?));
            }
            let ends: BTreeMap<(Uuid, &str), String> = expired
                .iter()
                .filter(|expired| ended.contains(&(expired.event.0, expired.flow.to_string())))
                .map(|expired| {
                    let outcome = end(FlowOutcome::Failed, Some(&expired.reason));
                    ((expired.event.0, expired.flow.as_str()), outcome)
                })
                .collect();
            end_events(transaction, tenant, &ends).await
        })
        .await
    }
}
