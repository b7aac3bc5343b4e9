//! The targets' side: what took effect, in which order, and whether it is right.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::events::{Order, RecordKey, Versions, key_of, subject};
use super::mapping::{Route, route_of, same};
use super::{Report, ViolationKind};
use crate::clock::version_order;
use crate::journal::{App, Effect, Journal, SourceReference};

/// One effect, with the version that it carries.
pub struct Placed<'journal> {
    pub effect: &'journal Effect,
    pub source: Option<(&'journal SourceReference, Order)>,
}

/// A source record at one target: the target, the entity there, and the record.
type AtTarget<'journal> = (App, &'journal str, RecordKey<'journal>);

/// All effects in the order in which they took effect.
pub struct Effects<'journal> {
    pub in_order: Vec<Placed<'journal>>,
    versions: HashSet<(RecordKey<'journal>, Order)>,
    /// The first target record of a source record, and its place in the order.
    first: HashMap<AtTarget<'journal>, (&'journal str, u64)>,
}

impl<'journal> Effects<'journal> {
    pub fn of(journal: &'journal Journal) -> Self {
        let mut effects: Vec<&Effect> = journal.effects.iter().collect();
        effects.sort_by_key(|effect| effect.sequence);
        let mut first = HashMap::new();
        let mut versions = HashSet::new();
        let place = |effect: &'journal Effect| {
            let source = effect.source.as_ref().map(|source| (source, version_order(&source.version)));
            if let Some((source, order)) = &source {
                versions.insert((key_of(source), order.clone()));
                first.entry(at_target(effect, source)).or_insert((effect.target_id.as_str(), effect.sequence));
            }
            Placed { effect, source }
        };
        let in_order = effects.into_iter().map(place).collect();
        Self { in_order, versions, first }
    }

    pub fn has(&self, key: RecordKey<'journal>, order: &Order) -> bool {
        self.versions.contains(&(key, order.clone()))
    }

    pub fn target_records(&self) -> u64 {
        let targets: HashSet<_> = self.in_order.iter().map(|placed| target(placed.effect)).collect();
        targets.len() as u64
    }

    /// The target record that a source record has had from its first effect on.
    fn first(&self, record: AtTarget<'_>) -> Option<(&'journal str, u64)> {
        self.first.get(&record).copied()
    }

    /// The parent's target record, if it ever came to be there.
    fn parent(&self, route: &Route, content: &Value) -> Option<(&'journal str, u64)> {
        let parent = route.parent_of(content)?;
        let entity = route.parent_route()?.entity;
        self.first((route.target, entity, (route.source, parent)))
    }
}

fn at_target<'journal>(effect: &'journal Effect, source: &'journal SourceReference) -> AtTarget<'journal> {
    (effect.app, &effect.entity, key_of(source))
}

fn target(effect: &Effect) -> (App, &str, &str) {
    (effect.app, &effect.entity, &effect.target_id)
}

fn target_subject(effect: &Effect) -> String {
    format!("{} {} {}", effect.app.name(), effect.entity, effect.target_id)
}

