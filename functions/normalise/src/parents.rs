//! Missing parents: who fetches them, and who is told when they are here.

use crate::{GRACE, Normalise, batch_error};
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_core::canonical::canonical_id;
use fluxnex_core::event::FlowOutcome;
use fluxnex_core::fetch::{BlockingFetch, FetchError};
use fluxnex_core::ids::CanonicalId;
use fluxnex_core::message::{RecordChanged, V1};
use fluxnex_lambda::batch::BatchError;
use fluxnex_store::{DueFetch, FetchEnd, Normalised, NormalisedWork, OpenFetch, SourceRecordKey, Stored, Tenant};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// How many executions are started, or answered, at once.
const AT_ONCE: usize = 8;
/// How often a fetch is looked at again because it fed its parent in once more meanwhile.
const MOST_LOOKS: usize = 3;

fn is_deletion(item: &Normalised) -> bool {
    matches!(item.work, NormalisedWork::Delete { .. })
}

/// What became of one record of a batch, in all its flows.
enum Final<'a> {
    Stored,
    Failed(&'a str),
}

impl Normalise {
    /// Sends one of the records that wait for a newly wanted parent in once more, when the parent has
    /// had its time to come by itself. Should the message be lost, `sweep` finds the parent.
    pub(crate) async fn look_again_after_grace(
        &self,
        tenant: &Tenant,
        items: &[Normalised],
        wanted: &HashSet<CanonicalId>,
    ) -> Result<(), BatchError> {
        let mut messages = BTreeMap::new();
        for item in items {
            let NormalisedWork::Wait { missing, .. } = &item.work else { continue };
            for missing in missing.iter().filter(|missing| wanted.contains(&missing.parent.canonical_id)) {
                messages.entry(missing.parent.canonical_id).or_insert(item);
            }
        }
        let messages = messages
            .into_values()
            .map(|item| {
                let message = RecordChanged {
                    v: V1,
                    tenant: tenant.id().clone(),
                    connection: item.record.connection.clone(),
                    object: item.record.object.clone(),
                    source_id: item.record.source_id.clone(),
                    event: item.event,
                };
                // A second more, because delays are whole seconds.
                let delay = self.time_scale.scale(GRACE) + std::time::Duration::from_secs(1);
                Ok(OutgoingMessage::json(&message)?.group(tenant.id().as_str()).delay(delay))
            })
            .collect::<Result<Vec<_>, serde_json::Error>>()
            .map_err(BatchError::poisoned)?;
        if messages.is_empty() {
            return Ok(());
        }
        self.queues.send(&self.source_replica, messages).await.map_err(BatchError::infrastructure)
    }

