//! Lists that go on with what the source says: continuations, bounds, lists without order, deletions.

use super::*;

const CURSOR: Manner = Manner { keyset: false, ..KEYSET };
const UNORDERED: Manner = Manner { ordered: false, ..CURSOR };
const UNDATED: Manner = Manner { versioned: false, ..UNORDERED };
const BOUND: Manner = Manner { bound: Some(5), overlap: None, ..CURSOR };

fn cursor(text: &str) -> Continuation {
    Continuation::parse(text).unwrap()
}

/// A page of so many records up to a place, and what the source gives to go on with.
fn a_page(last: Option<Position>, records: u32, next: Option<&str>) -> PageRead {
    let (next, mark) = (next.map(cursor), next.map(|next| Mark::of([next])));
    PageRead { records, highest: last.clone(), last, more: next.is_some(), next, mark }
}

fn read(progress: &Progress, manner: &Manner, page: &PageRead, now: i64) -> Result<Progress, Stuck> {
    progress.page_read(page, manner, None, None, at(now))
}

#[test]
fn a_run_goes_on_with_what_the_source_gave_and_a_copy_of_it_does_so_too() {
    let progress = begun(&Progress::default(), 1, 1_000);
    let progress = read(&progress, &CURSOR, &a_page(Some(place(100, "b")), 2, Some("c1")), 1_001).unwrap();
    let copy: Progress = serde_json::from_value(serde_json::to_value(&progress).unwrap()).unwrap();
    assert_eq!(copy, progress);
    let run = copy.run.as_ref().unwrap();
    assert_eq!((run.page, run.query.continuation.clone(), run.position.clone()), (2, Some(cursor("c1")), None));
    assert_eq!(copy.changed.watermark, Some(place(100, "b")), "records come in order");
    let done = read(&copy, &CURSOR, &a_page(Some(place(101, "a")), 1, None), 1_002).unwrap();
    assert_eq!((done.run, done.changed.watermark), (None, Some(place(101, "a"))));
}

#[test]
fn what_an_earlier_version_saved_is_read() {
    let saved = r#"{"v":1,"watermark":{"version":100000000,"id":"b"},"settled":true,"run":{"id":"00000000-0000-0000-0000-000000000001",
        "page":2,"position":{"version":100000000,"id":"b"},"began_at":"1970-01-01T00:16:40Z","leased_until":"1970-01-01T00:31:40Z"}}"#;
    let progress: Progress = serde_json::from_str(saved).unwrap();
    assert_eq!((progress.changed.watermark.clone(), progress.changed.settled), (Some(place(100, "b")), true));
    let run = progress.run.as_ref().unwrap();
    assert_eq!((run.list, run.query.clone(), run.failures), (Listing::Changed, Query::default(), 0));
    assert_eq!(progress.turn(super::run(1), 2), Turn::Read);
    let again: Progress = serde_json::from_str(&serde_json::to_string(&progress).unwrap()).unwrap();
    assert_eq!(again, progress);
}

#[test]
fn garbage_that_was_saved_is_refused() {
    for garbage in [
        r#"{"run":{"id":"00000000-0000-0000-0000-000000000001","page":-1}}"#,
        r#"{"watermark":{"version":"x"}}"#,
        r#"{"deleted":7}"#,
        "[1]",
    ] {
        assert!(serde_json::from_str::<Progress>(garbage).is_err(), "{garbage}");
    }
    let long = format!(
        r#"{{"run":{{"id":"00000000-0000-0000-0000-000000000001","page":1,"began_at":"1970-01-01T00:16:40Z",
        "leased_until":"1970-01-01T00:31:40Z","query":{{"continuation":"{}"}}}}}}"#,
        "x".repeat(3_000)
    );
    assert!(serde_json::from_str::<Progress>(&long).is_err());
}

#[test]
fn the_same_continuation_twice_is_a_circle() {
    let progress = begun(&Progress::default(), 1, 1_000);
    let page = a_page(Some(place(100, "b")), 2, Some("c1"));
    let progress = read(&progress, &CURSOR, &page, 1_001).unwrap();
    assert_eq!(read(&progress, &CURSOR, &page, 1_002), Err(Stuck::Circle));
}

#[test]
fn the_same_page_twice_is_a_circle_where_pages_are_numbered() {
    let numbered = |next: &str| PageRead { mark: Some(Mark::of(["same"])), ..a_page(None, 2, Some(next)) };
    let progress = begun(&Progress::default(), 1, 1_000);
    let progress = read(&progress, &UNORDERED, &numbered("2"), 1_001).unwrap();
    assert_eq!(read(&progress, &UNORDERED, &numbered("3"), 1_002), Err(Stuck::Circle));
}

