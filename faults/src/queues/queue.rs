//! One queue: what it holds, and what it has counted.

use super::after;
use super::choices::{Choices, Quirks};
use super::fifo::{Deduplication, Groups};
use super::message::{Delivery, Message, NewMessage, ReceiptHandle, Sent, State};
use super::settings::QueueSettings;
use super::standard::Ready;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The most messages in flight of one queue ("Amazon SQS message quotas").
const MAX_IN_FLIGHT: usize = 120_000;

/// What has happened in a queue. Every message that came in, by `sent` or as a dead letter, is deleted,
/// moved to a dead-letter queue, expired, or still there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were sent, without duplicates that were not stored.
    pub sent: u64,
    /// Messages that came from another queue.
    pub came_as_dead_letters: u64,
    /// Sent messages that were swallowed by deduplication.
    pub deduplicated: u64,
    /// Deliveries.
    pub delivered: u64,
    /// Messages that were deleted.
    pub deleted: u64,
    /// Messages that went to the dead-letter queue.
    pub dead_lettered: u64,
    /// Messages whose retention ended before they were deleted: lost.
    pub expired: u64,
}

/// What a queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Messages that may be delivered, or are behind one in flight of their group.
    pub visible: usize,
    /// Messages whose delay is not over.
    pub delayed: usize,
    /// Messages that were delivered and are hidden.
    pub in_flight: usize,
}

#[derive(Debug, Clone)]
enum Order {
    Standard(Ready),
    Fifo(Groups, Deduplication),
}

#[derive(Debug, Clone)]
pub(super) struct Queue {
    pub(super) settings: QueueSettings,
    pub(super) counts: Counts,
    load: Load,
    /// Copies of deleted messages that are there.
    copies: usize,
    next_key: u64,
    messages: BTreeMap<u64, Message>,
    order: Order,
    /// When hidden and delayed messages become visible.
    hidden: BTreeSet<(Timestamp, u64)>,
    expiry: BTreeSet<(Timestamp, u64)>,
}

impl Queue {
    pub(super) fn new(settings: QueueSettings) -> Self {
        let order = match settings.is_fifo() {
            true => Order::Fifo(Groups::default(), Deduplication::default()),
            false => Order::Standard(Ready::default()),
        };
        Self {
            settings,
            counts: Counts::default(),
            load: Load::default(),
            copies: 0,
            next_key: 1,
            messages: BTreeMap::new(),
            order,
            hidden: BTreeSet::new(),
            expiry: BTreeSet::new(),
        }
    }

    /// What it holds; copies of deleted messages are not counted.
    pub(super) fn load(&self) -> Load {
        self.load
    }

    /// Messages that are there and were never deleted.
    pub(super) fn undeleted(&self) -> usize {
        self.messages.len() - self.copies
    }

    /// Whether a receive at `now` would look at a message.
    pub(super) fn is_ready(&mut self, now: Timestamp) -> bool {
        self.advance(now);
        match &self.order {
            Order::Standard(_) => self.load.visible > 0,
            Order::Fifo(groups, _) => groups.is_ready(),
        }
    }

