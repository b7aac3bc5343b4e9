//! One record in one flow: from the replica's payload to a canonical record, or to why there is none.

use fluxnex_core::bundle::Configuration;
use fluxnex_core::canonical::canonical_id;
use fluxnex_core::event::FlowOutcome;
use fluxnex_core::flow::{Flow, FlowError, OnDelete, Parent};
use fluxnex_core::ids::CanonicalId;
use fluxnex_core::mapping::{Json, MappingError};
use fluxnex_core::message::RecordChanged;
use fluxnex_store::{MissingParent, Normalised, NormalisedWork, SourceRecord, SourceRecordKey};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};

/// A mapped record whose parents have not been looked for yet.
pub(crate) struct Draft {
    item: Normalised,
    parents: Vec<Parent>,
}

/// What is known of the parents of a batch.
pub(crate) struct Parents {
    /// Those that are stored.
    pub(crate) known: HashSet<CanonicalId>,
    /// Those that could not be had a short while ago, and why.
    pub(crate) failed: HashMap<CanonicalId, String>,
    /// When waiting ends in failure.
    pub(crate) deadline: Timestamp,
    /// From when on a missing one is fetched.
    pub(crate) fetch_at: Timestamp,
}

/// Maps one record in one flow.
pub(crate) fn draft(
    flow: &Flow,
    message: &RecordChanged,
    key: &SourceRecordKey,
    record: Option<&SourceRecord>,
) -> Draft {
    let (work, parents) = match record {
        None => (end(FlowOutcome::Failed, Some("the record is not in the replica any more".to_owned())), vec![]),
        // Newer content has an event of its own, which carries on.
        Some(record) if record.event != message.event => (end(FlowOutcome::Superseded, None), vec![]),
        Some(record) if record.deleted && flow.definition.on_delete != OnDelete::Ignore => {
            let work = NormalisedWork::Delete {
                entity: flow.definition.entity.clone(),
                canonical_id: canonical_id(&key.connection, &key.object, &key.source_id),
                place: record.place,
            };
            (work, vec![])
        }
        Some(record) if record.deleted => {
            (end(FlowOutcome::Filtered, Some("the record was deleted at the source".to_owned())), vec![])
        }
        Some(record) => match map(flow, record) {
            Ok((work, parents)) => (work, parents),
            Err(error) => (end(FlowOutcome::Failed, Some(error.to_string())), vec![]),
        },
    };
    let (work, parents) = match without_key(flow, record, &work) {
        Some(error) => (end(FlowOutcome::Failed, Some(error.to_string())), vec![]),
        None => (work, parents),
    };
    let item = Normalised { event: message.event, flow: flow.id.clone(), record: key.clone(), work };
    Draft { item, parents }
}

/// Why a record that goes on cannot be put in order with others.
fn without_key(flow: &Flow, record: Option<&SourceRecord>, work: &NormalisedWork) -> Option<MappingError> {
    let record = record.filter(|_| work.canonical().is_some() && flow.orders_by_expression())?;
    flow.ordering_key_of(&record.key.object, &record.key.source_id, &record.payload).err()
}

fn end(outcome: FlowOutcome, reason: Option<String>) -> NormalisedWork {
    NormalisedWork::End { outcome, reason }
}

fn map(flow: &Flow, record: &SourceRecord) -> Result<(NormalisedWork, Vec<Parent>), FlowError> {
    let json = Json::parse("the record", &record.payload)?;
    let parents = flow.parents(&json)?;
    let canonical = flow.to_entity(&json, &parents, &record.key.source_id, record.place.source_version)?;
    let work = NormalisedWork::Store {
        entity: flow.definition.entity.clone(),
        canonical_id: canonical_id(&record.key.connection, &record.key.object, &record.key.source_id),
        data: canonical.data,
        content: canonical.content,
        parents: parents.clone(),
        place: record.place,
    };
    Ok((work, parents))
}

impl Draft {
    pub(crate) fn parents(&self) -> impl Iterator<Item = &Parent> {
        self.parents.iter()
    }

    /// Stores the record if all its parents are known; lets it wait otherwise. It does not wait for
    /// one that was just found not to be had.
    pub(crate) fn finish(mut self, parents: &Parents, configuration: &Configuration) -> Normalised {
        let missing: Vec<Parent> =
            self.parents.into_iter().filter(|parent| !parents.known.contains(&parent.canonical_id)).collect();
        if missing.is_empty() {
            return self.item;
        }
        let connection = &self.item.record.connection;
        let hopeless = missing.iter().find_map(|parent| Some((parent, parents.failed.get(&parent.canonical_id)?)));
        if let Some((Parent { entity, source_id, .. }, why)) = hopeless {
            let reason = format!("{entity} {source_id} of {connection}: {why}");
            self.item.work = end(FlowOutcome::Failed, Some(reason));
            return self.item;
        }
        let manifest = configuration.connections.get(connection).map(|connection| &connection.manifest);
        let can_be_read = |parent: &Parent| {
            manifest.and_then(|manifest| manifest.source_object(&parent.object)).is_some_and(|it| it.read_one.is_some())
        };
        let missing = missing
            .into_iter()
            .map(|parent| MissingParent { fetch_at: can_be_read(&parent).then_some(parents.fetch_at), parent })
            .collect();
        self.item.work = NormalisedWork::Wait { missing, deadline: parents.deadline };
        self.item
    }
}
