//! Lost, duplicated, out of order, and whose records went where: from the applications' own records.

use super::{Kind, Problem};
use crate::simulation::{Applications, DELETED, Effect, Known, Scenario, Subject};
use std::collections::BTreeMap;

type Effects<'a> = BTreeMap<(&'a str, &'a str, &'static str), Vec<&'a Effect>>;

pub(super) fn check(scenario: &Scenario, applications: &Applications) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut of: Effects<'_> = BTreeMap::new();
    for effect in &applications.effects {
        of.entry((effect.tenant.as_str(), effect.source_id.as_str(), effect.target)).or_default().push(effect);
        if !effect.name.starts_with(&format!("{}-", effect.tenant)) {
            let words = format!("{} of another tenant went to {}", effect.name, effect.tenant);
            problems.push(Problem { kind: Kind::Isolation, words });
        }
    }
    for (subject, known) in &scenario.known {
        for target in &known.targets {
            let effects = of.remove(&(subject.tenant.as_str(), subject.id.as_str(), target)).unwrap_or_default();
            problems.extend(order(subject, target, known, &effects));
            // What was deleted before it was sent is nowhere.
            let never_sent = effects.is_empty() && known.contents.last().is_some_and(|newest| newest == DELETED);
            let is_there = effects.last().map(|effect| effect.content()) == known.contents.last().map(String::as_str);
            if known.is_told && !is_there && !never_sent && !scenario.is_hopeless(subject, target) {
                let last = effects.last().map_or("nothing", |effect| effect.content());
                let newest = known.contents.last().map_or("", String::as_str);
                let words = format!("{} of {}: told up to {newest}, {target} has {last}", subject.id, subject.tenant);
                problems.push(Problem { kind: Kind::Lost, words });
            }
        }
    }
    for ((tenant, id, target), _) in of {
        let words = format!("{id} of {tenant} went to {target}, where it does not belong");
        problems.push(Problem { kind: Kind::Other, words });
    }
    problems
}

/// Effects of one record at one target, in the order in which they happened.
fn order(subject: &Subject, target: &str, known: &Known, effects: &[&Effect]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |kind: Kind, what: String| {
        problems.push(Problem { kind, words: format!("{} of {} at {target}: {what}", subject.id, subject.tenant) });
    };
    for pair in effects.windows(2) {
        if let [earlier, later] = pair
            && later.target_id != earlier.target_id
            && earlier.content() != DELETED
        {
            problem(Kind::Duplicated, format!("it was created a second time, as {}", later.target_id));
        }
    }
    // Each effect is of a later version than the one before it. Contents that return may be of several.
    let mut next = 0;
    for effect in effects {
        let content = effect.content();
        let rest = known.contents.get(next..).unwrap_or_default();
        match rest.iter().position(|known| known == content) {
            Some(place) => next += place + 1,
            None if next > 0 && known.contents.get(next - 1).is_some_and(|last| last == content) => {
                problem(Kind::Duplicated, format!("{content} took effect twice"));
            }
            None if known.contents.iter().any(|known| known == content) => {
                let last = next.checked_sub(1).and_then(|last| known.contents.get(last)).map_or("", String::as_str);
                problem(Kind::OutOfOrder, format!("{content} took effect after {last}"));
            }
            None => problem(Kind::Other, format!("{content} is no version of it")),
        }
    }
    problems
}
