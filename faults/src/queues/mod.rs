//! Queues as AWS documents them: Amazon SQS, and Lambda's event source on top of it.
//!
//! A pure model: time is an argument, and whatever AWS leaves open is drawn from [`Choices`]. So the
//! same choices give the same run, in the simulator as in a host that plays them against real time.
//!
//! | rule | where | source |
//! | --- | --- | --- |
//! | at least once, best-effort order, delays, visibility, retention | [`Queues`], `standard.rs` | SQS Developer Guide: "Standard queues", "Visibility timeout" |
//! | order and lock of a message group, deduplication | [`Queues`], `fifo.rs` | "FIFO queue delivery logic", "Exactly-once processing" |
//! | dead letters after `maxReceiveCount` | [`Queues::receive`] | "Using dead-letter queues" |
//! | batches, windows, concurrency | [`EventSource`] | Lambda Developer Guide: "Using Lambda with Amazon SQS" |
//! | what a function's answer means | [`verdict`] | "Implementing partial batch responses" |
//!
//! Not modelled: fair queues (a preference among tenants, no promise), the look-ahead of 120,000
//! messages of a FIFO queue, and throughput limits.

mod choices;
mod event;
mod fifo;
mod message;
mod model;
mod queue;
mod response;
mod settings;
mod source;
mod standard;
#[cfg(test)]
mod tests;

pub use choices::{Calm, Choices, Quirks, Seeded};
pub use event::{arn, event};
pub use message::{Delivery, NewMessage, ReceiptHandle, Sent};
pub use model::{CreateError, Queues, SendError};
pub use queue::{Counts, Load};
pub use response::{Answer, Verdict, verdict};
pub use settings::{DeduplicationScope, EventSourceSettings, QueueSettings, Redrive};
pub use source::{Batch, EventSource, Finished};

use jiff::Timestamp;
use std::time::Duration;

/// The moment `duration` after `moment`; the last one there is if that is beyond it.
pub(crate) fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    moment.checked_add(duration).unwrap_or(Timestamp::MAX)
}
