//! What landed in a dead-letter queue: kept, counted, shown, and let in again where that can help.

use crate::connection::Database;
use crate::error::StoreError;
use crate::migrations::CATALOG;
use fluxnex_core::ids::TenantId;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};

/// How often a message that failed for want of infrastructure goes in again by itself.
const MOST_REENTRIES: i32 = 8;

/// Why a message landed in a dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterReason {
    /// No version of this program can read it.
    Unreadable,
    /// It is readable; what it needed was not there, as often as it was tried.
    Infrastructure,
}

/// A message from a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Name of the queue that it was meant for.
    pub queue: String,
    /// Whose message it is, if that can be read.
    pub tenant: Option<TenantId>,
    /// The message.
    pub body: String,
}

impl Database {
    /// Registers dead letters. One that came back after it was let in again counts as returned,
    /// and fails for good when it did so too often. Gives those that have just failed for good.
    ///
    /// # Errors
    /// [`StoreError`]; then the message stays in its dead-letter queue.
    pub async fn register_dead_letters(
        &self,
        letters: &[(DeadLetter, DeadLetterReason)],
        now: Timestamp,
        first_wait: Duration,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut failed = Vec::new();
        let first_wait_seconds = first_wait.as_secs_f64();
        for (letter, reason) in letters {
            let digest = Sha256::digest(letter.body.as_bytes()).to_vec();
            let (reason, state) = match reason {
                DeadLetterReason::Unreadable => ("unreadable", "failed"),
                DeadLetterReason::Infrastructure => ("infrastructure", "waiting"),
            };
            let tenant = letter.tenant.as_ref().map(TenantId::as_str);
            let sql = format!(
                "INSERT INTO {CATALOG}.dead_letters AS d (queue, digest, tenant, body, reason, state, next_at, first_seen, last_seen)
                 VALUES ($1, $2, $3, $4, $5, $6, $7::timestamptz + make_interval(secs => $8), $7, $7)
                 ON CONFLICT (queue, digest) DO UPDATE SET last_seen = excluded.last_seen,
                     reentries = d.reentries + CASE WHEN d.state = 'reentered' THEN 1 ELSE 0 END,
                     next_at = excluded.last_seen + make_interval(secs => $8 * power(2, least(d.reentries + 1, 16))),
                     state = CASE WHEN d.state <> 'reentered' THEN d.state
                                  WHEN d.reentries + 1 >= $9 THEN 'failed' ELSE 'waiting' END
                 RETURNING d.state = 'failed' AND d.last_seen = $7"
            );
            let parameters: [(&(dyn ToSql + Sync), Type); 9] = [
                (&letter.queue, Type::TEXT),
                (&digest, Type::BYTEA),
                (&tenant, Type::TEXT),
                (&letter.body, Type::TEXT),
                (&reason, Type::TEXT),
                (&state, Type::TEXT),
                (&now, Type::TIMESTAMPTZ),
                (&first_wait_seconds, Type::FLOAT8),
                (&MOST_REENTRIES, Type::INT4),
            ];
            let rows = self.query(&sql, &parameters).await?;
            if rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(false) {
                failed.push(letter.clone());
            }
        }
        Ok(failed)
    }

    /// The dead letters whose time to go in again has come. They are to be sent, and then reported
    /// by [`reentered`](Self::reentered); one that is sent twice does no harm.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_dead_letters(&self, now: Timestamp, limit: i64) -> Result<Vec<DeadLetter>, StoreError> {
        let sql = format!(
            "SELECT queue, tenant, body FROM {CATALOG}.dead_letters WHERE state = 'waiting' AND next_at <= $1
             ORDER BY next_at LIMIT $2"
        );
        let rows = self.query(&sql, &[(&now, Type::TIMESTAMPTZ), (&limit, Type::INT8)]).await?;
        rows.iter()
            .map(|row| {
                let tenant: Option<String> = row.try_get(1)?;
                Ok(DeadLetter {
                    queue: row.try_get(0)?,
                    tenant: tenant.and_then(|tenant| TenantId::parse(tenant).ok()),
                    body: row.try_get(2)?,
                })
            })
            .collect()
    }

    /// Notes that dead letters went in again. Kept for a while, so that their return is counted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reentered(&self, letters: &[DeadLetter], now: Timestamp) -> Result<(), StoreError> {
        let queues: Vec<&str> = letters.iter().map(|letter| letter.queue.as_str()).collect();
        let digests: Vec<Vec<u8>> =
            letters.iter().map(|letter| Sha256::digest(letter.body.as_bytes()).to_vec()).collect();
        let sql = format!(
            "UPDATE {CATALOG}.dead_letters d SET state = 'reentered', last_seen = $1
             FROM unnest($2::text[], $3::bytea[]) k (queue, digest)
             WHERE d.queue = k.queue AND d.digest = k.digest AND d.state = 'waiting'"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&now, Type::TIMESTAMPTZ), (&queues, Type::TEXT_ARRAY), (&digests, Type::BYTEA_ARRAY)];
        self.query(&sql, &parameters).await?;
        let sql = format!("DELETE FROM {CATALOG}.dead_letters WHERE state = 'reentered' AND last_seen < $1");
        let forgotten = now - SignedDuration::from_hours(24 * 14);
        self.query(&sql, &[(&forgotten, Type::TIMESTAMPTZ)]).await.map(drop)
    }
}
