//! Blocking fetches: one for each missing parent, however many records wait for it.
//!
//! A fetch is *open* (wanted, started, fetching, fed) until the parent is stored, or cannot be had. Whoever
//! changes an open one names its generation and the token that it saw, so that what happened meanwhile
//! is never overwritten.

use crate::connection::Database;
use crate::error::StoreError;
use crate::gate::Transaction;
use crate::replica::{SourceRecordKey, columns};
use crate::tenant::Tenant;
use fluxnex_core::ids::{CanonicalId, ConnectionId, InvalidId, ObjectName, SourceId};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// States in which a fetch is open.
pub(crate) const OPEN: &str = "('wanted', 'started', 'fetching', 'fed')";

/// A fetch whose time to start has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueFetch {
    /// The missing parent.
    pub parent: CanonicalId,
    /// Its source.
    pub connection: ConnectionId,
    /// Its record type at the source.
    pub object: ObjectName,
    /// Its id at the source.
    pub source_id: SourceId,
    /// Counts the executions for this parent.
    pub generation: i32,
    /// When it must have come to an end.
    pub deadline: Timestamp,
}

/// A fetch that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFetch {
    /// The parent.
    pub parent: CanonicalId,
    /// Counts the executions for this parent.
    pub generation: i32,
    /// What ends the state machine's task; nothing while no attempt is under way.
    pub token: Option<String>,
}

/// How a fetch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchEnd<'a> {
    /// The parent is stored.
    Stored,
    /// It cannot be had; why, for people.
    Failed(&'a str),
}

/// A parent that is to be fetched, as normalising commits it.
pub(crate) struct WantedFetch<'a> {
    pub(crate) parent: CanonicalId,
    pub(crate) connection: &'a ConnectionId,
    pub(crate) object: &'a ObjectName,
    pub(crate) source_id: &'a SourceId,
    pub(crate) start_at: Timestamp,
    pub(crate) deadline: Timestamp,
}

/// Notes that parents are to be fetched, in the transaction in which their waiters are committed.
/// Gives those of which nobody had noted it: one that is open already stays as it is.
pub(crate) async fn want(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    now: Timestamp,
    wanted: &[WantedFetch<'_>],
) -> Result<HashSet<CanonicalId>, StoreError> {
    if wanted.is_empty() {
        return Ok(HashSet::new());
    }
    let parents: Vec<Uuid> = wanted.iter().map(|wanted| wanted.parent.0).collect();
    let connections: Vec<&str> = wanted.iter().map(|wanted| wanted.connection.as_str()).collect();
    let objects: Vec<&str> = wanted.iter().map(|wanted| wanted.object.as_str()).collect();
    let source_ids: Vec<&str> = wanted.iter().map(|wanted| wanted.source_id.as_str()).collect();
    let starts: Vec<Timestamp> = wanted.iter().map(|wanted| wanted.start_at).collect();
    let deadlines: Vec<Timestamp> = wanted.iter().map(|wanted| wanted.deadline).collect();
    // In one order, so that two batches with the same parents wait for each other instead of deadlocking.
    let sql = format!(
        "INSERT INTO {}.dependency_fetches AS f (tenant, parent_id, connection, object, source_id, generation, state,
             started_at, start_at, woken_at, deadline)
         SELECT DISTINCT ON (k.parent) $1, k.parent, k.connection, k.object, k.source_id, 1, 'wanted', $2, k.start_at,
                $2::timestamptz, k.deadline
         FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[])
             k (parent, connection, object, source_id, start_at, deadline)
         ORDER BY k.parent
         ON CONFLICT (parent_id) DO UPDATE SET generation = f.generation + 1, state = 'wanted', reason = NULL,
             task_token = NULL, busy_until = NULL, attempts = 0, started_at = excluded.started_at, start_at = excluded.start_at,
             woken_at = excluded.woken_at, deadline = excluded.deadline, finished_at = NULL
             WHERE f.state IN ('stored', 'failed')
         RETURNING f.parent_id",
        tenant.schema()
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 8] = [
        (&tenant.id.as_str(), Type::TEXT),
        (&now, Type::TIMESTAMPTZ),
        (&parents, Type::UUID_ARRAY),
        (&connections, Type::TEXT_ARRAY),
        (&objects, Type::TEXT_ARRAY),
        (&source_ids, Type::TEXT_ARRAY),
        (&starts, Type::TIMESTAMPTZ_ARRAY),
        (&deadlines, Type::TIMESTAMPTZ_ARRAY),
    ];
    let rows = transaction.query_typed(&sql, &parameters).await?;
    Ok(rows.iter().map(|row| row.try_get(0).map(CanonicalId)).collect::<Result<_, _>>()?)
}

