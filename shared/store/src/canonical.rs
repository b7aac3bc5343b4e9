//! L3: canonical records, and what ends an event before it becomes one.

use crate::connection::Database;
use crate::error::StoreError;
use crate::gate::Transaction;
use crate::json::JsonText;
use crate::tenant::Tenant;
use crate::waiting::MissingParent;
use fluxnex_core::canonical::{DELETED, Decision, Stored as Known, decide};
use fluxnex_core::content::ContentHash;
use fluxnex_core::event::FlowOutcome;
use fluxnex_core::flow::Parent;
use fluxnex_core::ids::{CanonicalId, EntityName, EventId, FlowId};
use fluxnex_core::replica::Place;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use tokio_postgres::types::Type;
use uuid::Uuid;

mod writes;

pub(crate) use writes::{end, end_events};

/// What normalising made of one event in one flow.
#[derive(Debug, Clone)]
pub struct Normalised {
    /// The event.
    pub event: EventId,
    /// The flow.
    pub flow: FlowId,
    /// The source record that it speaks of.
    pub record: crate::SourceRecordKey,
    /// What is to be written.
    pub work: NormalisedWork,
}

/// What is to be written for one event in one flow.
#[derive(Debug, Clone)]
pub enum NormalisedWork {
    /// A valid canonical record.
    Store {
        /// Its type.
        entity: EntityName,
        /// Its id.
        canonical_id: CanonicalId,
        /// The record as JSON text.
        data: String,
        /// Hash of its content.
        content: ContentHash,
        /// The parents that it refers to.
        parents: Vec<Parent>,
        /// Place of the source state that it was made from.
        place: Place,
    },
    /// Its source deleted the record, and its targets are to know.
    Delete {
        /// Its type.
        entity: EntityName,
        /// Its id.
        canonical_id: CanonicalId,
        /// Place of the deletion at the source.
        place: Place,
    },
    /// Parents are missing; the record waits for each of them.
    Wait {
        /// The missing parents.
        missing: Vec<MissingParent>,
        /// When waiting ends in failure.
        deadline: Timestamp,
    },
    /// The event ends here.
    End {
        /// How.
        outcome: FlowOutcome,
        /// Why, in words that quote no content.
        reason: Option<String>,
    },
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is stored as this version; its message is to be sent (again).
    Version(i64),
    /// It waits.
    Waiting,
    /// The event ended so.
    Ended(FlowOutcome),
}

/// What came of a batch.
#[derive(Debug, Clone, Default)]
pub struct NormalisedBatch {
    /// One entry per item, in order.
    pub stored: Vec<Stored>,
    /// Missing parents of which this batch was the first to note that they are to be fetched.
    pub wanted: HashSet<CanonicalId>,
}

/// A canonical record as routing needs it.
#[derive(Debug, Clone)]
pub struct CanonicalRow {
    /// Its type.
    pub entity: EntityName,
    /// Its id.
    pub canonical_id: CanonicalId,
    /// Its version.
    pub version: i64,
    /// The record as JSON text; of a record that was deleted the last one.
    pub data: String,
    /// Whether its source deleted it.
    pub deleted: bool,
    /// Names of its parents.
    pub parent_names: Vec<String>,
    /// Types of its parents, in the same order.
    pub parent_entities: Vec<String>,
    /// Canonical ids of its parents, in the same order.
    pub parent_ids: Vec<CanonicalId>,
    /// Where it came from.
    pub source: crate::SourceRecordKey,
    /// The event that brought this version.
    pub event: EventId,
    /// Arrival of that event.
    pub arrived_at: Timestamp,
}

/// The data of a record that was deleted before it was ever stored.
const NO_DATA: &str = "{}";

impl CanonicalRow {
    /// Whether its source deleted it before it was ever stored: no target knows it.
    #[must_use]
    pub fn was_never_stored(&self) -> bool {
        self.deleted && self.data == NO_DATA
    }
}

impl Database {
    /// Writes what normalising made of a batch of one tenant: canonical records, waits and ends.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of the batch is written.
    pub async fn store_normalised(
        &self,
        tenant: &Tenant,
        now: Timestamp,
        items: &[Normalised],
    ) -> Result<NormalisedBatch, StoreError> {
        self.transaction(async |transaction| Batch { tenant, now, items }.run(transaction).await).await
    }

