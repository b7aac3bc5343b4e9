//! One record of a batch, as SQS delivers it.

use super::NotABatch;
use super::outcome::Undecodable;
use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use std::fmt;

/// A message and what the queue says about it.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The id that SQS gave it; not empty.
    pub message_id: String,
    /// The body, as it was sent.
    pub body: String,
    /// How often it was received, this time included; 1 if the queue does not say.
    pub receive_count: u32,
    /// Fair-queue tenant or ordering group.
    pub group: Option<String>,
    /// The name of the queue, with `.fifo` if it is one.
    pub queue: String,
    /// Whether the queue is FIFO.
    pub is_fifo: bool,
    /// When it was sent, to the millisecond.
    pub sent_at: Option<Timestamp>,
}

/// Without the body.
impl fmt::Debug for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Record")
            .field("message_id", &self.message_id)
            .field("body_bytes", &self.body.len())
            .field("receive_count", &self.receive_count)
            .field("group", &self.group)
            .field("queue", &self.queue)
            .field("sent_at", &self.sent_at)
            .finish()
    }
}

/// A decoded record.
#[derive(Debug, Clone)]
pub struct Work<M> {
    /// What the queue says.
    pub record: Record,
    /// What it says to the stage.
    pub message: M,
}

/// Decodes a body as JSON: the decoder of most stages.
///
/// # Errors
/// [`Undecodable`] says where it is wrong, and quotes nothing.
pub fn json<M: DeserializeOwned>(record: &Record) -> Result<M, Undecodable> {
    Ok(serde_json::from_str(&record.body)?)
}

pub(crate) fn records(event: SqsEvent) -> Result<Vec<Record>, NotABatch> {
    event.records.into_iter().enumerate().map(|(index, message)| record(index, message)).collect()
}

fn record(index: usize, mut message: SqsMessage) -> Result<Record, NotABatch> {
    let message_id = message.message_id.filter(|id| !id.is_empty()).ok_or(NotABatch { index })?;
    let queue = queue_name(message.event_source_arn);
    let number = |name: &str| message.attributes.get(name).and_then(|text| text.parse::<i64>().ok());
    let receive_count = number("ApproximateReceiveCount").and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
    let sent_at = number("SentTimestamp").and_then(|sent| Timestamp::from_millisecond(sent).ok());
    Ok(Record {
        message_id,
        body: message.body.unwrap_or_default(),
        receive_count,
        group: message.attributes.remove("MessageGroupId"),
        is_fifo: queue.ends_with(".fifo"),
        queue,
        sent_at,
    })
}

/// The last part of `arn:aws:sqs:<region>:<account>:<name>`.
fn queue_name(arn: Option<String>) -> String {
    arn.as_deref().and_then(|arn| arn.rsplit(':').next()).unwrap_or_default().to_owned()
}
