//! Parents that were fetched: which records were read by their id, and how often.

use std::collections::HashSet;

use super::Report;
use super::events::{RecordKey, Versions};
use super::mapping::{is_parent, route_of};
use crate::journal::{Channel, Journal, RequestEntry};

/// Counts the reads of parents at their sources, and the parents that only a read can bring.
pub fn count(journal: &Journal, versions: &Versions<'_>, report: &mut Report) {
    let reads: Vec<RecordKey<'_>> = journal.requests.iter().filter_map(|request| read(request, versions)).collect();
    let fetched: HashSet<RecordKey<'_>> = reads.iter().copied().collect();
    let silent = silent_parents(versions);
    report.parent_reads = reads.len() as u64;
    report.parents_fetched = fetched.len() as u64;
    report.silent_parents = silent.len() as u64;
    report.silent_parents_fetched = silent.intersection(&fetched).count() as u64;
}

/// The parent that a request read, if it did. An answer that never arrived is no read.
fn read<'journal>(request: &'journal RequestEntry, versions: &Versions<'_>) -> Option<RecordKey<'journal>> {
    let key = (request.app, request.target_id.as_deref()?);
    let object = request.entity.as_deref()?;
    let answered = request.method == "GET" && request.status == Some(200);
    // A query that finds nothing is answered with 200, too.
    let found = versions.records.get(&key).is_some_and(|record| record.object == object);
    (answered && found && is_parent(request.app, object)).then_some(key)
}

/// The parents that nobody brings by himself, and that a record that somebody brings refers to.
fn silent_parents<'journal>(versions: &Versions<'journal>) -> HashSet<RecordKey<'journal>> {
    let mut silent = HashSet::new();
    for ((app, _), record) in &versions.records {
        let Some(route) = route_of(*app, record.object) else {
            continue;
        };
        let brought =
            record.versions.values().filter(|version| version.channel == Channel::Poll || !version.accepted.is_empty());
        let parents = brought.filter_map(|version| {
            let content: &'journal serde_json::Value = version.content;
            Some((*app, route.parent_of(content)?))
        });
        silent.extend(parents.filter(|parent| {
            let versions = versions.records.get(parent).map(|parent| parent.versions.values());
            versions.is_some_and(|mut versions| {
                versions.all(|version| version.channel == Channel::Need && version.accepted.is_empty())
            })
        }));
    }
    silent
}
