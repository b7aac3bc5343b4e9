//! L4: writing deliveries into the ordering ledger.

use crate::canonical::end_events;
use crate::connection::Database;
use crate::error::StoreError;
use crate::gate::Transaction;
use crate::json::JsonText;
use crate::tenant::Tenant;
use fluxnex_core::ids::{CanonicalId, ConnectionId, DeliveryId, EntityName, EventId, FlowId, ObjectName};
use fluxnex_core::ledger::{DeliveryOperation, DeliveryState};
use fluxnex_core::message::Wake;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// A canonical version on its way to one target.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Its id.
    pub delivery: DeliveryId,
    /// The target.
    pub target: ConnectionId,
    /// The record type there.
    pub object: ObjectName,
    /// The flow.
    pub flow: FlowId,
    /// The canonical record type.
    pub entity: EntityName,
    /// The canonical record.
    pub canonical_id: CanonicalId,
    /// Its version.
    pub version: i64,
    /// Counts what is sent of one version: a new mapping or a late parent makes a new revision.
    pub revision: i32,
    /// The event that brought it.
    pub event: EventId,
    /// What it must stay in order with.
    pub ordering_key: String,
    /// Arrival of the event: the delivery's place, unless it takes an older one's.
    pub arrived_at: Timestamp,
    /// How long after its place it may be sent, so that what stands before it goes first.
    pub settle: SignedDuration,
    /// [`DeliveryState::Pending`], or how it ended before it began.
    pub state: DeliveryState,
    /// Why it ended.
    pub reason: Option<String>,
    /// What it does at the target.
    pub operation: DeliveryOperation,
    /// What is to be sent, with placeholders for parents; nothing where it is deleted.
    pub payload: Option<String>,
    /// Names of the parents that the target must know first.
    pub parent_names: Vec<String>,
    /// Their types, in the same order.
    pub parent_entities: Vec<String>,
    /// Their canonical ids, in the same order.
    pub parent_ids: Vec<CanonicalId>,
}

/// What routing a batch did.
#[derive(Debug, Clone, Default)]
pub struct Routed {
    /// The ordering keys that may have something to send.
    pub wakes: BTreeSet<Wake>,
}

/// An event that ended at L4 without a delivery, with the flow and how it ended, as JSON.
pub type Ends<'a> = BTreeMap<(Uuid, &'a str), String>;

impl Database {
    /// Writes the deliveries of a batch of one tenant, lets them take the place of older ones of
    /// the same record, and takes their events out of the barrier. `superseded` are events whose
    /// record has moved on.
    ///
    /// A delivery that is there already is left as it is; its wake is given again. One of a version that is not the
    /// record's newest any more is not written: whoever routes the newest may have been faster.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of the batch is written.
    pub async fn store_deliveries(
        &self,
        tenant: &Tenant,
        now: Timestamp,
        deliveries: &[NewDelivery],
        superseded: &[(EventId, FlowId)],
    ) -> Result<Routed, StoreError> {
        let (newest, freed) = self
            .transaction(async |transaction| {
                let (newest, outdated) = of_newest(transaction, tenant, deliveries).await?;
                let mut batch = Batch { tenant, now, deliveries: newest, places: HashMap::new() };
                let freed = batch.supersede(transaction).await?;
                batch.insert(transaction).await?;
                batch.leave_barrier(transaction).await?;
                let outcome = crate::canonical::end(fluxnex_core::event::FlowOutcome::Superseded, None);
                let moved_on = superseded.iter().map(|(event, flow)| (event.0, flow.as_str()));
                let outdated = outdated.iter().map(|delivery| (delivery.event.0, delivery.flow.as_str()));
                let ends: Ends<'_> = moved_on.chain(outdated).map(|ended| (ended, outcome.clone())).collect();
                end_events(transaction, tenant, &ends).await?;
                Ok((batch.deliveries, freed))
            })
            .await?;
        let wakes = newest
            .iter()
            .filter(|delivery| delivery.state == DeliveryState::Pending)
            .map(|delivery| Wake {
                tenant: tenant.id.clone(),
                target: delivery.target.clone(),
                ordering_key: delivery.ordering_key.clone(),
            })
            .chain(freed)
            .collect();
        Ok(Routed { wakes })
    }
}

