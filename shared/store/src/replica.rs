//! L2: registering events and keeping the replica of source records.

use crate::connection::Database;
use crate::error::StoreError;
use crate::json::JsonText;
use crate::tenant::Tenant;
use fluxnex_core::content::ContentHash;
use fluxnex_core::event::EventState;
use fluxnex_core::ids::{ConnectionId, EventId, ObjectName, SenderEventId, SourceId};
use fluxnex_core::message::EventSource;
use fluxnex_core::replica::Place;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

mod batch;
mod keys;
mod registers;
mod writes;

/// An event that reached L2.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The event.
    pub event: EventId,
    /// Where it came from.
    pub connection: ConnectionId,
    /// What makes a repetition recognisable.
    pub sender_event_id: SenderEventId,
    /// True if the id was derived from the body: then only the content says what is new.
    pub derived: bool,
    /// How it came in.
    pub source: EventSource,
    /// When it was accepted.
    pub arrived_at: Timestamp,
    /// What it says.
    pub record: IncomingRecord,
}

/// What an event says.
#[derive(Debug, Clone)]
pub enum IncomingRecord {
    /// The state of a source record.
    State {
        /// Record type at the source.
        object: ObjectName,
        /// Id at the source.
        source_id: SourceId,
        /// Version at the source.
        source_version: Option<i64>,
        /// Whether the source deleted it.
        deleted: bool,
        /// Hash of the payload.
        content: ContentHash,
        /// The record as JSON text.
        payload: String,
    },
    /// No record: what the sender tells of is of no concern.
    Nothing,
    /// Nothing that the connector understands.
    Unreadable {
        /// Why, in words that quote no content.
        reason: String,
    },
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The event.
    pub event: EventId,
    /// Its state.
    pub state: EventState,
    /// Why it failed.
    pub reason: Option<String>,
    /// The record that has new content, if the event goes on.
    pub changed: Option<SourceRecordKey>,
}

/// A record at its source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceRecordKey {
    /// The source.
    pub connection: ConnectionId,
    /// Record type there.
    pub object: ObjectName,
    /// Id there.
    pub source_id: SourceId,
}

/// A record of the replica.
#[derive(Debug, Clone)]
pub struct SourceRecord {
    /// Which one.
    pub key: SourceRecordKey,
    /// The event that brought its content.
    pub event: EventId,
    /// Its place among the states of the record.
    pub place: Place,
    /// The record as JSON text.
    pub payload: String,
    /// Whether the source deleted it.
    pub deleted: bool,
}

impl Database {
    /// Registers a batch of events of one tenant and folds them into the replica.
    ///
    /// The answer has one entry per event, in order. An event that was registered before gets the
    /// outcome that was committed then, so that its messages can be repeated.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of the batch is registered.
    pub async fn replicate(
        &self,
        tenant: &Tenant,
        now: Timestamp,
        incoming: &[Incoming],
    ) -> Result<Vec<Registered>, StoreError> {
        // The same message may be in a batch twice.
        let mut seen = HashSet::new();
        let unique: Vec<&Incoming> = incoming.iter().filter(|event| seen.insert(event.event)).collect();
        let unique = unique.as_slice();
        // Mappings run before the rows are locked.
        let keys = keys::OrderingKeys::of(tenant.configuration(), unique);
        let registered = self
            .transaction(async |transaction| {
                batch::Batch { tenant, now, incoming: unique, keys: &keys }.run(transaction).await
            })
            .await?;
        let registered: HashMap<EventId, Registered> =
            registered.into_iter().map(|registered| (registered.event, registered)).collect();
        incoming
            .iter()
            .map(|incoming| registered.get(&incoming.event).cloned())
            .collect::<Option<_>>()
            .ok_or_else(|| StoreError::Unreadable("an event was left without a state".to_owned()))
    }

