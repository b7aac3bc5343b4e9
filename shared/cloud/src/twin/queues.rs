//! Queues in memory: delay, visibility and FIFO deduplication, driven by a clock. Good enough for the
//! tests of a stage; what Lambda's event source makes of a queue is not modelled here.

use super::lock;
use crate::clock::Clock;
use crate::queue::{OutgoingMessage, QueueError, QueueUrl, Queues, check};
use async_trait::async_trait;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// SQS swallows a repeated deduplication id for this long.
const DEDUPLICATION_WINDOW: Duration = Duration::from_secs(300);

/// A message as a consumer gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// Ascends with the order of sending.
    pub id: u64,
    /// The message as it was sent.
    pub message: OutgoingMessage,
    /// How often it was received, this time included.
    pub receive_count: u32,
}

struct Stored {
    id: u64,
    message: OutgoingMessage,
    visible_at: Timestamp,
    receive_count: u32,
}

#[derive(Default)]
struct Queue {
    messages: Vec<Stored>,
    deduplicated: HashMap<String, Timestamp>,
}

#[derive(Default)]
struct State {
    queues: BTreeMap<QueueUrl, Queue>,
    next_id: u64,
    silent: HashSet<QueueUrl>,
}

/// The twin of the queue service. A queue comes into being with its first message.
pub struct InMemoryQueues {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl InMemoryQueues {
    /// Queues whose delays and visibility follow `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::new(State::default()) }
    }

    /// Whether the queue stops taking messages.
    pub fn set_silent(&self, queue: &QueueUrl, silent: bool) {
        let mut state = lock(&self.state);
        if silent {
            state.silent.insert(queue.clone());
        } else {
            state.silent.remove(queue);
        }
    }

    /// Every message that is in the queue, visible or not, in the order of sending.
    #[must_use]
    pub fn messages(&self, queue: &QueueUrl) -> Vec<OutgoingMessage> {
        let state = lock(&self.state);
        let stored = state.queues.get(queue).map(|queue| queue.messages.iter());
        stored.into_iter().flatten().map(|stored| stored.message.clone()).collect()
    }

    /// Takes every message out of the queue, visible or not, in the order of sending.
    #[must_use]
    pub fn drain(&self, queue: &QueueUrl) -> Vec<OutgoingMessage> {
        let mut state = lock(&self.state);
        let stored = state.queues.get_mut(queue).map(|queue| std::mem::take(&mut queue.messages));
        stored.into_iter().flatten().map(|stored| stored.message).collect()
    }

    /// Receives at most `max` visible messages and hides them for `visibility`. On a FIFO queue a
    /// group with a message in flight gives no other.
    #[must_use]
    pub fn receive(&self, queue: &QueueUrl, max: usize, visibility: Duration) -> Vec<ReceivedMessage> {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        let Some(stored) = state.queues.get_mut(queue) else { return Vec::new() };
        let blocked = if queue.is_fifo() { groups_in_flight(stored, now) } else { HashSet::new() };
        let hidden_until = now.checked_add(visibility).unwrap_or(Timestamp::MAX);
        let mut received = Vec::new();
        for stored in &mut stored.messages {
            let is_blocked = stored.message.group.as_ref().is_some_and(|group| blocked.contains(group));
            if received.len() == max || stored.visible_at > now || is_blocked {
                continue;
            }
            stored.visible_at = hidden_until;
            stored.receive_count += 1;
            received.push(ReceivedMessage {
                id: stored.id,
                message: stored.message.clone(),
                receive_count: stored.receive_count,
            });
        }
        received
    }

    /// Acknowledges a message: it is gone.
    pub fn delete(&self, queue: &QueueUrl, id: u64) {
        if let Some(queue) = lock(&self.state).queues.get_mut(queue) {
            queue.messages.retain(|stored| stored.id != id);
        }
    }
}

fn groups_in_flight(queue: &Queue, now: Timestamp) -> HashSet<String> {
    let in_flight = queue.messages.iter().filter(|stored| stored.receive_count > 0 && stored.visible_at > now);
    in_flight.filter_map(|stored| stored.message.group.clone()).collect()
}

/// Whether the id was not seen within the window; notes it.
fn is_new(queue: &mut Queue, id: &str, now: Timestamp) -> bool {
    queue.deduplicated.retain(|_, since| now.duration_since(*since).unsigned_abs() < DEDUPLICATION_WINDOW);
    if queue.deduplicated.contains_key(id) {
        return false;
    }
    queue.deduplicated.insert(id.to_owned(), now);
    true
}

#[async_trait]
impl Queues for InMemoryQueues {
    async fn send(&self, queue: &QueueUrl, messages: Vec<OutgoingMessage>) -> Result<(), QueueError> {
        check(queue, &messages)?;
        let now = self.clock.now();
        let mut state = lock(&self.state);
        if state.silent.contains(queue) {
            return Err(QueueError::Unavailable {
                queue: queue.name().to_owned(),
                unsent: messages.len(),
                code: "Silent".to_owned(),
                source: None,
            });
        }
        let mut next_id = state.next_id;
        let stored = state.queues.entry(queue.clone()).or_default();
        for message in messages {
            let is_repeated = message.deduplication.as_deref().is_some_and(|id| !is_new(stored, id, now));
            if is_repeated {
                continue;
            }
            next_id += 1;
            let visible_at = now.checked_add(message.delay).unwrap_or(Timestamp::MAX);
            stored.messages.push(Stored { id: next_id, message, visible_at, receive_count: 0 });
        }
        state.next_id = next_id;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::ManualClock;

    #[tokio::test]
    async fn delay_and_visibility_follow_the_clock() {
        let clock = Arc::new(ManualClock::default());
        let queues = InMemoryQueues::new(clock.clone());
        let queue = QueueUrl::new("memory/q");
        let delayed = OutgoingMessage::new("later").delay(Duration::from_secs(10));
        queues.send(&queue, vec![OutgoingMessage::new("now"), delayed]).await.unwrap();
        let visibility = Duration::from_secs(60);
        let first = queues.receive(&queue, 10, visibility);
        assert_eq!(first.len(), 1);
        assert!(queues.receive(&queue, 10, visibility).is_empty());
        clock.advance(Duration::from_secs(10));
        assert_eq!(queues.receive(&queue, 10, visibility)[0].message.body, "later");
        clock.advance(Duration::from_secs(50));
        let again = queues.receive(&queue, 10, visibility);
        assert_eq!((again[0].id, again[0].receive_count), (first[0].id, 2));
        queues.delete(&queue, first[0].id);
        assert_eq!(queues.drain(&queue).len(), 1);
    }

    #[tokio::test]
    async fn a_fifo_group_in_flight_gives_no_other_message() {
        let clock = Arc::new(ManualClock::default());
        let queues = InMemoryQueues::new(clock.clone());
        let queue = QueueUrl::new("memory/q.fifo");
        let message = |group: &str, id: &str| OutgoingMessage::new(id).group(group).deduplication(id);
        queues.send(&queue, vec![message("a", "1"), message("a", "2"), message("b", "3")]).await.unwrap();
        queues.send(&queue, vec![message("a", "1")]).await.unwrap();
        let visibility = Duration::from_secs(60);
        assert_eq!(queues.receive(&queue, 1, visibility)[0].message.body, "1");
        assert_eq!(queues.receive(&queue, 9, visibility)[0].message.body, "3");
        assert!(queues.receive(&queue, 9, visibility).is_empty());
        clock.advance(DEDUPLICATION_WINDOW);
        queues.send(&queue, vec![message("a", "1")]).await.unwrap();
        assert_eq!(queues.messages(&queue).len(), 4);
    }
}
