//! L5: claiming the heads of ordering keys, and writing down what came of their attempts.

use crate::connection::Database;
use crate::error::StoreError;
use crate::gate::Transaction;
use crate::json::JsonText;
use crate::tenant::Tenant;
use fluxnex_core::ids::{CanonicalId, ConnectionId, DeliveryId, ObjectName};
use fluxnex_core::ledger::{DeliveryOperation, DeliveryState, Head, Turn, turn};
use fluxnex_core::message::Wake;
use jiff::Timestamp;
use std::collections::BTreeMap;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

mod finish;
mod shadow;

pub(crate) use finish::wake;
pub use finish::{Attempt, Finish, Finished};

/// How often a head is claimed again because its parent became known meanwhile.
const MOST_RECLAIMS: u32 = 3;

/// A delivery that was claimed for one attempt.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Proof of the claim: only its holder may write down the outcome.
    pub fence: Uuid,
    /// The target.
    pub target: ConnectionId,
    /// The record type there.
    pub object: ObjectName,
    /// The canonical record: our own id of it, the same for all revisions.
    pub canonical_id: CanonicalId,
    /// Revision of what is sent, part of the idempotency key.
    pub revision: i32,
    /// What it does at the target.
    pub operation: DeliveryOperation,
    /// What is to be sent, with placeholders for parents.
    pub payload: String,
    /// What the target calls the parents, by name.
    pub references: BTreeMap<String, String>,
    /// What the target calls this record, and its version there, if it knows it.
    pub target_record: Option<(String, Option<String>)>,
    /// What the target has of it, as JSON text, if that is known in full.
    pub acknowledged: Option<String>,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// True if an earlier attempt was claimed and never reported.
    pub settles: bool,
    /// What it speaks of, for people.
    pub record: String,
}

/// What a wake found.
#[derive(Debug, Clone)]
pub enum Claimed {
    /// A delivery to send now.
    Send(Box<Claim>),
    /// The head's time has not come.
    NotBefore(Timestamp),
    /// The head waits: for a parent, for an earlier event, or for an operator.
    Waits(Turn),
    /// Nothing is open under this key.
    Nothing,
}

impl Database {
    /// Claims the head of each ordering key that may be sent now. A claim is trusted until
    /// `until`, which must lie beyond the function's own time limit; `fences` gives fresh ids.
    ///
    /// The answer has one entry per wake, in order.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing is claimed.
    pub async fn claim(
        &self,
        tenant: &Tenant,
        now: Timestamp,
        until: Timestamp,
        wakes: &[&Wake],
        fences: &(dyn Fn() -> Uuid + Sync),
    ) -> Result<Vec<Claimed>, StoreError> {
        let mut results: Vec<Claimed> = vec![Claimed::Nothing; wakes.len()];
        let mut open: Vec<usize> = (0..wakes.len()).collect();
        for _ in 0..MOST_RECLAIMS {
            let keys: Vec<&Wake> = open.iter().filter_map(|index| wakes.get(*index).copied()).collect();
            let paused = tenant.configuration().paused_flows();
            let claims = Claims { tenant, now, until, keys: &keys, fences, paused };
            let claimed = self.transaction(async |transaction| claims.run(transaction).await).await?;
            let mut blocked: Vec<(usize, &Wake, CanonicalId)> = Vec::new();
            for ((index, wake), claimed) in open.iter().zip(&keys).zip(claimed) {
                if let Claimed::Waits(Turn::AfterParent(parent)) = &claimed {
                    blocked.push((*index, wake, *parent));
                }
                if let Some(result) = results.get_mut(*index) {
                    *result = claimed;
                }
            }
            // The parent may have been delivered after it was looked for and before "waits for it"
            // was committed; then nobody else will wake this key.
            open = self.now_known(tenant, &blocked).await?;
            if open.is_empty() {
                break;
            }
        }
        Ok(results)
    }

