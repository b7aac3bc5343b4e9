//! A FIFO queue's order: that of sending within a group, and none among groups.
//!
//! "When you receive a message with a message group ID, no more messages for the same message group ID
//! are returned unless you delete the message, or it becomes visible" (SQS Developer Guide, "FIFO queue
//! delivery logic"). A duplicate within five minutes "is accepted successfully but not delivered", also
//! when the first one has been received and deleted ("Message deduplication ID").

use super::after;
use super::choices::Choices;
use super::settings::DeduplicationScope;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How long a deduplication id is remembered.
const DEDUPLICATION: Duration = Duration::from_secs(300);

/// The messages of one group, in their order, those in flight among them.
#[derive(Debug, Clone, Default)]
struct Group {
    keys: BTreeSet<u64>,
    in_flight: usize,
}

/// All groups of a queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups {
    groups: BTreeMap<Arc<str>, Group>,
    /// Groups with messages and none in flight, by their first message.
    open: BTreeSet<(u64, Arc<str>)>,
}

impl Groups {
    pub(super) fn add(&mut self, key: u64, group: &Arc<str>) {
        self.changed(group, |group| {
            group.keys.insert(key);
        });
    }

    pub(super) fn removed(&mut self, key: u64, group: &Arc<str>, was_in_flight: bool) {
        self.changed(group, |group| {
            group.keys.remove(&key);
            group.in_flight -= usize::from(was_in_flight);
        });
    }

    pub(super) fn taken(&mut self, group: &Arc<str>) {
        self.changed(group, |group| group.in_flight += 1);
    }

    pub(super) fn returned(&mut self, group: &Arc<str>) {
        self.changed(group, |group| group.in_flight -= 1);
    }

    /// Whether any group may be read.
    pub(super) fn is_ready(&self) -> bool {
        !self.open.is_empty()
    }

    /// One of the first `within` groups that may be read.
    pub(super) fn choose(&self, within: usize, choices: &mut dyn Choices) -> Option<Arc<str>> {
        let index = choices.below(within.min(self.open.len()));
        self.open.iter().nth(index).map(|(_, group)| Arc::clone(group))
    }

    /// The first message of the group after `key`.
    pub(super) fn next(&self, group: &str, key: Option<u64>) -> Option<u64> {
        let from = key.map_or(0, |key| key + 1);
        self.groups.get(group)?.keys.range(from..).next().copied()
    }

    fn changed(&mut self, name: &Arc<str>, change: impl FnOnce(&mut Group)) {
        let group = self.groups.entry(Arc::clone(name)).or_default();
        if let Some(first) = group.keys.first() {
            self.open.remove(&(*first, Arc::clone(name)));
        }
        change(group);
        match group.keys.first() {
            Some(first) if group.in_flight == 0 => {
                self.open.insert((*first, Arc::clone(name)));
            }
            Some(_) => {}
            None => {
                self.groups.remove(name);
            }
        }
    }
}

/// Which group, if the scope is the group; and the deduplication id.
type Scoped = (Option<Arc<str>>, Arc<str>);

/// The deduplication ids of the last five minutes.
#[derive(Debug, Clone, Default)]
pub(super) struct Deduplication {
    seen: BTreeMap<Scoped, (Arc<str>, u64)>,
    ends: VecDeque<(Timestamp, Scoped)>,
}

impl Deduplication {
    pub(super) fn scoped(scope: DeduplicationScope, group: &Arc<str>, deduplication: &Arc<str>) -> Scoped {
        let group = (scope == DeduplicationScope::MessageGroup).then(|| Arc::clone(group));
        (group, Arc::clone(deduplication))
    }

    /// The id and the sequence of the message that was sent first.
    pub(super) fn first(&mut self, scoped: &Scoped, now: Timestamp) -> Option<(Arc<str>, u64)> {
        while let Some((_, ended)) = self.ends.pop_front_if(|(end, _)| *end <= now) {
            self.seen.remove(&ended);
        }
        self.seen.get(scoped).cloned()
    }

    pub(super) fn remember(&mut self, scoped: Scoped, id: Arc<str>, sequence: u64, now: Timestamp) {
        self.seen.insert(scoped.clone(), (id, sequence));
        self.ends.push_back((after(now, DEDUPLICATION), scoped));
    }
}
