//! What a page that was read does to the progress: where the next one begins, and what is known by now.

use super::{Completed, Continuation, LEASE, Listing, Mark, Position, Progress, Query, Reached, Run};
use jiff::{SignedDuration, Timestamp};

/// How the pages of a list follow each other, as its manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// Whether each page is asked for by the place of the last record.
    pub keyset: bool,
    /// Whether records come in the order of version.
    pub ordered: bool,
    /// Whether each record has a version. Without, none of them is placed, and it is not `ordered`.
    pub versioned: bool,
    /// How many records one query gives at most.
    pub bound: Option<u32>,
    /// How many records a page has at most.
    pub page_size: u32,
    /// How much later than its version says a record becomes visible, where versions are moments.
    pub overlap: Option<SignedDuration>,
}

impl Manner {
    /// A place moved back by the overlap, where versions are moments.
    pub(super) fn behind(&self, place: Option<&Position>) -> Option<Position> {
        let behind = self.overlap.map_or(0, |overlap| i64::try_from(overlap.as_micros()).unwrap_or(i64::MAX));
        place.map(|place| match behind {
            0 => place.clone(),
            _ => Position { version: place.version.saturating_sub(behind), id: None },
        })
    }
}

/// A page whose records are durable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageRead {
    /// How many records it has.
    pub records: u32,
    /// The place of the last one that can be placed.
    pub last: Option<Position>,
    /// The highest place.
    pub highest: Option<Position>,
    /// Whether there are more.
    pub more: bool,
    /// What the next page is asked for with, where that is not a place.
    pub next: Option<Continuation>,
    /// What recognises it, should it come again.
    pub mark: Option<Mark>,
}

/// Why a list cannot go on. In words for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stuck {
    /// There is no place to go on from.
    #[error("no record of the page can be identified")]
    NotIdentified,
    /// A keyset that is none.
    #[error("the source gives records that were read before: it does not keep to {{since}} and {{after}}")]
    ReadBefore,
    /// It would go round for ever.
    #[error("the source gives a page that was read before: it goes in circles")]
    Circle,
    /// The bound is reached, and a new query would begin where this one did.
    #[error(
        "more than {bound} records have one version, and a query gives at most {bound}: those beyond cannot be read"
    )]
    TooManyOfOneVersion {
        /// How many records a query gives.
        bound: u32,
    },
}

impl Progress {
    /// After the records of a page are durable. `deletions` is how what was deleted is listed, if it
    /// is; `floor` is the place before which records are of no concern. A progress without a run stays
    /// as it is.
    ///
    /// # Errors
    /// [`Stuck`]: the run is to be given up.
    pub fn page_read(
        &self,
        page: &PageRead,
        manner: &Manner,
        deletions: Option<&Manner>,
        floor: Option<&Position>,
        now: Timestamp,
    ) -> Result<Self, Stuck> {
        let mut next = self.clone();
        let Some(run) = next.run.take() else { return Ok(next) };
        let follows = if manner.keyset { after_the_last(&run, page)? } else { as_the_source_says(&run, page, manner)? };
        let reached = match run.list {
            Listing::Changed => &mut next.changed,
            Listing::Deleted => &mut next.deleted,
        };
        if manner.ordered {
            reached.moves_to(page.last.clone());
        }
        if follows.is_none() {
            if !manner.ordered {
                let highest = run.query.highest.clone().max(page.highest.clone());
                reached.moves_to(known_of_an_unordered_list(highest, manner, run.began_at));
            }
            reached.settled = is_settled(reached.watermark.as_ref(), manner.overlap, run.began_at);
        }
        let then = match (follows, run.list, deletions) {
            (Some((position, query)), list, _) => Some((list, position, query)),
            (None, Listing::Changed, Some(deletions)) => {
                // Behind the floor, for it may be this very moment: a source may refuse a span of no length.
                let start = next.deleted.start(deletions).max(deletions.behind(floor));
                Some((Listing::Deleted, start, Query::default()))
            }
            (None, ..) => None,
        };
        if let Some((list, position, query)) = then {
            let (page, leased_until) = (run.page.saturating_add(1), now + LEASE);
            next.run = Some(Run { page, failures: 0, list, position, query, leased_until, ..run });
        } else {
            next.completed = Some(Completed { began_at: run.began_at, ended_at: now, pages: run.page });
            next.failing = None;
        }
        Ok(next)
    }
}