    /// The wakes of deliveries.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn wakes_of(
        &self,
        tenant: &Tenant,
        deliveries: &[DeliveryId],
    ) -> Result<Vec<(DeliveryId, Wake)>, StoreError> {
        let ids: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.0).collect();
        let sql = format!(
            "SELECT target, ordering_key, delivery FROM {}.deliveries WHERE tenant = $1 AND delivery = ANY($2)",
            tenant.schema()
        );
        let rows = self.query(&sql, &[(&tenant.id.as_str(), Type::TEXT), (&ids, Type::UUID_ARRAY)]).await?;
        rows.iter().map(|row| Ok((DeliveryId(row.try_get(2)?), wake(tenant, row)?))).collect()
    }

    async fn now_known(
        &self,
        tenant: &Tenant,
        blocked: &[(usize, &Wake, CanonicalId)],
    ) -> Result<Vec<usize>, StoreError> {
        if blocked.is_empty() {
            return Ok(Vec::new());
        }
        let targets: Vec<&str> = blocked.iter().map(|(_, wake, _)| wake.target.as_str()).collect();
        let parents: Vec<Uuid> = blocked.iter().map(|(_, _, parent)| parent.0).collect();
        let sql = format!(
            "SELECT k.n FROM unnest($2::text[], $3::uuid[]) WITH ORDINALITY k (target, parent, n)
             WHERE EXISTS (SELECT 1 FROM {}.cross_references x
                           WHERE x.tenant = $1 AND x.connection = k.target AND x.canonical_id = k.parent)",
            tenant.schema()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&tenant.id.as_str(), Type::TEXT), (&targets, Type::TEXT_ARRAY), (&parents, Type::UUID_ARRAY)];
        let rows = self.query(&sql, &parameters).await?;
        rows.iter()
            .map(|row| {
                let position: i64 = row.try_get(0)?;
                let index = usize::try_from(position - 1).ok().and_then(|position| blocked.get(position));
                Ok(index.map(|(index, _, _)| *index))
            })
            .filter_map(Result::transpose)
            .collect()
    }
}

struct Claims<'a> {
    tenant: &'a Tenant,
    now: Timestamp,
    until: Timestamp,
    keys: &'a [&'a Wake],
    fences: &'a (dyn Fn() -> Uuid + Sync),
    /// The flows that an operator stopped.
    paused: Vec<&'a str>,
}

/// What a claim writes on a head.
struct Mark {
    delivery: Uuid,
    fence: Option<Uuid>,
    blocked_on: Option<Uuid>,
}