    /// Reads canonical records; those that are not there are left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn canonical_records(
        &self,
        tenant: &Tenant,
        ids: &[(EntityName, CanonicalId)],
    ) -> Result<Vec<CanonicalRow>, StoreError> {
        let entities: Vec<&str> = ids.iter().map(|(entity, _)| entity.as_str()).collect();
        let canonical: Vec<Uuid> = ids.iter().map(|(_, id)| id.0).collect();
        let sql = format!(
            "SELECT r.connection, r.object, r.source_id, r.entity, r.canonical_id, r.version, r.data, r.parent_names,
                    r.parent_ids, r.event, r.arrived_at, r.parent_entities, r.deleted
             FROM (SELECT DISTINCT * FROM unnest($2::text[], $3::uuid[]) k (entity, canonical_id)) k
             JOIN {}.canonical_records r USING (entity, canonical_id) WHERE r.tenant = $1",
            tenant.schema()
        );
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&tenant.id.as_str(), Type::TEXT), (&entities, Type::TEXT_ARRAY), (&canonical, Type::UUID_ARRAY)];
        let rows = self.query(&sql, &parameters).await?;
        rows.iter()
            .map(|row| {
                let entity: String = row.try_get(3)?;
                let parents: Vec<Uuid> = row.try_get(8)?;
                Ok(CanonicalRow {
                    entity: EntityName::parse(entity).map_err(|error| StoreError::Unreadable(error.to_string()))?,
                    canonical_id: CanonicalId(row.try_get(4)?),
                    version: row.try_get(5)?,
                    data: row.try_get::<_, JsonText<'_>>(6)?.0.to_owned(),
                    deleted: row.try_get(12)?,
                    parent_names: row.try_get(7)?,
                    parent_entities: row.try_get(11)?,
                    parent_ids: parents.into_iter().map(CanonicalId).collect(),
                    source: crate::replica::key_of(row)?,
                    event: EventId(row.try_get(9)?),
                    arrived_at: row.try_get(10)?,
                })
            })
            .collect()
    }
}

/// One batch in its transaction.
struct Batch<'a> {
    tenant: &'a Tenant,
    now: Timestamp,
    items: &'a [Normalised],
}

/// What may become a version of a canonical record.
#[derive(Clone, Copy)]
struct Proposed<'a> {
    entity: &'a EntityName,
    canonical_id: CanonicalId,
    /// Nothing: the record was deleted, and keeps what it had last.
    data: Option<&'a str>,
    content: ContentHash,
    parents: &'a [Parent],
    place: Place,
}

impl NormalisedWork {
    fn proposed(&self) -> Option<Proposed<'_>> {
        match self {
            Self::Store { entity, canonical_id, data, content, parents, place } => {
                let (canonical_id, content, place) = (*canonical_id, *content, *place);
                Some(Proposed { entity, canonical_id, data: Some(data), content, parents, place })
            }
            Self::Delete { entity, canonical_id, place } => {
                let (canonical_id, place) = (*canonical_id, *place);
                Some(Proposed { entity, canonical_id, data: None, content: DELETED, parents: &[], place })
            }
            Self::Wait { .. } | Self::End { .. } => None,
        }
    }

    /// The canonical record that it speaks of, if it is stored or deleted.
    #[must_use]
    pub fn canonical(&self) -> Option<(EntityName, CanonicalId)> {
        self.proposed().map(|proposed| (proposed.entity.clone(), proposed.canonical_id))
    }
}

/// An item that becomes a version of a canonical record.
struct NewVersion<'a> {
    item: &'a Normalised,
    version: i64,
    existed: bool,
    new: Proposed<'a>,
}

type Key = (CanonicalId, EntityName);