proptest! {
    /// Whatever the way into it and around it: it is found after at most so many pages more.
    #[test]
    fn a_circle_of_any_length_is_found(tail in 0..40_u32, length in 1..40_u32) {
        let mut progress = begun(&Progress::default(), 1, 1_000);
        for page in 0.. {
            let number = if page < tail { page } else { tail + (page - tail) % length };
            match read(&progress, &UNORDERED, &a_page(None, 0, Some(&format!("c{number}"))), 1_001) {
                Ok(next) => progress = next,
                Err(stuck) => {
                    prop_assert_eq!(stuck, Stuck::Circle);
                    prop_assert!(page >= tail + length, "page {} is no repetition", page);
                    break;
                }
            }
            prop_assert!(page <= 3 * (tail + length) + 3, "it goes round for ever");
        }
    }

    #[test]
    fn a_list_that_ends_is_no_circle(pages in 1..200_u32) {
        let mut progress = begun(&Progress::default(), 1, 1_000);
        for page in 1..pages {
            progress = read(&progress, &UNORDERED, &a_page(None, 1, Some(&format!("c{page}"))), 1_001).unwrap();
        }
        prop_assert!(read(&progress, &UNORDERED, &a_page(None, 1, None), 1_001).unwrap().run.is_none());
    }
}

#[test]
fn at_the_bound_a_new_query_begins_at_the_last_version() {
    let progress = begun(&Progress::default(), 1, 1_000);
    let progress = read(&progress, &BOUND, &a_page(Some(place(10, "b")), 2, Some("c2")), 1_001).unwrap();
    // With one page more it would be six.
    let progress = read(&progress, &BOUND, &a_page(Some(place(11, "d")), 2, Some("c4")), 1_001).unwrap();
    let run = progress.run.as_ref().unwrap();
    assert_eq!((run.page, run.query.clone()), (3, Query::default()));
    assert_eq!(run.position, Some(Position { version: 11_000_000, id: None }), "others may share that version");
    let done = read(&progress, &BOUND, &a_page(Some(place(12, "e")), 2, None), 1_001).unwrap();
    assert_eq!((done.run, done.changed.watermark), (None, Some(place(12, "e"))));
}

#[test]
fn more_records_of_one_version_than_a_query_gives_end_visibly() {
    let start = |manner: &Manner| {
        let progress = begun(&Progress::default(), 1, 1_000);
        let progress = read(&progress, manner, &a_page(Some(place(10, "b")), 2, Some("c2")), 1_001).unwrap();
        let progress = read(&progress, manner, &a_page(Some(place(10, "d")), 2, Some("c4")), 1_001).unwrap();
        read(&progress, manner, &a_page(Some(place(10, "b")), 2, Some("c2")), 1_001).unwrap()
    };
    let stuck = read(&start(&BOUND), &BOUND, &a_page(Some(place(10, "d")), 2, Some("c4")), 1_001).unwrap_err();
    assert_eq!(stuck, Stuck::TooManyOfOneVersion { bound: 5 });
    assert!(stuck.to_string().contains("more than 5 records have one version"), "{stuck}");
    // Exactly as many are none too many.
    let done = read(&start(&BOUND), &BOUND, &a_page(Some(place(10, "d")), 2, None), 1_001).unwrap();
    assert_eq!(done.run, None);
    let negative = PageRead { more: true, ..a_page(None, u32::MAX, Some("c")) };
    assert!(read(&begun(&Progress::default(), 1, 1_000), &BOUND, &negative, 1_001).is_err());
}

#[test]
fn without_order_the_watermark_moves_at_the_end_and_not_beyond_the_begin() {
    let first = begun(&Progress::default(), 1, 1_000);
    let first = read(&first, &UNORDERED, &a_page(Some(place(500, "b")), 2, Some("c1")), 1_001).unwrap();
    assert_eq!(first.changed.watermark, None);
    let low = read(&first, &UNORDERED, &a_page(Some(place(400, "a")), 1, None), 1_002).unwrap();
    assert_eq!(low.changed.watermark, Some(place(500, "b")));
    // What changed after the run began was perhaps on a page that was read by then.
    let high = read(&first, &UNORDERED, &a_page(Some(place(1_003, "a")), 1, None), 1_004).unwrap();
    assert_eq!(high.changed.watermark, Some(Position { version: 1_000_000_000, id: None }));
    assert_eq!(begun(&high, 2, 2_000).run.unwrap().position.unwrap().version, 990_000_000, "less the overlap");
    // A run that finds nothing leaves it where it was, and one that is given up begins again.
    let nothing = read(&begun(&low, 2, 2_000), &UNORDERED, &a_page(None, 0, None), 2_001).unwrap();
    assert_eq!(nothing.changed.watermark, Some(place(500, "b")));
    assert_eq!(first.given_up("refused", at(1_003)).0.changed.watermark, None);
}

