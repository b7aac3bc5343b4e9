//! Lambda's event source mapping of a queue: gathers batches, invokes, deletes what was done.
//!
//! "Lambda polls the queue … until it has gathered a full batch, the batching window has expired, or the
//! payload has reached 6 MB". Messages are in flight while they are gathered, which is why visibility is
//! six timeouts *and* the window. Partial batch responses are on. On a FIFO queue the *function* has to
//! "stop processing messages after the first failure and return all failed and unprocessed messages":
//! Lambda deletes whatever is not returned, also what comes after a failed message of its group. That
//! breaks the order, so the model tells it ([`Finished::overtaken`]).

use super::after;
use super::choices::Choices;
use super::message::Delivery;
use super::model::{MAX_MESSAGE_BYTES, Queues};
use super::response::{Answer, Verdict, verdict};
use super::settings::EventSourceSettings;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The largest event of an invocation, in bytes.
const MAX_EVENT_BYTES: usize = 6 * 1024 * 1024;
/// What a message adds to the event besides its body: about as much as its attributes take.
const ENVELOPE_BYTES: usize = 1024;
/// The most messages of one receive (`ReceiveMessage`).
const MAX_RECEIVE: usize = 10;

/// One batch, under way to the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Names it at this event source.
    pub number: u64,
    /// Its messages, in the order of delivery. No id comes twice.
    pub deliveries: Vec<Delivery>,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Finished {
    /// Messages that were deleted.
    pub deleted: usize,
    /// Messages that come back after the visibility timeout.
    pub returned: usize,
    /// Why all of them come back, if the answer was none.
    pub whole_batch: Option<&'static str>,
    /// Messages of a FIFO queue that the function called done, though an earlier one of their group was
    /// not: the function breaks the order.
    pub overtaken: Vec<Arc<str>>,
}

#[derive(Debug, Clone, Default)]
struct Gathering {
    since: Option<Timestamp>,
    deliveries: Vec<Delivery>,
    bytes: usize,
}

impl Gathering {
    /// How many messages fit for certain.
    fn fits(&self) -> usize {
        MAX_EVENT_BYTES.saturating_sub(self.bytes) / (MAX_MESSAGE_BYTES + ENVELOPE_BYTES)
    }
}

/// One event source mapping.
#[derive(Debug, Clone)]
pub struct EventSource {
    settings: EventSourceSettings,
    gathering: Gathering,
    under_way: BTreeMap<u64, Batch>,
    next_number: u64,
}

impl EventSource {
    /// An event source that has not polled yet.
    #[must_use]
    pub fn new(settings: EventSourceSettings) -> Self {
        Self { settings, gathering: Gathering::default(), under_way: BTreeMap::new(), next_number: 1 }
    }

    /// What is set.
    #[must_use]
    pub fn settings(&self) -> &EventSourceSettings {
        &self.settings
    }

    /// Batches under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Receives what there is, and gives a batch if one is complete and may be invoked. To be called until
    /// it gives none; then again when messages were sent, a batch is finished, or at [`Self::next_poll`].
    pub fn poll(&mut self, queues: &mut Queues, now: Timestamp, choices: &mut dyn Choices) -> Option<Batch> {
        if self.settings.maximum_concurrency.is_some_and(|limit| self.under_way.len() >= limit) {
            return None;
        }
        self.gather(queues, now, choices);
        let gathering = &self.gathering;
        let is_full = gathering.deliveries.len() >= self.settings.batch_size || gathering.fits() == 0;
        let is_over = gathering.since.is_some_and(|since| now >= after(since, self.settings.window));
        if gathering.deliveries.is_empty() || !(is_full || is_over) {
            return None;
        }
        let batch = Batch { number: self.next_number, deliveries: std::mem::take(&mut self.gathering).deliveries };
        self.next_number += 1;
        self.under_way.insert(batch.number, batch.clone());
        Some(batch)
    }

    /// A message that was delivered twice within one window is passed on once, under its latest handle.
    fn gather(&mut self, queues: &mut Queues, now: Timestamp, choices: &mut dyn Choices) {
        let gathering = &mut self.gathering;
        loop {
            let free = self.settings.batch_size.saturating_sub(gathering.deliveries.len());
            let limit = free.min(gathering.fits()).min(MAX_RECEIVE);
            let deliveries = queues.receive(&self.settings.queue, limit, now, choices);
            if deliveries.is_empty() {
                return;
            }
            gathering.since.get_or_insert(now);
            for delivery in deliveries {
                let is_again = delivery.receive_count > 1;
                let mut known = gathering.deliveries.iter_mut().filter(|_| is_again);
                match known.find(|known| known.id == delivery.id) {
                    Some(known) => *known = delivery,
                    None => {
                        gathering.bytes += delivery.body.len() + ENVELOPE_BYTES;
                        gathering.deliveries.push(delivery);
                    }
                }
            }
        }
    }

    /// When to poll next if nothing is sent or finished until then: the window ends, or the queue changes.
    #[must_use]
    pub fn next_poll(&self, queues: &Queues) -> Option<Timestamp> {
        let window = self.gathering.since.map(|since| after(since, self.settings.window));
        [window, queues.next_change(&self.settings.queue)].into_iter().flatten().min()
    }

    /// Ends a batch as the answer says. What is not deleted comes back after the visibility timeout.
    pub fn finish(
        &mut self,
        queues: &mut Queues,
        number: u64,
        answer: Answer<'_>,
        now: Timestamp,
        choices: &mut dyn Choices,
    ) -> Finished {
        let Some(batch) = self.under_way.remove(&number) else { return Finished::default() };
        let ids = batch.deliveries.iter().map(|delivery| &*delivery.id).collect();
        let total = batch.deliveries.len();
        let failed = match verdict(answer, &ids) {
            Verdict::WholeBatch(reason) => {
                return Finished { returned: total, whole_batch: Some(reason), ..Finished::default() };
            }
            Verdict::Failed(failed) => failed,
        };
        let overtaken = overtaken(&batch, &failed);
        if choices.rarely(queues.quirks().lost_acknowledgement_one_in) {
            return Finished { returned: total, overtaken, ..Finished::default() };
        }
        let done = batch.deliveries.iter().filter(|delivery| !failed.contains(&*delivery.id));
        let deleted =
            done.filter(|delivery| queues.delete(&self.settings.queue, delivery.receipt, now, choices)).count();
        Finished { deleted, returned: total - deleted, whole_batch: None, overtaken }
    }
}

fn overtaken(batch: &Batch, failed: &BTreeSet<String>) -> Vec<Arc<str>> {
    let mut stopped: BTreeSet<&str> = BTreeSet::new();
    let mut overtaken = Vec::new();
    for delivery in batch.deliveries.iter().filter(|delivery| delivery.sequence.is_some()) {
        let group = delivery.group.as_deref().unwrap_or_default();
        if failed.contains(&*delivery.id) {
            stopped.insert(group);
        } else if stopped.contains(group) {
            overtaken.push(Arc::clone(&delivery.id));
        }
    }
    overtaken
}