    /// Reads records of the replica; those that are not there are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn source_records(
        &self,
        tenant: &Tenant,
        keys: &[SourceRecordKey],
    ) -> Result<Vec<SourceRecord>, StoreError> {
        let [connections, objects, source_ids] = columns(keys.iter());
        let sql = format!(
            "SELECT r.connection, r.object, r.source_id, r.source_version, r.arrived_at, r.placed_by, r.event, r.payload, r.deleted
             FROM unnest($2::text[], $3::text[], $4::text[]) k (connection, object, source_id)
             JOIN {}.source_records r USING (connection, object, source_id) WHERE r.tenant = $1",
            tenant.schema()
        );
        let rows = self
            .query(
                &sql,
                &[
                    (&tenant.id.as_str(), Type::TEXT),
                    (&connections, Type::TEXT_ARRAY),
                    (&objects, Type::TEXT_ARRAY),
                    (&source_ids, Type::TEXT_ARRAY),
                ],
            )
            .await?;
        rows.iter().map(record_of).collect()
    }

    /// Reads what records had when events brought it, as JSON text; where the history does not go back so far, what they
    /// have now. Records that are not there are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn payloads_at(
        &self,
        tenant: &Tenant,
        states: &[(SourceRecordKey, EventId)],
    ) -> Result<HashMap<(SourceRecordKey, EventId), String>, StoreError> {
        let [connections, objects, source_ids] = columns(states.iter().map(|(key, _)| key));
        let events: Vec<Uuid> = states.iter().map(|(_, event)| event.0).collect();
        let schema = tenant.schema();
        let sql = format!(
            "SELECT k.connection, k.object, k.source_id, k.event, coalesce(v.payload, r.payload)
             FROM unnest($2::text[], $3::text[], $4::text[], $5::uuid[]) k (connection, object, source_id, event)
             JOIN {schema}.source_records r USING (connection, object, source_id)
             LEFT JOIN {schema}.source_record_versions v
                 ON v.connection = k.connection AND v.object = k.object AND v.source_id = k.source_id AND v.event = k.event
             WHERE r.tenant = $1"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 5] = [
            (&tenant.id.as_str(), Type::TEXT),
            (&connections, Type::TEXT_ARRAY),
            (&objects, Type::TEXT_ARRAY),
            (&source_ids, Type::TEXT_ARRAY),
            (&events, Type::UUID_ARRAY),
        ];
        let rows = self.query(&sql, &parameters).await?;
        rows.iter()
            .map(|row| Ok(((key_of(row)?, EventId(row.try_get(3)?)), row.try_get::<_, JsonText<'_>>(4)?.0.to_owned())))
            .collect()
    }
}

pub(crate) fn record_of(row: &tokio_postgres::Row) -> Result<SourceRecord, StoreError> {
    Ok(SourceRecord {
        key: key_of(row)?,
        event: EventId(row.try_get(6)?),
        place: Place { source_version: row.try_get(3)?, arrived_at: row.try_get(4)?, event: EventId(row.try_get(5)?) },
        payload: row.try_get::<_, JsonText<'_>>(7)?.0.to_owned(),
        deleted: row.try_get(8)?,
    })
}

pub(crate) fn columns<'a>(keys: impl Iterator<Item = &'a SourceRecordKey>) -> [Vec<&'a str>; 3] {
    let mut columns = [Vec::new(), Vec::new(), Vec::new()];
    for key in keys {
        let [connections, objects, source_ids] = &mut columns;
        connections.push(key.connection.as_str());
        objects.push(key.object.as_str());
        source_ids.push(key.source_id.as_str());
    }
    columns
}

pub(crate) fn key_of(row: &tokio_postgres::Row) -> Result<SourceRecordKey, StoreError> {
    let unreadable = |error: fluxnex_core::ids::InvalidId| StoreError::Unreadable(error.to_string());
    Ok(SourceRecordKey {
        connection: ConnectionId::parse(row.try_get::<_, String>(0)?).map_err(unreadable)?,
        object: ObjectName::parse(row.try_get::<_, String>(1)?).map_err(unreadable)?,
        source_id: SourceId::parse(row.try_get::<_, String>(2)?).map_err(unreadable)?,
    })
}
