//! Does what a case says through the engine, and gives what it came to as the cases write it.

use super::format::{BatchCase, Case, DeleteCase, ListCase, PayloadCase, SendCase, TargetCase};
use super::outcome;
use super::run::{Outcome, read, settings};
use fluxnex_connect::{
    BatchEntry, BatchRequest, Connection, DeleteRequest, DeliveryRequest, Effort, Engine, ListRequest, TargetRecord,
};
use fluxnex_core::poll::{Listing, Position};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use std::path::Path;
use std::time::Duration;

/// How long one case may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a case came to, and what it took.
pub(super) type Acted = Outcome<(Value, Effort)>;

/// Does what the case says, and gives what it came to.
pub(super) async fn act(engine: &Engine, connection: &Connection, folder: &Path, case: &Case) -> Acted {
    let Case { send, delete, batch, read_one, read_many, list_changed, list_deleted, .. } = case;
    match (send, delete, batch, read_one, read_many, list_changed, list_deleted) {
        (Some(send), None, None, None, None, None, None) => act_send(engine, connection, folder, send).await,
        (None, Some(delete), None, None, None, None, None) => Ok(act_delete(engine, connection, delete).await),
        (None, None, Some(batch), None, None, None, None) => act_batch(engine, connection, folder, batch).await,
        (None, None, None, Some(one), None, None, None) => {
            let report = engine.read_one(connection, &one.object, &one.id, TIMEOUT).await;
            Ok((outcome::read(&report.outcome), report.effort))
        }
        (None, None, None, None, Some(many), None, None) => {
            let report = engine.read_many(connection, &many.object, &many.ids, TIMEOUT).await;
            Ok((outcome::read_many(&report.outcome), report.effort))
        }
        (None, None, None, None, None, Some(list), None) => act_list(engine, connection, Listing::Changed, list).await,
        (None, None, None, None, None, None, Some(list)) => act_list(engine, connection, Listing::Deleted, list).await,
        _ => Err((
            "name",
            "a case has one of webhook, send, delete, batch, read_one, read_many, list_changed and list_deleted"
                .to_owned(),
        )),
    }
}

fn payload(folder: &Path, payload: &PayloadCase, at: &'static str) -> Outcome<Box<RawValue>> {
    let no_json = |error: serde_json::Error| (at, format!("it is no JSON: {error}"));
    match payload {
        PayloadCase::File(file) => {
            let text = read(folder, file).map_err(|error| (at, error))?;
            RawValue::from_string(text.trim().to_owned()).map_err(no_json)
        }
        PayloadCase::Record(record) => to_raw_value(record).map_err(no_json),
    }
}

fn target(target: Option<&TargetCase>) -> Option<TargetRecord> {
    target.map(|target| TargetRecord { id: target.id.clone(), version: target.version.clone() })
}

async fn act_send(engine: &Engine, connection: &Connection, folder: &Path, send: &SendCase) -> Acted {
    let payload = payload(folder, &send.payload, "send.payload")?;
    let request = DeliveryRequest {
        object: &send.object,
        payload: &payload,
        idempotency_key: &send.key,
        external_id: send.external_id.as_deref(),
        target: target(send.target.as_ref()),
        timeout: TIMEOUT,
    };
    let report = engine.send(connection, &request).await;
    Ok((outcome::sent(&report.outcome), report.effort))
}

async fn act_delete(engine: &Engine, connection: &Connection, delete: &DeleteCase) -> (Value, Effort) {
    let request = DeleteRequest {
        object: &delete.object,
        idempotency_key: &delete.key,
        external_id: delete.external_id.as_deref(),
        target: target(delete.target.as_ref()),
        timeout: TIMEOUT,
    };
    let report = engine.delete(connection, &request).await;
    (outcome::sent(&report.outcome), report.effort)
}

async fn act_batch(engine: &Engine, connection: &Connection, folder: &Path, batch: &BatchCase) -> Acted {
    let payloads: Vec<Box<RawValue>> =
        batch.items.iter().map(|item| payload(folder, &item.payload, "batch.items")).collect::<Outcome<_>>()?;
    let entries: Vec<BatchEntry<'_>> = batch
        .items
        .iter()
        .zip(&payloads)
        .map(|(item, payload)| BatchEntry {
            payload,
            idempotency_key: &item.key,
            external_id: item.external_id.as_deref(),
            target: target(item.target.as_ref()),
        })
        .collect();
    let request = BatchRequest { object: &batch.object, entries: &entries, timeout: TIMEOUT };
    let report = engine.send_batch(connection, &request).await;
    Ok((outcome::batch(&report.outcomes), report.effort))
}

async fn act_list(engine: &Engine, connection: &Connection, listing: Listing, list: &ListCase) -> Acted {
    let position = list.since.map(|version| Position { version, id: list.after.clone() });
    let request = ListRequest {
        list: listing,
        object: &list.object,
        position: position.as_ref(),
        continuation: list.continuation.as_ref(),
        timeout: TIMEOUT,
    };
    let report = engine.list(connection, &request).await;
    let settings = settings(&connection.manifest, &connection.settings)?;
    let manifest = &connection.manifest;
    let outcome = match (listing, manifest.list_deleted(&list.object)) {
        (Listing::Deleted, Some(deletions)) => {
            outcome::listed_deletions(&report.outcome, |record| deletions.deletion(record, &settings))
        }
        _ => outcome::listed(&report.outcome, |record| manifest.identify(&list.object, record, &settings)),
    };
    Ok((outcome, report.effort))
}
