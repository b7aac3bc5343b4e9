//! What a folded batch writes about its events: their states, the history, and what is in flight.

use super::batch::Batch;
use super::writes::Rows;
use super::{Incoming, IncomingRecord, Registered};
use crate::error::StoreError;
use crate::gate::Transaction;
use crate::json::JsonText;
use fluxnex_core::event::{EventState, FlowOutcome};
use jiff::Timestamp;
use serde_json::json;
use tokio_postgres::types::Type;
use uuid::Uuid;

impl Batch<'_> {
    pub(super) async fn write_events(
        &self,
        transaction: &Transaction<'_>,
        new: &[(&Incoming, &Registered)],
        rows: &Rows,
    ) -> Result<(), StoreError> {
        if new.is_empty() {
            return Ok(());
        }
        let events: Vec<Uuid> = new.iter().map(|(incoming, _)| incoming.event.0).collect();
        let connections: Vec<&str> = new.iter().map(|(incoming, _)| incoming.connection.as_str()).collect();
        let ids: Vec<&str> = new.iter().map(|(incoming, _)| incoming.sender_event_id.as_str()).collect();
        let record = |incoming: &Incoming| match &incoming.record {
            IncomingRecord::State { object, source_id, .. } => Some((object.to_string(), source_id.to_string())),
            IncomingRecord::Nothing | IncomingRecord::Unreadable { .. } => None,
        };
        let objects: Vec<Option<String>> =
            new.iter().map(|(incoming, _)| record(incoming).map(|(object, _)| object)).collect();
        let source_ids: Vec<Option<String>> =
            new.iter().map(|(incoming, _)| record(incoming).map(|(_, id)| id)).collect();
        let sources: Vec<&str> = new.iter().map(|(incoming, _)| incoming.source.as_str()).collect();
        let arrived: Vec<Timestamp> = new.iter().map(|(incoming, _)| incoming.arrived_at).collect();
        let states: Vec<&str> = new.iter().map(|(_, registered)| registered.state.as_str()).collect();
        let reasons: Vec<Option<&str>> = new.iter().map(|(_, registered)| registered.reason.as_deref()).collect();
        let outcomes: Vec<String> = new.iter().map(|(_, registered)| self.outcomes(registered, rows)).collect();
        let outcomes: Vec<JsonText<'_>> = outcomes.iter().map(|text| JsonText(text)).collect();
        let sql = format!(
            "INSERT INTO {}.events (tenant, event, connection, sender_event_id, object, source_id, source, arrived_at,
                 state, reason, outcomes, registered_at)
             SELECT $1, k.*, $2 FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                 $9::timestamptz[], $10::text[], $11::text[], $12::jsonb[]) k",
            self.schema()
        );
        transaction
            .execute_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&self.now, Type::TIMESTAMPTZ),
                    (&events, Type::UUID_ARRAY),
                    (&connections, Type::TEXT_ARRAY),
                    (&ids, Type::TEXT_ARRAY),
                    (&objects, Type::TEXT_ARRAY),
                    (&source_ids, Type::TEXT_ARRAY),
                    (&sources, Type::TEXT_ARRAY),
                    (&arrived, Type::TIMESTAMPTZ_ARRAY),
                    (&states, Type::TEXT_ARRAY),
                    (&reasons, Type::TEXT_ARRAY),
                    (&outcomes, Type::JSONB_ARRAY),
                ],
            )
            .await?;
        Ok(())
    }

    /// An event whose content a later event of the same batch replaced has ended in every flow.
    fn outcomes(&self, registered: &Registered, rows: &Rows) -> String {
        let Some(key) = &registered.changed else { return "{}".to_owned() };
        if rows.get(key).is_none_or(|row| row.event == registered.event) {
            return "{}".to_owned();
        }
        let superseded = json!({ "state": FlowOutcome::Superseded.as_str() });
        let flows = self.tenant.configuration().flows_of(&key.connection, &key.object);
        flows.map(|flow| (flow.id.to_string(), superseded.clone())).collect::<serde_json::Value>().to_string()
    }

    pub(super) async fn write_history(
        &self,
        transaction: &Transaction<'_>,
        new: &[(&Incoming, &Registered)],
    ) -> Result<(), StoreError> {
        let versions: Vec<_> = new
            .iter()
            .filter(|(_, registered)| matches!(registered.state, EventState::Changed | EventState::Filtered))
            .filter_map(|(incoming, _)| match &incoming.record {
                IncomingRecord::State { object, source_id, source_version, deleted, payload, .. } => {
                    Some((*incoming, object.as_str(), source_id.as_str(), *source_version, *deleted, payload.as_str()))
                }
                IncomingRecord::Nothing | IncomingRecord::Unreadable { .. } => None,
            })
            .collect();
        if versions.is_empty() {
            return Ok(());
        }
        let connections: Vec<&str> = versions.iter().map(|version| version.0.connection.as_str()).collect();
        let objects: Vec<&str> = versions.iter().map(|version| version.1).collect();
        let source_ids: Vec<&str> = versions.iter().map(|version| version.2).collect();
        let events: Vec<Uuid> = versions.iter().map(|version| version.0.event.0).collect();
        let source_versions: Vec<Option<i64>> = versions.iter().map(|version| version.3).collect();
        let arrived: Vec<Timestamp> = versions.iter().map(|version| version.0.arrived_at).collect();
        let payloads: Vec<JsonText<'_>> = versions.iter().map(|version| JsonText(version.5)).collect();
        let deleted: Vec<bool> = versions.iter().map(|version| version.4).collect();
        let sql = format!(
            "INSERT INTO {}.source_record_versions (tenant, connection, object, source_id, event, source_version,
                 arrived_at, payload, deleted, recorded_at)
             SELECT $1, k.*, $2 FROM unnest($3::text[], $4::text[], $5::text[], $6::uuid[], $7::int8[],
                 $8::timestamptz[], $9::json[], $10::bool[]) k
             ON CONFLICT DO NOTHING",
            self.schema()
        );
        transaction
            .execute_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&self.now, Type::TIMESTAMPTZ),
                    (&connections, Type::TEXT_ARRAY),
                    (&objects, Type::TEXT_ARRAY),
                    (&source_ids, Type::TEXT_ARRAY),
                    (&events, Type::UUID_ARRAY),
                    (&source_versions, Type::INT8_ARRAY),
                    (&arrived, Type::TIMESTAMPTZ_ARRAY),
                    (&payloads, Type::JSON_ARRAY),
                    (&deleted, Type::BOOL_ARRAY),
                ],
            )
            .await?;
        Ok(())
    }

    /// New content ends the older events of the record that have not become deliveries yet.
    pub(super) async fn supersede(&self, transaction: &Transaction<'_>, rows: &Rows) -> Result<(), StoreError> {
        let updated: Vec<_> =
            rows.iter().filter(|(_, row)| row.existed && row.content_from.is_some()).map(|(key, _)| key).collect();
        if updated.is_empty() {
            return Ok(());
        }
        let [connections, objects, source_ids] = super::columns(updated.into_iter());
        let schema = self.schema();
        let sql = format!(
            "WITH ended AS (
                 DELETE FROM {schema}.in_flight i
                 USING unnest($2::text[], $3::text[], $4::text[]) k (connection, object, source_id)
                 WHERE i.tenant = $1 AND i.connection = k.connection AND i.object = k.object AND i.source_id = k.source_id
                 RETURNING i.event, i.flow
             ), flows AS (
                 SELECT event, jsonb_object_agg(flow, jsonb_build_object('state', $5::text)) AS outcomes FROM ended GROUP BY event
             )
             UPDATE {schema}.events e SET outcomes = e.outcomes || flows.outcomes
             FROM flows WHERE e.event = flows.event AND e.tenant = $1"
        );
        transaction
            .execute_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&connections, Type::TEXT_ARRAY),
                    (&objects, Type::TEXT_ARRAY),
                    (&source_ids, Type::TEXT_ARRAY),
                    (&FlowOutcome::Superseded.as_str(), Type::TEXT),
                ],
            )
            .await?;
        Ok(())
    }

    /// What each head of an ordering key must wait for, until L4 has made deliveries of it.
    pub(super) async fn write_in_flight(&self, transaction: &Transaction<'_>, rows: &Rows) -> Result<(), StoreError> {
        let mut columns: [Vec<String>; 6] = Default::default();
        let (mut events, mut arrived): (Vec<Uuid>, Vec<Timestamp>) = (Vec::new(), Vec::new());
        for (key, row) in rows.iter().filter(|(_, row)| row.content_from.is_some()) {
            for flow in self.tenant.configuration().flows_of(&key.connection, &key.object) {
                for target in &flow.targets {
                    let [flows, targets, connections, objects, source_ids, ordering_keys] = &mut columns;
                    flows.push(flow.id.to_string());
                    targets.push(target.connection.to_string());
                    connections.push(key.connection.to_string());
                    objects.push(key.object.to_string());
                    source_ids.push(key.source_id.to_string());
                    ordering_keys.push(self.keys.get(row.event, flow, &key.object, &key.source_id));
                    events.push(row.event.0);
                    arrived.push(row.state.place.arrived_at);
                }
            }
        }
        if events.is_empty() {
            return Ok(());
        }
        let [flows, targets, connections, objects, source_ids, ordering_keys] = &columns;
        let sql = format!(
            "INSERT INTO {}.in_flight (tenant, event, flow, target, connection, object, source_id, ordering_key,
                 arrived_at, since, woken_at)
             SELECT $1, k.*, $2, $2 FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                 $9::text[], $10::timestamptz[]) k",
            self.schema()
        );
        transaction
            .execute_typed(
                &sql,
                &[
                    (&self.tenant.id.as_str(), Type::TEXT),
                    (&self.now, Type::TIMESTAMPTZ),
                    (&events, Type::UUID_ARRAY),
                    (flows, Type::TEXT_ARRAY),
                    (targets, Type::TEXT_ARRAY),
                    (connections, Type::TEXT_ARRAY),
                    (objects, Type::TEXT_ARRAY),
                    (source_ids, Type::TEXT_ARRAY),
                    (ordering_keys, Type::TEXT_ARRAY),
                    (&arrived, Type::TIMESTAMPTZ_ARRAY),
                ],
            )
            .await?;
        Ok(())
    }
}