impl Claims<'_> {
    async fn run(&self, transaction: &Transaction<'_>) -> Result<Vec<Claimed>, StoreError> {
        self.leave_out(transaction).await?;
        let rows = self.heads(transaction).await?;
        let mut results = vec![Claimed::Nothing; self.keys.len()];
        let mut marks = Vec::new();
        for row in &rows {
            let position: i64 = row.try_get("n")?;
            let Some(result) = usize::try_from(position - 1).ok().and_then(|index| results.get_mut(index)) else {
                continue;
            };
            let (claimed, mark) = self.decide(row)?;
            *result = claimed;
            marks.extend(mark);
        }
        self.mark(transaction, &marks).await?;
        Ok(results)
    }

    async fn heads(&self, transaction: &Transaction<'_>) -> Result<Vec<Row>, StoreError> {
        let targets: Vec<&str> = self.keys.iter().map(|wake| wake.target.as_str()).collect();
        let keys: Vec<&str> = self.keys.iter().map(|wake| wake.ordering_key.as_str()).collect();
        let schema = self.tenant.schema();
        let sql = format!(
            "SELECT h.n, d.delivery, d.target, d.object, d.flow, d.entity, d.canonical_id, d.revision, d.state, d.operation, d.payload, d.attempts,
                    d.next_attempt_at, d.claimed_until, d.parent_names, d.blocked_on, x.target_id, x.target_version, x.acknowledged,
                    r.source_id,
                    ARRAY(SELECT p.target_id FROM unnest(d.parent_entities, d.parent_ids) WITH ORDINALITY k (entity, id, n)
                          LEFT JOIN {schema}.cross_references p
                              ON p.connection = d.target AND p.canonical_id = k.id AND p.entity = k.entity
                          ORDER BY k.n) AS parent_target_ids,
                    d.parent_ids,
                    EXISTS (SELECT 1 FROM {schema}.in_flight i
                            WHERE i.target = d.target AND i.ordering_key = d.ordering_key AND i.event <> d.event
                              AND (i.arrived_at, i.event) < (d.place_at, d.place_event)) AS earlier_upstream,
                    EXISTS (SELECT 1 FROM {schema}.deliveries o
                            WHERE o.target = d.target AND o.canonical_id = d.canonical_id AND o.object = d.object AND o.entity = d.entity
                              AND o.ordering_key <> d.ordering_key
                              AND o.state IN ('pending', 'sending', 'failed', 'held')
                              AND (o.version, o.revision) < (d.version, d.revision)) AS earlier_version
             FROM (SELECT k.n, h.delivery
                   FROM (SELECT DISTINCT ON (target, ordering_key) *
                         FROM unnest($2::text[], $3::text[]) WITH ORDINALITY k (target, ordering_key, n)) k
                   CROSS JOIN LATERAL (
                       SELECT delivery FROM {schema}.deliveries d
                       WHERE d.target = k.target AND d.ordering_key = k.ordering_key AND d.tenant = $1
                         AND d.state IN ('pending', 'sending', 'failed', 'held')
                       ORDER BY d.place_at, d.place_event LIMIT 1) h) h
             JOIN {schema}.deliveries d ON d.delivery = h.delivery
             LEFT JOIN {schema}.cross_references x
                 ON x.connection = d.target AND x.canonical_id = d.canonical_id AND x.entity = d.entity
             LEFT JOIN {schema}.canonical_records r ON r.canonical_id = d.canonical_id AND r.entity = d.entity
             ORDER BY d.delivery FOR UPDATE OF d"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&self.tenant.id.as_str(), Type::TEXT), (&targets, Type::TEXT_ARRAY), (&keys, Type::TEXT_ARRAY)];
        Ok(transaction.query_typed(&sql, &parameters).await?)
    }

    fn decide(&self, row: &Row) -> Result<(Claimed, Option<Mark>), StoreError> {
        let state: &str = row.try_get("state")?;
        let state = DeliveryState::from_stored(state)
            .ok_or_else(|| StoreError::Unreadable("a delivery has an unknown state".to_owned()))?;
        if !state.is_open() {
            // It ended while this waited for its lock; who ended it woke the next one.
            return Ok((Claimed::Nothing, None));
        }
        let target_ids: Vec<Option<String>> = row.try_get("parent_target_ids")?;
        let parent_ids: Vec<Uuid> = row.try_get("parent_ids")?;
        let missing = target_ids.iter().zip(&parent_ids).find(|(id, _)| id.is_none());
        let head = Head {
            state,
            next_attempt_at: row.try_get("next_attempt_at")?,
            claimed_until: row.try_get("claimed_until")?,
            missing_parent: missing.map(|(_, parent)| CanonicalId(*parent)),
            earlier_upstream: row.try_get("earlier_upstream")?,
            earlier_version: row.try_get("earlier_version")?,
            paused: self.paused.contains(&row.try_get("flow")?),
        };
        let delivery: Uuid = row.try_get("delivery")?;
        let turn = turn(&head, self.now);
        match turn {
            Turn::Send | Turn::Settle => {
                let fence = (self.fences)();
                let claim = claim(row, delivery, fence, target_ids, turn == Turn::Settle)?;
                let mark = Mark { delivery, fence: Some(fence), blocked_on: None };
                Ok((Claimed::Send(Box::new(claim)), Some(mark)))
            }
            Turn::NotBefore(at) => Ok((Claimed::NotBefore(at), None)),
            Turn::AfterParent(parent) => {
                let already: Option<Uuid> = row.try_get("blocked_on")?;
                let mark = Mark { delivery, fence: None, blocked_on: Some(parent.0) };
                Ok((Claimed::Waits(turn), (already != Some(parent.0)).then_some(mark)))
            }
            Turn::AfterUpstream | Turn::AfterVersion | Turn::Paused | Turn::Held => Ok((Claimed::Waits(turn), None)),
        }
    }

    async fn mark(&self, transaction: &Transaction<'_>, marks: &[Mark]) -> Result<(), StoreError> {
        if marks.is_empty() {
            return Ok(());
        }
        let deliveries: Vec<Uuid> = marks.iter().map(|mark| mark.delivery).collect();
        let fences: Vec<Option<Uuid>> = marks.iter().map(|mark| mark.fence).collect();
        let blocked: Vec<Option<Uuid>> = marks.iter().map(|mark| mark.blocked_on).collect();
        let sql = format!(
            "UPDATE {}.deliveries d SET
                 state = CASE WHEN k.fence IS NULL THEN d.state ELSE $5 END,
                 attempts = d.attempts + CASE WHEN k.fence IS NULL THEN 0 ELSE 1 END,
                 fence = coalesce(k.fence, d.fence),
                 claimed_until = CASE WHEN k.fence IS NULL THEN d.claimed_until ELSE $6 END,
                 blocked_on = k.blocked_on, updated_at = $7
             FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) k (delivery, fence, blocked_on)
             WHERE d.tenant = $1 AND d.delivery = k.delivery",
            self.tenant.schema()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 7] = [
            (&self.tenant.id.as_str(), Type::TEXT),
            (&deliveries, Type::UUID_ARRAY),
            (&fences, Type::UUID_ARRAY),
            (&blocked, Type::UUID_ARRAY),
            (&DeliveryState::Sending.as_str(), Type::TEXT),
            (&self.until, Type::TIMESTAMPTZ),
            (&self.now, Type::TIMESTAMPTZ),
        ];
        transaction.execute_typed(&sql, &parameters).await?;
        Ok(())
    }
}

