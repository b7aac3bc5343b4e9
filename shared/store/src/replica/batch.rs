//! One batch of events in its transaction: what is known, who is first, and what is decided.

use super::keys::OrderingKeys;
use super::{Incoming, IncomingRecord, Registered, SourceRecordKey, columns, key_of};
use crate::error::StoreError;
use crate::gate::Transaction;
use crate::tenant::Tenant;
use fluxnex_core::content::ContentHash;
use fluxnex_core::event::EventState;
use fluxnex_core::ids::EventId;
use fluxnex_core::replica::{Decision, Place, RecordState, decide};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use tokio_postgres::types::Type;
use uuid::Uuid;

/// How long an event id is remembered, so that its repetition is recognised.
const DEDUPE_WINDOW: SignedDuration = SignedDuration::from_hours(24 * 35);

/// A replica row while a batch is folded into it.
pub(super) struct Row {
    pub(super) state: RecordState,
    /// The event that brought the content.
    pub(super) event: EventId,
    /// The event of the batch that brought the content, if one did.
    pub(super) content_from: Option<usize>,
    /// Whether the batch moved the record's place.
    pub(super) placed: bool,
    /// Whether the row was there before the batch.
    pub(super) existed: bool,
}

/// One batch in its transaction.
pub(super) struct Batch<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) now: Timestamp,
    pub(super) incoming: &'a [&'a Incoming],
    pub(super) keys: &'a OrderingKeys,
}