    /// Starts the executions that are due, after their waiters are committed and have looked for the
    /// parent once more. Started twice, an execution runs once: its name is its parent and generation.
    pub(crate) async fn start_fetches(
        &self,
        tenant: &Tenant,
        items: &[Normalised],
        owners: &[usize],
        came: &HashSet<usize>,
    ) -> Result<(), BatchError> {
        // A message that was overtaken may be the one that came back for the parent: the newer state of
        // its record waits for it as well.
        let waits = |item: &Normalised| {
            matches!(
                item.work,
                NormalisedWork::Wait { .. } | NormalisedWork::End { outcome: FlowOutcome::Superseded, .. }
            )
        };
        let waiting: BTreeSet<&SourceRecordKey> = owners
            .iter()
            .zip(items)
            .filter(|(owner, item)| !came.contains(owner) && waits(item))
            .map(|(_, item)| &item.record)
            .collect();
        let waiting: Vec<&SourceRecordKey> = waiting.into_iter().collect();
        let (database, now) = (self.tenants.database(), self.clock.now());
        let due = database.due_fetches(tenant, &waiting, now).await.map_err(|error| batch_error(&error))?;
        let started: Vec<(CanonicalId, i32)> = stream::iter(due)
            .map(|due| async move {
                let (parent, generation) = (due.parent, due.generation);
                let input = self.input(tenant, due);
                let name = input.execution_name();
                let input = serde_json::to_value(&input).map_err(BatchError::poisoned)?;
                self.blocking_fetch.start(&name, &input).await.map_err(BatchError::infrastructure)?;
                Ok::<_, BatchError>((parent, generation))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        database.fetches_started(tenant, &started).await.map_err(|error| batch_error(&error))
    }

    fn input(&self, tenant: &Tenant, due: DueFetch) -> BlockingFetch {
        let left = due.deadline.duration_since(self.clock.now()).as_secs();
        BlockingFetch {
            v: V1,
            tenant: tenant.id().clone(),
            connection: due.connection,
            object: due.object,
            source_id: due.source_id,
            parent: due.parent,
            generation: due.generation,
            timeout_seconds: u64::try_from(left).unwrap_or_default().max(1),
        }
    }

    /// Answers the fetches that wait for records of this batch, whatever became of them: stored, or
    /// not to be stored as they are. A record that waits itself, or whose newer state is on its way,
    /// is no answer yet.
    pub(crate) async fn answer_fetches(
        &self,
        tenant: &Tenant,
        items: &[Normalised],
        stored: &[Stored],
    ) -> Result<(), BatchError> {
        let mut ends: BTreeMap<CanonicalId, Option<Final<'_>>> = BTreeMap::new();
        for (item, stored) in items.iter().zip(stored) {
            let record = &item.record;
            let id = canonical_id(&record.connection, &record.object, &record.source_id);
            let end = match stored {
                Stored::Version(_) | Stored::Ended(FlowOutcome::Unchanged) if is_deletion(item) => {
                    Some(Final::Failed("it was deleted at the source"))
                }
                Stored::Version(_) | Stored::Ended(FlowOutcome::Unchanged) => Some(Final::Stored),
                Stored::Ended(FlowOutcome::Failed | FlowOutcome::Filtered) => Some(Final::Failed(match &item.work {
                    NormalisedWork::End { reason: Some(reason), .. } => reason.as_str(),
                    _ => "no flow takes the record",
                })),
                Stored::Waiting | Stored::Ended(FlowOutcome::Superseded) => None,
            };
            let known = ends.remove(&id);
            // One flow that stored it is enough for those who wait; one that waits may store it yet.
            let end = match (known, end) {
                (Some(Some(Final::Stored)), _) | (_, Some(Final::Stored)) => Some(Final::Stored),
                (Some(None), _) | (_, None) => None,
                (_, end) => end,
            };
            ends.insert(id, end);
        }
        ends.retain(|_, end| end.is_some());
        let ids: Vec<CanonicalId> = ends.keys().copied().collect();
        for _ in 0..MOST_LOOKS {
            let fetches =
                self.tenants.database().open_fetches(tenant, &ids).await.map_err(|error| batch_error(&error))?;
            let fetches = fetches.into_iter().filter_map(|fetch| {
                let end = ends.get(&fetch.parent)?.as_ref()?;
                Some((fetch, end))
            });
            let ended: Vec<bool> = stream::iter(fetches)
                .map(|(fetch, end)| self.answer(tenant, fetch, end))
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await?;
            if ended.iter().all(|ended| *ended) {
                break;
            }
        }
        Ok(())
    }

    /// First the answer, then the note that it was given: after a crash in between it is given again,
    /// to nobody.
    async fn answer(&self, tenant: &Tenant, fetch: OpenFetch, end: &Final<'_>) -> Result<bool, BatchError> {
        if let Some(token) = &fetch.token {
            let answered = match end {
                Final::Stored => self.blocking_fetch.succeed(token, &json!({ "outcome": "stored" })).await,
                Final::Failed(reason) => {
                    let error = FetchError::Invalid((*reason).to_owned());
                    self.blocking_fetch.fail(token, error.name(), reason).await
                }
            };
            answered.map_err(BatchError::infrastructure)?;
        }
        let end = match end {
            Final::Stored => FetchEnd::Stored,
            // It came by itself, and is of no use: whoever waits keeps waiting for a better state of it.
            Final::Failed(_) if fetch.token.is_none() => return Ok(true),
            Final::Failed(reason) => FetchEnd::Failed(reason),
        };
        let database = self.tenants.database();
        database.end_fetch(tenant, &fetch, end, self.clock.now()).await.map_err(|error| batch_error(&error))
    }
}
