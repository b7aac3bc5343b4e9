//! Writing several records in one request, and what became of each.

use super::answer::body_or_null;
use super::call::{Answered, Call, Exchange, Trouble};
use super::prepare::{Place, PrepareError, Subject, fit_key};
use super::write::with_known_id;
use crate::connection::{BatchEntry, BatchRequest};
use crate::outcome::SendOutcome;
use fluxnex_core::connector::{BatchItem, CompiledBatch, CompiledTargetObject, Once};
use fluxnex_core::ids::ObjectName;
use fluxnex_core::mapping::Json;
use serde::Serialize;
use serde_json::value::RawValue;

/// A record as the programs of a batch see it.
#[derive(Serialize)]
struct Item<'a> {
    payload: &'a RawValue,
    key: String,
    external_id: Option<&'a str>,
    target: Option<ItemTarget<'a>>,
}

#[derive(Serialize)]
struct ItemTarget<'a> {
    id: &'a str,
    version: Option<&'a str>,
}

/// How batches of an object are sent.
#[derive(Clone, Copy)]
struct Way<'a> {
    object: &'a ObjectName,
    batch: &'a CompiledBatch,
    once: &'a Once,
    /// Whether a record that was made must get an id.
    needs_id: bool,
}

impl Call<'_> {
    pub(super) async fn batch(&mut self, request: &BatchRequest<'_>) -> Vec<SendOutcome> {
        let manifest = self.connection.manifest.clone();
        let object = manifest.target_object(request.object);
        let batch = object.and_then(|object| object.batch.as_ref());
        let (Some(object), Some(batch), Some(target)) = (object, batch, &manifest.manifest().target) else {
            let none = self.send_outcome(Trouble::NoOperation);
            return vec![none; request.entries.len()];
        };
        let way = Way { object: request.object, batch, once: &target.once, needs_id: needs_id(object) };
        let mut outcomes = Vec::with_capacity(request.entries.len());
        for entries in request.entries.chunks(usize::from(batch.batch.max_items).max(1)) {
            let entries: Vec<&BatchEntry<'_>> = entries.iter().collect();
            outcomes.extend(self.apart_from_the_impossible(way, &entries).await);
        }
        outcomes
    }

    /// A record that the connector's program cannot handle does not take the others with it.
    async fn apart_from_the_impossible(&mut self, way: Way<'_>, entries: &[&BatchEntry<'_>]) -> Vec<SendOutcome> {
        let trouble = match self.together(way, entries).await {
            Ok(outcomes) => return outcomes,
            Err(trouble) => trouble,
        };
        if !matches!(trouble, Trouble::Prepare(PrepareError::Payload(_))) || entries.len() == 1 {
            return vec![self.send_outcome(trouble); entries.len()];
        }
        // Nothing was sent: the program runs before anything else does.
        let mut outcomes: Vec<Option<SendOutcome>> =
            entries.iter().map(|entry| Some(self.send_outcome(self.prepare_alone(way, entry).err()?))).collect();
        let possible: Vec<&BatchEntry<'_>> =
            entries.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_none()).map(|(entry, _)| *entry).collect();
        let sent = match self.together(way, &possible).await {
            Ok(sent) => sent,
            Err(trouble) => vec![self.send_outcome(trouble); possible.len()],
        };
        let mut sent = sent.into_iter();
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_none()) {
            *outcome = sent.next();
        }
        outcomes.into_iter().flatten().collect()
    }

    fn prepare_alone(&self, way: Way<'_>, entry: &BatchEntry<'_>) -> Result<(), Trouble> {
        let payload = payload(way, &[entry]).map_err(|_| Trouble::NoOperation)?;
        let subject = Subject { payload: &payload, ..Subject::of(way.object) };
        Place::of(self.connection)?.prepare(&way.batch.operation, &subject)?;
        Ok(())
    }

    async fn together(&mut self, way: Way<'_>, entries: &[&BatchEntry<'_>]) -> Result<Vec<SendOutcome>, Trouble> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let payload = payload(way, entries).map_err(|_| Trouble::NoOperation)?;
        let subject = Subject { payload: &payload, ..Subject::of(way.object) };
        let Answered { answer, variables, .. } = match self.exchange(&way.batch.operation, &subject).await? {
            Exchange::Answered(answered) => *answered,
            Exchange::Refused(refusal) => {
                let outcome = refusal.into_send_outcome();
                let known = |entry: &&BatchEntry<'_>| with_known_id(outcome.clone(), known_id(entry));
                return Ok(entries.iter().map(known).collect());
            }
        };
        let unknown = || self.send_outcome(Trouble::Unreadable { status: answer.status });
        let sent = Json::parse("items", &payload).map_err(PrepareError::from)?;
        let items = body_or_null(&answer)
            .and_then(|body| way.batch.items(&body, &sent, &variables.settings, &variables.object).ok())
            // Of more items than were asked for nobody can tell which is whose.
            .filter(|items| items.len() <= entries.len());
        let mut items = items.unwrap_or_default().into_iter();
        let outcomes = entries.iter().map(|entry| match items.next().flatten() {
            Some(item) if item.is_success() => delivered(way, entry, item).unwrap_or_else(unknown),
            Some(item) => with_known_id(self.item_refusal(&item, &answer).into_send_outcome(), known_id(entry)),
            None => unknown(),
        });
        Ok(outcomes.collect())
    }
}

fn needs_id(object: &CompiledTargetObject) -> bool {
    object.write(false).is_some_and(|operation| operation.operation.id.is_some())
}

fn known_id(entry: &BatchEntry<'_>) -> Option<String> {
    entry.target.as_ref().map(|target| target.id.clone())
}

/// Nothing if the record was written under an id that nobody knows.
fn delivered(way: Way<'_>, entry: &BatchEntry<'_>, item: BatchItem) -> Option<SendOutcome> {
    let target_id = item.id.or_else(|| known_id(entry));
    (target_id.is_some() || !way.needs_id).then_some(SendOutcome::Delivered { target_id, target_version: item.version })
}

fn payload(way: Way<'_>, entries: &[&BatchEntry<'_>]) -> Result<String, serde_json::Error> {
    let items: Vec<Item<'_>> = entries
        .iter()
        .map(|entry| {
            let target = entry.target.as_ref();
            let target = target.map(|target| ItemTarget { id: &target.id, version: target.version.as_deref() });
            let key = fit_key(entry.idempotency_key.to_owned(), way.once);
            Item { payload: entry.payload, key, external_id: entry.external_id, target }
        })
        .collect();
    serde_json::to_string(&items)
}