impl Batch<'_> {
    pub(super) async fn run(self, transaction: &Transaction<'_>) -> Result<Vec<Registered>, StoreError> {
        let known = self.known_events(transaction).await?;
        let mut results: Vec<Option<Registered>> =
            self.incoming.iter().map(|event| known.get(&event.event).cloned()).collect();
        self.claim_event_ids(transaction, &mut results).await?;
        let rows = self.fold(transaction, &mut results).await?;
        let results: Vec<Registered> = results.into_iter().flatten().collect();
        self.write_replica(transaction, &rows).await?;
        let new: Vec<(&Incoming, &Registered)> = self
            .incoming
            .iter()
            .copied()
            .zip(&results)
            .filter(|(incoming, _)| !known.contains_key(&incoming.event))
            .collect();
        self.write_events(transaction, &new, &rows).await?;
        self.write_history(transaction, &new).await?;
        self.supersede(transaction, &rows).await?;
        self.write_in_flight(transaction, &rows).await?;
        Ok(results)
    }

    pub(super) fn schema(&self) -> &str {
        self.tenant.schema()
    }

    /// Events that an earlier delivery of the same message registered.
    async fn known_events(&self, transaction: &Transaction<'_>) -> Result<HashMap<EventId, Registered>, StoreError> {
        let events: Vec<Uuid> = self.incoming.iter().map(|incoming| incoming.event.0).collect();
        let sql = format!(
            "SELECT connection, object, source_id, event, state, reason FROM {}.events WHERE event = ANY($2) AND tenant = $1",
            self.schema()
        );
        let rows = transaction
            .query_typed(&sql, &[(&self.tenant.id.as_str(), Type::TEXT), (&events, Type::UUID_ARRAY)])
            .await?;
        rows.iter()
            .map(|row| {
                let event = EventId(row.try_get(3)?);
                let state: String = row.try_get(4)?;
                let state = serde_json::from_value(state.into())
                    .map_err(|_| StoreError::Unreadable("an event has an unknown state".to_owned()))?;
                let changed = if state == EventState::Changed { Some(key_of(row)?) } else { None };
                Ok((event, Registered { event, state, reason: row.try_get(5)?, changed }))
            })
            .collect()
    }

    /// Takes the event ids of the new events; those that are taken already are duplicates.
    async fn claim_event_ids(
        &self,
        transaction: &Transaction<'_>,
        results: &mut [Option<Registered>],
    ) -> Result<(), StoreError> {
        // Sorted, so that two batches with the same ids wait for each other instead of deadlocking.
        let mut claims: BTreeMap<(&str, &str), EventId> = BTreeMap::new();
        for (incoming, result) in self.incoming.iter().zip(results.iter()) {
            if result.is_none() && claims_id(incoming) {
                let id = (incoming.connection.as_str(), incoming.sender_event_id.as_str());
                claims.entry(id).or_insert(incoming.event);
            }
        }
        if claims.is_empty() {
            return Ok(());
        }
        let connections: Vec<&str> = claims.keys().map(|(connection, _)| *connection).collect();
        let ids: Vec<&str> = claims.keys().map(|(_, id)| *id).collect();
        let events: Vec<Uuid> = claims.values().map(|event| event.0).collect();
        let sql = format!(
            "INSERT INTO {}.event_ids (tenant, connection, sender_event_id, event, expires_at)
             SELECT $1, k.connection, k.sender_event_id, k.event, $5
             FROM unnest($2::text[], $3::text[], $4::uuid[]) k (connection, sender_event_id, event)
             ON CONFLICT (connection, sender_event_id) DO NOTHING RETURNING event",
            self.schema()
        );
        let expires_at = self.now + DEDUPE_WINDOW;
        let taken = transaction
            .query_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&connections, Type::TEXT_ARRAY),
                    (&ids, Type::TEXT_ARRAY),
                    (&events, Type::UUID_ARRAY),
                    (&expires_at, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        let taken: HashSet<EventId> = taken.iter().map(|row| row.try_get(0).map(EventId)).collect::<Result<_, _>>()?;
        for (incoming, result) in self.incoming.iter().zip(results.iter_mut()) {
            if result.is_none() && claims_id(incoming) && !taken.contains(&incoming.event) {
                *result = Some(Registered {
                    event: incoming.event,
                    state: EventState::Duplicate,
                    reason: None,
                    changed: None,
                });
            }
        }
        Ok(())
    }

    /// Locks the replica rows of the batch and decides every event, lowest place first.
    async fn fold(
        &self,
        transaction: &Transaction<'_>,
        results: &mut [Option<Registered>],
    ) -> Result<BTreeMap<SourceRecordKey, Row>, StoreError> {
        let mut open: Vec<(usize, SourceRecordKey, RecordState)> = Vec::new();
        for (index, incoming) in self.incoming.iter().enumerate() {
            if results.get(index).is_none_or(Option::is_some) {
                continue;
            }
            match &incoming.record {
                IncomingRecord::Unreadable { reason } => {
                    let failed = Registered {
                        event: incoming.event,
                        state: EventState::Failed,
                        reason: Some(reason.clone()),
                        changed: None,
                    };
                    set(results, index, failed);
                }
                IncomingRecord::Nothing => {
                    let event = incoming.event;
                    let filtered = Registered { event, state: EventState::Filtered, reason: None, changed: None };
                    set(results, index, filtered);
                }
                IncomingRecord::State { object, source_id, source_version, deleted, content, .. } => {
                    let key = SourceRecordKey {
                        connection: incoming.connection.clone(),
                        object: object.clone(),
                        source_id: source_id.clone(),
                    };
                    let place = Place {
                        source_version: *source_version,
                        arrived_at: incoming.arrived_at,
                        event: incoming.event,
                    };
                    open.push((index, key, RecordState { place, content: *content, deleted: *deleted }));
                }
            }
        }
        open.sort_by_key(|(_, _, state)| state.place);
        let mut rows = self.lock_rows(transaction, open.iter().map(|(_, key, _)| key)).await?;
        for (index, key, incoming) in open {
            let decision = decide(rows.get(&key).map(|row| &row.state), &incoming);
            let state = match decision {
                Decision::Insert => {
                    let event = incoming.place.event;
                    let row = Row { state: incoming, event, content_from: Some(index), placed: true, existed: false };
                    rows.insert(key.clone(), row);
                    EventState::Changed
                }
                Decision::Update => {
                    if let Some(row) = rows.get_mut(&key) {
                        row.state = incoming;
                        row.event = incoming.place.event;
                        row.content_from = Some(index);
                        row.placed = true;
                    }
                    EventState::Changed
                }
                Decision::Confirm => {
                    if let Some(row) = rows.get_mut(&key) {
                        row.state.place = incoming.place;
                        row.placed = true;
                    }
                    EventState::Unchanged
                }
                Decision::Stale | Decision::Repeat => EventState::Stale,
            };
            let taken = self.tenant.configuration().flows_of(&key.connection, &key.object).next().is_some();
            let state = if state == EventState::Changed && !taken { EventState::Filtered } else { state };
            let changed = (state == EventState::Changed).then_some(key);
            set(results, index, Registered { event: incoming.place.event, state, reason: None, changed });
        }
        Ok(rows)
    }

    async fn lock_rows<'k>(
        &self,
        transaction: &Transaction<'_>,
        keys: impl Iterator<Item = &'k SourceRecordKey>,
    ) -> Result<BTreeMap<SourceRecordKey, Row>, StoreError> {
        let keys: BTreeSet<&SourceRecordKey> = keys.collect();
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let [connections, objects, source_ids] = columns(keys.into_iter());
        let sql = format!(
            "SELECT r.connection, r.object, r.source_id, r.source_version, r.arrived_at, r.placed_by, r.event,
                    r.content_hash, r.deleted
             FROM unnest($2::text[], $3::text[], $4::text[]) k (connection, object, source_id)
             JOIN {}.source_records r USING (connection, object, source_id)
             WHERE r.tenant = $1 ORDER BY 1, 2, 3 FOR UPDATE OF r",
            self.schema()
        );
        let rows = transaction
            .query_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&connections, Type::TEXT_ARRAY),
                    (&objects, Type::TEXT_ARRAY),
                    (&source_ids, Type::TEXT_ARRAY),
                ],
            )
            .await?;
        let mut locked = BTreeMap::new();
        for row in &rows {
            let place =
                Place { source_version: row.try_get(3)?, arrived_at: row.try_get(4)?, event: EventId(row.try_get(5)?) };
            let hash: &[u8] = row.try_get(7)?;
            let content = hash
                .try_into()
                .map(ContentHash)
                .map_err(|_| StoreError::Unreadable("a content hash is not 32 bytes".to_owned()))?;
            let state = RecordState { place, content, deleted: row.try_get(8)? };
            let event = EventId(row.try_get(6)?);
            locked.insert(key_of(row)?, Row { state, event, content_from: None, placed: false, existed: true });
        }
        Ok(locked)
    }
}

/// An event that could not be read claims no id: sent again, it may be readable by then. One whose id
/// was derived from its body claims none either: only its content says what is new.
fn claims_id(incoming: &Incoming) -> bool {
    !incoming.derived && matches!(incoming.record, IncomingRecord::State { .. })
}

fn set(results: &mut [Option<Registered>], index: usize, registered: Registered) {
    if let Some(result) = results.get_mut(index) {
        *result = Some(registered);
    }
}