#[test]
fn deletions_are_read_after_the_changes_and_have_a_watermark_of_their_own() {
    let step = |progress: &Progress, manner: &Manner, page: &PageRead, now: i64| {
        progress.page_read(page, manner, Some(&CURSOR), Some(&place(50, "x")), at(now)).unwrap()
    };
    let progress = begun(&Progress::default(), 1, 1_000);
    let progress = step(&progress, &KEYSET, &a_page(Some(place(100, "b")), 1, None), 1_001);
    let run = progress.run.clone().unwrap();
    let behind_the_floor = Position { version: 40_000_000, id: None };
    assert_eq!((run.page, run.list, run.position.clone()), (2, Listing::Deleted, Some(behind_the_floor)));
    assert!(progress.completed.is_none(), "the run is not over");
    let progress = step(&progress, &CURSOR, &a_page(Some(place(70, "d")), 2, Some("c1")), 1_002);
    let progress = step(&progress, &CURSOR, &a_page(Some(place(80, "e")), 1, None), 1_003);
    assert_eq!((progress.run.clone(), progress.completed.clone().unwrap().pages), (None, 3));
    assert_eq!(progress.changed.watermark, Some(place(100, "b")));
    assert_eq!(progress.deleted, Reached { watermark: Some(place(80, "e")), settled: true });
    let next = step(&begun(&progress, 2, 2_000), &KEYSET, &a_page(None, 0, None), 2_001);
    assert_eq!(next.run.unwrap().position, Some(place(80, "e")));
}

#[test]
fn a_span_of_deletions_is_never_shorter_than_the_overlap() {
    // Salesforce refuses one that is shorter than a minute, and what is told may begin to be of concern only now.
    for floor in [None, Some(place(1_000, "x")), Some(place(999, "x"))] {
        let mut progress = Progress::default();
        for (number, now) in [(1, 1_000), (2, 1_003), (3, 1_009), (4, 1_015), (5, 1_600)] {
            let begun = begun(&progress, number, now);
            let step = |progress: &Progress, page: &PageRead| {
                progress.page_read(page, &UNORDERED, Some(&UNORDERED), floor.as_ref(), at(now)).unwrap()
            };
            let deletions = step(&begun, &a_page(None, 0, None));
            let start = deletions.run.as_ref().unwrap().position.clone();
            assert!(start.is_none_or(|start| start.version <= (now - 10) * 1_000_000), "at {now} from {floor:?}");
            progress = step(&deletions, &a_page(Some(place(now - 1, "d")), 1, None));
        }
    }
}

#[test]
fn deletions_without_a_moment_are_known_up_to_the_begin_of_the_run() {
    let deletions = |progress: &Progress, manner: &Manner, page: &PageRead| {
        progress.page_read(page, manner, Some(&UNDATED), None, at(1_001)).unwrap()
    };
    let progress = deletions(&begun(&Progress::default(), 1, 1_000), &KEYSET, &a_page(None, 0, None));
    let progress = deletions(&progress, &UNDATED, &a_page(Some(place(1_001, "a")), 1, None));
    assert_eq!(progress.deleted.watermark, Some(Position { version: 1_000_000_000, id: None }));
}

/// What happens to a source that lists by id, whatever changed when.
#[derive(Debug, Clone)]
enum Step {
    Change(u8),
    Page,
    Die,
}

proptest! {
    /// A list without order, read while it changes: at the end each record was read in its last state.
    #[test]
    fn no_state_is_missed_without_order(
        steps in prop::collection::vec(prop_oneof![3 => (0..8_u8).prop_map(Step::Change), 3 => Just(Step::Page), 1 => Just(Step::Die)], 1..80),
        size in 1..3_usize,
    ) {
        let (mut clock, mut number) = (1_000_i64, 0_u128);
        let mut source: BTreeMap<String, i64> = BTreeMap::new();
        let mut read: BTreeSet<Position> = BTreeSet::new();
        let mut progress = Progress::default();
        let last = std::iter::repeat_n(Step::Page, 40);
        for step in steps.into_iter().chain(last) {
            clock += 1;
            match step {
                Step::Change(id) => drop(source.insert(format!("r{id}"), clock)),
                Step::Die => progress = progress.given_up("died", at(clock)).0,
                Step::Page => {
                    if progress.run.is_none() {
                        number += 1;
                        clock += 1;
                        progress = match progress.begin(run(number), None, &UNORDERED, at(clock)) {
                            Begin::Begins(progress) => *progress,
                            other => panic!("{other:?}"),
                        };
                    }
                    let under_way = progress.run.as_ref().unwrap();
                    let since = under_way.position.as_ref().map_or(0, |position| position.version);
                    let after = under_way.query.continuation.as_ref().map_or("", |cursor| cursor.as_str());
                    let mut found: Vec<Position> = source
                        .iter()
                        .filter(|(id, second)| id.as_str() > after && **second * 1_000_000 >= since)
                        .map(|(id, second)| place(*second, id))
                        .collect();
                    let more = found.len() > size;
                    found.truncate(size);
                    read.extend(found.iter().cloned());
                    let next = found.last().filter(|_| more).map(|last| last.id.clone().unwrap().to_string());
                    let highest = found.iter().max().cloned();
                    let page = a_page(highest, u32::try_from(found.len()).unwrap(), next.as_deref());
                    progress = progress.page_read(&page, &UNORDERED, None, None, at(clock)).unwrap();
                }
            }
        }
        for (id, second) in source {
            prop_assert!(read.contains(&place(second, &id)), "{id} of {second} was never read");
        }
    }
}