/// Deliveries of the newest versions of their records, and the others. The records are locked: of two invocations
/// that route versions of one record, the second sees what the first wrote.
async fn of_newest<'a>(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    deliveries: &'a [NewDelivery],
) -> Result<(Vec<&'a NewDelivery>, Vec<&'a NewDelivery>), StoreError> {
    let ids: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.canonical_id.0).collect();
    let entities: Vec<&str> = deliveries.iter().map(|delivery| delivery.entity.as_str()).collect();
    let sql = format!(
        "SELECT r.canonical_id, r.entity, r.version FROM {}.canonical_records r
         WHERE r.tenant = $1 AND (r.canonical_id, r.entity) IN (SELECT * FROM unnest($2::uuid[], $3::text[]))
         ORDER BY 1, 2 FOR NO KEY UPDATE",
        tenant.schema()
    );
    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
        [(&tenant.id.as_str(), Type::TEXT), (&ids, Type::UUID_ARRAY), (&entities, Type::TEXT_ARRAY)];
    let mut versions: HashMap<(Uuid, String), i64> = HashMap::new();
    for row in transaction.query_typed(&sql, &parameters).await? {
        versions.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
    }
    Ok(deliveries.iter().partition(|delivery| {
        let key = (delivery.canonical_id.0, delivery.entity.as_str().to_owned());
        versions.get(&key).is_none_or(|newest| delivery.version >= *newest)
    }))
}

/// One batch in its transaction.
struct Batch<'a> {
    tenant: &'a Tenant,
    now: Timestamp,
    deliveries: Vec<&'a NewDelivery>,
    /// Places that are not the events' own, by index of the new delivery.
    places: HashMap<usize, Place>,
}

/// Where a delivery stands in its ordering key.
type Place = (Timestamp, Uuid);

/// The place right behind another one: timestamps are stored in microseconds.
fn behind(place: Place) -> Place {
    (place.0.checked_add(SignedDuration::from_micros(1)).unwrap_or(Timestamp::MAX), place.1)
}

