//! From an inbound message to the records that it speaks of.

use fluxnex_cloud::objects::{ObjectError, Objects};
use fluxnex_core::connector::{IdentifiedRecord, IdentifyError};
use fluxnex_core::content::ContentHash;
use fluxnex_core::ids::{EventId, SenderEventId};
use fluxnex_core::message::{DeletedRecord, Deletion, InboundEvent};
use fluxnex_store::{Incoming, IncomingRecord, Tenant};
use std::borrow::Cow;
use uuid::Uuid;

/// The largest payload that is read back from the bucket, in bytes.
const LARGEST_PAYLOAD_BYTES: usize = 8 * 1024 * 1024;

/// The records of a message, each as an event of its own. What cannot be understood becomes an
/// event that fails visibly; an error means that the message must come again.
pub(crate) async fn incoming(
    tenant: &Tenant,
    message: &InboundEvent,
    objects: &dyn Objects,
) -> Result<Vec<Incoming>, String> {
    let body: Cow<'_, str> = match (&message.inline, &message.claim_check) {
        (Some(inline), _) => Cow::Borrowed(inline.get()),
        (None, Some(check)) => match objects.get(&check.key, LARGEST_PAYLOAD_BYTES).await {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Cow::Owned(text),
                Err(_) => return Ok(vec![unreadable(message, "the stored payload is not UTF-8")]),
            },
            Err(ObjectError::NotFound { .. }) => {
                return Ok(vec![unreadable(message, "the stored payload is not there any more")]);
            }
            Err(error) => return Err(error.to_string()),
        },
        (None, None) => return Ok(vec![unreadable(message, "the message carries no payload")]),
    };
    if let (Some(Deletion { of }), Some(object)) = (&message.deletion, &message.object) {
        let Some(DeletedRecord { source_id, version }) = of else {
            return Ok(vec![unreadable(message, "what the source's list of deletions says cannot be read")]);
        };
        let (object, id, record) = (object.clone(), source_id.clone(), Some(body.into_owned()));
        let deleted = IdentifiedRecord { object, id, version: Some(*version), deleted: true, record, event: None };
        return Ok(vec![event(message, Ok(deleted), None)]);
    }
    let Some(connection) = tenant.configuration().connections.get(&message.connection) else {
        return Ok(vec![unreadable(message, "the connection is not in the running configuration")]);
    };
    let manifest = match connection.compiled() {
        Ok(manifest) => manifest,
        Err(reason) => return Ok(vec![unreadable(message, &reason)]),
    };
    let settings = match connection.settings() {
        Ok(settings) => settings,
        Err(reason) => return Ok(vec![unreadable(message, &reason)]),
    };
    let records = match &message.object {
        Some(object) => Ok(vec![manifest.identify(object, &body, &settings)]),
        None => manifest.webhook_records(&body, &settings),
    };
    let records = match records {
        Ok(records) => records,
        Err(error) => return Ok(vec![unreadable(message, &error.to_string())]),
    };
    if records.is_empty() {
        return Ok(vec![of(message, IncomingRecord::Nothing, None)]);
    }
    let single = records.len() == 1;
    Ok(records
        .into_iter()
        .enumerate()
        .map(|(index, record)| event(message, record, (!single).then_some(index)))
        .collect())
}

fn event(message: &InboundEvent, record: Result<IdentifiedRecord, IdentifyError>, index: Option<usize>) -> Incoming {
    let given = record.as_ref().ok().and_then(|record| record.event.clone());
    let record = match record {
        Err(error) => IncomingRecord::Unreadable { reason: error.to_string() },
        Ok(IdentifiedRecord { record: None, .. }) => IncomingRecord::Unreadable {
            reason: "the webhook carries only an id; reading the record is not possible yet".to_owned(),
        },
        Ok(IdentifiedRecord { object, id, version, deleted, record: Some(payload), .. }) => {
            match ContentHash::of_json(&payload) {
                Ok(content) => {
                    IncomingRecord::State { object, source_id: id, source_version: version, deleted, content, payload }
                }
                Err(error) => IncomingRecord::Unreadable { reason: format!("the record is {error}") },
            }
        }
    };
    let incoming = of(message, record, index);
    match given {
        // The same notification may come again in other company: its own id recognises it, not the message's.
        Some(sender_event_id) => Incoming { sender_event_id, derived: false, ..incoming },
        None => incoming,
    }
}

fn unreadable(message: &InboundEvent, reason: &str) -> Incoming {
    of(message, IncomingRecord::Unreadable { reason: reason.to_owned() }, None)
}

/// Several records of one message are events of their own: their ids derive from the message's,
/// so that a message that comes again makes the same ones.
fn of(message: &InboundEvent, record: IncomingRecord, index: Option<usize>) -> Incoming {
    let (event, sender_event_id) = match index {
        None => (message.event, message.sender_event_id.clone()),
        Some(index) => {
            let part = |longest: usize| -> String { message.sender_event_id.as_str().chars().take(longest).collect() };
            let derived = SenderEventId::parse(format!("{}/{index}", part(240)));
            let event = EventId(Uuid::new_v5(&message.event.0, &index.to_be_bytes()));
            (event, derived.unwrap_or_else(|_| message.sender_event_id.clone()))
        }
    };
    Incoming {
        event,
        connection: message.connection.clone(),
        sender_event_id,
        derived: message.derived,
        source: message.source,
        arrived_at: message.arrived_at,
        record,
    }
}
