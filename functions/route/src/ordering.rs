//! Ordering keys of flows that make them of the source record.

use crate::{Route, batch_error};
use fluxnex_core::flow::Flow;
use fluxnex_core::ids::EventId;
use fluxnex_lambda::batch::BatchError;
use fluxnex_store::{CanonicalRow, SourceRecordKey, Tenant};
use std::collections::{BTreeSet, HashMap};

/// The source records that the canonical versions of a batch were made of, as JSON text; only those of which an ordering
/// key is made. What the source has of them by now may have another one.
pub(crate) struct Payloads(HashMap<(SourceRecordKey, EventId), String>);

impl Route {
    /// Reads the source records that ordering keys are made of.
    pub(crate) async fn payloads(
        &self,
        tenant: &Tenant,
        rows: impl Iterator<Item = &CanonicalRow>,
    ) -> Result<Payloads, BatchError> {
        let configuration = tenant.configuration();
        let needed = rows.filter(|row| {
            let mut flows = configuration.flows_of(&row.source.connection, &row.source.object);
            flows.any(Flow::orders_by_expression)
        });
        let states: BTreeSet<(SourceRecordKey, EventId)> = needed.map(|row| (row.source.clone(), row.event)).collect();
        if states.is_empty() {
            return Ok(Payloads(HashMap::new()));
        }
        let states: Vec<_> = states.into_iter().collect();
        let payloads = self.tenants.database().payloads_at(tenant, &states).await;
        Ok(Payloads(payloads.map_err(|error| batch_error(&error))?))
    }
}

impl Payloads {
    /// The ordering key of a record. One that could not be made ended the event before it came here; after a change of the
    /// flow in between it is the record's own.
    pub(crate) fn ordering_key(&self, flow: &Flow, row: &CanonicalRow) -> String {
        let (object, source_id) = (&row.source.object, &row.source.source_id);
        let payload = self.0.get(&(row.source.clone(), row.event));
        let made = payload.and_then(|payload| flow.ordering_key_of(object, source_id, payload).ok());
        made.unwrap_or_else(|| flow.ordering_key(object, source_id))
    }
}
