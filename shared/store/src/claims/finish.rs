//! Writing down what came of attempts, and who may go next because of it.

mod next;
mod references;

pub(crate) use next::wake;

use crate::connection::Database;
use crate::error::StoreError;
use crate::gate::Transaction;
use crate::tenant::Tenant;
use fluxnex_core::ids::DeliveryId;
use fluxnex_core::ledger::DeliveryState;
use fluxnex_core::message::Wake;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// One request to a target and its answer.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// SHA-256 of the request's body, and its size.
    pub request_digest: String,
    /// Size of the request's body in bytes.
    pub request_bytes: usize,
    /// SHA-256 of the answer's body.
    pub response_digest: Option<String>,
    /// Size of the answer's body in bytes.
    pub response_bytes: Option<usize>,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub enum Finish {
    /// The target acknowledged it.
    Delivered {
        /// What the target calls the record, if it said so.
        target_id: Option<String>,
        /// The target's version of it.
        target_version: Option<String>,
        /// What it has of the record now, as JSON text; nothing if that is not known in full.
        payload: Option<String>,
    },
    /// The target has what it was to be sent.
    Unchanged,
    /// There was nothing to do at the target.
    Filtered {
        /// Why.
        reason: String,
    },
    /// It will be tried again.
    Retry {
        /// Not before this time.
        at: Timestamp,
        /// Why, in words that quote no content.
        reason: String,
        /// False where the target only asked to wait: that is no attempt.
        counts: bool,
    },
    /// Whether it took effect is not known; the claim stands until then, and is settled after.
    Unknown {
        /// When it is to be settled.
        at: Timestamp,
        /// Why it is not known.
        reason: String,
        /// False where the target only asked to wait: that is no attempt.
        counts: bool,
    },
    /// It failed for good.
    Failed {
        /// Why, in words that quote no content.
        reason: String,
        /// Groups failures of one cause.
        fingerprint: String,
    },
}

/// An attempt of a claimed delivery that ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The claim's fence.
    pub fence: Uuid,
    /// Number of the attempt.
    pub attempt_number: u32,
    /// The request and its answer; absent if none was made.
    pub attempt: Option<Attempt>,
    /// How it ended.
    pub finish: Finish,
}

impl Finish {
    fn state(&self) -> DeliveryState {
        match self {
            Self::Delivered { .. } => DeliveryState::Delivered,
            Self::Unchanged => DeliveryState::Unchanged,
            Self::Filtered { .. } => DeliveryState::Filtered,
            Self::Retry { .. } => DeliveryState::Pending,
            Self::Unknown { .. } => DeliveryState::Sending,
            Self::Failed { .. } => DeliveryState::Failed,
        }
    }

    fn outcome(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Unchanged => "unchanged",
            Self::Filtered { .. } => "filtered",
            Self::Retry { counts: true, .. } => "retry",
            Self::Retry { counts: false, .. } => "throttled",
            Self::Unknown { .. } => "unknown",
            Self::Failed { .. } => "failed",
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Delivered { .. } | Self::Unchanged => None,
            Self::Filtered { reason }
            | Self::Retry { reason, .. }
            | Self::Unknown { reason, .. }
            | Self::Failed { reason, .. } => Some(reason),
        }
    }
}

/// A delivery whose outcome was written down.
struct Written {
    delivery: Uuid,
    target: String,
    ordering_key: String,
    entity: String,
    canonical_id: Uuid,
    deletes: bool,
}

impl Database {
    /// Writes down how claimed attempts ended, and gives the ordering keys that may go on: the
    /// next of the same key, and children that waited for a delivered parent. An attempt whose
    /// claim was lost meanwhile changes nothing.
    ///
    /// Who may go on is asked after the commit, in a new snapshot: a child commits that it waits for its
    /// parent, and then looks for the parent; the parent commits that it is here, and then looks for its
    /// children. One of the two always sees the other.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing is written, and the claims run out; or the outcomes are, and `sweep`
    /// finds who may go on.
    pub async fn finish(
        &self,
        tenant: &Tenant,
        now: Timestamp,
        finished: &[Finished],
    ) -> Result<BTreeSet<Wake>, StoreError> {
        let batch = Batch { tenant, now, finished };
        let (written, mut wakes) = self
            .transaction(async |transaction| {
                let written = batch.write_outcomes(transaction).await?;
                batch.write_attempts(transaction).await?;
                batch.write_references(transaction, &written).await?;
                batch.doubt_acknowledged(transaction, &written).await?;
                batch.forget_references(transaction, &written).await?;
                let wakes = batch.give_way(transaction, &written).await?;
                Ok((written, wakes))
            })
            .await?;
        wakes.extend(batch.next(self, &written).await?);
        Ok(wakes)
    }
}

struct Batch<'a> {
    tenant: &'a Tenant,
    now: Timestamp,
    finished: &'a [Finished],
}

