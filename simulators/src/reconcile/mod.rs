//! The checker: DESIGN.md §10's figures, from what the applications recorded and nothing else.
//!
//! Two things come together here, the versions of the source records and the effects at the
//! targets. A version is one (source, object, record, `SystemModstamp` or `ModifiedAt`); an
//! effect says in its note which version it carries. Every accepted event then falls into
//! exactly one of *delivered*, *unchanged*, *superseded*, *failed visibly* or *lost*, and these
//! five add up to the accepted events. The violations (*duplicated*, *out of order*, *child
//! before parent*, *mismatched*) are about effects, and are counted beside them.
//!
//! Versions that nobody announces have no event. A poll sees only the newest version of a
//! record, so what is promised is promised per record: the newest version that a poll has to
//! bring takes effect, or a later one does, or the record is shown as failed. Otherwise the
//! record is *lost*, too. Versions that neither a webhook nor a poll has to bring promise
//! nothing by themselves; a child that needs one is not delivered without it.

mod effects;
mod events;
mod figures;
mod mapping;
mod parents;
mod polled;
mod table;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::journal::Journal;
use effects::Effects;
use events::Versions;

/// An event that FluxNex shows as failed or held. A webhook's event has the sender's id; what was
/// polled or fetched has none, and is known by its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedEvent {
    /// The sender's id of the event (`X-Revenova-Delivery`).
    pub delivery_id: Option<String>,
    /// The record that it is about.
    pub record: Option<FailedRecord>,
    /// The reason that is shown.
    pub reason: String,
}

/// A source record, in the source's own terms.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FailedRecord {
    /// Its type.
    pub object: String,
    /// Its id.
    pub record_id: String,
}

impl FailedEvent {
    /// The failure of a webhook's event.
    #[must_use]
    pub fn of_delivery(delivery_id: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { delivery_id: Some(delivery_id.into()), record: None, reason: reason.into() }
    }

    /// The failure of a record that was polled or fetched.
    #[must_use]
    pub fn of_record(object: impl Into<String>, record_id: impl Into<String>, reason: impl Into<String>) -> Self {
        let record = FailedRecord { object: object.into(), record_id: record_id.into() };
        Self { delivery_id: None, record: Some(record), reason: reason.into() }
    }
}

/// What is wrong, in the words of DESIGN.md §10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViolationKind {
    /// An accepted event, or a record that a poll had to bring, whose effect is missing, and nothing visible says why.
    Lost,
    /// An effect beyond the first of a version, or a second target record for one source record.
    Duplicated,
    /// An effect of an earlier version after that of a later one.
    OutOfOrder,
    /// An effect of a child before the first effect of its parent.
    ChildBeforeParent,
    /// A target record that is not what its source maps to.
    Mismatched,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// What is wrong.
    pub kind: ViolationKind,
    /// What it is about: `rtms__CustomerInvoice__c a0X… @ …`, or `quickbooks Invoice 17`.
    pub subject: String,
    /// What was expected and what was found.
    pub explanation: String,
}

