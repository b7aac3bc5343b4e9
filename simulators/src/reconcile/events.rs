//! The source's side: which versions there are, who announced them, and what became of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::effects::Effects;
use super::{FailedEvent, Report, ViolationKind};
use crate::clock::version_order;
use crate::journal::{App, Journal, SentWebhook};

/// The place of a version among the versions of its record.
pub type Order = (i64, String);

/// A record of the source that webhooks come from. Ids are unique over its objects.
pub type RecordId = str;

/// All versions of one source record.
#[derive(Default)]
pub struct Record<'journal> {
    pub object: &'journal str,
    pub versions: BTreeMap<Order, Version<'journal>>,
}

/// One version of a source record.
pub struct Version<'journal> {
    pub text: &'journal str,
    pub content: &'journal Value,
    pub accepted: Vec<&'journal SentWebhook>,
}

/// All versions of all source records.
pub struct Versions<'journal> {
    pub records: HashMap<&'journal RecordId, Record<'journal>>,
    unacknowledged: u64,
}

impl<'journal> Versions<'journal> {
    pub fn of(journal: &'journal Journal) -> Self {
        let mut records: HashMap<&RecordId, Record<'_>> = HashMap::new();
        let mut enter = |id: &'journal str, object: &'journal str, text: &'journal str, content: &'journal Value| {
            let record = records.entry(id).or_default();
            record.object = object;
            record.versions.entry(version_order(text)).or_insert_with(|| Version {
                text,
                content,
                accepted: Vec::new(),
            });
        };
        for version in &journal.versions {
            enter(&version.record_id, &version.object, &version.version, &version.content);
        }
        for webhook in &journal.sent {
            enter(&webhook.record_id, &webhook.object, &webhook.version, &webhook.content);
        }
        let mut unacknowledged = 0;
        for webhook in &journal.sent {
            let version = records
                .get_mut(webhook.record_id.as_str())
                .and_then(|record| record.versions.get_mut(&version_order(&webhook.version)));
            match version {
                Some(version) if webhook.acknowledged_at.is_some() => version.accepted.push(webhook),
                _ => unacknowledged += 1,
            }
        }
        Self { records, unacknowledged }
    }

    pub fn find(&self, record_id: &str, order: &Order) -> Option<(&Record<'journal>, &Version<'journal>)> {
        let record = self.records.get(record_id)?;
        Some((record, record.versions.get(order)?))
    }

    /// The application whose webhooks these are. One today; a record's own field once
    /// there are several sources.
    pub fn source(&self) -> App {
        App::Revenova
    }
}

/// Puts every accepted event into one class.
pub fn classify(versions: &Versions<'_>, effects: &Effects<'_>, failed: &[FailedEvent], report: &mut Report) {
    let failed_ids: HashSet<&str> = failed.iter().map(|event| event.delivery_id.as_str()).collect();
    let mut explained = HashSet::new();
    report.unacknowledged = versions.unacknowledged;
    for (record_id, record) in sorted(&versions.records) {
        let last_effective = record.versions.keys().rev().find(|order| effects.has(record_id, order));
        for (order, version) in &record.versions {
            let accepted = version.accepted.len() as u64;
            report.events += accepted;
            if effects.has(record_id, order) {
                match accepted.checked_sub(1) {
                    Some(others) => {
                        report.delivered += 1;
                        report.unchanged += others;
                    }
                    None => report.delivered_unannounced += 1,
                }
                continue;
            }
            let Some(first) = version.accepted.first() else {
                continue;
            };
            let shown = version.accepted.iter().find(|event| failed_ids.contains(event.delivery_id.as_str()));
            if let Some(shown) = shown {
                report.failed_visible += 1;
                report.unchanged += accepted - 1;
                explained.insert(shown.delivery_id.as_str());
            } else if last_effective.is_some_and(|last| last > order) {
                report.superseded += accepted;
            } else {
                report.unchanged += accepted - 1;
                let explanation = format!(
                    "accepted as {} ({} event(s)); no effect, no later version took effect, and no failure is shown",
                    first.delivery_id, accepted
                );
                report.add(ViolationKind::Lost, subject(record.object, record_id, version.text), explanation);
            }
        }
    }
    let shown = |event: &&FailedEvent| explained.contains(event.delivery_id.as_str());
    report.failures = failed.iter().filter(shown).cloned().collect();
}

/// In a fixed order, so that the same journal gives the same report.
pub fn sorted<'map, 'journal>(
    records: &'map HashMap<&'journal RecordId, Record<'journal>>,
) -> Vec<(&'map RecordId, &'map Record<'journal>)> {
    let mut sorted: Vec<_> = records.iter().map(|(id, record)| (*id, record)).collect();
    sorted.sort_unstable_by_key(|(id, _)| *id);
    sorted
}

/// How a version of a source record is called in a finding.
pub fn subject(object: &str, record_id: &str, version: &str) -> String {
    format!("{object} {record_id} @ {version}")
}
