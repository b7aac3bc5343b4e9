//! Polling: which records of a source are read next, and what survives a crash of it.
//!
//! A schedule asks for a run; a run reads one page per message, each page after the last record of
//! the page before. [`Progress`] is what is kept between two messages; it is saved by
//! compare-and-set after a page is durable and before the next one is asked for. So a message that
//! comes again finds either the page still to do, which does no harm twice, or the page done, and
//! then only repeats the message for the next one.
//!
//! A run reads what changed, and then, where the source lists them, what was deleted. How the next
//! page is asked for differs: after the last record (a keyset), or with what the source gave to go on
//! with, which is kept beside the position, so that a run goes on at its page whoever reads it.

mod continuation;
mod page;

pub use continuation::{BadContinuation, Continuation, LONGEST_CONTINUATION_BYTES, Mark};
pub use page::{Manner, PageRead, Stuck};

use crate::bundle::{ConnectionDefinition, PollDefinition};
use crate::connector::Manifest;
use crate::ids::{ObjectName, SourceId};
use crate::message::V1;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// How long a run that says nothing holds its place. Longer than a killed message stays invisible
/// (six times the function's time limit), so that it finds its own run again.
pub const LEASE: SignedDuration = SignedDuration::from_mins(15);

/// The run that a schedule's message begins: the same for each time that the message comes.
#[must_use]
pub fn run_of_message(message_id: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, message_id.as_bytes())
}

/// What `poll` must know of a connection, published when a bundle is applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PollSettings {
    /// What was written down.
    pub definition: ConnectionDefinition,
    /// The connector's manifest at the time of applying.
    pub manifest: Manifest,
}

impl PollSettings {
    /// The objects that are polled.
    #[must_use]
    pub fn polls(&self) -> &BTreeMap<ObjectName, PollDefinition> {
        &self.definition.polls
    }
}

/// A place in the order of a source's records: by version, then by id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The version: microseconds since 1970 where it is a moment.
    pub version: i64,
    /// The id; nothing: before every record of that version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<SourceId>,
}

/// How far polling of one object has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Format version.
    #[serde(default)]
    pub v: V1,
    /// How far the changed records are known.
    #[serde(flatten)]
    pub changed: Reached,
    /// How far the deletions are known.
    #[serde(default, skip_serializing_if = "Reached::is_nothing")]
    pub deleted: Reached,
    /// The run under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// The last run that came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<Completed>,
    /// Since when, and why, no run came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
}

/// How far one list of an object is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reached {
    /// Every record up to here is durable. Nothing: none was read yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<Position>,
    /// A run that began later than the overlap behind the watermark was complete: nothing can become
    /// visible at or before the watermark any more.
    #[serde(default)]
    pub settled: bool,
}

/// Which list of an object is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listing {
    /// What changed.
    #[default]
    Changed,
    /// What was deleted.
    Deleted,
}

/// A run under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Which run it is: made of the message that asked for it.
    pub id: Uuid,
    /// The page that is to be read next, from 1.
    pub page: u32,
    /// How often reading this page has failed.
    #[serde(default)]
    pub failures: u32,
    /// The list that it is reading.
    #[serde(default)]
    pub list: Listing,
    /// Where the page begins, or, where pages follow each other in another way, where the query under
    /// way began; nothing: at the very beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// How far the query under way has come.
    #[serde(default, skip_serializing_if = "Query::is_new")]
    pub query: Query,
    /// When it began.
    pub began_at: Timestamp,
    /// Until when no other run may begin.
    pub leased_until: Timestamp,
}

/// How far a query has come whose pages follow each other by what the source says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Query {
    /// What the next page is asked for with; nothing: it is the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation: Option<Continuation>,
    /// How many records it has given.
    #[serde(default)]
    pub records: u32,
    /// The highest place among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<Position>,
    /// A page of it that must not come again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Mark>,
}

impl Query {
    fn is_new(&self) -> bool {
        *self == Self::default()
    }
}

/// A run that came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// When it began: what changed before then, less the overlap, is durable.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How many pages it read.
    pub pages: u32,
}

/// Polling that does not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// Why, for people.
    pub reason: String,
}

/// What a message that asks for a run finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// The run begins.
    Begins(Box<Progress>),
    /// The same message began it already: it goes on at that page.
    Goes(u32),
    /// Another run is under way.
    Busy,
}

/// What a message that asks for a page finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The page is to be read.
    Read,
    /// The page was read; the next one is this.
    Done(u32),
    /// The run is over, or another one took its place.
    Over,
}

impl Progress {
    /// What becomes of a message that asks for a run. `floor` is the moment before which records are
    /// of no concern.
    #[must_use]
    pub fn begin(&self, run: Uuid, floor: Option<&Position>, manner: &Manner, now: Timestamp) -> Begin {
        match &self.run {
            Some(current) if current.id == run => return Begin::Goes(current.page),
            Some(current) if current.leased_until > now => return Begin::Busy,
            _ => {}
        }
        let run = Run {
            id: run,
            page: 1,
            failures: 0,
            list: Listing::Changed,
            position: self.changed.start(manner).max(floor.cloned()),
            query: Query::default(),
            began_at: now,
            leased_until: now + LEASE,
        };
        Begin::Begins(Box::new(Self { run: Some(run), ..self.clone() }))
    }

    /// What becomes of a message that asks for a page of a run.
    #[must_use]
    pub fn turn(&self, run: Uuid, page: u32) -> Turn {
        match &self.run {
            Some(current) if current.id == run && current.page == page => Turn::Read,
            Some(current) if current.id == run && current.page > page => Turn::Done(current.page),
            _ => Turn::Over,
        }
    }

    /// After reading a page failed, and it is to be tried again after `pause`; whether that `counts` as
    /// a failure of the page.
    #[must_use]
    pub fn page_failed(&self, pause: SignedDuration, counts: bool, now: Timestamp) -> Self {
        let mut next = self.clone();
        if let Some(run) = &mut next.run {
            run.failures = run.failures.saturating_add(counts.into());
            run.leased_until = now + LEASE + pause;
        }
        next
    }

    /// After a run was given up: the next one begins where it ended. Whether people are to be told,
    /// who are told once until a run is complete again.
    #[must_use]
    pub fn given_up(&self, reason: &str, now: Timestamp) -> (Self, bool) {
        let tell = self.failing.is_none();
        let since = self.failing.as_ref().map_or(now, |failing| failing.since);
        let failing = Some(Failing { since, reason: reason.to_owned() });
        (Self { run: None, failing, ..self.clone() }, tell)
    }
}

impl Reached {
    fn is_nothing(&self) -> bool {
        self.watermark.is_none()
    }

    /// Where the next run begins.
    fn start(&self, manner: &Manner) -> Option<Position> {
        if self.settled { self.watermark.clone() } else { manner.behind(self.watermark.as_ref()) }
    }
}

#[cfg(test)]
mod tests;