impl Batch<'_> {
    async fn write_outcomes(&self, transaction: &Transaction<'_>) -> Result<Vec<Written>, StoreError> {
        let deliveries: Vec<Uuid> = self.finished.iter().map(|finished| finished.delivery.0).collect();
        let fences: Vec<Uuid> = self.finished.iter().map(|finished| finished.fence).collect();
        let states: Vec<&str> = self.finished.iter().map(|finished| finished.finish.state().as_str()).collect();
        let reasons: Vec<Option<&str>> = self.finished.iter().map(|finished| finished.finish.reason()).collect();
        let fingerprints: Vec<Option<&str>> = self
            .finished
            .iter()
            .map(|finished| match &finished.finish {
                Finish::Failed { fingerprint, .. } => Some(fingerprint.as_str()),
                _ => None,
            })
            .collect();
        let next: Vec<Option<Timestamp>> = self
            .finished
            .iter()
            .map(|finished| match &finished.finish {
                Finish::Retry { at, .. } => Some(*at),
                _ => None,
            })
            .collect();
        let settled_at: Vec<Option<Timestamp>> = self
            .finished
            .iter()
            .map(|finished| match &finished.finish {
                Finish::Unknown { at, .. } => Some(*at),
                _ => None,
            })
            .collect();
        let uncounted: Vec<i32> = self
            .finished
            .iter()
            .map(|finished| {
                i32::from(matches!(
                    finished.finish,
                    Finish::Retry { counts: false, .. } | Finish::Unknown { counts: false, .. }
                ))
            })
            .collect();
        let sql = format!(
            "UPDATE {}.deliveries d SET state = k.state, reason = k.reason, fingerprint = k.fingerprint,
                 untold = k.state = 'failed',
                 next_attempt_at = coalesce(k.next_at, d.next_attempt_at), claimed_until = k.settled_at,
                 attempts = d.attempts - k.uncounted, updated_at = $2,
                 fence = CASE WHEN k.settled_at IS NULL THEN NULL ELSE d.fence END
             FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::timestamptz[],
                 $9::timestamptz[], $10::int4[])
                 k (delivery, fence, state, reason, fingerprint, next_at, settled_at, uncounted)
             WHERE d.tenant = $1 AND d.delivery = k.delivery AND d.fence = k.fence AND d.state = 'sending'
             RETURNING d.delivery, d.target, d.ordering_key, d.entity, d.canonical_id, d.operation = 'delete'",
            self.tenant.schema()
        );
        let rows = transaction
            .query_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&self.now, Type::TIMESTAMPTZ),
                    (&deliveries, Type::UUID_ARRAY),
                    (&fences, Type::UUID_ARRAY),
                    (&states, Type::TEXT_ARRAY),
                    (&reasons, Type::TEXT_ARRAY),
                    (&fingerprints, Type::TEXT_ARRAY),
                    (&next, Type::TIMESTAMPTZ_ARRAY),
                    (&settled_at, Type::TIMESTAMPTZ_ARRAY),
                    (&uncounted, Type::INT4_ARRAY),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Written {
                    delivery: row.try_get(0)?,
                    target: row.try_get(1)?,
                    ordering_key: row.try_get(2)?,
                    entity: row.try_get(3)?,
                    canonical_id: row.try_get(4)?,
                    deletes: row.try_get(5)?,
                })
            })
            .collect()
    }

    async fn write_attempts(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let made: Vec<(&Finished, &Attempt)> =
            self.finished.iter().filter_map(|finished| Some((finished, finished.attempt.as_ref()?))).collect();
        if made.is_empty() {
            return Ok(());
        }
        let size = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
        let deliveries: Vec<Uuid> = made.iter().map(|(finished, _)| finished.delivery.0).collect();
        let numbers: Vec<i32> = made.iter().map(|(finished, _)| size(finished.attempt_number as usize)).collect();
        let fences: Vec<Uuid> = made.iter().map(|(finished, _)| finished.fence).collect();
        let outcomes: Vec<&str> = made.iter().map(|(finished, _)| finished.finish.outcome()).collect();
        let statuses: Vec<Option<i32>> = made.iter().map(|(_, attempt)| attempt.status.map(i32::from)).collect();
        let reasons: Vec<Option<&str>> = made.iter().map(|(finished, _)| finished.finish.reason()).collect();
        let started: Vec<Timestamp> = made.iter().map(|(_, attempt)| attempt.started_at).collect();
        let durations: Vec<i32> =
            made.iter().map(|(_, attempt)| i32::try_from(attempt.duration.as_millis()).unwrap_or(i32::MAX)).collect();
        let requests: Vec<&str> = made.iter().map(|(_, attempt)| attempt.request_digest.as_str()).collect();
        let request_bytes: Vec<i32> = made.iter().map(|(_, attempt)| size(attempt.request_bytes)).collect();
        let responses: Vec<Option<&str>> = made.iter().map(|(_, attempt)| attempt.response_digest.as_deref()).collect();
        let response_bytes: Vec<Option<i32>> =
            made.iter().map(|(_, attempt)| attempt.response_bytes.map(size)).collect();
        let sql = format!(
            "INSERT INTO {}.delivery_attempts (tenant, delivery, number, fence, outcome, status, reason, started_at,
                 duration_ms, request_digest, request_bytes, response_digest, response_bytes)
             SELECT $1, k.* FROM unnest($2::uuid[], $3::int4[], $4::uuid[], $5::text[], $6::int4[], $7::text[],
                 $8::timestamptz[], $9::int4[], $10::text[], $11::int4[], $12::text[], $13::int4[]) k
             ON CONFLICT DO NOTHING",
            self.tenant.schema()
        );
        transaction
            .execute_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&deliveries, Type::UUID_ARRAY),
                    (&numbers, Type::INT4_ARRAY),
                    (&fences, Type::UUID_ARRAY),
                    (&outcomes, Type::TEXT_ARRAY),
                    (&statuses, Type::INT4_ARRAY),
                    (&reasons, Type::TEXT_ARRAY),
                    (&started, Type::TIMESTAMPTZ_ARRAY),
                    (&durations, Type::INT4_ARRAY),
                    (&requests, Type::TEXT_ARRAY),
                    (&request_bytes, Type::INT4_ARRAY),
                    (&responses, Type::TEXT_ARRAY),
                    (&response_bytes, Type::INT4_ARRAY),
                ],
            )
            .await?;
        Ok(())
    }
}
