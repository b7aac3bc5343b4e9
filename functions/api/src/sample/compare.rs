//! What a flow makes of records, next to what is stored of them and what the running flow sends.

use super::differ::{Field, fields};
use fluxnex_core::content::ContentHash;
use fluxnex_core::flow::{Flow, FlowTarget};
use fluxnex_core::ids::{CanonicalId, ConnectionId, FlowId, SourceId};
use fluxnex_core::mapping::Json;
use fluxnex_store::{CanonicalRow, SourceRecord};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The most examples of one part.
const MOST_EXAMPLES: usize = 3;
/// The most kinds of failures that are told.
const MOST_FAILURES: usize = 10;
/// The most records that are named for one kind of failure.
const MOST_NAMED: usize = 3;

/// A record of the replica, and what is stored of it.
pub(super) struct Sampled {
    pub(super) record: SourceRecord,
    pub(super) canonical: CanonicalId,
    /// Nothing: it never got that far, or was deleted.
    pub(super) stored: Option<CanonicalRow>,
}

/// The answer.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Made {
    /// The flow.
    pub(super) flow: FlowId,
    #[serde(flatten)]
    pub(super) comparison: Comparison,
}

/// What a flow makes of a sample.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Comparison {
    /// How many records were looked at.
    pub(crate) records: u64,
    /// Whether time ran out before all of the sample were looked at.
    pub(crate) cut_short: bool,
    /// What becomes of the entity, compared with what is stored.
    pub(crate) entity: Counts,
    /// What becomes of what each target is sent, compared with what the running flow makes of what is stored.
    pub(crate) targets: BTreeMap<ConnectionId, Counts>,
    /// Why mappings fail, the most frequent first; at most ten kinds.
    pub(crate) failures: Vec<Failing>,
    /// Some records that differ: at most three of the entity and of each target.
    pub(crate) examples: Vec<Example>,
}

/// How many records become what. Each record counts once.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Counts {
    /// The same as before.
    pub(crate) same: u64,
    /// Something else.
    pub(crate) differs: u64,
    /// Something, where there was nothing to compare with.
    pub(crate) new: u64,
    /// A failure, where there was none before.
    pub(crate) newly_fails: u64,
    /// A failure, where there was nothing, or a failure as well.
    pub(crate) fails: u64,
    /// Not sent any more, as `when` now says.
    pub(crate) newly_filtered: u64,
    /// Sent now, where `when` said no before.
    pub(crate) newly_sent: u64,
    /// Not sent, now as before.
    pub(crate) filtered: u64,
}

/// A kind of failure.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Failing {
    /// The target; absent: the entity itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<ConnectionId>,
    /// Why; it quotes no value.
    pub(crate) reason: String,
    /// How many records.
    pub(crate) records: u64,
    /// Some of them, by their ids at the source.
    pub(crate) ids: Vec<SourceId>,
}

/// A record that differs.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Example {
    /// The target; absent: the entity itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<ConnectionId>,
    /// Its id at the source.
    pub(crate) id: SourceId,
    /// The first fields that differ.
    pub(crate) fields: Vec<Field>,
}

/// What a mapping made of a record.
enum Outcome {
    Is(String),
    Filtered,
    Fails(String),
}

/// Runs `next` over the sample, until `is_over`.
pub(super) fn compare(
    next: &Flow,
    running: Option<&Flow>,
    sample: &[Sampled],
    is_over: &dyn Fn() -> bool,
) -> Comparison {
    let mut comparison = Comparison::default();
    for target in &next.targets {
        comparison.targets.insert(target.connection.clone(), Counts::default());
    }
    for sampled in sample {
        if is_over() {
            comparison.cut_short = true;
            break;
        }
        comparison.records += 1;
        one(next, running, sampled, &mut comparison);
    }
    comparison.failures.sort_by_key(|failing| std::cmp::Reverse(failing.records));
    comparison.failures.truncate(MOST_FAILURES);
    comparison
}

