//! One operation through the engine.

use super::{Action, Item, TIMEOUT};
use crate::cases::outcome;
use fluxnex_connect::{
    BatchEntry, BatchRequest, Connection, DeleteRequest, DeliveryRequest, Engine, ListOutcome, ListRequest,
    ReadManyOutcome, ReadOutcome, SendOutcome,
};
use fluxnex_core::ids::ObjectName;
use fluxnex_core::mapping::Json;
use serde_json::{Value, json};

/// Does it, and says what came of it and whether it was done.
pub(super) async fn act(engine: &Engine, connection: &Connection, action: &Action) -> (Value, bool) {
    match action {
        Action::ReadOne { object, id } => {
            let found = engine.read_one(connection, object, id, TIMEOUT).await.outcome;
            let ok = !matches!(found, ReadOutcome::Failed(_));
            let mut outcome = outcome::read(&found);
            if let (ReadOutcome::Found { record }, Some(fields)) = (&found, outcome.as_object_mut()) {
                fields.insert("identified".to_owned(), identified(connection, object, record));
            }
            (outcome, ok)
        }
        Action::ReadMany { object, ids } => {
            let found = engine.read_many(connection, object, ids, TIMEOUT).await.outcome;
            (outcome::read_many(&found), matches!(found, ReadManyOutcome::Found(_)))
        }
        Action::Batch { object, items } => batch(engine, connection, object, items).await,
        Action::Delete { object, key, external_id, target } => {
            let request = DeleteRequest {
                object,
                idempotency_key: key,
                external_id: external_id.as_deref(),
                target: target.clone(),
                timeout: TIMEOUT,
            };
            let deleted = engine.delete(connection, &request).await.outcome;
            (outcome::sent(&deleted), matches!(deleted, SendOutcome::Delivered { .. }))
        }
        Action::List { list, object, position } => {
            let request =
                ListRequest { list: *list, object, position: position.as_ref(), continuation: None, timeout: TIMEOUT };
            let listed = engine.list(connection, &request).await.outcome;
            let settings = settings(connection);
            let outcome = outcome::listed(&listed, |record| connection.manifest.identify(object, record, &settings));
            (outcome, matches!(listed, ListOutcome::Listed(_)))
        }
        Action::Send { object, payload, key, external_id, target } => {
            let request = DeliveryRequest {
                object,
                payload,
                idempotency_key: key,
                external_id: external_id.as_deref(),
                target: target.clone(),
                timeout: TIMEOUT,
            };
            let sent = engine.send(connection, &request).await.outcome;
            (outcome::sent(&sent), matches!(sent, SendOutcome::Delivered { .. }))
        }
    }
}

/// It is done if every record was taken.
async fn batch(engine: &Engine, connection: &Connection, object: &ObjectName, items: &[Item]) -> (Value, bool) {
    let entries: Vec<BatchEntry<'_>> = items
        .iter()
        .map(|item| BatchEntry {
            payload: &item.payload,
            idempotency_key: &item.key,
            external_id: item.external_id.as_deref(),
            target: item.target.clone(),
        })
        .collect();
    let request = BatchRequest { object, entries: &entries, timeout: TIMEOUT };
    let sent = engine.send_batch(connection, &request).await.outcomes;
    let ok = sent.iter().all(|sent| matches!(sent, SendOutcome::Delivered { .. }));
    (outcome::batch(&sent), ok)
}

/// What the connector's `identify` makes of a record.
fn identified(connection: &Connection, object: &ObjectName, record: &str) -> Value {
    match connection.manifest.identify(object, record, &settings(connection)) {
        Ok(found) => json!({"id": found.id, "version": found.version, "deleted": found.deleted}),
        Err(error) => json!({"error": error.to_string()}),
    }
}

fn settings(connection: &Connection) -> Json {
    let settings = connection.manifest.settings(&connection.settings).unwrap_or_default();
    Json::parse("settings", &json!(settings).to_string()).unwrap_or_else(|_| Json::null())
}
