//! L3: maps source records to canonical ones, validates them, and lets them wait for parents.
//!
//! Two of the rules that keep lost wake-ups out are here: a record that waits is committed as
//! waiting and only then looks for its parents once more; a parent is committed and only then looks
//! for its waiters. One of the two always sees the other. The two others are here as well: a parent
//! that is still missing then is fetched, once however many wait for it, and every final outcome of a
//! record answers the fetch that waits for it (see `parents.rs`).

mod map;
mod parents;

use fluxnex_cloud::busy::BusyMarker;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::queue::{OutgoingMessage, QueueUrl, Queues};
use fluxnex_cloud::workflow::Workflows;
use fluxnex_core::event::FlowOutcome;
use fluxnex_core::ids::{CanonicalId, EntityName, FlowId, TenantId};
use fluxnex_core::message::{Notification, RecordChanged, RecordNormalised, V1, by_tenant};
use fluxnex_lambda::TimeScale;
use fluxnex_lambda::batch::{BatchError, Outcome, Work};
use fluxnex_store::{
    Normalised, NormalisedBatch, NormalisedWork, SourceRecord, SourceRecordKey, StoreError, Stored, Tenant, Tenants,
};
use jiff::SignedDuration;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// How long a record waits for a parent before it fails.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// How long a missing parent may come by itself before it is fetched: applications send the webhooks
/// of parent and child at once, in any order, and an execution costs more than a message.
const GRACE: Duration = Duration::from_secs(5);
/// How long it is believed that a parent cannot be had, before its source is asked again.
const DISBELIEF: Duration = Duration::from_secs(15 * 60);
/// How often a batch is looked at again because a parent came while it was written as waiting.
const MOST_ROUNDS: usize = 3;

/// What the stage needs.
pub struct Normalise {
    /// The tenants and their database.
    pub tenants: Tenants,
    /// The queues.
    pub queues: Arc<dyn Queues>,
    /// Fetches missing parents.
    pub blocking_fetch: Arc<dyn Workflows>,
    /// Marks tenants that have work waiting.
    pub busy: BusyMarker,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Shortens waits.
    pub time_scale: TimeScale,
    /// Where released records go in again.
    pub source_replica: QueueUrl,
    /// Where canonical records go.
    pub normalised: QueueUrl,
    /// Where failures are told.
    pub notification_delivery: QueueUrl,
}

impl Normalise {
    /// Handles the records of a batch; one outcome for each, in order.
    ///
    /// # Errors
    /// [`BatchError`] if the infrastructure failed for all of them.
    pub async fn handle(&self, works: &[Work<RecordChanged>]) -> Result<Vec<Outcome>, BatchError> {
        let mut outcomes = vec![Outcome::retry("not handled"); works.len()];
        for (id, members) in by_tenant(works.iter().map(|work| &work.message)) {
            let results = match self.tenants.get(id, self.clock.now()).await {
                Ok(tenant) => self.handle_tenant(id, &tenant, &members).await?,
                Err(error @ StoreError::UnknownTenant(_)) => {
                    members.iter().map(|(place, _)| (*place, Outcome::retry(error.to_string()))).collect()
                }
                Err(error) => return Err(batch_error(&error)),
            };
            for (place, outcome) in results {
                if let Some(slot) = outcomes.get_mut(place) {
                    *slot = outcome;
                }
            }
        }
        Ok(outcomes)
    }

    async fn handle_tenant(
        &self,
        id: &TenantId,
        tenant: &Tenant,
        members: &[(usize, &RecordChanged)],
    ) -> Result<Vec<(usize, Outcome)>, BatchError> {
        self.busy.mark(id).await.map_err(BatchError::infrastructure)?;
        let mut words: HashMap<usize, Vec<String>> = HashMap::new();
        let mut open: Vec<(usize, &RecordChanged)> = members.to_vec();
        for _ in 0..MOST_ROUNDS {
            let (items, owners) = self.map(tenant, &open).await?;
            let stored = self
                .tenants
                .database()
                .store_normalised(tenant, self.clock.now(), &items)
                .await
                .map_err(|error| batch_error(&error))?;
            let NormalisedBatch { stored, wanted } = stored;
            self.send(tenant, &items, &stored).await?;
            self.look_again_after_grace(tenant, &items, &wanted).await?;
            self.answer_fetches(tenant, &items, &stored).await?;
            for ((owner, item), stored) in owners.iter().zip(&items).zip(&stored) {
                words.entry(*owner).or_default().push(word(item, stored));
            }
            let again = self.parents_came(tenant, &items, &owners).await?;
            open.retain(|(place, _)| again.contains(place));
            self.start_fetches(tenant, &items, &owners, &again).await?;
            if open.is_empty() {
                break;
            }
        }
        Ok(members
            .iter()
            .map(|(place, message)| {
                let result = words.remove(place).map_or_else(|| "filtered".to_owned(), |words| words.join(", "));
                let outcome = Outcome::done(result).tenant(id).connection(&message.connection).event(message.event);
                (*place, outcome)
            })
            .collect())
    }

