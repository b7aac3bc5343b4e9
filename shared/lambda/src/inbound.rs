//! The end of L1, whichever way an event came in: its body is made durable, and it is in the queue.

use fluxnex_cloud::objects::{ObjectError, Objects};
use fluxnex_cloud::queue::{OutgoingMessage, QueueError, QueueUrl, Queues};
use fluxnex_core::ids::{ConnectionId, EventId, ObjectName, SenderEventId, TenantId};
use fluxnex_core::message::{ClaimCheck, Deletion, EventSource, InboundEvent, LARGEST_INLINE_BYTES, V1};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{Timestamp, Unit};
use serde_json::value::RawValue;
use std::sync::Arc;

/// How many large bodies are stored at once.
const UPLOADS_AT_ONCE: usize = 8;

/// The way into the pipeline.
#[derive(Clone)]
pub struct Inbound {
    /// Where bodies are that are too large for a message.
    pub objects: Arc<dyn Objects>,
    /// The queues.
    pub queues: Arc<dyn Queues>,
    /// The queue of accepted events.
    pub inbound_gateway: QueueUrl,
}

/// An accepted event.
#[derive(Debug)]
pub struct Accepted {
    /// Whose event it is.
    pub tenant: TenantId,
    /// Where it came from.
    pub connection: ConnectionId,
    /// The event.
    pub event: EventId,
    /// When it was accepted.
    pub at: Timestamp,
    /// How it came in.
    pub source: EventSource,
    /// What makes a repetition recognisable.
    pub sender_event_id: SenderEventId,
    /// Whether that was derived from the body.
    pub derived: bool,
    /// The record type, where the body is one record.
    pub object: Option<ObjectName>,
    /// Which record was deleted, where the source lists deletions.
    pub deletion: Option<Deletion>,
    /// One JSON value.
    pub body: Box<RawValue>,
}

/// Why events are not durable. Some of them may be all the same.
#[derive(Debug, thiserror::Error)]
pub enum InboundError {
    /// A body cannot be stored.
    #[error("a payload cannot be stored")]
    Objects(#[from] ObjectError),
    /// The queue does not take them.
    #[error("an event cannot be queued")]
    Queue(#[from] QueueError),
    /// A message cannot be written.
    #[error("an event cannot be written")]
    Message(#[from] serde_json::Error),
}

impl Inbound {
    /// Makes events durable. When this answers, each of them is in the queue.
    ///
    /// # Errors
    /// [`InboundError`].
    pub async fn make_durable(&self, events: Vec<Accepted>) -> Result<(), InboundError> {
        let messages: Vec<OutgoingMessage> =
            stream::iter(events).map(|event| self.message(event)).buffered(UPLOADS_AT_ONCE).try_collect().await?;
        Ok(self.queues.send(&self.inbound_gateway, messages).await?)
    }

    async fn message(&self, accepted: Accepted) -> Result<OutgoingMessage, InboundError> {
        let Accepted { tenant, connection, event, at, source, sender_event_id, derived, object, deletion, body } =
            accepted;
        let (inline, claim_check) = if body.get().len() <= LARGEST_INLINE_BYTES {
            (Some(body), None)
        } else {
            let key = format!("payloads/{tenant}/{connection}/{}/{event}.json", at.strftime("%Y/%m/%d"));
            let bytes = body.get().len() as u64;
            let text: Box<str> = body.into();
            self.objects.put(&key, text.into_string().into_bytes(), "application/json").await?;
            (None, Some(ClaimCheck { key, bytes }))
        };
        let message = InboundEvent {
            v: V1,
            tenant,
            connection,
            event,
            arrived_at: at.round(Unit::Microsecond).unwrap_or(at),
            source,
            sender_event_id,
            derived,
            object,
            deletion,
            inline,
            claim_check,
        };
        Ok(OutgoingMessage::json(&message)?.group(message.tenant.as_str()))
    }
}