    /// When the next message becomes visible or expires, if none is sent or deleted until then.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        let visible = self.hidden.first().map(|(moment, _)| *moment);
        let expires = self.expiry.first().map(|(moment, _)| *moment);
        [visible, expires].into_iter().flatten().min()
    }

    /// Accepts a valid message.
    pub(super) fn send(&mut self, new: NewMessage, id: Arc<str>, now: Timestamp) -> Sent {
        self.advance(now);
        let key = self.next_key;
        if let (Order::Fifo(_, deduplication), Some(group), Some(token)) =
            (&mut self.order, &new.group, &new.deduplication)
        {
            let scoped = Deduplication::scoped(self.settings.deduplication_scope, group, token);
            if let Some((id, sequence)) = deduplication.first(&scoped, now) {
                self.counts.deduplicated += 1;
                return Sent { id, sequence: Some(sequence), deduplicated: true };
            }
            deduplication.remember(scoped, Arc::clone(&id), key, now);
        }
        self.counts.sent += 1;
        let state = if new.delay.is_zero() { State::Visible } else { State::Delayed(after(now, new.delay)) };
        self.insert(Message {
            id: Arc::clone(&id),
            body: new.body,
            group: new.group,
            deduplication: new.deduplication,
            sent_at: now,
            expires_at: after(now, self.settings.retention),
            first_received_at: None,
            receive_count: 0,
            dead_letter_of: None,
            state,
            was_deleted: false,
        });
        Sent { id, sequence: self.settings.is_fifo().then_some(key), deduplicated: false }
    }

    /// Takes a message that was received too often from `source`.
    ///
    /// "For standard queues, the expiration of a message is always based on its original enqueue timestamp";
    /// in a FIFO queue it begins anew ("Using dead-letter queues").
    pub(super) fn take_dead_letter(&mut self, mut message: Message, source: &str, now: Timestamp) {
        self.advance(now);
        let since = if self.settings.is_fifo() { now } else { message.sent_at };
        message.expires_at = after(since, self.settings.retention);
        message.state = State::Visible;
        message.receive_count = 0;
        message.first_received_at = None;
        message.dead_letter_of = Some(source.into());
        self.counts.came_as_dead_letters += u64::from(!message.was_deleted);
        self.insert(message);
    }

    fn insert(&mut self, message: Message) {
        let key = self.next_key;
        self.next_key += 1;
        self.expiry.insert((message.expires_at, key));
        self.copies += usize::from(message.was_deleted);
        match message.state {
            State::Visible | State::InFlight(_) => {
                self.load.visible += 1;
                match (&mut self.order, &message.group) {
                    (Order::Standard(ready), _) => ready.add(key),
                    (Order::Fifo(groups, _), Some(group)) => groups.add(key, group),
                    // Refused when it is sent.
                    (Order::Fifo(..), None) => {}
                }
            }
            State::Delayed(until) => {
                self.load.delayed += 1;
                self.hidden.insert((until, key));
            }
        }
        self.messages.insert(key, message);
    }

    /// Delivers up to `limit` messages, and gives those that were received too often instead.
    pub(super) fn receive(
        &mut self,
        limit: usize,
        now: Timestamp,
        quirks: &Quirks,
        choices: &mut dyn Choices,
    ) -> (Vec<Delivery>, Vec<Message>) {
        self.advance(now);
        let mut given = Received { limit, deliveries: Vec::new(), dead: Vec::new() };
        match self.order {
            Order::Standard(_) => self.receive_standard(&mut given, now, quirks, choices),
            Order::Fifo(..) => self.receive_fifo(&mut given, now, quirks, choices),
        }
        (given.deliveries, given.dead)
    }

    fn receive_standard(&mut self, given: &mut Received, now: Timestamp, quirks: &Quirks, choices: &mut dyn Choices) {
        // A message that stays visible is not given twice in one answer.
        let mut again = Vec::new();
        while self.wants_more(given) {
            let Order::Standard(ready) = &mut self.order else { break };
            let Some(key) = ready.take(quirks.reorder_within, choices) else { break };
            if !self.messages.contains_key(&key) || self.buried(key, given) {
                continue;
            }
            let stays = choices.rarely(quirks.duplicate_one_in);
            self.deliver(key, stays, given, now);
            if stays {
                again.push(key);
            }
        }
        if let Order::Standard(ready) = &mut self.order {
            again.into_iter().for_each(|key| ready.add(key));
        }
    }

    /// "SQS first attempts to return as many messages with the same message group ID as possible."
    fn receive_fifo(&mut self, given: &mut Received, now: Timestamp, quirks: &Quirks, choices: &mut dyn Choices) {
        while self.wants_more(given) {
            let Order::Fifo(groups, _) = &self.order else { break };
            let Some(group) = groups.choose(quirks.reorder_within, choices) else { break };
            let mut last = None;
            while self.wants_more(given) {
                let Order::Fifo(groups, _) = &self.order else { break };
                let Some(key) = groups.next(&group, last) else { break };
                last = Some(key);
                if !self.buried(key, given) {
                    self.deliver(key, false, given, now);
                }
            }
        }
    }

    fn wants_more(&self, given: &Received) -> bool {
        given.deliveries.len() < given.limit && self.load.in_flight < MAX_IN_FLIGHT
    }

    /// Takes the message out if it was delivered as often as it may be.
    fn buried(&mut self, key: u64, given: &mut Received) -> bool {
        let Some(redrive) = &self.settings.redrive else { return false };
        let limit = redrive.max_receive_count;
        if self.messages.get(&key).is_none_or(|message| message.receive_count < limit) {
            return false;
        }
        if let Some(message) = self.remove(key) {
            self.counts.dead_lettered += u64::from(!message.was_deleted);
            given.dead.push(message);
        }
        true
    }

    fn deliver(&mut self, key: u64, stays_visible: bool, given: &mut Received, now: Timestamp) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        message.receive_count += 1;
        message.first_received_at.get_or_insert(now);
        self.counts.delivered += 1;
        given.deliveries.push(message.delivery(key, now));
        if stays_visible {
            return;
        }
        let until = after(now, self.settings.visibility);
        message.state = State::InFlight(until);
        self.hidden.insert((until, key));
        self.load.visible -= 1;
        self.load.in_flight += 1;
        if let (Order::Fifo(groups, _), Some(group)) = (&mut self.order, &message.group) {
            groups.taken(group);
        }
    }

    /// Deletes what the handle names. An old handle deletes nothing: "if you don't use the most recent
    /// handle, the request succeeds, but the message might not be deleted" (`DeleteMessage`). A copy may
    /// stay. Answers whether it was deleted.
    pub(super) fn delete(
        &mut self,
        receipt: ReceiptHandle,
        now: Timestamp,
        quirks: &Quirks,
        choices: &mut dyn Choices,
    ) -> bool {
        self.advance(now);
        let Some(message) = self.messages.get_mut(&receipt.key) else { return false };
        let is_late = message.state == State::Visible && self.settings.is_fifo();
        if message.receive_count != receipt.delivery || is_late {
            return false;
        }
        self.counts.deleted += u64::from(!message.was_deleted);
        // One copy of a message is enough to find who cannot bear one.
        let leaves_copy = !self.settings.is_fifo() && !message.was_deleted && choices.rarely(quirks.duplicate_one_in);
        if leaves_copy {
            message.was_deleted = true;
            self.copies += 1;
        } else {
            self.remove(receipt.key);
        }
        true
    }

    /// Hides a delivered message for `duration` from now; zero gives it back. Answers whether the handle
    /// names the latest delivery of a message in flight.
    pub(super) fn change_visibility(&mut self, receipt: ReceiptHandle, duration: Duration, now: Timestamp) -> bool {
        self.advance(now);
        let Some(message) = self.messages.get_mut(&receipt.key) else { return false };
        let State::InFlight(until) = message.state else { return false };
        if message.receive_count != receipt.delivery {
            return false;
        }
        let later = after(now, duration);
        message.state = State::InFlight(later);
        self.hidden.remove(&(until, receipt.key));
        self.hidden.insert((later, receipt.key));
        self.advance(now);
        true
    }

    /// Lets time pass: what is due becomes visible, what is too old is lost.
    fn advance(&mut self, now: Timestamp) {
        while let Some((_, key)) = pop_due(&mut self.hidden, now) {
            self.show(key);
        }
        while let Some((_, key)) = pop_due(&mut self.expiry, now) {
            if let Some(message) = self.remove(key) {
                self.counts.expired += u64::from(!message.was_deleted);
            }
        }
    }

    fn show(&mut self, key: u64) {
        let Some(message) = self.messages.get_mut(&key) else { return };
        let was_in_flight = matches!(message.state, State::InFlight(_));
        match was_in_flight {
            true => self.load.in_flight -= 1,
            false => self.load.delayed -= 1,
        }
        message.state = State::Visible;
        self.load.visible += 1;
        match (&mut self.order, &message.group) {
            (Order::Standard(ready), _) => ready.add(key),
            (Order::Fifo(groups, _), Some(group)) if was_in_flight => groups.returned(group),
            (Order::Fifo(groups, _), Some(group)) => groups.add(key, group),
            (Order::Fifo(..), None) => {}
        }
    }

    fn remove(&mut self, key: u64) -> Option<Message> {
        let message = self.messages.remove(&key)?;
        self.expiry.remove(&(message.expires_at, key));
        self.copies -= usize::from(message.was_deleted);
        match message.state {
            State::Visible => self.load.visible -= 1,
            State::Delayed(until) => {
                self.load.delayed -= 1;
                self.hidden.remove(&(until, key));
            }
            State::InFlight(until) => {
                self.load.in_flight -= 1;
                self.hidden.remove(&(until, key));
            }
        }
        if let (Order::Fifo(groups, _), Some(group)) = (&mut self.order, &message.group) {
            groups.removed(key, group, matches!(message.state, State::InFlight(_)));
        }
        Some(message)
    }
}

/// What one receive gives.
struct Received {
    limit: usize,
    deliveries: Vec<Delivery>,
    dead: Vec<Message>,
}

fn pop_due(moments: &mut BTreeSet<(Timestamp, u64)>, now: Timestamp) -> Option<(Timestamp, u64)> {
    let first = *moments.first().filter(|(moment, _)| *moment <= now)?;
    moments.remove(&first);
    Some(first)
}
