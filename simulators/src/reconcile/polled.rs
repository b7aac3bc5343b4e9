//! Records that a poll has to bring: whether each of them came as far as it was promised.

use std::collections::{HashMap, HashSet};

use super::effects::Effects;
use super::events::{Order, Record, Versions, sorted, subject};
use super::mapping::route_of;
use super::{FailedEvent, Report, ViolationKind};
use crate::journal::Channel;

/// Puts every record with a version that a poll has to bring into one class.
pub fn classify(versions: &Versions<'_>, effects: &Effects<'_>, failed: &[FailedEvent], report: &mut Report) {
    let failed_ids: HashSet<&str> = failed.iter().filter_map(|event| event.delivery_id.as_deref()).collect();
    let mut failed_records: HashMap<(&str, &str), &FailedEvent> = HashMap::new();
    for event in failed {
        if let Some(record) = &event.record {
            failed_records.entry((record.object.as_str(), record.record_id.as_str())).or_insert(event);
        }
    }
    for (key, record) in sorted(&versions.records) {
        let to_poll: Vec<&Order> = record
            .versions
            .iter()
            .filter(|(_, version)| version.channel == Channel::Poll)
            .map(|(order, _)| order)
            .collect();
        let Some(newest) = to_poll.last().copied().filter(|_| route_of(key.0, record.object).is_some()) else {
            continue;
        };
        report.to_poll += 1;
        report.polled += to_poll.iter().filter(|order| effects.has(key, order)).count() as u64;
        if record.versions.range(newest.clone()..).any(|(order, _)| effects.has(key, order)) {
            continue;
        }
        if let Some(failure) = failed_records.get(&(record.object, key.1)) {
            report.polled_failed += 1;
            report.failures.push((*failure).clone());
        } else if failed_later(record, newest, &failed_ids) {
            // A webhook that came after it failed; its reason is listed with its event.
            report.polled_failed += 1;
        } else {
            report.polled_lost += 1;
            let text = record.versions.get(newest).map_or("?", |version| version.text);
            let explanation = "nobody announced it, and a poll had to bring it; neither it nor a later version took \
                               effect, and no failure is shown";
            report.add(ViolationKind::Lost, subject(record.object, key.1, text), explanation.to_owned());
        }
    }
}

fn failed_later(record: &Record<'_>, newest: &Order, failed_ids: &HashSet<&str>) -> bool {
    let later = record.versions.range(newest.clone()..).flat_map(|(_, version)| &version.accepted);
    later.into_iter().any(|event| failed_ids.contains(event.delivery_id.as_str()))
}
