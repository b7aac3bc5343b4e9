//! What a crash stranded, what is due, and what has waited too long.

use crate::canonical::{end, end_events};
use crate::claims::wake;
use crate::connection::Database;
use crate::error::StoreError;
use crate::tenant::Tenant;
use crate::waiting::record_changed;
use fluxnex_core::event::FlowOutcome;
use fluxnex_core::ids::EventId;
use fluxnex_core::message::{RecordChanged, Wake};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// What was found and is to be sent again.
#[derive(Debug, Clone, Default)]
pub struct Stranded {
    /// Records whose event made no progress.
    pub records: Vec<RecordChanged>,
    /// Ordering keys with something due.
    pub wakes: BTreeSet<Wake>,
    /// Whether the tenant has work that is not finished, due or not.
    pub has_work: bool,
}

/// An event that waited for a parent until its deadline.
#[derive(Debug, Clone)]
pub struct Expired {
    /// The event.
    pub event: EventId,
    /// The record, for people.
    pub record: String,
    /// Why it failed.
    pub reason: String,
}

impl Database {
    /// Finds what of a tenant made no progress since `idle_since`, at most `limit` of each kind,
    /// and notes that it was woken, so that the next pass leaves it in peace for as long again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stranded(
        &self,
        tenant: &Tenant,
        now: Timestamp,
        idle_since: Timestamp,
        limit: i64,
    ) -> Result<Stranded, StoreError> {
        let schema = tenant.schema();
        let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
            (&tenant.id.as_str(), Type::TEXT),
            (&now, Type::TIMESTAMPTZ),
            (&idle_since, Type::TIMESTAMPTZ),
            (&limit, Type::INT8),
        ];
        // A record that waits for a parent that is not here is not stranded.
        let sql = format!(
            "UPDATE {schema}.in_flight i SET woken_at = $2
             FROM (SELECT i.event, i.flow, i.target FROM {schema}.in_flight i
                   WHERE i.tenant = $1 AND i.woken_at < $3
                     AND NOT EXISTS (
                         SELECT 1 FROM {schema}.waiting_records w
                         WHERE w.connection = i.connection AND w.object = i.object AND w.source_id = i.source_id
                           AND w.flow = i.flow
                           AND NOT EXISTS (SELECT 1 FROM {schema}.canonical_records c WHERE c.canonical_id = w.parent_id))
                   ORDER BY i.woken_at LIMIT $4 FOR UPDATE SKIP LOCKED) k
             WHERE i.event = k.event AND i.flow = k.flow AND i.target = k.target
             RETURNING i.connection, i.object, i.source_id, i.event"
        );
        let records = self.query(&sql, &parameters).await?;
        // Only heads: what stands behind another one is woken by it.
        let sql = format!(
            "UPDATE {schema}.deliveries d SET woken_at = $2, blocked_on = NULL
             FROM (SELECT d.delivery FROM {schema}.deliveries d
                   WHERE d.tenant = $1 AND d.woken_at < $3
                     AND ((d.state = 'pending' AND d.next_attempt_at <= $2)
                          OR (d.state = 'sending' AND d.claimed_until <= $2))
                     AND (d.blocked_on IS NULL OR EXISTS (
                         SELECT 1 FROM {schema}.cross_references x
                         WHERE x.connection = d.target AND x.canonical_id = d.blocked_on))
                     AND NOT EXISTS (
                         SELECT 1 FROM {schema}.deliveries f
                         WHERE f.target = d.target AND f.ordering_key = d.ordering_key
                           AND f.state IN ('pending', 'sending', 'failed', 'held')
                           AND (f.place_at, f.place_event) < (d.place_at, d.place_event))
                   ORDER BY d.next_attempt_at LIMIT $4 FOR UPDATE SKIP LOCKED) k
             WHERE d.delivery = k.delivery RETURNING d.target, d.ordering_key"
        );
        let wakes = self.query(&sql, &parameters).await?;
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM {schema}.in_flight WHERE tenant = $1)
                 OR EXISTS (SELECT 1 FROM {schema}.deliveries WHERE tenant = $1 AND state IN ('pending', 'sending'))"
        );
        let has_work = self.query(&sql, &[(&tenant.id.as_str(), Type::TEXT)]).await?;
        Ok(Stranded {
            records: records.iter().map(|row| record_changed(tenant, row)).collect::<Result<_, _>>()?,
            wakes: wakes.iter().map(|row| wake(tenant, row)).collect::<Result<_, _>>()?,
            has_work: has_work.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(true),
        })
    }

    /// Ends the waits whose deadline has passed: their events fail visibly.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn expire_waits(&self, tenant: &Tenant, now: Timestamp, limit: i64) -> Result<Vec<Expired>, StoreError> {
        let sql = format!(
            "DELETE FROM {schema}.waiting_records w
             USING (SELECT connection, object, source_id, flow FROM {schema}.waiting_records
                    WHERE tenant = $1 AND deadline <= $2 ORDER BY deadline LIMIT $3 FOR UPDATE SKIP LOCKED) k
             WHERE w.connection = k.connection AND w.object = k.object AND w.source_id = k.source_id AND w.flow = k.flow
             RETURNING w.event, w.flow, w.object, w.source_id, w.parent_entity, w.parent_source_id, w.connection",
            schema = tenant.schema()
        );
        let sql = sql.as_str();
        self.transaction(async |transaction| {
            let rows = transaction
                .query_typed(sql, &[(&tenant.id.as_str(), Type::TEXT), (&now, Type::TIMESTAMPTZ), (&limit, Type::INT8)])
                .await?;
            let mut expired: BTreeMap<(Uuid, String), Expired> = BTreeMap::new();
            for row in &rows {
                let texts: Vec<String> = (1..7).map(|column| row.try_get(column)).collect::<Result<_, _>>()?;
                let [flow, object, source_id, parent_entity, parent_id, connection] = texts.as_slice() else {
                    continue;
                };
                let event: Uuid = row.try_get(0)?;
                let reason = format!("{parent_entity} {parent_id} of {connection} did not arrive in time");
                let record = format!("{object} {source_id}");
                expired.insert((event, flow.clone()), Expired { event: EventId(event), record, reason });
            }
            let ends: BTreeMap<(Uuid, &str), String> = expired
                .iter()
                .map(|((event, flow), expired)| {
                    ((*event, flow.as_str()), end(FlowOutcome::Failed, Some(&expired.reason)))
                })
                .collect();
            end_events(transaction, tenant, &ends).await?;
            Ok(expired.into_values().collect())
        })
        .await
    }

    /// Forgets event ids whose time is over, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_event_ids(&self, tenant: &Tenant, now: Timestamp, limit: i64) -> Result<(), StoreError> {
        let schema = tenant.schema();
        let sql = format!(
            "DELETE FROM {schema}.event_ids WHERE (connection, sender_event_id) IN (
                 SELECT connection, sender_event_id FROM {schema}.event_ids
                 WHERE tenant = $1 AND expires_at < $2 ORDER BY expires_at LIMIT $3)"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&tenant.id.as_str(), Type::TEXT), (&now, Type::TIMESTAMPTZ), (&limit, Type::INT8)];
        self.query(&sql, &parameters).await.map(drop)
    }
}
