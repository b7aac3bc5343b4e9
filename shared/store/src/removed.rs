//! What is under way in flows, or to connections, that a tenant's configuration no longer has.

use crate::connection::Database;
use crate::error::StoreError;
use crate::tenant::Tenant;
use fluxnex_core::ledger::DeliveryState;
use jiff::Timestamp;
use tokio_postgres::types::{ToSql, Type};

/// Why an event ended.
const FLOW: &str = "the flow takes this record no more";
/// Why a delivery did.
const CONNECTION: &str = "its connection was removed";
/// Why one did that may have taken effect.
const CONNECTION_IN_DOUBT: &str = "its connection was removed before its outcome was known";

/// How much came to its end because a configuration no longer has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Events that were on their way in a flow that is gone, or that takes another object now.
    pub events: i64,
    /// Deliveries to a connection that is gone.
    pub deliveries: i64,
}

impl Database {
    /// Cancels what nothing carries on any more: events between L2 and L4 whose flow is gone, with their waits, and
    /// deliveries whose target is. What is younger than `known_since` stays: `tenant` may be remembered from before
    /// it was configured.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_removed(
        &self,
        tenant: &Tenant,
        now: Timestamp,
        known_since: Timestamp,
    ) -> Result<Removed, StoreError> {
        let configuration = tenant.configuration();
        let sources: Vec<_> = configuration.flows.values().map(|flow| (&flow.id, &flow.definition.source)).collect();
        let flows: Vec<&str> = sources.iter().map(|(flow, _)| flow.as_str()).collect();
        let connections: Vec<&str> = sources.iter().map(|(_, source)| source.connection.as_str()).collect();
        let objects: Vec<&str> = sources.iter().map(|(_, source)| source.object.as_str()).collect();
        let targets: Vec<&str> = configuration.connections.keys().map(|connection| connection.as_str()).collect();
        let schema = tenant.schema();
        let sql = format!(
            "WITH running AS (
                 SELECT * FROM unnest($4::text[], $5::text[], $6::text[]) k (flow, connection, object)
             ), waits AS (
                 DELETE FROM {schema}.waiting_records w WHERE w.tenant = $1 AND w.since < $3 AND NOT EXISTS (
                     SELECT 1 FROM running k
                     WHERE k.flow = w.flow AND k.connection = w.connection AND k.object = w.object)
             ), gone AS (
                 DELETE FROM {schema}.in_flight i WHERE i.tenant = $1 AND i.since < $3 AND NOT EXISTS (
                     SELECT 1 FROM running k
                     WHERE k.flow = i.flow AND k.connection = i.connection AND k.object = i.object)
                 RETURNING i.event, i.flow
             ), ended AS (
                 UPDATE {schema}.events e SET outcomes = e.outcomes || k.outcomes
                 FROM (SELECT event, jsonb_object_agg(flow, jsonb_build_object('state', $8::text, 'reason', $9::text))
                           AS outcomes
                       FROM gone GROUP BY event) k
                 WHERE e.tenant = $1 AND e.event = k.event RETURNING 1
             ), cancelled AS (
                 UPDATE {schema}.deliveries d
                 SET state = $8, reason = CASE d.state WHEN 'sending' THEN $11 ELSE $10 END, blocked_on = NULL,
                     claimed_until = NULL, updated_at = $2
                 WHERE d.tenant = $1 AND d.created_at < $3 AND d.target <> ALL($7)
                   AND (d.state = 'pending' OR d.state = 'sending' AND d.claimed_until <= $2)
                 RETURNING 1
             )
             SELECT (SELECT count(*) FROM ended), (SELECT count(*) FROM cancelled)"
        );
        let parameters: [(&(dyn ToSql + Sync), Type); 11] = [
            (&tenant.id.as_str(), Type::TEXT),
            (&now, Type::TIMESTAMPTZ),
            (&known_since, Type::TIMESTAMPTZ),
            (&flows, Type::TEXT_ARRAY),
            (&connections, Type::TEXT_ARRAY),
            (&objects, Type::TEXT_ARRAY),
            (&targets, Type::TEXT_ARRAY),
            (&DeliveryState::Cancelled.as_str(), Type::TEXT),
            (&FLOW, Type::TEXT),
            (&CONNECTION, Type::TEXT),
            (&CONNECTION_IN_DOUBT, Type::TEXT),
        ];
        let rows = self.query(&sql, &parameters).await?;
        let Some(row) = rows.first() else { return Ok(Removed::default()) };
        Ok(Removed { events: row.try_get(0)?, deliveries: row.try_get(1)? })
    }
}