impl<'a> Batch<'a> {
    async fn run(self, transaction: &Transaction<'_>) -> Result<NormalisedBatch, StoreError> {
        let mut known = self.lock_known(transaction).await?;
        let current = self.lock_current(transaction).await?;
        let existed: HashSet<Key> = known.keys().cloned().collect();
        let mut new: HashMap<Key, NewVersion<'a>> = HashMap::new();
        let mut moved: HashMap<Key, Place> = HashMap::new();
        let mut results = Vec::with_capacity(self.items.len());
        for item in self.items {
            let Some(proposed) = item.work.proposed() else {
                results.push(match &item.work {
                    NormalisedWork::End { outcome, .. } => Stored::Ended(*outcome),
                    _ if current.contains(&item.event) => Stored::Waiting,
                    _ => Stored::Ended(FlowOutcome::Superseded),
                });
                continue;
            };
            let Proposed { place, content, .. } = proposed;
            let key = (proposed.canonical_id, proposed.entity.clone());
            results.push(match decide(known.get(&key), &place, item.event, content) {
                Decision::Store(version) => {
                    known.insert(key.clone(), Known { version, place, event: item.event, content });
                    let existed = existed.contains(&key);
                    new.insert(key, NewVersion { item, version, existed, new: proposed });
                    Stored::Version(version)
                }
                Decision::Repeat(version) => Stored::Version(version),
                Decision::Superseded => Stored::Ended(FlowOutcome::Superseded),
                Decision::Unchanged => {
                    if let Some(known) = known.get_mut(&key) {
                        known.place = place;
                    }
                    moved.insert(key, place);
                    Stored::Ended(FlowOutcome::Unchanged)
                }
            });
        }
        let mut versions: Vec<NewVersion<'a>> = new.into_values().collect();
        versions.sort_by_key(|version| version.new.canonical_id);
        let is_new = |key: &Key| versions.iter().any(|it| it.new.canonical_id == key.0 && *it.new.entity == key.1);
        moved.retain(|key, _| !is_new(key));
        self.write_versions(transaction, &versions).await?;
        self.move_places(transaction, &moved).await?;
        self.write_waits(transaction, &results).await?;
        let wanted = self.want_parents(transaction, &results).await?;
        self.write_ends(transaction, &results).await?;
        Ok(NormalisedBatch { stored: results, wanted })
    }

    /// Those events of the waiting records that still are their record's newest. The records are locked until the
    /// waits are committed: newer content comes before, and is seen here, or after, and then ends the waits. A wait
    /// written after it would outlast its record, and end the wait of the newer event.
    async fn lock_current(&self, transaction: &Transaction<'_>) -> Result<HashSet<EventId>, StoreError> {
        let waiting = self.items.iter().filter(|item| matches!(item.work, NormalisedWork::Wait { .. }));
        let records: Vec<&crate::SourceRecordKey> = waiting.map(|item| &item.record).collect();
        if records.is_empty() {
            return Ok(HashSet::new());
        }
        let [connections, objects, source_ids] = crate::replica::columns(records.into_iter());
        let sql = format!(
            "SELECT r.event FROM {}.source_records r
             WHERE r.tenant = $1 AND (r.connection, r.object, r.source_id) IN (SELECT * FROM unnest($2::text[], $3::text[], $4::text[]))
             ORDER BY r.connection, r.object, r.source_id FOR SHARE",
            self.tenant.schema()
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
        Ok(rows.iter().map(|row| row.try_get(0).map(EventId)).collect::<Result<_, _>>()?)
    }

    async fn lock_known(&self, transaction: &Transaction<'_>) -> Result<HashMap<Key, Known>, StoreError> {
        let (mut ids, mut entities): (Vec<Uuid>, Vec<&str>) = (Vec::new(), Vec::new());
        for item in self.items {
            if let Some(proposed) = item.work.proposed() {
                ids.push(proposed.canonical_id.0);
                entities.push(proposed.entity.as_str());
            }
        }
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let sql = format!(
            "SELECT r.canonical_id, r.entity, r.version, r.source_version, r.arrived_at, r.placed_by, r.event, r.content_hash
             FROM {}.canonical_records r
             WHERE r.tenant = $1 AND (r.canonical_id, r.entity) IN (SELECT * FROM unnest($2::uuid[], $3::text[]))
             ORDER BY 1, 2 FOR UPDATE",
            self.tenant.schema()
        );
        let rows = transaction
            .query_typed(
                &sql,
                &[(&self.tenant.id.as_str(), Type::TEXT), (&ids, Type::UUID_ARRAY), (&entities, Type::TEXT_ARRAY)],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let entity: String = row.try_get(1)?;
                let entity = EntityName::parse(entity).map_err(|error| StoreError::Unreadable(error.to_string()))?;
                let hash: &[u8] = row.try_get(7)?;
                let content = hash
                    .try_into()
                    .map(ContentHash)
                    .map_err(|_| StoreError::Unreadable("a content hash is not 32 bytes".to_owned()))?;
                let place = Place {
                    source_version: row.try_get(3)?,
                    arrived_at: row.try_get(4)?,
                    event: EventId(row.try_get(5)?),
                };
                let known = Known { version: row.try_get(2)?, place, event: EventId(row.try_get(6)?), content };
                Ok(((CanonicalId(row.try_get(0)?), entity), known))
            })
            .collect()
    }
}
