//! Messages: as they are sent, kept and delivered.

use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// The body; at most 1 MiB.
    pub body: Arc<str>,
    /// The message group; required on a FIFO queue.
    pub group: Option<Arc<str>>,
    /// Required on a FIFO queue: content is not compared.
    pub deduplication: Option<Arc<str>>,
    /// Standard queues only; up to 900 s.
    pub delay: Duration,
}

impl NewMessage {
    /// A message without group, deduplication or delay.
    pub fn new(body: impl Into<Arc<str>>) -> Self {
        Self { body: body.into(), group: None, deduplication: None, delay: Duration::ZERO }
    }
}

/// What the sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The id of the message; of the first one if this one was a duplicate.
    pub id: Arc<str>,
    /// FIFO only: rises with every message of the queue.
    pub sequence: Option<u64>,
    /// It was accepted, and will not be delivered: the deduplication id was used in the last five minutes.
    pub deduplicated: bool,
}

/// Names one delivery of a message; a later delivery of it has another. As text: `<message>.<delivery>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReceiptHandle {
    pub(super) key: u64,
    /// The receive count of that delivery.
    pub(super) delivery: u32,
}

impl fmt::Display for ReceiptHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.key, self.delivery)
    }
}

/// One delivery of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The id of the message: the same in every delivery.
    pub id: Arc<str>,
    /// Deletes the message.
    pub receipt: ReceiptHandle,
    /// Its body.
    pub body: Arc<str>,
    /// Its group.
    pub group: Option<Arc<str>>,
    /// Its deduplication id.
    pub deduplication: Option<Arc<str>>,
    /// FIFO only: its place.
    pub sequence: Option<u64>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it was first delivered.
    pub first_received_at: Timestamp,
    /// How often it has been delivered, with this time (`ApproximateReceiveCount`).
    pub receive_count: u32,
    /// The queue that it was moved from, if it is a dead letter.
    pub dead_letter_of: Option<Arc<str>>,
}

/// A message, in its queue.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: Arc<str>,
    pub(super) body: Arc<str>,
    pub(super) group: Option<Arc<str>>,
    pub(super) deduplication: Option<Arc<str>>,
    pub(super) sent_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) first_received_at: Option<Timestamp>,
    pub(super) receive_count: u32,
    pub(super) dead_letter_of: Option<Arc<str>>,
    pub(super) state: State,
    /// It was deleted, and a copy stayed: it is delivered again, but it is not to be lost any more.
    pub(super) was_deleted: bool,
}

/// Where a message is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It may be delivered.
    Visible,
    /// Its delay is not over.
    Delayed(Timestamp),
    /// It was delivered, and is hidden until then.
    InFlight(Timestamp),
}

impl Message {
    pub(super) fn delivery(&self, key: u64, now: Timestamp) -> Delivery {
        Delivery {
            id: Arc::clone(&self.id),
            receipt: ReceiptHandle { key, delivery: self.receive_count },
            body: Arc::clone(&self.body),
            group: self.group.clone(),
            deduplication: self.deduplication.clone(),
            sequence: self.deduplication.is_some().then_some(key),
            sent_at: self.sent_at,
            first_received_at: self.first_received_at.unwrap_or(now),
            receive_count: self.receive_count,
            dead_letter_of: self.dead_letter_of.clone(),
        }
    }
}
