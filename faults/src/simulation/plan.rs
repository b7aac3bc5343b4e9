//! How a seed is run: how wild the scheduler is, and how many crashes and faults there are.

use super::functions::Function;
use super::gates::{Kind, Moment};
use super::mutants::Planted;
use super::story::Place;
use crate::queues::{Choices as _, Seeded};
use std::collections::BTreeSet;

/// The plan of a seed.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Most crashes.
    pub crashes: usize,
    /// A crash once in so many gates, until there were enough.
    pub crash_one_in: usize,
    /// Where a crash is sought, besides the others: there it is three in four.
    pub crash_at: Option<Place>,
    /// Most faults of applications.
    pub faults: usize,
    /// A fault once in so many requests.
    pub fault_one_in: usize,
    /// Invocations at once.
    pub at_once: usize,
    /// Something begins once in so many steps, while others are at gates.
    pub start_one_in: usize,
    /// How often whoever went on last goes on again.
    pub stay_percent: usize,
    /// Messages of a batch at most.
    pub batch_size: usize,
    /// What the open work was when time went on last.
    pub digest: u64,
    /// Crashes that are left out.
    pub left_out: BTreeSet<usize>,
    /// The bug that is planted.
    pub planted: Planted,
}

fn pick(choices: &mut Seeded, values: &[usize]) -> usize {
    values.get(choices.below(values.len())).copied().unwrap_or_default()
}

/// The effects that functions have: each seed seeks one of them out, before or after. Rare ones have more turns.
const EFFECTS: [(Function, Kind); 41] = [
    (Function::Ingest, Kind::ObjectPut),
    (Function::Ingest, Kind::QueueSend),
    (Function::Poll, Kind::ControlWrite),
    (Function::Poll, Kind::ObjectPut),
    (Function::Poll, Kind::ObjectPut),
    (Function::Poll, Kind::QueueSend),
    (Function::Poll, Kind::Request),
    (Function::Replicate, Kind::Commit),
    (Function::Replicate, Kind::ControlWrite),
    (Function::Replicate, Kind::QueueSend),
    (Function::Normalise, Kind::Commit),
    (Function::Normalise, Kind::ControlWrite),
    (Function::Normalise, Kind::QueueSend),
    (Function::Normalise, Kind::WorkflowAnswer),
    (Function::Normalise, Kind::WorkflowStart),
    (Function::Fetch, Kind::Commit),
    (Function::Fetch, Kind::ControlWrite),
    (Function::Fetch, Kind::ObjectPut),
    (Function::Fetch, Kind::ObjectPut),
    (Function::Fetch, Kind::QueueSend),
    (Function::Fetch, Kind::Request),
    (Function::Fetch, Kind::WorkflowAnswer),
    (Function::Route, Kind::Commit),
    (Function::Route, Kind::ControlWrite),
    (Function::Route, Kind::QueueSend),
    (Function::Deliver, Kind::Commit),
    (Function::Deliver, Kind::ControlWrite),
    (Function::Deliver, Kind::QueueSend),
    (Function::Deliver, Kind::Request),
    (Function::Deliver, Kind::Lease),
    (Function::Deliver, Kind::Lease),
    (Function::Deliver, Kind::SecretWrite),
    (Function::Deliver, Kind::SecretWrite),
    (Function::Notify, Kind::Request),
    (Function::Sweep, Kind::Commit),
    (Function::Sweep, Kind::ControlWrite),
    (Function::Sweep, Kind::QueueSend),
    (Function::Sweep, Kind::WorkflowAnswer),
    (Function::Sweep, Kind::WorkflowAnswer),
    (Function::Sweep, Kind::WorkflowAnswer),
    (Function::Sweep, Kind::WorkflowAnswer),
];

/// In turn, so that none is left out.
fn crash_at(seed: u64) -> Option<Place> {
    let turn = usize::try_from(seed / 2).unwrap_or_default() % EFFECTS.len();
    let moment = if seed.is_multiple_of(2) { Moment::Before } else { Moment::After };
    EFFECTS.get(turn).map(|(function, kind)| (*function, *kind, moment))
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut choices = Seeded::new(seed ^ 0x504c_414e);
        Self {
            crashes: pick(&mut choices, &[0, 1, 2, 3, 5]),
            crash_one_in: pick(&mut choices, &[20, 60, 200]),
            crash_at: crash_at(seed),
            faults: pick(&mut choices, &[0, 0, 1, 3]),
            fault_one_in: pick(&mut choices, &[2, 4, 8]),
            at_once: pick(&mut choices, &[2, 4, 6]),
            start_one_in: pick(&mut choices, &[2, 4, 10]),
            stay_percent: pick(&mut choices, &[0, 40, 80]),
            batch_size: pick(&mut choices, &[1, 3, 10]),
            digest: 0,
            left_out: BTreeSet::new(),
            planted: Planted::default(),
        }
    }
}