    /// Maps each message in each flow that takes its record. `owners` says whose the items are.
    async fn map(
        &self,
        tenant: &Tenant,
        members: &[(usize, &RecordChanged)],
    ) -> Result<(Vec<Normalised>, Vec<usize>), BatchError> {
        let keys: BTreeSet<SourceRecordKey> = members.iter().map(|(_, message)| key(message)).collect();
        let keys: Vec<SourceRecordKey> = keys.into_iter().collect();
        let records =
            self.tenants.database().source_records(tenant, &keys).await.map_err(|error| batch_error(&error))?;
        let records: HashMap<SourceRecordKey, SourceRecord> =
            records.into_iter().map(|record| (record.key.clone(), record)).collect();
        let mut drafts = Vec::new();
        for (place, message) in members {
            let key = key(message);
            for flow in tenant.configuration().flows_of(&key.connection, &key.object) {
                drafts.push((*place, map::draft(flow, message, &key, records.get(&key))));
            }
        }
        let wanted: HashSet<CanonicalId> =
            drafts.iter().flat_map(|(_, draft)| draft.parents()).map(|parent| parent.canonical_id).collect();
        let wanted: Vec<CanonicalId> = wanted.into_iter().collect();
        let known =
            self.tenants.database().known_canonical(tenant, &wanted).await.map_err(|error| batch_error(&error))?;
        let missing: Vec<CanonicalId> = wanted.into_iter().filter(|parent| !known.contains(parent)).collect();
        let now = self.clock.now();
        let since = now.saturating_sub(self.scaled(DISBELIEF)).unwrap_or(now);
        let failed = self
            .tenants
            .database()
            .failed_fetches(tenant, &missing, since)
            .await
            .map_err(|error| batch_error(&error))?;
        let parents = map::Parents {
            known,
            failed,
            deadline: now.saturating_add(self.scaled(LONGEST_WAIT)).unwrap_or(now),
            fetch_at: now.saturating_add(self.scaled(GRACE)).unwrap_or(now),
        };
        let (owners, items) =
            drafts.into_iter().map(|(place, draft)| (place, draft.finish(&parents, tenant.configuration()))).unzip();
        Ok((items, owners))
    }

    fn scaled(&self, duration: Duration) -> SignedDuration {
        SignedDuration::try_from(self.time_scale.scale(duration)).unwrap_or(SignedDuration::MAX)
    }

