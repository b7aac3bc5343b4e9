//! A failing seed is made smaller: whatever can be left out, and it still fails, is left out.

use super::scenario::{Happening, Scenario, Subject};
use super::seed::{Case, Outcome, run};
use super::{Counted, Ground};
use crate::checks::Kind;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

/// What of a seed is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Less {
    /// Records, with all that happens to them.
    pub subjects: BTreeSet<Subject>,
    /// Occurrences, by their places in the whole scenario.
    pub occurrences: BTreeSet<usize>,
    /// Crashes, numbered from 1 as they come.
    pub crashes: BTreeSet<usize>,
    /// Faults of applications, numbered from 1 as they come.
    pub faults: BTreeSet<usize>,
    /// Queues do nothing but what they promise.
    pub quirks: bool,
}

/// One thing that may be left out.
#[derive(Debug, Clone)]
enum Part {
    Subject(Subject),
    Occurrence(usize),
    Crash(usize),
    Fault(usize),
    Quirks,
}

impl Less {
    fn without(&self, part: Part) -> Self {
        let mut less = self.clone();
        match part {
            Part::Subject(subject) => drop(less.subjects.insert(subject)),
            Part::Occurrence(place) => drop(less.occurrences.insert(place)),
            Part::Crash(number) => drop(less.crashes.insert(number)),
            Part::Fault(number) => drop(less.faults.insert(number)),
            Part::Quirks => less.quirks = true,
        }
        less
    }

    /// Leaves it out of a scenario.
    pub(super) fn apply(&self, scenario: &mut Scenario) {
        let mut place = 0;
        scenario.occurrences.retain(|occurrence| {
            place += 1;
            let of_subject = subject_of(&occurrence.what).is_some_and(|subject| self.subjects.contains(subject));
            !of_subject && !self.occurrences.contains(&(place - 1))
        });
        scenario.records.retain(|subject, _| !self.subjects.contains(subject));
        scenario.known.retain(|subject, _| !self.subjects.contains(subject));
    }
}

fn subject_of(what: &Happening) -> Option<&Subject> {
    match what {
        Happening::Changes(subject, _) => Some(subject),
        Happening::Told(telling) => Some(&telling.subject),
        _ => None,
    }
}

/// What may be left out of a scenario without anything that remains being expected in vain: records that are
/// nobody's parent, tellings that are repeated, and what goes wrong.
fn parts(scenario: &Scenario, counted: &Counted) -> Vec<Part> {
    let is_parent = |subject: &Subject| scenario.known.values().any(|known| known.parent.as_ref() == Some(subject));
    let subjects = scenario.known.keys().filter(|subject| !is_parent(subject)).cloned().map(Part::Subject);
    let mut tellings: BTreeMap<(&Subject, usize), usize> = BTreeMap::new();
    let mut places = Vec::new();
    for (place, occurrence) in scenario.occurrences.iter().enumerate() {
        let may_go = match &occurrence.what {
            Happening::Told(telling) => {
                let told = tellings.entry((&telling.subject, telling.version)).or_default();
                *told += 1;
                *told > 1
            }
            Happening::Outage(..) | Happening::Restart(_) | Happening::Configured(_) | Happening::ClocksJump => true,
            Happening::Changes(..) | Happening::Polled { .. } | Happening::IsBack => false,
        };
        if may_go {
            places.push(Part::Occurrence(place));
        }
    }
    let crashes = (1..=counted.crashes).map(Part::Crash);
    let faults = (1..=counted.faults).map(Part::Fault);
    subjects.chain(faults).chain([Part::Quirks]).chain(places).chain(crashes).collect()
}

/// Makes a failing case smaller, as long as it fails in the same way; gives it with its story.
///
/// # Errors
/// If the simulation itself fails.
pub async fn shrink(ground: &mut Ground, case: &Case, kind: Kind) -> Result<Outcome> {
    let mut smallest = case.clone();
    loop {
        let outcome = run(ground, &Case { is_told: true, ..smallest.clone() }).await?;
        let mut scenario = Scenario::of(case.seed, case.recipe);
        scenario.known.retain(|subject, _| !smallest.less.subjects.contains(subject));
        let before = smallest.less.clone();
        for part in parts(&scenario, &outcome.counted) {
            let less = smallest.less.without(part);
            if less == smallest.less {
                continue;
            }
            let smaller = Case { less, is_told: false, ..smallest.clone() };
            if run(ground, &smaller).await?.problems.iter().any(|problem| problem.kind == kind) {
                smallest = smaller;
            }
        }
        if smallest.less == before {
            return Ok(outcome);
        }
    }
}

/// The lines of a story that a reader needs: what was sent, answered and changed, and who died. Not each gate, and
/// not the rounds of `sweep` that found nothing.
#[must_use]
pub fn short(story: &[String]) -> Vec<String> {
    let is_kept = |line: &&String| {
        // `   123.456  who            what`
        let Some((who, what)) =
            line.trim_start().split_once("  ").map(|(_, rest)| rest.split_once(' ').unwrap_or((rest, "")))
        else {
            return true;
        };
        let what = what.trim_start();
        let is_gate = what.starts_with("before ") || what.starts_with("after ");
        let is_usual = what.starts_with("answers {\"batchItemFailures\":[]}") || what.ends_with(" deleted, 0 back");
        let is_round = who.starts_with("sweep#") && !what.starts_with("DIES") || what.contains("-sweep-tenant");
        !(is_gate || is_usual || is_round)
    };
    story.iter().filter(is_kept).map(|line| line.chars().take(200).collect()).collect()
}
