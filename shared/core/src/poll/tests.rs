//! Polling against a source that changes while it is read, with crashes between any two steps.

mod lists;

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const KEYSET: Manner = Manner {
    keyset: true,
    ordered: true,
    versioned: true,
    bound: None,
    page_size: 2,
    overlap: Some(SignedDuration::from_secs(10)),
};
const AT_ONCE: Manner = Manner { overlap: None, ..KEYSET };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn place(second: i64, id: &str) -> Position {
    Position { version: second * 1_000_000, id: Some(SourceId::parse(id).unwrap()) }
}

fn run(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn begun(progress: &Progress, number: u128, now: i64) -> Progress {
    match progress.begin(run(number), None, &KEYSET, at(now)) {
        Begin::Begins(progress) => *progress,
        other => panic!("{other:?}"),
    }
}

impl Progress {
    fn reads(&self, last: Option<Position>, more: bool, manner: &Manner, now: Timestamp) -> Self {
        let page = PageRead { records: 1, highest: last.clone(), last, more, ..PageRead::default() };
        self.page_read(&page, manner, None, None, now).unwrap()
    }
}

#[test]
fn the_watermark_moves_page_by_page_and_a_later_run_goes_on_there() {
    let progress = begun(&Progress::default(), 1, 1_000);
    assert_eq!(progress.run.as_ref().unwrap().position, None);
    let progress = progress.reads(Some(place(100, "b")), true, &KEYSET, at(1_001));
    assert_eq!((progress.turn(run(1), 1), progress.turn(run(1), 2)), (Turn::Done(2), Turn::Read));
    // The run dies; another one takes over when its lease is over.
    assert_eq!(progress.begin(run(2), None, &KEYSET, at(1_100)), Begin::Busy);
    let later = begun(&progress, 2, 1_001 + 900 + 1);
    assert_eq!(later.turn(run(1), 2), Turn::Over);
    assert_eq!(later.run.unwrap().position.unwrap().version, 90_000_000);
}

#[test]
fn a_message_that_comes_again_goes_on_with_its_run() {
    let progress = begun(&Progress::default(), 1, 1_000);
    assert_eq!(progress.begin(run(1), None, &KEYSET, at(1_001)), Begin::Goes(1));
    let progress = progress.reads(Some(place(100, "b")), true, &KEYSET, at(1_001));
    assert_eq!(progress.begin(run(1), None, &KEYSET, at(1_002)), Begin::Goes(2));
    let done = progress.reads(None, false, &KEYSET, at(1_003));
    assert_eq!(
        (done.run.is_none(), done.completed.clone().map(|run| (run.ended_at, run.pages))),
        (true, Some((at(1_003), 2)))
    );
    assert_eq!(done.turn(run(1), 2), Turn::Over);
}

#[test]
fn an_idle_source_is_read_again_from_its_watermark_alone() {
    let first = begun(&Progress::default(), 1, 105);
    let first = first.reads(Some(place(100, "b")), false, &KEYSET, at(105));
    assert!(!first.changed.settled, "a record of second 99 may still become visible");
    let second = begun(&first, 2, 111);
    assert_eq!(second.run.as_ref().unwrap().position, Some(Position { version: 90_000_000, id: None }));
    let second = second.reads(Some(place(100, "b")), false, &KEYSET, at(111));
    assert!(second.changed.settled);
    let third = begun(&second, 3, 200);
    assert_eq!(third.run.unwrap().position, Some(place(100, "b")));
}

#[test]
fn what_changed_before_the_floor_is_of_no_concern() {
    let floor = Position { version: 50_000_000, id: None };
    let Begin::Begins(progress) = Progress::default().begin(run(1), Some(&floor), &KEYSET, at(100)) else { panic!() };
    assert_eq!(progress.run.as_ref().unwrap().position, Some(floor.clone()));
    let further = progress.reads(Some(place(90, "a")), false, &AT_ONCE, at(100));
    let Begin::Begins(further) = further.begin(run(2), Some(&floor), &AT_ONCE, at(200)) else { panic!() };
    assert_eq!(further.run.unwrap().position, Some(place(90, "a")));
}

#[test]
fn people_are_told_once_until_a_run_is_complete() {
    let progress = begun(&Progress::default(), 1, 100);
    let (progress, tell) = progress.given_up("refused", at(101));
    assert!(tell && progress.run.is_none());
    let (progress, tell) = begun(&progress, 2, 200).given_up("refused", at(201));
    assert!(!tell && progress.failing.as_ref().unwrap().since == at(101));
    let progress = begun(&progress, 3, 300).reads(None, false, &KEYSET, at(301));
    assert_eq!(progress.failing, None);
}

/// A source: records by id with the second of their last change, some of which become visible late.
#[derive(Debug, Clone)]
enum Step {
    Change { id: u8, late: bool },
    Reveal,
    Poll { page: usize, dies: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..12_u8, any::<bool>()).prop_map(|(id, late)| Step::Change { id, late }),
        Just(Step::Reveal),
        (1..4_usize, any::<bool>()).prop_map(|(page, dies)| Step::Poll { page, dies }),
    ];
    prop::collection::vec(step, 1..60)
}

