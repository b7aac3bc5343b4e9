//! Who may go next because of what came of attempts.

use super::{Batch, Finish, Written};
use crate::connection::Database;
use crate::error::StoreError;
use crate::gate::Transaction;
use crate::tenant::Tenant;
use fluxnex_core::ids::ConnectionId;
use fluxnex_core::ledger::DeliveryState;
use fluxnex_core::message::Wake;
use std::collections::BTreeSet;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

impl Batch<'_> {
    /// What was not delivered gives way to a newer version of its record that was routed while it was
    /// being sent, and could not take its place then. Gives the keys of those newer ones, and of those that gave way.
    pub(super) async fn give_way(
        &self,
        transaction: &Transaction<'_>,
        written: &[Written],
    ) -> Result<BTreeSet<Wake>, StoreError> {
        let gives_way = |written: &&Written| self.finish_of(written).is_some_and(|finish| finish.state().gives_way());
        let older: Vec<Uuid> = written.iter().filter(gives_way).map(|written| written.delivery).collect();
        if older.is_empty() {
            return Ok(BTreeSet::new());
        }
        let schema = self.tenant.schema();
        // Whoever was asked to wait waits for the newer version, too.
        let sql = format!(
            "WITH pair AS (
                 SELECT DISTINCT ON (o.delivery) o.delivery AS older, o.place_at, o.place_event, o.next_attempt_at,
                        o.target, o.ordering_key, n.delivery AS newer
                 FROM {schema}.deliveries o JOIN {schema}.deliveries n
                     ON n.target = o.target AND n.object = o.object AND n.entity = o.entity
                    AND n.canonical_id = o.canonical_id AND (n.version, n.revision) > (o.version, o.revision)
                 WHERE o.tenant = $1 AND o.delivery = ANY($2) AND n.state IN ('pending', 'failed', 'held')
                 ORDER BY o.delivery, n.version DESC, n.revision DESC
             ), ended AS (
                 UPDATE {schema}.deliveries d SET state = $3, untold = false, payload = NULL, updated_at = $4
                 FROM pair WHERE d.delivery = pair.older
             ), taken AS (
                 UPDATE {schema}.deliveries d SET
                     place_at = CASE WHEN pair.is_before THEN pair.place_at ELSE d.place_at END,
                     place_event = CASE WHEN pair.is_before THEN pair.place_event ELSE d.place_event END,
                     next_attempt_at = greatest(d.next_attempt_at, pair.next_attempt_at), updated_at = $4
                 FROM (SELECT pair.*, pair.ordering_key = n.ordering_key
                              AND (pair.place_at, pair.place_event) < (n.place_at, n.place_event) AS is_before
                       FROM pair JOIN {schema}.deliveries n ON n.delivery = pair.newer) pair
                 WHERE d.delivery = pair.newer
                 RETURNING d.target, d.ordering_key
             )
             SELECT target, ordering_key FROM taken UNION SELECT target, ordering_key FROM pair"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
            (&self.tenant.id.as_str(), Type::TEXT),
            (&older, Type::UUID_ARRAY),
            (&DeliveryState::Superseded.as_str(), Type::TEXT),
            (&self.now, Type::TIMESTAMPTZ),
        ];
        let rows = transaction.query_typed(&sql, &parameters).await?;
        rows.iter().map(|row| wake(self.tenant, row)).collect()
    }

    /// The keys that may go on: children of delivered parents, what is next in the same keys, and newer versions of the
    /// same records in other keys.
    pub(super) async fn next(&self, database: &Database, written: &[Written]) -> Result<BTreeSet<Wake>, StoreError> {
        let goes_on = |written: &&Written| {
            matches!(
                self.finish_of(written),
                Some(Finish::Delivered { .. } | Finish::Unchanged | Finish::Filtered { .. })
            )
        };
        let ended: Vec<&Written> = written.iter().filter(goes_on).collect();
        if ended.is_empty() {
            return Ok(BTreeSet::new());
        }
        let targets: Vec<&str> = ended.iter().map(|written| written.target.as_str()).collect();
        let keys: Vec<&str> = ended.iter().map(|written| written.ordering_key.as_str()).collect();
        let records: Vec<Uuid> = ended.iter().map(|written| written.canonical_id).collect();
        let delivered = self.delivered(written).filter(|(written, _)| !written.deletes);
        let parents: BTreeSet<Uuid> = delivered.map(|(written, _)| written.canonical_id).collect();
        let parents: Vec<Uuid> = parents.into_iter().collect();
        let schema = self.tenant.schema();
        let sql = format!(
            "WITH blocked AS (
                 SELECT delivery FROM {schema}.deliveries
                 WHERE tenant = $1 AND blocked_on = ANY($4) AND state = 'pending' ORDER BY delivery FOR UPDATE
             ), freed AS (
                 UPDATE {schema}.deliveries d SET blocked_on = NULL, woken_at = $5
                 FROM blocked WHERE d.delivery = blocked.delivery RETURNING d.target, d.ordering_key
             )
             SELECT target, ordering_key FROM freed
             UNION
             SELECT d.target, d.ordering_key FROM unnest($2::text[], $3::text[]) k (target, ordering_key)
             JOIN {schema}.deliveries d ON d.target = k.target AND d.ordering_key = k.ordering_key
             WHERE d.tenant = $1 AND d.state = 'pending'
             UNION
             SELECT d.target, d.ordering_key FROM unnest($2::text[], $6::uuid[]) k (target, canonical_id)
             JOIN {schema}.deliveries d ON d.target = k.target AND d.canonical_id = k.canonical_id
             WHERE d.tenant = $1 AND d.state = 'pending'"
        );
        // In the order in which claims lock, so that it needs no transaction to try again.
        let rows = database
            .query(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&targets, Type::TEXT_ARRAY),
                    (&keys, Type::TEXT_ARRAY),
                    (&parents, Type::UUID_ARRAY),
                    (&self.now, Type::TIMESTAMPTZ),
                    (&records, Type::UUID_ARRAY),
                ],
            )
            .await?;
        rows.iter().map(|row| wake(self.tenant, row)).collect()
    }
}

/// A wake of `(target, ordering key)`.
pub(crate) fn wake(tenant: &Tenant, row: &tokio_postgres::Row) -> Result<Wake, StoreError> {
    let target = ConnectionId::parse(row.try_get::<_, String>(0)?);
    Ok(Wake {
        tenant: tenant.id.clone(),
        target: target.map_err(|error| StoreError::Unreadable(error.to_string()))?,
        ordering_key: row.try_get(1)?,
    })
}
