//! Whatever happens in a batch, each record is either acknowledged or reported.

use crate::captured;
use crate::sample::{Sample, event};
use fluxnex_lambda::batch::{BatchError, Outcome, Record, Undecodable, Work, run_batch};
use fluxnex_lambda::{Deadline, Invocation};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Once;

/// What a record does to whoever touches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    Retry,
    Undecodable,
    PanicDecoding,
    Panic,
    Poison,
    Outage,
    Miscount,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => Just(Fate::Done),
        2 => Just(Fate::Retry),
        1 => Just(Fate::Undecodable),
        1 => Just(Fate::PanicDecoding),
        1 => Just(Fate::Panic),
        1 => Just(Fate::Poison),
        1 => Just(Fate::Outage),
        1 => Just(Fate::Miscount),
    ]
}

/// Planted panics would fill the output.
fn quietly() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload().downcast_ref::<&str>() != Some(&"planted") {
                usual(panic);
            }
        }));
    });
}

struct Run {
    reported: Vec<String>,
    /// Records that the stage answered `done` for, in the order of the answers.
    done: Vec<usize>,
    /// Records that the stage was called with, in the order of the calls.
    seen: Vec<usize>,
}

fn run(queue: &str, fates: &[(Fate, u8)]) -> Run {
    quietly();
    captured::start();
    let names: Vec<(String, String)> =
        fates.iter().enumerate().map(|(index, (_, group))| (format!("id-{index}"), format!("g{group}"))).collect();
    let samples: Vec<Sample<'_>> =
        names.iter().map(|(id, group)| (id.as_str(), Some(group.as_str()), id.as_str())).collect();
    let decode = |record: &Record| {
        let index: usize = record.body.trim_start_matches("id-").parse().unwrap();
        match fates[index].0 {
            Fate::Undecodable => Err(Undecodable::new("planted")),
            Fate::PanicDecoding => panic!("planted"),
            _ => Ok(index),
        }
    };
    let done = RefCell::new(Vec::new());
    let seen = RefCell::new(Vec::new());
    let stage = async |works: &[Work<usize>]| {
        let has = |fate: Fate| works.iter().any(|work| fates[work.message].0 == fate);
        seen.borrow_mut().extend(works.iter().map(|work| work.message));
        if has(Fate::Panic) {
            panic!("planted");
        } else if has(Fate::Poison) {
            return Err(BatchError::poisoned("planted"));
        } else if has(Fate::Outage) {
            return Err(BatchError::infrastructure("planted"));
        } else if has(Fate::Miscount) {
            return Ok(vec![Outcome::done("one too many"); works.len() + 1]);
        }
        Ok(works
            .iter()
            .map(|work| match fates[work.message].0 {
                Fate::Retry => Outcome::retry("planted"),
                _ => {
                    done.borrow_mut().push(work.message);
                    Outcome::done("done")
                }
            })
            .collect())
    };
    let invocation = Invocation::new("request", Deadline::NONE);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let response = runtime.block_on(run_batch(event(queue, &samples), &invocation, decode, stage)).unwrap();
    let reported = response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    Run { reported, done: done.into_inner(), seen: seen.into_inner() }
}

/// What holds for every batch.
fn each_record_is_acknowledged_or_reported(fates: &[(Fate, u8)], run: &Run) {
    let known: BTreeSet<String> = (0..fates.len()).map(|index| format!("id-{index}")).collect();
    let reported: BTreeSet<String> = run.reported.iter().cloned().collect();
    assert_eq!(reported.len(), run.reported.len(), "no id twice");
    assert!(reported.is_subset(&known), "no unknown and no empty id");
    for (index, (fate, _)) in fates.iter().enumerate() {
        let is_reported = reported.contains(&format!("id-{index}"));
        if !is_reported {
            assert!(run.done.contains(&index), "record {index} is acknowledged though nobody did it");
        }
        if *fate != Fate::Done {
            assert!(is_reported, "record {index} ({fate:?}) is not reported");
        }
    }
}

proptest! {
    #[test]
    fn standard(fates in prop::collection::vec((fate(), 0..4_u8), 0..40)) {
        let run = run("fluxnex-local-normalised", &fates);
        each_record_is_acknowledged_or_reported(&fates, &run);
        let breaks_all = |fate| matches!(fate, Fate::Outage | Fate::Miscount);
        if !fates.iter().any(|(fate, _)| breaks_all(*fate)) {
            for (index, (fate, _)) in fates.iter().enumerate() {
                let is_reported = run.reported.contains(&format!("id-{index}"));
                prop_assert_eq!(is_reported, *fate != Fate::Done, "only the guilty come back");
            }
        }
    }

    #[test]
    fn fifo(fates in prop::collection::vec((fate(), 0..4_u8), 0..11)) {
        let run = run("fluxnex-local-outbound-x.fifo", &fates);
        each_record_is_acknowledged_or_reported(&fates, &run);
        let mut groups: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
        for (index, (_, group)) in fates.iter().enumerate() {
            groups.entry(*group).or_default().push(index);
        }
        for members in groups.into_values() {
            let reported = |index: &usize| run.reported.contains(&format!("id-{index}"));
            let first = members.iter().position(reported).unwrap_or(members.len());
            prop_assert!(members[first..].iter().all(reported), "a group comes back from its first failure on");
            for after in members.iter().skip(first + 1) {
                prop_assert!(!run.seen.contains(after), "nothing after a failure of its group is handled");
            }
            let order: Vec<usize> = run.done.iter().copied().filter(|index| members.contains(index)).collect();
            let mut once = order.clone();
            once.dedup();
            prop_assert!(once.is_sorted(), "a group is handled in its order");
        }
    }
}
