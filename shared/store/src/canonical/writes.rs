//! What a normalised batch writes: one statement per table.

use super::{Batch, Key, NO_DATA, NewVersion, Normalised, NormalisedWork, Stored};
use crate::error::StoreError;
use crate::fetches::{self, WantedFetch};
use crate::gate::Transaction;
use crate::json::JsonText;
use crate::waiting::MissingParent;
use fluxnex_core::event::FlowOutcome;
use fluxnex_core::ids::CanonicalId;
use fluxnex_core::replica::Place;
use jiff::Timestamp;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use tokio_postgres::types::Type;
use uuid::Uuid;

/// PostgreSQL has no arrays of arrays of different lengths, so lists travel joined by this.
const SEPARATOR: &str = "\u{1f}";

impl Batch<'_> {
    pub(super) async fn write_versions(
        &self,
        transaction: &Transaction<'_>,
        versions: &[NewVersion<'_>],
    ) -> Result<(), StoreError> {
        if versions.is_empty() {
            return Ok(());
        }
        let entities: Vec<&str> = versions.iter().map(|version| version.new.entity.as_str()).collect();
        let ids: Vec<Uuid> = versions.iter().map(|version| version.new.canonical_id.0).collect();
        let numbers: Vec<i64> = versions.iter().map(|version| version.version).collect();
        let data: Vec<JsonText<'_>> =
            versions.iter().map(|version| JsonText(version.new.data.unwrap_or(NO_DATA))).collect();
        let deleted: Vec<bool> = versions.iter().map(|version| version.new.data.is_none()).collect();
        let hashes: Vec<&[u8]> = versions.iter().map(|version| version.new.content.0.as_slice()).collect();
        let joined = |names: Vec<String>| names.join(SEPARATOR);
        let names: Vec<String> = versions
            .iter()
            .map(|version| joined(version.new.parents.iter().map(|parent| parent.name.clone()).collect()))
            .collect();
        let parent_entities: Vec<String> = versions
            .iter()
            .map(|version| joined(version.new.parents.iter().map(|parent| parent.entity.to_string()).collect()))
            .collect();
        let parents: Vec<String> = versions
            .iter()
            .map(|version| joined(version.new.parents.iter().map(|parent| parent.canonical_id.to_string()).collect()))
            .collect();
        let flows: Vec<&str> = versions.iter().map(|version| version.item.flow.as_str()).collect();
        let [connections, objects, source_ids] =
            crate::replica::columns(versions.iter().map(|version| &version.item.record));
        let source_versions: Vec<Option<i64>> =
            versions.iter().map(|version| version.new.place.source_version).collect();
        let arrived: Vec<Timestamp> = versions.iter().map(|version| version.new.place.arrived_at).collect();
        let placed_by: Vec<Uuid> = versions.iter().map(|version| version.new.place.event.0).collect();
        let events: Vec<Uuid> = versions.iter().map(|version| version.item.event.0).collect();
        let sql = format!(
            "INSERT INTO {}.canonical_records AS r (tenant, entity, canonical_id, version, data, content_hash, parent_names,
                 parent_entities, parent_ids, flow, connection, object, source_id, source_version, arrived_at, placed_by, event, stored_at, deleted)
             SELECT $1, k.entity, k.id, k.version, k.data, k.hash, string_to_array(k.names, $17),
                    string_to_array(k.parent_entities, $17), string_to_array(k.parents, $17)::uuid[], k.flow, k.connection, k.object, k.source_id,
                    k.source_version, k.arrived_at, k.placed_by, k.event, $2, k.deleted
             FROM unnest($3::text[], $4::uuid[], $5::int8[], $6::json[], $7::bytea[], $8::text[], $9::text[], $10::text[],
                 $11::text[], $12::text[], $13::text[], $14::int8[], $15::timestamptz[], $16::uuid[], $18::uuid[], $19::text[], $20::bool[])
                 k (entity, id, version, data, hash, names, parents, flow, connection, object, source_id,
                    source_version, arrived_at, placed_by, event, parent_entities, deleted)
             ON CONFLICT (canonical_id, entity) DO UPDATE SET version = excluded.version,
                 data = CASE WHEN excluded.deleted THEN r.data ELSE excluded.data END, deleted = excluded.deleted,
                 content_hash = excluded.content_hash, parent_names = excluded.parent_names,
                 parent_entities = excluded.parent_entities, parent_ids = excluded.parent_ids, flow = excluded.flow, source_version = excluded.source_version,
                 arrived_at = excluded.arrived_at, placed_by = excluded.placed_by, event = excluded.event,
                 stored_at = excluded.stored_at
             RETURNING xmax = 0",
            self.tenant.schema()
        );
        let written = transaction
            .query_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&self.now, Type::TIMESTAMPTZ),
                    (&entities, Type::TEXT_ARRAY),
                    (&ids, Type::UUID_ARRAY),
                    (&numbers, Type::INT8_ARRAY),
                    (&data, Type::JSON_ARRAY),
                    (&hashes, Type::BYTEA_ARRAY),
                    (&names, Type::TEXT_ARRAY),
                    (&parents, Type::TEXT_ARRAY),
                    (&flows, Type::TEXT_ARRAY),
                    (&connections, Type::TEXT_ARRAY),
                    (&objects, Type::TEXT_ARRAY),
                    (&source_ids, Type::TEXT_ARRAY),
                    (&source_versions, Type::INT8_ARRAY),
                    (&arrived, Type::TIMESTAMPTZ_ARRAY),
                    (&placed_by, Type::UUID_ARRAY),
                    (&SEPARATOR, Type::TEXT),
                    (&events, Type::UUID_ARRAY),
                    (&parent_entities, Type::TEXT_ARRAY),
                    (&deleted, Type::BOOL_ARRAY),
                ],
            )
            .await?;
        let inserted = written.iter().filter(|row| matches!(row.try_get::<_, bool>(0), Ok(true))).count();
        let expected = versions.iter().filter(|version| !version.existed).count();
        // A row that appeared since the rows were locked was overwritten unread: start again.
        if inserted == expected { Ok(()) } else { Err(StoreError::Conflict) }
    }

    pub(super) async fn move_places(
        &self,
        transaction: &Transaction<'_>,
        moved: &HashMap<Key, Place>,
    ) -> Result<(), StoreError> {
        if moved.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = moved.keys().map(|(id, _)| id.0).collect();
        let entities: Vec<&str> = moved.keys().map(|(_, entity)| entity.as_str()).collect();
        let source_versions: Vec<Option<i64>> = moved.values().map(|place| place.source_version).collect();
        let arrived: Vec<Timestamp> = moved.values().map(|place| place.arrived_at).collect();
        let placed_by: Vec<Uuid> = moved.values().map(|place| place.event.0).collect();
        let sql = format!(
            "UPDATE {}.canonical_records r SET source_version = k.source_version, arrived_at = k.arrived_at,
                 placed_by = k.placed_by
             FROM unnest($2::uuid[], $3::text[], $4::int8[], $5::timestamptz[], $6::uuid[])
                 k (id, entity, source_version, arrived_at, placed_by)
             WHERE r.tenant = $1 AND r.canonical_id = k.id AND r.entity = k.entity",
            self.tenant.schema()
        );
        transaction
            .execute_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&ids, Type::UUID_ARRAY),
                    (&entities, Type::TEXT_ARRAY),
                    (&source_versions, Type::INT8_ARRAY),
                    (&arrived, Type::TIMESTAMPTZ_ARRAY),
                    (&placed_by, Type::UUID_ARRAY),
                ],
            )
            .await?;
        Ok(())
    }

    /// Every item of the batch ends the waits that its record had; those that still miss a parent
    /// wait anew, so that a newer version takes the place of an older one.
    pub(super) async fn write_waits(
        &self,
        transaction: &Transaction<'_>,
        results: &[Stored],
    ) -> Result<(), StoreError> {
        // A superseded event must not end the wait of the newer one.
        let current: Vec<_> = self
            .items
            .iter()
            .zip(results)
            .filter(|(_, result)| **result != Stored::Ended(FlowOutcome::Superseded))
            .map(|(item, _)| item)
            .collect();
        if current.is_empty() {
            return Ok(());
        }
        let [connections, objects, source_ids] = crate::replica::columns(current.iter().map(|item| &item.record));
        let flows: Vec<&str> = current.iter().map(|item| item.flow.as_str()).collect();
        let schema = self.tenant.schema();
        let sql = format!(
            "DELETE FROM {schema}.waiting_records w
             USING unnest($2::text[], $3::text[], $4::text[], $5::text[]) k (connection, object, source_id, flow)
             WHERE w.tenant = $1 AND w.connection = k.connection AND w.object = k.object
               AND w.source_id = k.source_id AND w.flow = k.flow"
        );
        transaction
            .execute_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&connections, Type::TEXT_ARRAY),
                    (&objects, Type::TEXT_ARRAY),
                    (&source_ids, Type::TEXT_ARRAY),
                    (&flows, Type::TEXT_ARRAY),
                ],
            )
            .await?;
        let mut columns: [Vec<String>; 6] = Default::default();
        let (mut parents, mut events): (Vec<Uuid>, Vec<Uuid>) = (Vec::new(), Vec::new());
        let (mut parent_ids, mut deadlines): (Vec<String>, Vec<Timestamp>) = (Vec::new(), Vec::new());
        for (item, missing, deadline) in self.waits(results) {
            for MissingParent { parent, .. } in missing {
                let [connections, objects, source_ids, flows, entities, parent_objects] = &mut columns;
                connections.push(item.record.connection.to_string());
                objects.push(item.record.object.to_string());
                source_ids.push(item.record.source_id.to_string());
                flows.push(item.flow.to_string());
                entities.push(parent.entity.to_string());
                parent_objects.push(parent.object.to_string());
                parent_ids.push(parent.source_id.to_string());
                parents.push(parent.canonical_id.0);
                events.push(item.event.0);
                deadlines.push(deadline);
            }
        }
        if parents.is_empty() {
            return Ok(());
        }
        let [connections, objects, source_ids, flows, entities, parent_objects] = &columns;
        let sql = format!(
            "INSERT INTO {schema}.waiting_records (tenant, connection, object, source_id, flow, parent_id, parent_entity,
                 parent_object, parent_source_id, event, since, deadline)
             SELECT $1, k.connection, k.object, k.source_id, k.flow, k.parent_id, k.parent_entity, k.parent_object,
                    k.parent_source_id, k.event, $2, k.deadline
             FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::text[], $9::text[], $10::text[],
                 $11::uuid[], $12::timestamptz[]) k (connection, object, source_id, flow, parent_id, parent_entity,
                 parent_object, parent_source_id, event, deadline)
             ON CONFLICT (connection, object, source_id, flow, parent_id)
                 DO UPDATE SET event = excluded.event, deadline = excluded.deadline"
        );
        transaction
            .execute_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&self.now, Type::TIMESTAMPTZ),
                    (connections, Type::TEXT_ARRAY),
                    (objects, Type::TEXT_ARRAY),
                    (source_ids, Type::TEXT_ARRAY),
                    (flows, Type::TEXT_ARRAY),
                    (&parents, Type::UUID_ARRAY),
                    (entities, Type::TEXT_ARRAY),
                    (parent_objects, Type::TEXT_ARRAY),
                    (&parent_ids, Type::TEXT_ARRAY),
                    (&events, Type::UUID_ARRAY),
                    (&deadlines, Type::TIMESTAMPTZ_ARRAY),
                ],
            )
            .await?;
        Ok(())
    }

    /// The items that wait, for which parents, and until when.
    fn waits(&self, results: &[Stored]) -> impl Iterator<Item = (&Normalised, &[MissingParent], Timestamp)> {
        self.items.iter().zip(results).filter_map(|(item, result)| match (&item.work, result) {
            (NormalisedWork::Wait { missing, deadline }, Stored::Waiting) => {
                Some((item, missing.as_slice(), *deadline))
            }
            _ => None,
        })
    }

    /// Missing parents whose source can be asked are noted, once each.
    pub(super) async fn want_parents(
        &self,
        transaction: &Transaction<'_>,
        results: &[Stored],
    ) -> Result<HashSet<CanonicalId>, StoreError> {
        let wanted: Vec<WantedFetch<'_>> = self
            .waits(results)
            .flat_map(|(item, missing, deadline)| {
                missing.iter().filter_map(move |MissingParent { parent, fetch_at }| {
                    Some(WantedFetch {
                        parent: parent.canonical_id,
                        connection: &item.record.connection,
                        object: &parent.object,
                        source_id: &parent.source_id,
                        start_at: (*fetch_at)?,
                        deadline,
                    })
                })
            })
            .collect();
        fetches::want(transaction, self.tenant, self.now, &wanted).await
    }

    /// Events that ended leave the barrier and say how they ended.
    pub(super) async fn write_ends(&self, transaction: &Transaction<'_>, results: &[Stored]) -> Result<(), StoreError> {
        let mut ends: BTreeMap<(Uuid, &str), String> = BTreeMap::new();
        for (item, result) in self.items.iter().zip(results) {
            let Stored::Ended(outcome) = result else { continue };
            let reason = match &item.work {
                NormalisedWork::End { reason, .. } => reason.as_deref(),
                _ => None,
            };
            ends.insert((item.event.0, item.flow.as_str()), end(*outcome, reason));
        }
        end_events(transaction, self.tenant, &ends).await
    }
}

