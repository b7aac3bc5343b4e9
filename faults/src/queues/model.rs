//! All queues of an account, by name.

use super::choices::{Choices, Quirks};
use super::message::{Delivery, NewMessage, ReceiptHandle, Sent};
use super::queue::{Counts, Load, Queue};
use super::settings::QueueSettings;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// The largest message, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;
const MAX_DELAY: Duration = Duration::from_secs(900);
const MAX_ID_CHARACTERS: usize = 128;

/// Why a queue cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// There is one of this name.
    #[error("the queue {0} is there already")]
    Exists(String),
    /// Its dead-letter queue has to be there first.
    #[error("the queue {0} names a dead-letter queue that is not there")]
    NoDeadLetterQueue(String),
    /// "The dead-letter queue of a FIFO queue must also be a FIFO queue."
    #[error("the queue {0} and its dead-letter queue are not of the same kind")]
    OtherKind(String),
}

/// Why a message is refused. It was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no such queue.
    #[error("there is no queue {0}")]
    NoQueue(String),
    /// A rule of the queue is broken.
    #[error("{0}")]
    Invalid(&'static str),
}

/// The queues of an account.
#[derive(Debug, Clone)]
pub struct Queues {
    quirks: Quirks,
    queues: BTreeMap<String, Queue>,
    next_id: u64,
}

impl Queues {
    /// No queues yet, which will do what `quirks` says.
    #[must_use]
    pub fn new(quirks: Quirks) -> Self {
        Self { quirks, queues: BTreeMap::new(), next_id: 1 }
    }

    /// From here on they do so as often as this.
    pub fn set_quirks(&mut self, quirks: Quirks) {
        self.quirks = quirks;
    }

    /// How often the queues do what they may do but seldom do.
    #[must_use]
    pub fn quirks(&self) -> &Quirks {
        &self.quirks
    }

