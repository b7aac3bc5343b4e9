//! What a crash stranded, what is due, and what has waited too long.

use crate::claims::wake;
use crate::connection::Database;
use crate::error::StoreError;
use crate::fetches::{self, OPEN, OpenFetch};
use crate::tenant::Tenant;
use crate::waiting::record_changed;
use fluxnex_core::ids::{ConnectionId, DeliveryId};
use fluxnex_core::message::{RecordChanged, Wake};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// What was found and is to be sent again.
#[derive(Debug, Clone, Default)]
pub struct Stranded {
    /// Records whose event made no progress.
    pub records: Vec<RecordChanged>,
    /// Ordering keys with something due.
    pub wakes: BTreeSet<Wake>,
    /// Fetches that nobody needs any more: the parent is here, or nobody waits for it.
    pub needless: Vec<OpenFetch>,
    /// Fetches whose time is over.
    pub expired: Vec<OpenFetch>,
    /// Fetches of which an attempt died: the state machine still waits for its token.
    pub died: Vec<OpenFetch>,
    /// Whether the tenant has work that is not finished, due or not.
    pub has_work: bool,
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

/// How long the state machine may take until its first attempt begins, besides the idle time of sweep.
const UNATTENDED: SignedDuration = SignedDuration::from_mins(5);
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
                           AND NOT EXISTS (SELECT 1 FROM {schema}.canonical_records c
                                           WHERE c.canonical_id = w.parent_id AND NOT c.deleted))
                   ORDER BY i.woken_at LIMIT $4 FOR UPDATE SKIP LOCKED) k
             WHERE i.event = k.event AND i.flow = k.flow AND i.target = k.target
             RETURNING i.connection, i.object, i.source_id, i.event"
        );
        let mut records = self.query(&sql, &parameters).await?;
        // The state machine got it, and nothing came of that: it gets it once more, under another name.
        let sql = format!(
            "UPDATE {schema}.dependency_fetches f
             SET state = 'wanted', generation = f.generation + 1, start_at = $2, woken_at = $2
             FROM (SELECT f.parent_id FROM {schema}.dependency_fetches f
                   WHERE f.tenant = $1 AND f.state = 'started' AND f.attempts = 0 AND f.woken_at < $3
                   ORDER BY f.woken_at LIMIT $4 FOR UPDATE SKIP LOCKED) k
             WHERE f.parent_id = k.parent_id"
        );
        let long_ago = idle_since - UNATTENDED;
        let unattended: [(&(dyn ToSql + Sync), Type); 4] = [
            (&tenant.id.as_str(), Type::TEXT),
            (&now, Type::TIMESTAMPTZ),
            (&long_ago, Type::TIMESTAMPTZ),
            (&limit, Type::INT8),
        ];
        self.query(&sql, &unattended).await?;
        // A parent that is to be fetched, and nobody started it: one of those who wait for it does.
        let sql = format!(
            "UPDATE {schema}.dependency_fetches f SET woken_at = $2
             FROM (SELECT f.parent_id, w.connection, w.object, w.source_id, w.event FROM {schema}.dependency_fetches f
                   CROSS JOIN LATERAL (
                       SELECT * FROM {schema}.waiting_records w WHERE w.parent_id = f.parent_id LIMIT 1) w
                   WHERE f.tenant = $1 AND f.state = 'wanted' AND f.start_at < $3 AND f.woken_at < $3
                   ORDER BY f.woken_at LIMIT $4 FOR UPDATE OF f SKIP LOCKED) k
             WHERE f.parent_id = k.parent_id RETURNING k.connection, k.object, k.source_id, k.event"
        );
        records.extend(self.query(&sql, &parameters).await?);
        let sql = format!(
            "UPDATE {schema}.dependency_fetches f SET woken_at = $2
             FROM (SELECT f.parent_id, n.needed FROM {schema}.dependency_fetches f
                   CROSS JOIN LATERAL (
                       SELECT NOT EXISTS (
                                  SELECT 1 FROM {schema}.canonical_records c
                                  WHERE c.canonical_id = f.parent_id AND NOT c.deleted)
                              AND (f.state <> 'wanted' OR EXISTS (
                                  SELECT 1 FROM {schema}.waiting_records w WHERE w.parent_id = f.parent_id)) AS needed) n
                   WHERE f.tenant = $1 AND f.state IN {OPEN} AND f.woken_at < $3 AND f.start_at < $3
                     AND (f.deadline <= $2 OR NOT n.needed)
                   ORDER BY f.woken_at LIMIT $4 FOR UPDATE OF f SKIP LOCKED) k
             WHERE f.parent_id = k.parent_id
             RETURNING f.parent_id, f.generation, f.task_token, k.needed"
        );
        let (mut needless, mut expired) = (Vec::new(), Vec::new());
        for row in self.query(&sql, &parameters).await? {
            let list = if row.try_get(3)? { &mut expired } else { &mut needless };
            list.push(fetches::open(&row)?);
        }
        // A parent that waits for its own parents is on its way all the same.
        let sql = format!(
            "SELECT f.parent_id, f.generation, f.task_token FROM {schema}.dependency_fetches f
             WHERE f.tenant = $1 AND ((f.state = 'fetching' AND f.busy_until < $2) OR (f.state = 'fed' AND f.busy_until < $3
                   AND NOT EXISTS (
                       SELECT 1 FROM {schema}.waiting_records w
                       WHERE w.connection = f.connection AND w.object = f.object AND w.source_id = f.source_id)))
             ORDER BY f.busy_until LIMIT $4"
        );
        let died = self.query(&sql, &parameters).await?.iter().map(fetches::open).collect::<Result<_, _>>()?;
        // Only heads: what stands behind another one is woken by it. What goes to a paused target waits until the
        // connection is resumed, and takes no place from others; so does what is of a paused flow.
        let paused = tenant.configuration().paused_connections();
        let paused_flows = tenant.configuration().paused_flows();
        let sql = format!(
            "UPDATE {schema}.deliveries d SET woken_at = $2, blocked_on = NULL
             FROM (SELECT d.delivery FROM {schema}.deliveries d
                   WHERE d.tenant = $1 AND d.woken_at < $3
                     AND ((d.state = 'pending' AND d.next_attempt_at <= $2)
                          OR (d.state = 'sending' AND d.claimed_until <= $2))
                     AND d.target <> ALL($5) AND d.flow <> ALL($6)
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
        let [tenant_id, at, idle, most] = parameters;
        let stopped: [(&(dyn ToSql + Sync), Type); 2] =
            [(&paused, Type::TEXT_ARRAY), (&paused_flows, Type::TEXT_ARRAY)];
        let [connections, flows] = stopped;
        let wakes = self.query(&sql, &[tenant_id, at, idle, most, connections, flows]).await?;
        // What waits for something that wakes it, or for longer than until the next full round, is no
        // reason to look again each minute. What waits for a paused target or flow is: nothing else wakes it.
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
                            OR d.state = 'sending' OR d.untold))
                 OR EXISTS (
                     SELECT 1 FROM {schema}.dependency_fetches f WHERE f.tenant = $1 AND f.state IN {OPEN}
                       AND (f.state <> 'started' OR f.attempts = 0 OR f.deadline <= $2))"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&tenant.id.as_str(), Type::TEXT), (&next_round, Type::TIMESTAMPTZ)];
        let has_work = self.query(&sql, &parameters).await?;
        Ok(Stranded {
            records: records.iter().map(|row| record_changed(tenant, row)).collect::<Result<_, _>>()?,
            wakes: wakes.iter().map(|row| wake(tenant, row)).collect::<Result<_, _>>()?,
            needless,
            expired,
            died,
            has_work: has_work.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(true),
        })
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

    /// Forgets finished fetches from before `until`, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_fetches(&self, tenant: &Tenant, until: Timestamp, limit: i64) -> Result<(), StoreError> {
        let schema = tenant.schema();
        let sql = format!(
            "DELETE FROM {schema}.dependency_fetches WHERE parent_id IN (
                 SELECT parent_id FROM {schema}.dependency_fetches
                 WHERE tenant = $1 AND finished_at < $2 ORDER BY finished_at LIMIT $3) AND finished_at < $2"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&tenant.id.as_str(), Type::TEXT), (&until, Type::TIMESTAMPTZ), (&limit, Type::INT8)];
        self.query(&sql, &parameters).await.map(drop)
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