pub(crate) fn end(outcome: FlowOutcome, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => json!({ "state": outcome.as_str(), "reason": reason }).to_string(),
        None => json!({ "state": outcome.as_str() }).to_string(),
    }
}

/// Takes events out of the barrier of a flow and writes down how they ended there.
pub(crate) async fn end_events(
    transaction: &Transaction<'_>,
    tenant: &crate::Tenant,
    ends: &BTreeMap<(Uuid, &str), String>,
) -> Result<(), StoreError> {
    if ends.is_empty() {
        return Ok(());
    }
    let events: Vec<Uuid> = ends.keys().map(|(event, _)| *event).collect();
    let flows: Vec<&str> = ends.keys().map(|(_, flow)| *flow).collect();
    let outcomes: Vec<JsonText<'_>> = ends.values().map(|outcome| JsonText(outcome)).collect();
    let schema = tenant.schema();
    let sql = format!(
        "WITH ends AS (
             SELECT * FROM unnest($2::uuid[], $3::text[], $4::jsonb[]) k (event, flow, outcome)
         ), gone AS (
             DELETE FROM {schema}.in_flight i USING ends k WHERE i.tenant = $1 AND i.event = k.event AND i.flow = k.flow
         )
         UPDATE {schema}.events e SET outcomes = e.outcomes || k.outcomes
         FROM (SELECT event, jsonb_object_agg(flow, outcome) AS outcomes FROM ends GROUP BY event) k
         WHERE e.tenant = $1 AND e.event = k.event"
    );
    transaction
        .execute_typed(
            &sql,
            &[
                (&tenant.id.as_str(), Type::TEXT),
                (&events, Type::UUID_ARRAY),
                (&flows, Type::TEXT_ARRAY),
                (&outcomes, Type::JSONB_ARRAY),
            ],
        )
        .await?;
    Ok(())
}
