//! Customers that are in the replica, and canonical records of them, without the functions that bring them there.

use crate::setting::Setting;
use fluxnex_cloud::clock::Clock;
use fluxnex_core::canonical::canonical_id;
use fluxnex_core::content::ContentHash;
use fluxnex_core::ids::{ConnectionId, EventId, FlowId, ObjectName, SenderEventId, SourceId};
use fluxnex_core::mapping::Json;
use fluxnex_core::message::EventSource;
use fluxnex_core::replica::Place;
use fluxnex_store::{Incoming, IncomingRecord, Normalised, NormalisedWork, SourceRecordKey};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

impl Setting {
    /// Puts an account into the replica, as JSON text; and, if that is asked for, what the running flow `customers` makes
    /// of it into the canonical store.
    pub async fn store_account(&self, id: &str, payload: &str, normalised: bool) {
        self.clock.advance(Duration::from_millis(1));
        let tenant = self.database.tenant(&self.tenant).await.unwrap();
        let key = SourceRecordKey {
            connection: ConnectionId::parse("revenova").unwrap(),
            object: ObjectName::parse("Account").unwrap(),
            source_id: SourceId::parse(id).unwrap(),
        };
        let event = EventId(self.clock.new_id());
        let arrived_at = self.clock.now();
        let incoming = Incoming {
            event,
            connection: key.connection.clone(),
            sender_event_id: SenderEventId::parse(Uuid::new_v4().to_string()).unwrap(),
            derived: false,
            source: EventSource::Webhook,
            arrived_at,
            record: IncomingRecord::State {
                object: key.object.clone(),
                source_id: key.source_id.clone(),
                source_version: None,
                deleted: serde_json::from_str::<Value>(payload).unwrap()["IsDeleted"] == true,
                content: ContentHash::of_json(payload).unwrap(),
                payload: payload.to_owned(),
            },
        };
        self.database.replicate(&tenant, arrived_at, &[incoming]).await.unwrap();
        if !normalised {
            return;
        }
        let flow = &tenant.configuration().flows[&FlowId::parse("customers").unwrap()];
        let record = Json::parse("record", payload).unwrap();
        let mapped = flow.to_entity(&record, &[], &key.source_id, None).unwrap();
        let work = NormalisedWork::Store {
            entity: flow.definition.entity.clone(),
            canonical_id: canonical_id(&key.connection, &key.object, &key.source_id),
            data: mapped.data,
            content: mapped.content,
            parents: Vec::new(),
            place: Place { source_version: None, arrived_at, event },
        };
        let item = Normalised { event, flow: flow.id.clone(), record: key, work };
        self.database.store_normalised(&tenant, arrived_at, &[item]).await.unwrap();
    }
}