/// One page of the source: what is visible after the position, in the order of version and id.
fn page(visible: &[Position], after: Option<&Position>, size: usize) -> (Vec<Position>, bool) {
    let mut after: Vec<Position> =
        visible.iter().filter(|place| after.is_none_or(|after| *place > after)).cloned().collect();
    after.sort();
    let more = after.len() > size;
    after.truncate(size);
    (after, more)
}

proptest! {
    /// However the source changes between two pages, whatever becomes visible late (within the
    /// overlap), and wherever runs die: at the end each record was read in its last state.
    #[test]
    fn no_state_is_missed(steps in steps()) {
        let (mut clock, mut number) = (1_000_i64, 0_u128);
        let mut visible: Vec<Position> = Vec::new();
        let mut late: Vec<(i64, Position)> = Vec::new();
        let mut read: BTreeSet<Position> = BTreeSet::new();
        let mut progress = Progress::default();
        let last = [Step::Reveal, Step::Poll { page: 2, dies: false }, Step::Poll { page: 2, dies: false }];
        for step in steps.into_iter().chain(last) {
            clock += 1;
            late.retain(|(since, place)| {
                // Later than the overlap nothing becomes visible.
                let due = clock - since >= 9;
                if due { visible.push(place.clone()); }
                !due
            });
            match step {
                Step::Change { id, late: is_late } => {
                    let name = format!("r{id:02}");
                    if late.iter().any(|(_, place)| place.id.as_ref().unwrap().as_str() == name) { continue; }
                    let place = place(clock, &name);
                    visible.retain(|other| other.id.as_ref().unwrap().as_str() != name);
                    if is_late { late.push((clock, place)) } else { visible.push(place) }
                }
                Step::Reveal => visible.extend(late.drain(..).map(|(_, place)| place)),
                Step::Poll { page: size, dies } => {
                    number += 1;
                    if progress.run.as_ref().is_some_and(|run| run.leased_until > at(clock)) {
                        clock += 901;
                        visible.extend(late.drain(..).map(|(_, place)| place));
                    }
                    progress = begun(&progress, number, clock);
                    loop {
                        let position = progress.run.as_ref().unwrap().position.clone();
                        let (places, more) = page(&visible, position.as_ref(), size);
                        read.extend(places.iter().cloned());
                        if dies && number.is_multiple_of(2) { break; }
                        progress = progress.reads(places.last().cloned(), more, &KEYSET, at(clock));
                        if dies || progress.run.is_none() { break; }
                    }
                }
            }
        }
        for place in &visible {
            prop_assert!(read.contains(place), "{place:?} was never read");
        }
    }
}
