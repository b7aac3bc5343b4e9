//! The targets' side: what took effect, in which order, and whether it is right.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::events::{Order, Versions, subject};
use super::mapping::{expected_lines, route_of, route_to, same, violates_schema};
use super::{Report, ViolationKind};
use crate::clock::version_order;
use crate::journal::{App, Effect, Journal, SourceReference};

/// One effect, with the version that it carries.
pub struct Placed<'journal> {
    pub effect: &'journal Effect,
    pub source: Option<(&'journal SourceReference, Order)>,
}

/// All effects in the order in which they took effect.
pub struct Effects<'journal> {
    pub in_order: Vec<Placed<'journal>>,
    versions: HashSet<(&'journal str, Order)>,
    /// The first target record of a source record, and its place in the order.
    first: HashMap<(App, &'journal str, &'journal str), (&'journal str, u64)>,
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
                let record_id = source.record_id.as_str();
                versions.insert((record_id, order.clone()));
                first
                    .entry((effect.app, effect.entity.as_str(), record_id))
                    .or_insert((effect.target_id.as_str(), effect.sequence));
            }
            Placed { effect, source }
        };
        let in_order = effects.into_iter().map(place).collect();
        Self { in_order, versions, first }
    }

    pub fn has(&self, record_id: &str, order: &Order) -> bool {
        self.versions.contains(&(record_id, order.clone()))
    }

    pub fn target_records(&self) -> u64 {
        let targets: HashSet<_> = self.in_order.iter().map(|placed| target(placed.effect)).collect();
        targets.len() as u64
    }

    /// The target record that a source record has had from its first effect on.
    fn first(&self, app: App, entity: &str, record_id: &str) -> Option<(&'journal str, u64)> {
        self.first.get(&(app, entity, record_id)).copied()
    }
}

fn target(effect: &Effect) -> (App, &str, &str) {
    (effect.app, &effect.entity, &effect.target_id)
}

fn target_subject(effect: &Effect) -> String {
    format!("{} {} {}", effect.app.name(), effect.entity, effect.target_id)
}

/// More than one effect for one version, or more than one target record for one source record.
pub fn check_duplicates(effects: &Effects<'_>, versions: &Versions<'_>, report: &mut Report) {
    let mut seen: HashMap<(App, &str, &str, &Order), &Effect> = HashMap::new();
    for placed in &effects.in_order {
        let Some((source, order)) = &placed.source else {
            continue;
        };
        let effect = placed.effect;
        let object = versions.records.get(source.record_id.as_str()).map_or("?", |record| record.object);
        let subject = subject(object, &source.record_id, &source.version);
        let key = (effect.app, effect.entity.as_str(), source.record_id.as_str(), order);
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
        if let Some((first, _)) = effects.first(effect.app, &effect.entity, &source.record_id)
            && first != effect.target_id
        {
            let explanation = format!("made {} though the record already is {first} there", target_subject(effect));
            report.add(ViolationKind::Duplicated, subject, explanation);
        }
    }
}

/// An earlier version after a later one, at one target.
pub fn check_order(effects: &Effects<'_>, versions: &Versions<'_>, report: &mut Report) {
    let mut latest: HashMap<(App, &str, &str), (&Order, &str)> = HashMap::new();
    for placed in &effects.in_order {
        let Some((source, order)) = &placed.source else {
            continue;
        };
        let effect = placed.effect;
        let key = (effect.app, effect.entity.as_str(), source.record_id.as_str());
        let (last, text) = *latest.entry(key).or_insert((order, &source.version));
        if order < last {
            let object = versions.records.get(source.record_id.as_str()).map_or("?", |record| record.object);
            let explanation = format!("took effect at {} after version {text}", target_subject(effect));
            let subject = subject(object, &source.record_id, &source.version);
            report.add(ViolationKind::OutOfOrder, subject, explanation);
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
        let Some((field, parent_object)) = route_to(effect.app, &effect.entity).and_then(|route| route.parent) else {
            continue;
        };
        let Some((record, version)) = versions.find(&source.record_id, order) else {
            continue;
        };
        let Some(parent) = version.content.get(field).and_then(Value::as_str) else {
            continue;
        };
        let parent_route = route_of(versions.source(), parent_object);
        let parent_effect = parent_route.and_then(|route| effects.first(effect.app, route.entity, parent));
        if parent_effect.is_some_and(|(_, sequence)| sequence < effect.sequence) {
            continue;
        }
        let when = if parent_effect.is_some() { "took effect only later" } else { "never took effect" };
        let explanation = format!("is {}, but its parent {parent_object} {parent} {when}", target_subject(effect));
        let subject = subject(record.object, &source.record_id, &source.version);
        report.add(ViolationKind::ChildBeforeParent, subject, explanation);
    }
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
    let Some((record, version)) = versions.find(&source.record_id, order) else {
        return Some(format!("comes from {named}, which never existed"));
    };
    let route = route_of(versions.source(), record.object)
        .filter(|route| route.target == effect.app && route.entity == effect.entity);
    let Some(route) = route else {
        return Some(format!("comes from {named}, of an object that does not belong here"));
    };
    if let Some(reason) = violates_schema(record.object, version.content) {
        return Some(format!("comes from {named}, which must not take effect: {reason}"));
    }
    let parent = route.parent.and_then(|(field, object)| {
        let parent = version.content.get(field).and_then(Value::as_str)?;
        let entity = route_of(versions.source(), object)?.entity;
        effects.first(effect.app, entity, parent)
    });
    let written = without_computed_lines(&effect.record);
    let expected = (route.fields)(version.content, parent.map(|(target_id, _)| target_id));
    for field in expected {
        let found = written.pointer(&field.pointer).unwrap_or(&Value::Null);
        if !same(&field.expected, found) {
            return Some(format!("{}: expected {}, found {found} ({named})", field.pointer, field.expected));
        }
    }
    let lines = expected_lines(&effect.entity, version.content)?;
    let found = written.get("Line").and_then(Value::as_array).map_or(0, Vec::len);
    (lines != found).then(|| format!("expected {lines} lines, found {found} ({named})"))
}

/// QuickBooks adds a subtotal to an invoice's lines; it is nobody's input.
fn without_computed_lines(record: &Value) -> Value {
    let mut record = record.clone();
    if let Some(lines) = record.get_mut("Line").and_then(Value::as_array_mut) {
        lines.retain(|line| line.get("DetailType").and_then(Value::as_str) == Some("SalesItemLineDetail"));
    }
    record
}
