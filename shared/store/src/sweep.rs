//! What a crash stranded, what is due, and what has waited too long.

use crate::canonical::{end, end_events};
use crate::claims::wake;
use crate::connection::Database;
use crate::error::StoreError;
use crate::tenant::Tenant;
use crate::waiting::record_changed;
use fluxnex_core::event::FlowOutcome;
use fluxnex_core::ids::{ConnectionId, DeliveryId, EventId, FlowId};
use fluxnex_core::message::{RecordChanged, Wake};
use jiff::{SignedDuration, Timestamp};
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
    /// The flow that it waited in.
    pub flow: FlowId,
    /// The record, for people.
    pub record: String,
    /// Why it failed.
    pub reason: String,
}

/// A failed delivery that nobody was told of.
#[derive(Debug, Clone)]
pub struct UntoldFailure {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Number of its last attempt.
    pub attempt: u32,
    /// The target.
    pub target: ConnectionId,
    /// The record, for people.
    pub record: String,
    /// Why it failed.
    pub reason: String,
}

/// Somewhat longer than the hour between two rounds over all tenants.
const FULL_ROUND: SignedDuration = SignedDuration::from_mins(70);

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
        // What waits for something that wakes it, or for longer than until the next full round, is no
        // reason to look again each minute.
        let next_round = now + FULL_ROUND;
        let sql = format!(
            "SELECT EXISTS (
                     SELECT 1 FROM {schema}.in_flight i WHERE i.tenant = $1 AND NOT EXISTS (
                         SELECT 1 FROM {schema}.waiting_records w
                         WHERE w.connection = i.connection AND w.object = i.object AND w.source_id = i.source_id
                           AND w.flow = i.flow AND w.deadline > $2))
                 OR EXISTS (
                     SELECT 1 FROM {schema}.deliveries d WHERE d.tenant = $1
                       AND ((d.state = 'pending' AND d.blocked_on IS NULL AND d.next_attempt_at <= $2)
                            OR d.state = 'sending' OR d.untold))"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&tenant.id.as_str(), Type::TEXT), (&next_round, Type::TIMESTAMPTZ)];
        let has_work = self.query(&sql, &parameters).await?;
        Ok(Stranded {
            records: records.iter().map(|row| record_changed(tenant, row)).collect::<Result<_, _>>()?,
            wakes: wakes.iter().map(|row| wake(tenant, row)).collect::<Result<_, _>>()?,
            has_work: has_work.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(true),
        })
    }

    /// The waits whose deadline has passed. They are to be told of, and then ended by
    /// [`end_waits`](Self::end_waits): told twice after a crash, with the same id, but never not told.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn expired_waits(&self, tenant: &Tenant, now: Timestamp, limit: i64) -> Result<Vec<Expired>, StoreError> {
        let sql = format!(
            "SELECT DISTINCT ON (event, flow) event, flow, object, source_id, parent_entity, parent_source_id, connection
             FROM (SELECT * FROM {}.waiting_records WHERE tenant = $1 AND deadline <= $2 ORDER BY deadline LIMIT $3) w
             ORDER BY event, flow",
            tenant.schema()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&tenant.id.as_str(), Type::TEXT), (&now, Type::TIMESTAMPTZ), (&limit, Type::INT8)];
        let mut expired = Vec::new();
        for row in &self.query(&sql, &parameters).await? {
            let texts: Vec<String> = (1..7).map(|column| row.try_get(column)).collect::<Result<_, _>>()?;
            let [flow, object, source_id, parent_entity, parent_id, connection] = texts.as_slice() else { continue };
            expired.push(Expired {
                event: EventId(row.try_get(0)?),
                flow: FlowId::parse(flow.as_str()).map_err(|error| StoreError::Unreadable(error.to_string()))?,
                record: format!("{object} {source_id}"),
                reason: format!("{parent_entity} {parent_id} of {connection} did not arrive in time"),
            });
        }
        Ok(expired)
    }

    /// Ends waits: their events fail visibly. One whose parent came meanwhile goes on instead.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_waits(&self, tenant: &Tenant, expired: &[Expired]) -> Result<(), StoreError> {
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

    /// Failed deliveries that nobody was told of since `idle_since`: whoever wrote the failure down
    /// died before it told.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn untold_failures(
        &self,
        tenant: &Tenant,
        idle_since: Timestamp,
        limit: i64,
    ) -> Result<Vec<UntoldFailure>, StoreError> {
        let sql = format!(
            "SELECT delivery, attempts, target, entity, canonical_id, coalesce(reason, '')
             FROM {}.deliveries WHERE tenant = $1 AND untold AND updated_at < $2 ORDER BY updated_at LIMIT $3",
            tenant.schema()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&tenant.id.as_str(), Type::TEXT), (&idle_since, Type::TIMESTAMPTZ), (&limit, Type::INT8)];
        let rows = self.query(&sql, &parameters).await?;
        rows.iter()
            .map(|row| {
                let target = ConnectionId::parse(row.try_get::<_, String>(2)?);
                let (entity, record): (String, Uuid) = (row.try_get(3)?, row.try_get(4)?);
                Ok(UntoldFailure {
                    delivery: DeliveryId(row.try_get(0)?),
                    attempt: u32::try_from(row.try_get::<_, i32>(1)?).unwrap_or_default(),
                    target: target.map_err(|error| StoreError::Unreadable(error.to_string()))?,
                    record: format!("{entity} {record}"),
                    reason: row.try_get(5)?,
                })
            })
            .collect()
    }

    /// Notes that people were told of failed deliveries.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn told(&self, tenant: &Tenant, deliveries: &[DeliveryId]) -> Result<(), StoreError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.0).collect();
        let sql = format!(
            "UPDATE {}.deliveries SET untold = false WHERE tenant = $1 AND delivery = ANY($2)",
            tenant.schema()
        );
        self.query(&sql, &[(&tenant.id.as_str(), Type::TEXT), (&ids, Type::UUID_ARRAY)]).await.map(drop)
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
