//! L2: registers events, and keeps the replica of source records.
//!
//! A batch is split by tenant, each tenant's events are folded into its replica in one transaction,
//! and what changed goes on to L3. A message that comes again finds the outcome that was committed
//! and repeats its sends.

mod read;

use fluxnex_cloud::busy::BusyMarker;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::objects::Objects;
use fluxnex_cloud::queue::{OutgoingMessage, QueueUrl, Queues};
use fluxnex_core::event::EventState;
use fluxnex_core::ids::TenantId;
use fluxnex_core::message::{EventSource, InboundEvent, Notification, NotificationKind, RecordChanged, V1, by_tenant};
use fluxnex_lambda::batch::{BatchError, Outcome, Work};
use fluxnex_store::{Incoming, IncomingRecord, Registered, SourceRecord, SourceRecordKey, StoreError, Tenant, Tenants};
use std::sync::Arc;

/// What the stage needs.
pub struct Replicate {
    /// The tenants and their database.
    pub tenants: Tenants,
    /// Where large payloads are.
    pub objects: Arc<dyn Objects>,
    /// The queues.
    pub queues: Arc<dyn Queues>,
    /// Marks tenants that have work waiting.
    pub busy: BusyMarker,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where changed records go.
    pub source_replica: QueueUrl,
    /// Where failures are told.
    pub notification_delivery: QueueUrl,
}