    /// Makes a queue; its dead-letter queue comes first.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create(&mut self, settings: QueueSettings) -> Result<(), CreateError> {
        let name = settings.name.clone();
        if self.queues.contains_key(&name) {
            return Err(CreateError::Exists(name));
        }
        if let Some(redrive) = &settings.redrive {
            match self.queues.get(&redrive.dead_letters) {
                None => return Err(CreateError::NoDeadLetterQueue(name)),
                Some(queue) if queue.settings.is_fifo() != settings.is_fifo() => {
                    return Err(CreateError::OtherKind(name));
                }
                Some(_) => {}
            }
        }
        self.queues.insert(name, Queue::new(settings));
        Ok(())
    }

    /// The names of all queues, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.queues.keys().map(String::as_str)
    }

    /// What is set at the queue.
    #[must_use]
    pub fn settings(&self, queue: &str) -> Option<&QueueSettings> {
        self.queues.get(queue).map(|queue| &queue.settings)
    }

    /// Sends one message.
    ///
    /// # Errors
    /// [`SendError`], as SQS would refuse it.
    pub fn send(&mut self, queue: &str, message: NewMessage, now: Timestamp) -> Result<Sent, SendError> {
        let Some(queue) = self.queues.get_mut(queue) else { return Err(SendError::NoQueue(queue.to_owned())) };
        if let Some(rule) = broken_rule(queue.settings.is_fifo(), &message) {
            return Err(SendError::Invalid(rule));
        }
        let id = format!("00000000-0000-4000-8000-{:012x}", self.next_id).into();
        self.next_id += 1;
        Ok(queue.send(message, id, now))
    }

    /// Delivers up to `limit` messages; each is hidden for the queue's visibility timeout. What was
    /// delivered `maxReceiveCount` times already goes to the dead-letter queue instead.
    pub fn receive(&mut self, queue: &str, limit: usize, now: Timestamp, choices: &mut dyn Choices) -> Vec<Delivery> {
        let Some(source) = self.queues.get_mut(queue) else { return Vec::new() };
        if limit == 0 || !source.is_ready(now) {
            return Vec::new();
        }
        let fewer = limit > 1 && choices.rarely(self.quirks.smaller_batch_one_in);
        let limit = if fewer { 1 + choices.below(limit - 1) } else { limit };
        let (deliveries, dead) = source.receive(limit, now, &self.quirks, choices);
        let target = source.settings.redrive.as_ref().map(|redrive| redrive.dead_letters.clone());
        if let Some(target) = target.and_then(|name| self.queues.get_mut(&name)) {
            for message in dead {
                target.take_dead_letter(message, queue, now);
            }
        }
        deliveries
    }

    /// Deletes the message that was delivered under this handle. False if nothing was deleted: the
    /// handle is old, or the message is gone.
    pub fn delete(&mut self, queue: &str, receipt: ReceiptHandle, now: Timestamp, choices: &mut dyn Choices) -> bool {
        let quirks = self.quirks;
        self.queues.get_mut(queue).is_some_and(|queue| queue.delete(receipt, now, &quirks, choices))
    }

    /// Hides a delivered message for `duration` from now; zero gives it back. False if the handle is
    /// not of the latest delivery of a message in flight.
    pub fn change_visibility(
        &mut self,
        queue: &str,
        receipt: ReceiptHandle,
        duration: Duration,
        now: Timestamp,
    ) -> bool {
        self.queues.get_mut(queue).is_some_and(|queue| queue.change_visibility(receipt, duration, now))
    }

    /// Whether a receive at `now` would find something to do.
    pub fn is_ready(&mut self, queue: &str, now: Timestamp) -> bool {
        self.queues.get_mut(queue).is_some_and(|queue| queue.is_ready(now))
    }

    /// When the next message of the queue becomes visible or expires, if nothing happens until then.
    #[must_use]
    pub fn next_change(&self, queue: &str) -> Option<Timestamp> {
        self.queues.get(queue)?.next_change()
    }

    /// What the queue has counted.
    #[must_use]
    pub fn counts(&self, queue: &str) -> Counts {
        self.queues.get(queue).map(|queue| queue.counts).unwrap_or_default()
    }

    /// What the queue held when it was last used.
    #[must_use]
    pub fn load(&self, queue: &str) -> Load {
        self.queues.get(queue).map(Queue::load).unwrap_or_default()
    }

    /// Messages of the queue that were never deleted, wherever they wait.
    #[must_use]
    pub fn undeleted(&self, queue: &str) -> usize {
        self.queues.get(queue).map(Queue::undeleted).unwrap_or_default()
    }
}

/// The rules of `SendMessage` in the SQS API Reference.
fn broken_rule(is_fifo: bool, message: &NewMessage) -> Option<&'static str> {
    let ids = [&message.group, &message.deduplication];
    if message.body.is_empty() {
        return Some("The request must contain the parameter MessageBody.");
    }
    if message.body.len() > MAX_MESSAGE_BYTES {
        return Some("One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.");
    }
    if !message.body.chars().all(|character| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..))
    {
        return Some("Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF.");
    }
    if ids.into_iter().flatten().any(|id| !is_id(id)) {
        return Some("MessageGroupId and MessageDeduplicationId are 1 to 128 letters, digits and punctuation.");
    }
    match is_fifo {
        true if message.group.is_none() => Some("The request must contain the parameter MessageGroupId."),
        true if message.deduplication.is_none() => {
            Some("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided.")
        }
        true if !message.delay.is_zero() => Some("DelaySeconds is not valid for a message of a FIFO queue."),
        false if message.deduplication.is_some() => Some("MessageDeduplicationId is for FIFO queues only."),
        false if message.delay > MAX_DELAY => Some("DelaySeconds must be between 0 and 900."),
        _ => None,
    }
}

fn is_id(text: &str) -> bool {
    (1..=MAX_ID_CHARACTERS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