/// More than one effect for one version, or more than one target record for one source record.
pub fn check_duplicates(effects: &Effects<'_>, versions: &Versions<'_>, report: &mut Report) {
    let mut seen: HashMap<(AtTarget<'_>, &Order), &Effect> = HashMap::new();
    for placed in &effects.in_order {
        let Some((source, order)) = &placed.source else {
            continue;
        };
        let effect = placed.effect;
        let subject = versions.subject(source);
        let key = (at_target(effect, source), order);
        if let Some(before) = seen.get(&key) {
            let explanation = format!(
                "took effect again at {} (request {}), after {} (request {})",
                target_subject(effect),
                effect.request_id.as_deref().unwrap_or("without id"),
                target_subject(before),
                before.request_id.as_deref().unwrap_or("without id"),
            );
            report.add(ViolationKind::Duplicated, subject, explanation);
            continue;
        }
        seen.insert(key, effect);
        if let Some((first, _)) = effects.first(at_target(effect, source))
            && first != effect.target_id
        {
            let explanation = format!("made {} though the record already is {first} there", target_subject(effect));
            report.add(ViolationKind::Duplicated, subject, explanation);
        }
    }
}

/// An earlier version after a later one, at one target.
pub fn check_order(effects: &Effects<'_>, versions: &Versions<'_>, report: &mut Report) {
    let mut latest: HashMap<AtTarget<'_>, (&Order, &str)> = HashMap::new();
    for placed in &effects.in_order {
        let Some((source, order)) = &placed.source else {
            continue;
        };
        let effect = placed.effect;
        let key = at_target(effect, source);
        let (last, text) = *latest.entry(key).or_insert((order, &source.version));
        if order < last {
            let explanation = format!("took effect at {} after version {text}", target_subject(effect));
            report.add(ViolationKind::OutOfOrder, versions.subject(source), explanation);
        } else {
            latest.insert(key, (order, &source.version));
        }
    }
}

/// A child whose parent had no effect yet, at one target.
pub fn check_parents(effects: &Effects<'_>, versions: &Versions<'_>, report: &mut Report) {
    for placed in &effects.in_order {
        let Some((source, order)) = &placed.source else {
            continue;
        };
        let effect = placed.effect;
        let Some((record, version)) = versions.find(source, order) else {
            continue;
        };
        let route = route_of(source.app, record.object).filter(|route| goes(route, effect));
        let Some((route, parent)) = route.and_then(|route| Some((route, route.parent_of(version.content)?))) else {
            continue;
        };
        let parent_effect = effects.parent(route, version.content);
        if parent_effect.is_some_and(|(_, sequence)| sequence < effect.sequence) {
            continue;
        }
        let when = if parent_effect.is_some() { "took effect only later" } else { "never took effect" };
        let object = route.parent.map_or("?", |parent| parent.object);
        let explanation = format!("is {}, but its parent {object} {parent} {when}", target_subject(effect));
        report.add(ViolationKind::ChildBeforeParent, versions.subject(source), explanation);
    }
}

fn goes(route: &Route, effect: &Effect) -> bool {
    route.target == effect.app && route.entity == effect.entity
}

/// Every record at a target, after each of its effects, against what its source maps to.
/// The first difference of each target record is reported.
pub fn check_contents(effects: &Effects<'_>, versions: &Versions<'_>, report: &mut Report) {
    let mut reported = HashSet::new();
    for placed in &effects.in_order {
        let Some(explanation) = difference(placed, effects, versions) else {
            continue;
        };
        if reported.insert(target(placed.effect)) {
            report.add(ViolationKind::Mismatched, target_subject(placed.effect), explanation);
        }
    }
}

fn difference(placed: &Placed<'_>, effects: &Effects<'_>, versions: &Versions<'_>) -> Option<String> {
    let effect = placed.effect;
    let Some((source, order)) = &placed.source else {
        return Some("does not say which source record it came from".to_owned());
    };
    let named = subject("source record", &source.record_id, &source.version);
    let Some((record, version)) = versions.find(source, order) else {
        return Some(format!("comes from {named}, which never existed"));
    };
    let Some(route) = route_of(source.app, record.object).filter(|route| goes(route, effect)) else {
        return Some(format!("comes from {named}, of an object that does not belong here"));
    };
    if let Some(reason) = (route.invalid)(version.content) {
        return Some(format!("comes from {named}, which must not take effect: {reason}"));
    }
    let parent = effects.parent(route, version.content);
    let written = (route.written)(&effect.record);
    let expected = (route.fields)(version.content, parent.map(|(target_id, _)| target_id));
    for field in expected {
        let found = written.pointer(&field.pointer).unwrap_or(&Value::Null);
        if !same(&field.expected, found) {
            return Some(format!("{}: expected {}, found {found} ({named})", field.pointer, field.expected));
        }
    }
    let lines = route.lines?;
    let expected = (lines.of_source)(version.content).len();
    let found = written.get(lines.of_target).and_then(Value::as_array).map_or(0, Vec::len);
    (expected != found).then(|| format!("expected {expected} lines, found {found} ({named})"))
}