impl Replicate {
    /// Handles the records of a batch; one outcome for each, in order.
    ///
    /// # Errors
    /// [`BatchError`] if the infrastructure failed for all of them.
    pub async fn handle(&self, works: &[Work<InboundEvent>]) -> Result<Vec<Outcome>, BatchError> {
        let mut outcomes = vec![Outcome::retry("not handled"); works.len()];
        for (id, members) in by_tenant(works.iter().map(|work| &work.message)) {
            for (place, outcome) in self.handle_tenant(id, &members).await? {
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
        members: &[(usize, &InboundEvent)],
    ) -> Result<Vec<(usize, Outcome)>, BatchError> {
        let tenant = match self.tenants.get(id, self.clock.now()).await {
            Ok(tenant) => tenant,
            Err(error @ StoreError::UnknownTenant(_)) => {
                return Ok(members.iter().map(|(place, _)| (*place, Outcome::retry(error.to_string()))).collect());
            }
            Err(error) => return Err(batch_error(&error)),
        };
        let mut outcomes = Vec::with_capacity(members.len());
        let mut incoming: Vec<Incoming> = Vec::with_capacity(members.len());
        let mut owners: Vec<usize> = Vec::with_capacity(members.len());
        for (place, message) in members {
            match read::incoming(&tenant, message, self.objects.as_ref()).await {
                Ok(records) => {
                    owners.resize(owners.len() + records.len(), *place);
                    incoming.extend(records);
                }
                Err(reason) => outcomes.push((*place, describe(message, Outcome::retry(reason)))),
            }
        }
        if incoming.is_empty() {
            return Ok(outcomes);
        }
        self.busy.mark(id).await.map_err(BatchError::infrastructure)?;
        let now = self.clock.now();
        let registered =
            self.tenants.database().replicate(&tenant, now, &incoming).await.map_err(|error| batch_error(&error))?;
        self.send(&tenant, &incoming, &registered).await?;
        for (place, message) in members {
            let states: Vec<&Registered> = owners
                .iter()
                .zip(&registered)
                .filter(|(owner, _)| *owner == place)
                .map(|(_, registered)| registered)
                .collect();
            if let Some(outcome) = summary(&states) {
                outcomes.push((*place, describe(message, outcome)));
            }
        }
        Ok(outcomes)
    }

    /// Sends what the committed outcomes ask for; the same again for a message that comes again.
    async fn send(&self, tenant: &Tenant, incoming: &[Incoming], registered: &[Registered]) -> Result<(), BatchError> {
        let (mut changed, mut failed) = (Vec::new(), Vec::new());
        for (incoming, registered) in incoming.iter().zip(registered) {
            if let Some(key) = &registered.changed {
                let message = RecordChanged {
                    v: V1,
                    tenant: tenant.id().clone(),
                    connection: key.connection.clone(),
                    object: key.object.clone(),
                    source_id: key.source_id.clone(),
                    event: registered.event,
                };
                changed
                    .push(OutgoingMessage::json(&message).map_err(BatchError::poisoned)?.group(tenant.id().as_str()));
            }
            if registered.state == EventState::Failed {
                let message = failure(tenant, incoming, registered.reason.clone().unwrap_or_default());
                failed.push(OutgoingMessage::json(&message).map_err(BatchError::poisoned)?.group(tenant.id().as_str()));
            }
        }
        for message in self.fetched(tenant, incoming, registered).await? {
            changed.push(OutgoingMessage::json(&message).map_err(BatchError::poisoned)?.group(tenant.id().as_str()));
        }
        for (queue, messages) in [(&self.source_replica, changed), (&self.notification_delivery, failed)] {
            if !messages.is_empty() {
                self.queues.send(queue, messages).await.map_err(BatchError::infrastructure)?;
            }
        }
        Ok(())
    }

    /// Somebody waits for a record that was fetched: it goes on to L3 also when the replica has its
    /// content, or something newer, already.
    async fn fetched(
        &self,
        tenant: &Tenant,
        incoming: &[Incoming],
        registered: &[Registered],
    ) -> Result<Vec<RecordChanged>, BatchError> {
        let known = |(incoming, registered): (&Incoming, &Registered)| match (&incoming.record, registered.state) {
            (
                IncomingRecord::State { object, source_id, .. },
                EventState::Unchanged | EventState::Stale | EventState::Duplicate,
            ) if incoming.source == EventSource::Fetch => Some(SourceRecordKey {
                connection: incoming.connection.clone(),
                object: object.clone(),
                source_id: source_id.clone(),
            }),
            _ => None,
        };
        let keys: Vec<SourceRecordKey> = incoming.iter().zip(registered).filter_map(known).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let records =
            self.tenants.database().source_records(tenant, &keys).await.map_err(|error| batch_error(&error))?;
        let message = |record: SourceRecord| RecordChanged {
            v: V1,
            tenant: tenant.id().clone(),
            connection: record.key.connection,
            object: record.key.object,
            source_id: record.key.source_id,
            event: record.event,
        };
        Ok(records.into_iter().map(message).collect())
    }
}

fn failure(tenant: &Tenant, incoming: &Incoming, reason: String) -> Notification {
    let record = match &incoming.record {
        IncomingRecord::State { object, source_id, .. } => Some(format!("{object} {source_id}")),
        IncomingRecord::Nothing | IncomingRecord::Unreadable { .. } => None,
    };
    Notification {
        v: V1,
        tenant: tenant.id().clone(),
        id: incoming.event.0,
        kind: NotificationKind::EventFailed,
        at: incoming.arrived_at,
        event: Some(incoming.event),
        delivery: None,
        connection: Some(incoming.connection.clone()),
        record,
        reason,
    }
}

fn batch_error(error: &StoreError) -> BatchError {
    if error.is_retryable() { BatchError::infrastructure(error) } else { BatchError::poisoned(error) }
}

fn describe(message: &InboundEvent, outcome: Outcome) -> Outcome {
    outcome.tenant(&message.tenant).connection(&message.connection).event(message.event)
}

/// The log line of a message: its record's state, or how many of its records there are of each.
fn summary(states: &[&Registered]) -> Option<Outcome> {
    match states {
        [] => None,
        [one] => {
            let outcome = Outcome::done(one.state.as_str());
            Some(match &one.reason {
                Some(reason) => outcome.because(reason.clone()),
                None => outcome,
            })
        }
        several => {
            let changed = several.iter().filter(|registered| registered.state == EventState::Changed).count();
            Some(Outcome::done(format!("{changed} of {} changed", several.len())))
        }
    }
}