impl Database {
    /// The fetches that these records wait for, and that are wanted, not started, and whose time has
    /// come; whichever state of a record it is that waits.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_fetches(
        &self,
        tenant: &Tenant,
        records: &[&SourceRecordKey],
        now: Timestamp,
    ) -> Result<Vec<DueFetch>, StoreError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let [connections, objects, source_ids] = columns(records.iter().copied());
        let schema = tenant.schema();
        let sql = format!(
            "SELECT f.parent_id, f.connection, f.object, f.source_id, f.generation, f.deadline
             FROM {schema}.dependency_fetches f
             WHERE f.tenant = $1 AND f.state = 'wanted' AND f.start_at <= $2 AND f.parent_id IN (
                 SELECT w.parent_id FROM unnest($3::text[], $4::text[], $5::text[]) k (connection, object, source_id)
                 JOIN {schema}.waiting_records w USING (connection, object, source_id))"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
            (&tenant.id.as_str(), Type::TEXT),
            (&now, Type::TIMESTAMPTZ),
            (&connections, Type::TEXT_ARRAY),
            (&objects, Type::TEXT_ARRAY),
            (&source_ids, Type::TEXT_ARRAY),
        ];
        self.query(&sql, &parameters).await?.iter().map(due).collect()
    }

    /// Notes that executions were started, so that nobody starts them again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn fetches_started(&self, tenant: &Tenant, started: &[(CanonicalId, i32)]) -> Result<(), StoreError> {
        if started.is_empty() {
            return Ok(());
        }
        let parents: Vec<Uuid> = started.iter().map(|(parent, _)| parent.0).collect();
        let generations: Vec<i32> = started.iter().map(|(_, generation)| *generation).collect();
        let sql = format!(
            "UPDATE {}.dependency_fetches f SET state = 'started'
             FROM unnest($2::uuid[], $3::int4[]) k (parent, generation)
             WHERE f.tenant = $1 AND f.parent_id = k.parent AND f.generation = k.generation AND f.state = 'wanted'",
            tenant.schema()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&tenant.id.as_str(), Type::TEXT), (&parents, Type::UUID_ARRAY), (&generations, Type::INT4_ARRAY)];
        self.query(&sql, &parameters).await.map(drop)
    }

    /// Notes that an attempt of an open fetch begins: the token that ends the state machine's task, and
    /// until when the attempt may take. So the token is stored before the parent is fed in, and whoever
    /// finds that the attempt died can answer it. Gives the fetch's deadline; nothing: nobody needs it
    /// any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn attempt_begins(
        &self,
        tenant: &Tenant,
        attempt: &OpenFetch,
        busy_until: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let sql = format!(
            "UPDATE {}.dependency_fetches
             SET attempts = attempts + 1, state = 'fetching', task_token = $4, busy_until = $5
             WHERE tenant = $1 AND parent_id = $2 AND generation = $3 AND state IN {OPEN} RETURNING deadline",
            tenant.schema()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
            (&tenant.id.as_str(), Type::TEXT),
            (&attempt.parent.0, Type::UUID),
            (&attempt.generation, Type::INT4),
            (&attempt.token, Type::TEXT),
            (&busy_until, Type::TIMESTAMPTZ),
        ];
        Ok(self.query(&sql, &parameters).await?.first().map(|row| row.try_get(0)).transpose()?)
    }

    /// Notes that an attempt fed the parent in: from here on its own messages carry it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn attempt_fed(&self, tenant: &Tenant, attempt: &OpenFetch) -> Result<(), StoreError> {
        self.attempt_is(tenant, attempt, "state = 'fed'").await
    }

    /// Notes that an attempt ended without the parent, after its token was answered: the state machine
    /// has it again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn attempt_ended(&self, tenant: &Tenant, attempt: &OpenFetch) -> Result<(), StoreError> {
        self.attempt_is(tenant, attempt, "state = 'started', task_token = NULL, busy_until = NULL").await
    }

    async fn attempt_is(&self, tenant: &Tenant, attempt: &OpenFetch, what: &str) -> Result<(), StoreError> {
        let sql = format!(
            "UPDATE {}.dependency_fetches SET {what}
             WHERE tenant = $1 AND parent_id = $2 AND generation = $3 AND task_token IS NOT DISTINCT FROM $4
               AND state IN ('fetching', 'fed')",
            tenant.schema()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
            (&tenant.id.as_str(), Type::TEXT),
            (&attempt.parent.0, Type::UUID),
            (&attempt.generation, Type::INT4),
            (&attempt.token, Type::TEXT),
        ];
        self.query(&sql, &parameters).await.map(drop)
    }

    /// The open fetches of these records.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_fetches(&self, tenant: &Tenant, parents: &[CanonicalId]) -> Result<Vec<OpenFetch>, StoreError> {
        if parents.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT parent_id, generation, task_token FROM {}.dependency_fetches
             WHERE tenant = $1 AND parent_id = ANY($2) AND state IN {OPEN}",
            tenant.schema()
        );
        let ids = uuids(parents);
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&tenant.id.as_str(), Type::TEXT), (&ids, Type::UUID_ARRAY)];
        self.query(&sql, &parameters).await?.iter().map(open).collect()
    }

    /// Ends a fetch, unless its token is another one by now: then `fetch` has just fed the parent in
    /// again, and waits for an answer. Answers whether it was ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_fetch(
        &self,
        tenant: &Tenant,
        fetch: &OpenFetch,
        end: FetchEnd<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (state, reason) = match end {
            FetchEnd::Stored => ("stored", None),
            FetchEnd::Failed(reason) => ("failed", Some(reason)),
        };
        let sql = format!(
            "UPDATE {}.dependency_fetches SET state = $5, reason = $6, task_token = NULL, busy_until = NULL, finished_at = $7
             WHERE tenant = $1 AND parent_id = $2 AND generation = $3 AND task_token IS NOT DISTINCT FROM $4
               AND state IN {OPEN} RETURNING parent_id",
            tenant.schema()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 7] = [
            (&tenant.id.as_str(), Type::TEXT),
            (&fetch.parent.0, Type::UUID),
            (&fetch.generation, Type::INT4),
            (&fetch.token, Type::TEXT),
            (&state, Type::TEXT),
            (&reason, Type::TEXT),
            (&now, Type::TIMESTAMPTZ),
        ];
        Ok(!self.query(&sql, &parameters).await?.is_empty())
    }

    /// Whether the parent of that generation was given up, or may be: it is not stored, and no later
    /// fetch is under way.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn may_give_up(&self, tenant: &Tenant, parent: CanonicalId, generation: i32) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT generation = $3 AND state <> 'stored' FROM {}.dependency_fetches WHERE tenant = $1 AND parent_id = $2",
            tenant.schema()
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&tenant.id.as_str(), Type::TEXT), (&parent.0, Type::UUID), (&generation, Type::INT4)];
        let rows = self.query(&sql, &parameters).await?;
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
    }

    /// Those of the given parents that could not be had a short while ago, and why.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn failed_fetches(
        &self,
        tenant: &Tenant,
        parents: &[CanonicalId],
        since: Timestamp,
    ) -> Result<HashMap<CanonicalId, String>, StoreError> {
        if parents.is_empty() {
            return Ok(HashMap::new());
        }
        let sql = format!(
            "SELECT parent_id, coalesce(reason, '') FROM {}.dependency_fetches
             WHERE tenant = $1 AND parent_id = ANY($2) AND state = 'failed' AND finished_at > $3",
            tenant.schema()
        );
        let ids = uuids(parents);
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&tenant.id.as_str(), Type::TEXT), (&ids, Type::UUID_ARRAY), (&since, Type::TIMESTAMPTZ)];
        let rows = self.query(&sql, &parameters).await?;
        rows.iter().map(|row| Ok((CanonicalId(row.try_get(0)?), row.try_get(1)?))).collect()
    }
}

pub(crate) fn open(row: &Row) -> Result<OpenFetch, StoreError> {
    Ok(OpenFetch { parent: CanonicalId(row.try_get(0)?), generation: row.try_get(1)?, token: row.try_get(2)? })
}

fn due(row: &Row) -> Result<DueFetch, StoreError> {
    let unreadable = |error: InvalidId| StoreError::Unreadable(error.to_string());
    Ok(DueFetch {
        parent: CanonicalId(row.try_get(0)?),
        connection: ConnectionId::parse(row.try_get::<_, String>(1)?).map_err(unreadable)?,
        object: ObjectName::parse(row.try_get::<_, String>(2)?).map_err(unreadable)?,
        source_id: SourceId::parse(row.try_get::<_, String>(3)?).map_err(unreadable)?,
        generation: row.try_get(4)?,
        deadline: row.try_get(5)?,
    })
}

fn uuids(parents: &[CanonicalId]) -> Vec<Uuid> {
    parents.iter().map(|parent| parent.0).collect()
}
