//! Each checker is shown one violation of its kind, in hand-made records, and reports it; and nothing where
//! all is well.

use super::states::{Seen, judge};
use super::wide::{self, Delivered};
use super::{Kind, Problem, effects};
use crate::simulation::{ACCOUNTING, Applications, Effect, Known, PARTNER, Scenario, Subject, Told};
use jiff::Timestamp;
use std::collections::BTreeSet;

fn subject(id: &str) -> Subject {
    Subject { tenant: "alpha".to_owned(), object: "Account".to_owned(), id: id.to_owned() }
}

fn known(contents: &[&str], parent: Option<&str>) -> Known {
    let contents = contents.iter().map(|content| (*content).to_owned()).collect();
    Known {
        contents,
        parent: parent.map(subject),
        is_absent: false,
        is_told: true,
        targets: BTreeSet::from([ACCOUNTING]),
    }
}

fn scenario(records: &[(&str, Known)]) -> Scenario {
    let known = records.iter().map(|(id, known)| (subject(id), known.clone())).collect();
    Scenario { known, ..Scenario::default() }
}

fn effect(target_id: &str, id: &str, content: &str) -> Effect {
    Effect {
        tenant: "alpha".to_owned(),
        target: ACCOUNTING,
        target_id: target_id.to_owned(),
        source_id: id.to_owned(),
        name: format!("alpha-{id}-{content}"),
    }
}

fn kinds(scenario: &Scenario, effects: Vec<Effect>) -> Vec<Kind> {
    let mut applications = Applications::new(0, 0, 0);
    applications.effects = effects;
    effects::check(scenario, &applications).iter().map(|problem| problem.kind).collect()
}

#[test]
fn what_is_delivered_once_and_in_order_is_well() {
    let scenario = scenario(&[("a", known(&["v1", "v2", "v3"], None))]);
    assert_eq!(kinds(&scenario, vec![effect("1", "a", "v1"), effect("1", "a", "v3")]), []);
    assert_eq!(kinds(&scenario, vec![effect("1", "a", "v3")]), []);
}

#[test]
fn what_is_missing_is_lost() {
    let scenario = scenario(&[("a", known(&["v1", "v2"], None))]);
    assert_eq!(kinds(&scenario, vec![]), [Kind::Lost]);
    assert_eq!(kinds(&scenario, vec![effect("1", "a", "v1")]), [Kind::Lost]);
}

#[test]
fn what_cannot_arrive_is_not_lost() {
    let poisoned = known(&["v1", "poison2"], None);
    assert_eq!(kinds(&scenario(&[("a", poisoned.clone()), ("b", known(&["v1"], Some("a")))]), vec![]), []);
    let absent = Known { is_absent: true, is_told: false, ..Known::default() };
    assert_eq!(kinds(&scenario(&[("a", absent), ("b", known(&["v1"], Some("a")))]), vec![]), []);
    let circle = scenario(&[("a", known(&["v1"], Some("b"))), ("b", known(&["v1"], Some("a")))]);
    assert_eq!(kinds(&circle, vec![]), []);
    assert!(circle.has_circle() && !scenario(&[("a", poisoned.clone())]).has_circle());
    // A target that does not refuse it has to have it.
    let mut elsewhere = scenario(&[("a", poisoned)]);
    elsewhere.known.get_mut(&subject("a")).unwrap().targets = BTreeSet::from([PARTNER]);
    assert_eq!(kinds(&elsewhere, vec![]), [Kind::Lost]);
}

#[test]
fn a_second_record_and_a_second_effect_of_a_version_are_duplicates() {
    let scenario = scenario(&[("a", known(&["v1"], None))]);
    assert_eq!(kinds(&scenario, vec![effect("1", "a", "v1"), effect("1", "a", "v1")]), [Kind::Duplicated]);
    let created = kinds(&scenario, vec![effect("1", "a", "v1"), effect("2", "a", "v1")]);
    assert_eq!(created, [Kind::Duplicated, Kind::Duplicated]);
}

#[test]
fn an_older_version_after_a_newer_one_is_out_of_order_and_lost_if_it_stays() {
    let scenario = scenario(&[("a", known(&["v1", "v2"], None))]);
    let stays = kinds(&scenario, vec![effect("1", "a", "v2"), effect("1", "a", "v1")]);
    assert_eq!(stays, [Kind::OutOfOrder, Kind::Lost]);
}

#[test]
fn a_content_that_returns_is_no_duplicate() {
    let scenario = scenario(&[("a", known(&["v1", "v2", "v1"], None))]);
    assert_eq!(kinds(&scenario, vec![effect("1", "a", "v1"), effect("1", "a", "v2"), effect("1", "a", "v1")]), []);
    assert_eq!(kinds(&scenario, vec![effect("1", "a", "v1"), effect("1", "a", "v2")]), [Kind::Lost]);
}