/// The figures. `Display` prints them as a table for a terminal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Accepted events: webhooks that were answered with a 2xx.
    pub events: u64,
    /// Webhooks that never were, and that promise nothing.
    pub unacknowledged: u64,
    /// Versions that an accepted event announced and that took effect.
    pub delivered: u64,
    /// Versions that took effect though no accepted event announced them (polled, fetched).
    pub delivered_unannounced: u64,
    /// Accepted events of a version that another accepted event stands for.
    pub unchanged: u64,
    /// Accepted events of a version that never took effect because a later one did.
    pub superseded: u64,
    /// Accepted events that failed and are shown so.
    pub failed_visible: u64,
    /// Records that a poll had to bring.
    pub to_poll: u64,
    /// Versions that a poll had to bring and that took effect.
    pub polled: u64,
    /// Records that a poll had to bring and whose newest version is shown as failed.
    pub polled_failed: u64,
    /// Records that a poll had to bring and that are lost; they are among [`lost`](Self::lost).
    pub polled_lost: u64,
    /// Records that another one refers to and that were read by their id, each counted once.
    pub parents_fetched: u64,
    /// Successful reads of these; more than there are of them means that one was read again.
    pub parent_reads: u64,
    /// Records that nobody brings by himself and that an announced or polled record refers to.
    pub silent_parents: u64,
    /// Of these, read by their id.
    pub silent_parents_fetched: u64,
    /// What failed visibly, of events and of polled records, with the reasons.
    pub failures: Vec<FailedEvent>,
    /// See [`ViolationKind::Lost`]; counts versions that were announced, and records that were to be polled.
    pub lost: u64,
    /// See [`ViolationKind::Duplicated`]; counts effects.
    pub duplicated: u64,
    /// See [`ViolationKind::OutOfOrder`]; counts effects.
    pub out_of_order: u64,
    /// See [`ViolationKind::ChildBeforeParent`]; counts effects.
    pub child_before_parent: u64,
    /// See [`ViolationKind::Mismatched`]; counts target records.
    pub mismatched: u64,
    /// Effects at all targets.
    pub effects: u64,
    /// Records that they made.
    pub target_records: u64,
    /// Milliseconds from the first 2xx for a version to its effect, median.
    pub p50_ms: Option<f64>,
    /// The same, 99th percentile (nearest rank).
    pub p99_ms: Option<f64>,
    /// The same, slowest.
    pub max_ms: Option<f64>,
    /// Every finding.
    pub violations: Vec<Violation>,
}

impl Report {
    /// Whether there is no violation of any kind. Visible failures are none.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// What came of a run, for programs. `stuck` is what is left though nothing external is missing.
    #[must_use]
    pub fn figures(&self, stuck: u64) -> Map<String, Value> {
        let figures = [
            ("ok", (self.is_clean() && stuck == 0 && self.unacknowledged == 0).into()),
            ("events", self.events.into()),
            ("delivered", self.delivered.into()),
            ("unchanged", self.unchanged.into()),
            ("superseded", self.superseded.into()),
            ("polled", self.polled.into()),
            ("failed_visible", self.failed_visible.into()),
            ("lost", self.lost.into()),
            ("duplicated", self.duplicated.into()),
            ("out_of_order", self.out_of_order.into()),
            ("stuck", stuck.into()),
            ("child_before_parent", self.child_before_parent.into()),
            ("mismatched", self.mismatched.into()),
            ("p50_ms", self.p50_ms.into()),
            ("p99_ms", self.p99_ms.into()),
        ];
        figures.map(|(name, value): (&str, Value)| (name.to_owned(), value)).into_iter().collect()
    }

    fn add(&mut self, kind: ViolationKind, subject: String, explanation: String) {
        let counter = match kind {
            ViolationKind::Lost => &mut self.lost,
            ViolationKind::Duplicated => &mut self.duplicated,
            ViolationKind::OutOfOrder => &mut self.out_of_order,
            ViolationKind::ChildBeforeParent => &mut self.child_before_parent,
            ViolationKind::Mismatched => &mut self.mismatched,
        };
        *counter += 1;
        self.violations.push(Violation { kind, subject, explanation });
    }
}

/// Computes the figures. `failed` lists what FluxNex shows as failed or held; an entry that
/// names neither an accepted event nor a record that was to be polled is ignored.
#[must_use]
pub fn reconcile(journal: &Journal, failed: &[FailedEvent]) -> Report {
    let versions = Versions::of(journal);
    let effects = Effects::of(journal);
    let mut report =
        Report { effects: journal.effects.len() as u64, target_records: effects.target_records(), ..Report::default() };
    events::classify(&versions, &effects, failed, &mut report);
    polled::classify(&versions, &effects, failed, &mut report);
    parents::count(journal, &versions, &mut report);
    effects::check_duplicates(&effects, &versions, &mut report);
    effects::check_order(&effects, &versions, &mut report);
    effects::check_parents(&effects, &versions, &mut report);
    effects::check_contents(&effects, &versions, &mut report);
    figures::latencies(&versions, &effects, &mut report);
    report
}