    /// Sends what was committed: canonical versions go on, their waiters go in again, failures are told.
    async fn send(&self, tenant: &Tenant, items: &[Normalised], stored: &[Stored]) -> Result<(), BatchError> {
        let group = tenant.id().as_str();
        let (mut normalised, mut failed, mut parents) = (Vec::new(), Vec::new(), Vec::new());
        for (item, stored) in items.iter().zip(stored) {
            match (item.work.canonical(), &item.work, stored) {
                (Some((entity, canonical_id)), work, Stored::Version(version)) => {
                    if matches!(work, NormalisedWork::Store { .. }) {
                        parents.push(canonical_id);
                    }
                    let message = RecordNormalised {
                        v: V1,
                        tenant: tenant.id().clone(),
                        flow: item.flow.clone(),
                        entity,
                        canonical_id,
                        version: *version,
                        event: item.event,
                    };
                    normalised.push(OutgoingMessage::json(&message).map_err(BatchError::poisoned)?.group(group));
                }
                (_, NormalisedWork::End { outcome: FlowOutcome::Failed, reason }, _) => {
                    let message = self.failure(tenant, item, reason.clone().unwrap_or_default());
                    failed.push(OutgoingMessage::json(&message).map_err(BatchError::poisoned)?.group(group));
                }
                _ => {}
            }
        }
        for message in self.unchanged(tenant, items, stored).await? {
            normalised.push(OutgoingMessage::json(&message).map_err(BatchError::poisoned)?.group(group));
        }
        let waiters = self.tenants.database().waiters(tenant, &parents).await.map_err(|error| batch_error(&error))?;
        let released = waiters
            .iter()
            .map(|waiter| OutgoingMessage::json(waiter).map(|message| message.group(group)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(BatchError::poisoned)?;
        let sends =
            [(&self.normalised, normalised), (&self.source_replica, released), (&self.notification_delivery, failed)];
        for (queue, messages) in sends {
            if !messages.is_empty() {
                self.queues.send(queue, messages).await.map_err(BatchError::infrastructure)?;
            }
        }
        Ok(())
    }

    /// The stored versions that events found unchanged. The event that made such a version was ended
    /// by the newer one, perhaps before its message was sent: the version goes on once more.
    async fn unchanged(
        &self,
        tenant: &Tenant,
        items: &[Normalised],
        stored: &[Stored],
    ) -> Result<Vec<RecordNormalised>, BatchError> {
        let flows: HashMap<(EntityName, CanonicalId), FlowId> = items
            .iter()
            .zip(stored)
            .filter(|(_, stored)| **stored == Stored::Ended(FlowOutcome::Unchanged))
            .filter_map(|(item, _)| Some((item.work.canonical()?, item.flow.clone())))
            .collect();
        if flows.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<(EntityName, CanonicalId)> = flows.keys().cloned().collect();
        let rows =
            self.tenants.database().canonical_records(tenant, &keys).await.map_err(|error| batch_error(&error))?;
        let message = |row: fluxnex_store::CanonicalRow| {
            let flow = flows.get(&(row.entity.clone(), row.canonical_id))?.clone();
            let (entity, canonical_id, version, event) = (row.entity, row.canonical_id, row.version, row.event);
            Some(RecordNormalised { v: V1, tenant: tenant.id().clone(), flow, entity, canonical_id, version, event })
        };
        Ok(rows.into_iter().filter_map(message).collect())
    }

    /// The messages of which a missing parent is here by now.
    async fn parents_came(
        &self,
        tenant: &Tenant,
        items: &[Normalised],
        owners: &[usize],
    ) -> Result<HashSet<usize>, BatchError> {
        let waits: Vec<(usize, CanonicalId)> = owners
            .iter()
            .zip(items)
            .filter_map(|(owner, item)| match &item.work {
                NormalisedWork::Wait { missing, .. } => Some((*owner, missing)),
                _ => None,
            })
            .flat_map(|(owner, missing)| missing.iter().map(move |missing| (owner, missing.parent.canonical_id)))
            .collect();
        let parents: Vec<CanonicalId> = waits.iter().map(|(_, parent)| *parent).collect();
        let known =
            self.tenants.database().known_canonical(tenant, &parents).await.map_err(|error| batch_error(&error))?;
        Ok(waits.into_iter().filter(|(_, parent)| known.contains(parent)).map(|(owner, _)| owner).collect())
    }

    fn failure(&self, tenant: &Tenant, item: &Normalised, reason: String) -> Notification {
        let record = format!("{} {}", item.record.object, item.record.source_id);
        let now = self.clock.now();
        Notification::event_failed(tenant.id(), item.event, &item.flow, &item.record.connection, record, reason, now)
    }
}

fn key(message: &RecordChanged) -> SourceRecordKey {
    SourceRecordKey {
        connection: message.connection.clone(),
        object: message.object.clone(),
        source_id: message.source_id.clone(),
    }
}

fn word(item: &Normalised, stored: &Stored) -> String {
    match (stored, &item.work) {
        (Stored::Version(version), _) => format!("stored version {version}"),
        (Stored::Waiting, NormalisedWork::Wait { missing, .. }) => format!("waiting for {} parent(s)", missing.len()),
        (Stored::Waiting, _) => "waiting".to_owned(),
        (Stored::Ended(outcome), NormalisedWork::End { reason: Some(reason), .. }) => {
            format!("{}: {reason}", outcome.as_str())
        }
        (Stored::Ended(outcome), _) => outcome.as_str().to_owned(),
    }
}

fn batch_error(error: &StoreError) -> BatchError {
    if error.is_retryable() { BatchError::infrastructure(error) } else { BatchError::poisoned(error) }
}
