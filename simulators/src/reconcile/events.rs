//! The source's side: which versions there are, who announced them, and what became of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::effects::Effects;
use super::{FailedEvent, Report, ViolationKind};
use crate::clock::version_order;
use crate::journal::{App, Channel, Journal, SentWebhook, SourceReference};

/// The place of a version among the versions of its record.
pub type Order = (i64, String);

/// A record of a source. Ids are unique over the objects of one source.
pub type RecordKey<'journal> = (App, &'journal str);

/// All versions of one source record.
pub struct Record<'journal> {
    pub object: &'journal str,
    pub versions: BTreeMap<Order, Version<'journal>>,
}

/// One version of a source record.
pub struct Version<'journal> {
    pub text: &'journal str,
    pub content: &'journal Value,
    pub channel: Channel,
    pub accepted: Vec<&'journal SentWebhook>,
}

/// All versions of all source records.
pub struct Versions<'journal> {
    pub records: HashMap<RecordKey<'journal>, Record<'journal>>,
    unacknowledged: u64,
}

impl<'journal> Versions<'journal> {
    pub fn of(journal: &'journal Journal) -> Self {
        let mut records: HashMap<RecordKey<'journal>, Record<'journal>> = HashMap::new();
        let mut enter = |key: RecordKey<'journal>, object: &'journal str, text: &'journal str, channel, content| {
            let record = records.entry(key).or_insert_with(|| Record { object, versions: BTreeMap::new() });
            let version = Version { text, content, channel, accepted: Vec::new() };
            record.versions.entry(version_order(text)).or_insert(version);
        };
        for version in &journal.versions {
            let key = (version.app, version.record_id.as_str());
            enter(key, &version.object, &version.version, version.channel, &version.content);
        }
        for webhook in &journal.sent {
            enter(sender(webhook), &webhook.object, &webhook.version, Channel::Webhook, &webhook.content);
        }
        let mut unacknowledged = 0;
        for webhook in &journal.sent {
            let version = records
                .get_mut(&sender(webhook))
                .and_then(|record| record.versions.get_mut(&version_order(&webhook.version)));
            match version {
                Some(version) if webhook.acknowledged_at.is_some() => version.accepted.push(webhook),
                _ => unacknowledged += 1,
            }
        }
        Self { records, unacknowledged }
    }

    pub fn find(
        &self,
        source: &'journal SourceReference,
        order: &Order,
    ) -> Option<(&Record<'journal>, &Version<'journal>)> {
        let record = self.records.get(&key_of(source))?;
        Some((record, record.versions.get(order)?))
    }

    /// How the version that an effect carries is called in a finding.
    pub fn subject(&self, source: &'journal SourceReference) -> String {
        let object = self.records.get(&key_of(source)).map_or("?", |record| record.object);
        subject(object, &source.record_id, &source.version)
    }
}

/// The record that an effect says it came from.
pub fn key_of(source: &SourceReference) -> RecordKey<'_> {
    (source.app, &source.record_id)
}

/// Revenova is the only source that sends webhooks.
fn sender(webhook: &SentWebhook) -> RecordKey<'_> {
    (App::Revenova, &webhook.record_id)
}

/// Puts every accepted event into one class.
pub fn classify(versions: &Versions<'_>, effects: &Effects<'_>, failed: &[FailedEvent], report: &mut Report) {
    let failed_ids: HashSet<&str> = failed.iter().filter_map(|event| event.delivery_id.as_deref()).collect();
    let mut explained = HashSet::new();
    report.unacknowledged = versions.unacknowledged;
    for (key, record) in sorted(&versions.records) {
        let last_effective = record.versions.keys().rev().find(|order| effects.has(key, order));
        for (order, version) in &record.versions {
            let accepted = version.accepted.len() as u64;
            report.events += accepted;
            if effects.has(key, order) {
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
                report.add(ViolationKind::Lost, subject(record.object, key.1, version.text), explanation);
            }
        }
    }
    let shown = |event: &&FailedEvent| event.delivery_id.as_deref().is_some_and(|id| explained.contains(id));
    report.failures.extend(failed.iter().filter(shown).cloned());
}

/// In a fixed order, so that the same journal gives the same report.
pub fn sorted<'map, 'journal>(
    records: &'map HashMap<RecordKey<'journal>, Record<'journal>>,
) -> Vec<(RecordKey<'journal>, &'map Record<'journal>)> {
    let mut sorted: Vec<_> = records.iter().map(|(key, record)| (*key, record)).collect();
    sorted.sort_unstable_by_key(|(key, _)| *key);
    sorted
}

/// How a version of a source record is called in a finding.
pub fn subject(object: &str, record_id: &str, version: &str) -> String {
    format!("{object} {record_id} @ {version}")
}