fn claim(
    row: &Row,
    delivery: Uuid,
    fence: Uuid,
    target_ids: Vec<Option<String>>,
    settles: bool,
) -> Result<Claim, StoreError> {
    let unreadable = |error: fluxnex_core::ids::InvalidId| StoreError::Unreadable(error.to_string());
    let names: Vec<String> = row.try_get("parent_names")?;
    let references = names.into_iter().zip(target_ids).filter_map(|(name, id)| Some((name, id?))).collect();
    let target_id: Option<String> = row.try_get("target_id")?;
    let target_version: Option<String> = row.try_get("target_version")?;
    let attempts: i32 = row.try_get("attempts")?;
    let entity: &str = row.try_get("entity")?;
    let source_id: Option<&str> = row.try_get("source_id")?;
    Ok(Claim {
        delivery: DeliveryId(delivery),
        fence,
        target: ConnectionId::parse(row.try_get::<_, String>("target")?).map_err(unreadable)?,
        object: ObjectName::parse(row.try_get::<_, String>("object")?).map_err(unreadable)?,
        canonical_id: CanonicalId(row.try_get("canonical_id")?),
        revision: row.try_get("revision")?,
        operation: DeliveryOperation::from_stored(row.try_get("operation")?)
            .ok_or_else(|| StoreError::Unreadable("a delivery has an unknown operation".to_owned()))?,
        payload: row.try_get::<_, Option<JsonText<'_>>>("payload")?.map_or("null", |payload| payload.0).to_owned(),
        references,
        target_record: target_id.map(|id| (id, target_version)),
        acknowledged: row.try_get::<_, Option<JsonText<'_>>>("acknowledged")?.map(|text| text.0.to_owned()),
        attempt: u32::try_from(attempts).unwrap_or_default().saturating_add(1),
        settles,
        record: format!("{entity} {}", source_id.unwrap_or_default()),
    })
}