fn one(next: &Flow, running: Option<&Flow>, sampled: &Sampled, comparison: &mut Comparison) {
    let id = &sampled.record.key.source_id;
    let (entity, names) = match mapped(next, sampled) {
        Ok((entity, names)) => (Outcome::Is(entity), names),
        Err(reason) => (Outcome::Fails(reason), Vec::new()),
    };
    let before = sampled.stored.as_ref().map(|row| Outcome::Is(row.data.clone()));
    comparison.note(None, id, before.as_ref(), &entity);
    // What fails here is sent nowhere, and counts once.
    let Outcome::Is(entity) = entity else { return };
    let record = Json::parse("the canonical record", &entity);
    let stored = sampled.stored.as_ref().and_then(|row| Some((row, Json::parse("the stored record", &row.data).ok()?)));
    let version = sampled.stored.as_ref().map_or(1, |row| row.version);
    for target in &next.targets {
        let after = match &record {
            Ok(record) => sent(target, record, &names, sampled.canonical, version),
            Err(error) => Outcome::Fails(error.to_string()),
        };
        let same = |it: &&FlowTarget| it.connection == target.connection && it.object == target.object;
        let earlier = running.and_then(|flow| flow.targets.iter().find(same));
        let before = earlier
            .zip(stored.as_ref())
            .map(|(earlier, (row, stored))| sent(earlier, stored, &row.parent_names, sampled.canonical, version));
        comparison.note(Some(&target.connection), id, before.as_ref(), &after);
    }
}

/// The entity as JSON text, and the names of the parents that it has.
fn mapped(flow: &Flow, sampled: &Sampled) -> Result<(String, Vec<String>), String> {
    let record = &sampled.record;
    let json = Json::parse("the record", &record.payload).map_err(|error| error.to_string())?;
    let parents = flow.parents(&json).map_err(|error| error.to_string())?;
    let entity = flow
        .to_entity(&json, &parents, &record.key.source_id, record.place.source_version)
        .map_err(|error| error.to_string())?;
    Ok((entity.data, parents.into_iter().map(|parent| parent.name).collect()))
}

fn sent(target: &FlowTarget, record: &Json, names: &[String], canonical: CanonicalId, version: i64) -> Outcome {
    match target.takes(record) {
        Ok(false) => Outcome::Filtered,
        Ok(true) => match target.to_target(record, names, canonical, version) {
            Ok(payload) => Outcome::Is(payload),
            Err(error) => Outcome::Fails(error.to_string()),
        },
        Err(error) => Outcome::Fails(error.to_string()),
    }
}

impl Comparison {
    fn note(&mut self, target: Option<&ConnectionId>, id: &SourceId, before: Option<&Outcome>, after: &Outcome) {
        let differs = match (before, after) {
            (Some(Outcome::Is(before)), Outcome::Is(after)) if !is_same(before, after) => Some((before, after)),
            _ => None,
        };
        let Some(counts) = self.counts(target) else { return };
        let count = match (before, after) {
            (Some(Outcome::Is(_)), Outcome::Is(_)) if differs.is_some() => &mut counts.differs,
            (Some(Outcome::Is(_)), Outcome::Is(_)) => &mut counts.same,
            (Some(Outcome::Filtered), Outcome::Is(_)) => &mut counts.newly_sent,
            (_, Outcome::Is(_)) => &mut counts.new,
            (Some(Outcome::Is(_)), Outcome::Filtered) => &mut counts.newly_filtered,
            (_, Outcome::Filtered) => &mut counts.filtered,
            (Some(Outcome::Is(_) | Outcome::Filtered), Outcome::Fails(_)) => &mut counts.newly_fails,
            (_, Outcome::Fails(_)) => &mut counts.fails,
        };
        *count += 1;
        if let Outcome::Fails(reason) = after {
            self.fails(target, id, reason);
        }
        let told = self.examples.iter().filter(|example| example.target.as_ref() == target).count();
        if let Some((before, after)) = differs.filter(|_| told < MOST_EXAMPLES) {
            self.examples.push(Example { target: target.cloned(), id: id.clone(), fields: fields(before, after) });
        }
    }

    fn counts(&mut self, target: Option<&ConnectionId>) -> Option<&mut Counts> {
        match target {
            None => Some(&mut self.entity),
            Some(target) => self.targets.get_mut(target),
        }
    }

    fn fails(&mut self, target: Option<&ConnectionId>, id: &SourceId, reason: &str) {
        let is_known = |known: &&mut Failing| known.target.as_ref() == target && known.reason == reason;
        let known = self.failures.iter_mut().find(is_known);
        match known {
            Some(known) => {
                known.records += 1;
                if known.ids.len() < MOST_NAMED {
                    known.ids.push(id.clone());
                }
            }
            None => self.failures.push(Failing {
                target: target.cloned(),
                reason: reason.to_owned(),
                records: 1,
                ids: vec![id.clone()],
            }),
        }
    }
}

/// Whether two JSON texts say the same, in whatever order.
fn is_same(before: &str, after: &str) -> bool {
    before == after
        || match (ContentHash::of_json(before), ContentHash::of_json(after)) {
            (Ok(before), Ok(after)) => before == after,
            _ => false,
        }
}
