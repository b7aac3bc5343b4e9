//! The ordering keys of a batch of events, where a flow makes them by an expression over the record.

use super::{Incoming, IncomingRecord};
use fluxnex_core::bundle::Configuration;
use fluxnex_core::flow::Flow;
use fluxnex_core::ids::{EventId, FlowId, ObjectName, SourceId};
use std::collections::HashMap;

/// By event and flow; only of flows that order by an expression.
pub(super) struct OrderingKeys(HashMap<(EventId, FlowId), String>);

impl OrderingKeys {
    /// Runs the expressions. A record of which one fails keeps its own key until `normalise` ends its event with the
    /// reason.
    pub(super) fn of(configuration: &Configuration, incoming: &[&Incoming]) -> Self {
        let mut keys = HashMap::new();
        for event in incoming {
            let IncomingRecord::State { object, source_id, payload, .. } = &event.record else { continue };
            let flows = configuration.flows_of(&event.connection, object);
            for flow in flows.filter(|flow| flow.orders_by_expression()) {
                if let Ok(key) = flow.ordering_key_of(object, source_id, payload) {
                    keys.insert((event.event, flow.id.clone()), key);
                }
            }
        }
        Self(keys)
    }

    /// The key of the record that an event brought.
    pub(super) fn get(&self, event: EventId, flow: &Flow, object: &ObjectName, source_id: &SourceId) -> String {
        let made = self.0.get(&(event, flow.id.clone())).cloned();
        made.unwrap_or_else(|| flow.ordering_key(object, source_id))
    }
}