#[test]
fn what_went_to_another_tenant_or_target_is_reported() {
    let scenario = scenario(&[("a", known(&["v1"], None))]);
    let foreign = Effect { name: "beta-a-v1".to_owned(), ..effect("1", "a", "v1") };
    assert!(kinds(&scenario, vec![foreign]).contains(&Kind::Isolation));
    let elsewhere = Effect { target: PARTNER, ..effect("1", "a", "v1") };
    assert!(kinds(&scenario, vec![effect("1", "a", "v1"), elsewhere]).contains(&Kind::Other));
}

fn seen(state: &str) -> Seen {
    Seen {
        tenant: "alpha".to_owned(),
        event: "e1".to_owned(),
        sender: "s1".to_owned(),
        source_id: "a".to_owned(),
        state: Some(state.to_owned()),
        ..Seen::default()
    }
}

fn judged(scenario: &Scenario, seen: &[Seen], told: &[Told]) -> Vec<Kind> {
    let accepted = BTreeSet::from([("alpha".to_owned(), "s1".to_owned())]);
    let told = told.iter().cloned().collect();
    judge(seen, scenario, &told, &accepted).iter().map(|problem| problem.kind).collect()
}

#[test]
fn an_accepted_event_must_be_registered_and_have_a_state() {
    let scenario = scenario(&[("a", known(&["v1"], None))]);
    assert_eq!(judged(&scenario, &[seen("delivered")], &[]), []);
    assert_eq!(judged(&scenario, &[], &[]), [Kind::Lost, Kind::Lost]);
    assert_eq!(judged(&scenario, &[Seen { state: None, ..seen("") }], &[]), [Kind::Lost]);
    assert_eq!(judged(&scenario, &[Seen { is_open: true, ..seen("pending") }], &[]), [Kind::Stuck]);
}

#[test]
fn a_failure_needs_a_reason_and_is_told() {
    let poisoned = scenario(&[("a", known(&["poison1"], None))]);
    let told = |event: Option<&str>, delivery: Option<&str>| Told {
        tenant: "alpha".to_owned(),
        event: event.map(str::to_owned),
        delivery: delivery.map(str::to_owned),
    };
    assert_eq!(judged(&poisoned, &[seen("failed")], &[]), [Kind::Untold]);
    assert_eq!(judged(&poisoned, &[seen("failed")], &[told(Some("e1"), None)]), []);
    let delivery = Seen { delivery: Some("d1".to_owned()), ..seen("failed") };
    assert_eq!(judged(&poisoned, std::slice::from_ref(&delivery), &[told(Some("e1"), None)]), [Kind::Untold]);
    assert_eq!(judged(&poisoned, &[delivery], &[told(None, Some("d1"))]), []);
    let well = scenario(&[("a", known(&["v1"], None))]);
    assert_eq!(judged(&well, &[seen("failed")], &[told(Some("e1"), None)]), [Kind::Other]);
}

#[test]
fn what_is_seen_while_it_happens_has_a_kind() {
    for (words, kind) in [
        ("stuck: no marker", Kind::Stuck),
        ("child before parent: x", Kind::Parents),
        ("rate limit: x", Kind::RateLimit),
        ("a secret is in the log", Kind::Secret),
        ("isolation: x", Kind::Isolation),
        ("busy: x", Kind::Needless),
        ("rescued: x", Kind::Needless),
        ("credentials: x", Kind::Lost),
        ("anything else", Kind::Other),
    ] {
        assert_eq!(Problem::of(words).kind, kind);
    }
}

#[test]
fn a_record_that_overtakes_an_earlier_one_of_its_key_is_out_of_order() {
    let delivered = |id: &str, second: i64| Delivered {
        source_id: id.to_owned(),
        registered_at: Timestamp::from_second(second).unwrap(),
        place: Timestamp::from_second(second).unwrap(),
        made_at: Timestamp::from_second(second + 1).unwrap(),
    };
    let (a, b) = (subject("a"), subject("b"));
    let judged = |delivered: &[Delivered], effects: &[&str]| wide::judge(&[&a, &b], delivered, effects).len();
    let apart = [delivered("a", 10), delivered("b", 60)];
    assert_eq!(judged(&apart, &["a", "b"]), 0);
    assert_eq!(judged(&apart, &["b", "a"]), 1);
    assert_eq!(judged(&apart, &["b"]), 1, "the earlier one never went");
    assert_eq!(judged(&apart, &["a"]), 0);
    let together = [delivered("a", 10), delivered("b", 11)];
    assert_eq!(judged(&together, &["b", "a"]), 0, "the one may have been claimed before the other was known");
}