/// Where the next page begins, and how far its query has come; nothing: the list is at its end.
type Follows = Option<(Option<Position>, Query)>;

fn after_the_last(run: &Run, page: &PageRead) -> Result<Follows, Stuck> {
    match (&page.last, &run.position) {
        (None, _) if page.records > 0 && page.more => Err(Stuck::NotIdentified),
        (Some(last), Some(after)) if last.version < after.version || last == after => Err(Stuck::ReadBefore),
        (last, after) => Ok(page.more.then(|| (last.clone().or_else(|| after.clone()), Query::default()))),
    }
}

fn as_the_source_says(run: &Run, page: &PageRead, manner: &Manner) -> Result<Follows, Stuck> {
    let records = run.query.records.saturating_add(page.records);
    let highest = run.query.highest.clone().max(page.highest.clone());
    if let Some(bound) = manner.bound
        && records.saturating_add(manner.page_size) > bound
        && (page.more || records >= bound)
    {
        // A new query, at the last version and not after it: others of that version may be beyond the bound.
        let start = highest.map(|highest| Position { version: highest.version, id: None });
        let begun = run.position.as_ref().map(|position| position.version);
        return match start {
            Some(start) if begun.is_none_or(|begun| start.version > begun) => Ok(Some((Some(start), Query::default()))),
            _ if page.more => Err(Stuck::TooManyOfOneVersion { bound }),
            _ => Ok(None),
        };
    }
    let (true, Some(continuation)) = (page.more, page.next.clone()) else { return Ok(None) };
    let seen = run.query.seen;
    if run.query.continuation.as_ref() == Some(&continuation) || (seen.is_some() && seen == page.mark) {
        return Err(Stuck::Circle);
    }
    // One page is remembered, and another one each time that the number of pages has doubled: so a circle of any
    // length is found, without remembering every page (Brent's algorithm).
    let seen = if seen.is_none() || run.page.is_power_of_two() { page.mark } else { seen };
    Ok(Some((run.position.clone(), Query { continuation: Some(continuation), records, highest, seen })))
}

impl Reached {
    /// Moves the watermark, never back.
    fn moves_to(&mut self, place: Option<Position>) {
        if let Some(place) = place
            && self.watermark.as_ref().is_none_or(|watermark| place.version >= watermark.version)
            && self.watermark.as_ref() != Some(&place)
        {
            // The source's order decides among records of one version: ids may sort otherwise there.
            self.watermark = Some(place);
            self.settled = false;
        }
    }
}

/// What a list without order has told when it was read to its end: nothing of what changed after the run began, for
/// that may have been on a page that was read already, while a later change was not.
fn known_of_an_unordered_list(highest: Option<Position>, manner: &Manner, began_at: Timestamp) -> Option<Position> {
    let begin = Position { version: began_at.as_microsecond(), id: None };
    if manner.versioned { highest.map(|highest| highest.min(begin)) } else { Some(begin) }
}

/// Whether a run that began then has seen all that can ever be at or before the watermark.
fn is_settled(watermark: Option<&Position>, overlap: Option<SignedDuration>, began_at: Timestamp) -> bool {
    let (Some(watermark), Some(overlap)) = (watermark, overlap) else { return true };
    let overlap = i64::try_from(overlap.as_micros()).unwrap_or(i64::MAX);
    began_at.as_microsecond() > watermark.version.saturating_add(overlap)
}