impl Batch<'_> {
    /// A newer version takes the place of open ones of the same record and target, if it has their ordering key, and
    /// ends them in any case. It stands behind one that is being sent or whose outcome is unknown, whichever event
    /// arrived first: versions of a record go in the order of their source. Gives the other keys that ended ones stood in.
    async fn supersede(&mut self, transaction: &Transaction<'_>) -> Result<Vec<Wake>, StoreError> {
        let rows = self.open_of_records(transaction).await?;
        let (mut ended, mut freed): (Vec<Uuid>, Vec<Wake>) = (Vec::new(), Vec::new());
        let mut in_doubt: Vec<(usize, Place)> = Vec::new();
        for row in &rows {
            let state: &str = row.try_get(6)?;
            let gives_way = DeliveryState::from_stored(state).is_some_and(DeliveryState::gives_way);
            let (target, flow, entity): (&str, &str, &str) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            let object: &str = row.try_get(11)?;
            let (id, version): (Uuid, (i64, i32)) = (row.try_get(4)?, (row.try_get(5)?, row.try_get(10)?));
            let place: Place = (row.try_get(7)?, row.try_get(8)?);
            let newer = self.deliveries.iter().enumerate().find(|(_, new)| {
                new.target.as_str() == target
                    && new.object.as_str() == object
                    && new.entity.as_str() == entity
                    && new.canonical_id.0 == id
                    && (new.version, new.revision) > version
                    // What is not sent takes no place from another flow's.
                    && (new.state != DeliveryState::Skipped || new.flow.as_str() == flow)
            });
            let Some((index, new)) = newer else { continue };
            let ordering_key: &str = row.try_get(9)?;
            if !gives_way {
                in_doubt.push((index, place));
                continue;
            }
            ended.push(row.try_get(0)?);
            if new.ordering_key == ordering_key {
                let taken = self.places.entry(index).or_insert(place);
                *taken = place.min(*taken);
            } else {
                // A place says nothing in another key; what stood behind the older one may go now.
                let (tenant, target) = (self.tenant.id.clone(), new.target.clone());
                freed.push(Wake { tenant, target, ordering_key: ordering_key.to_owned() });
            }
        }
        for (index, place) in in_doubt {
            let own = self.place(index);
            self.places.insert(index, own.max(behind(place)));
        }
        self.end(transaction, &ended).await?;
        Ok(freed)
    }

    /// The open deliveries of the batch's records at its targets, locked.
    async fn open_of_records(&self, transaction: &Transaction<'_>) -> Result<Vec<Row>, StoreError> {
        let targets: Vec<&str> = self.deliveries.iter().map(|delivery| delivery.target.as_str()).collect();
        let ids: Vec<Uuid> = self.deliveries.iter().map(|delivery| delivery.canonical_id.0).collect();
        let sql = format!(
            "SELECT d.delivery, d.target, d.flow, d.entity, d.canonical_id, d.version, d.state, d.place_at, d.place_event,
                    d.ordering_key, d.revision, d.object
             FROM {}.deliveries d
             WHERE d.tenant = $1 AND d.state IN ('pending', 'sending', 'failed', 'held')
               AND (d.target, d.canonical_id) IN (SELECT * FROM unnest($2::text[], $3::uuid[]))
             ORDER BY d.delivery FOR UPDATE",
            self.tenant.schema()
        );
        Ok(transaction
            .query_typed(
                &sql,
                &[(&self.tenant.id.as_str(), Type::TEXT), (&targets, Type::TEXT_ARRAY), (&ids, Type::UUID_ARRAY)],
            )
            .await?)
    }

    /// Ends deliveries whose place was taken.
    async fn end(&self, transaction: &Transaction<'_>, ended: &[Uuid]) -> Result<(), StoreError> {
        if ended.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "UPDATE {}.deliveries SET state = $3, updated_at = $4, payload = NULL, blocked_on = NULL
             WHERE tenant = $1 AND delivery = ANY($2)",
            self.tenant.schema()
        );
        transaction
            .execute_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&ended, Type::UUID_ARRAY),
                    (&DeliveryState::Superseded.as_str(), Type::TEXT),
                    (&self.now, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        Ok(())
    }

    /// The place of a new delivery: one it was given, or the arrival of its event.
    fn place(&self, index: usize) -> Place {
        let own = || self.deliveries.get(index).map(|delivery| (delivery.arrived_at, delivery.event.0));
        self.places.get(&index).copied().or_else(own).unwrap_or((Timestamp::MAX, Uuid::max()))
    }

    async fn insert(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        if self.deliveries.is_empty() {
            return Ok(());
        }
        let text = |field: fn(&NewDelivery) -> &str| {
            self.deliveries.iter().map(|delivery| field(delivery)).collect::<Vec<&str>>()
        };
        let ids: Vec<Uuid> = self.deliveries.iter().map(|delivery| delivery.delivery.0).collect();
        let canonical: Vec<Uuid> = self.deliveries.iter().map(|delivery| delivery.canonical_id.0).collect();
        let versions: Vec<i64> = self.deliveries.iter().map(|delivery| delivery.version).collect();
        let revisions: Vec<i32> = self.deliveries.iter().map(|delivery| delivery.revision).collect();
        let events: Vec<Uuid> = self.deliveries.iter().map(|delivery| delivery.event.0).collect();
        let places: Vec<Place> = (0..self.deliveries.len()).map(|index| self.place(index)).collect();
        let place_at: Vec<Timestamp> = places.iter().map(|place| place.0).collect();
        let place_event: Vec<Uuid> = places.iter().map(|place| place.1).collect();
        let settled = |(place, delivery): (&Place, &&NewDelivery)| {
            place.0.checked_add(delivery.settle).map_or(self.now, |settled| settled.max(self.now))
        };
        let next: Vec<Timestamp> = places.iter().zip(&self.deliveries).map(settled).collect();
        let reasons: Vec<Option<&str>> = self.deliveries.iter().map(|delivery| delivery.reason.as_deref()).collect();
        let payloads: Vec<Option<JsonText<'_>>> =
            self.deliveries.iter().map(|delivery| delivery.payload.as_deref().map(JsonText)).collect();
        let joined = |texts: &[String]| texts.join("\u{1f}");
        let names: Vec<String> = self.deliveries.iter().map(|delivery| joined(&delivery.parent_names)).collect();
        let entities: Vec<String> = self.deliveries.iter().map(|delivery| joined(&delivery.parent_entities)).collect();
        let parents: Vec<String> = self
            .deliveries
            .iter()
            .map(|delivery| joined(&delivery.parent_ids.iter().map(ToString::to_string).collect::<Vec<_>>()))
            .collect();
        let sql = format!(
            "INSERT INTO {}.deliveries (tenant, delivery, target, object, flow, entity, canonical_id, version, revision,
                 event, ordering_key, place_at, place_event, state, reason, payload, parent_names, parent_entities,
                 parent_ids, next_attempt_at, woken_at, created_at, updated_at, operation)
             SELECT $1, k.delivery, k.target, k.object, k.flow, k.entity, k.canonical_id, k.version, k.revision, k.event,
                    k.ordering_key, k.place_at, k.place_event, k.state, k.reason, k.payload,
                    string_to_array(k.names, $20), string_to_array(k.entities, $20),
                    string_to_array(k.parents, $20)::uuid[], k.next_at, $2, $2, $2, k.operation
             FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::int8[], $10::int4[],
                 $11::uuid[], $12::text[], $13::timestamptz[], $14::uuid[], $15::text[], $16::text[], $17::json[],
                 $18::text[], $19::text[], $21::text[], $22::text[], $23::timestamptz[])
                 k (delivery, target, object, flow, entity, canonical_id, version, revision, event, ordering_key,
                    place_at, place_event, state, reason, payload, names, entities, parents, operation, next_at)
             ON CONFLICT (target, flow, entity, canonical_id, version, revision) DO NOTHING",
            self.tenant.schema()
        );
        transaction
            .execute_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&self.now, Type::TIMESTAMPTZ),
                    (&ids, Type::UUID_ARRAY),
                    (&text(|delivery| delivery.target.as_str()), Type::TEXT_ARRAY),
                    (&text(|delivery| delivery.object.as_str()), Type::TEXT_ARRAY),
                    (&text(|delivery| delivery.flow.as_str()), Type::TEXT_ARRAY),
                    (&text(|delivery| delivery.entity.as_str()), Type::TEXT_ARRAY),
                    (&canonical, Type::UUID_ARRAY),
                    (&versions, Type::INT8_ARRAY),
                    (&revisions, Type::INT4_ARRAY),
                    (&events, Type::UUID_ARRAY),
                    (&text(|delivery| delivery.ordering_key.as_str()), Type::TEXT_ARRAY),
                    (&place_at, Type::TIMESTAMPTZ_ARRAY),
                    (&place_event, Type::UUID_ARRAY),
                    (&text(|delivery| delivery.state.as_str()), Type::TEXT_ARRAY),
                    (&reasons, Type::TEXT_ARRAY),
                    (&payloads, Type::JSON_ARRAY),
                    (&names, Type::TEXT_ARRAY),
                    (&entities, Type::TEXT_ARRAY),
                    (&"\u{1f}", Type::TEXT),
                    (&parents, Type::TEXT_ARRAY),
                    (&text(|delivery| delivery.operation.as_str()), Type::TEXT_ARRAY),
                    (&next, Type::TIMESTAMPTZ_ARRAY),
                ],
            )
            .await?;
        Ok(())
    }

    async fn leave_barrier(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let events: Vec<Uuid> = self.deliveries.iter().map(|delivery| delivery.event.0).collect();
        let flows: Vec<&str> = self.deliveries.iter().map(|delivery| delivery.flow.as_str()).collect();
        let sql = format!(
            "DELETE FROM {}.in_flight i USING unnest($2::uuid[], $3::text[]) k (event, flow)
             WHERE i.tenant = $1 AND i.event = k.event AND i.flow = k.flow",
            self.tenant.schema()
        );
        transaction
            .execute_typed(
                &sql,
                &[(&self.tenant.id.as_str(), Type::TEXT), (&events, Type::UUID_ARRAY), (&flows, Type::TEXT_ARRAY)],
            )
            .await?;
        Ok(())
    }
}
