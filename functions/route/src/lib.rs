//! L4: chooses the targets of a canonical record, maps it to each, and writes the deliveries.

mod ordering;

use fluxnex_cloud::busy::BusyMarker;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::queue::{OutgoingMessage, QueueUrl, Queues};
use fluxnex_core::flow::{Flow, FlowTarget, OnDelete};
use fluxnex_core::ids::{CanonicalId, DeliveryId, EntityName, EventId, FlowId, TenantId};
use fluxnex_core::ledger::{DeliveryOperation, DeliveryState, SHADOW};
use fluxnex_core::mapping::{Json, MappingError};
use fluxnex_core::message::{Notification, NotificationKind, RecordNormalised, V1, Wake, WakeMessage, by_tenant};
use fluxnex_lambda::TimeScale;
use fluxnex_lambda::batch::{BatchError, Outcome, Work};
use fluxnex_store::{CanonicalRow, NewDelivery, StoreError, Tenant, Tenants};
use jiff::SignedDuration;
use ordering::Payloads;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What the stage needs.
pub struct Route {
    /// The tenants and their database.
    pub tenants: Tenants,
    /// The queues.
    pub queues: Arc<dyn Queues>,
    /// Marks tenants that have work waiting.
    pub busy: BusyMarker,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Shortens waits.
    pub time_scale: TimeScale,
    /// Where the wakes of each connector go.
    pub outbound: BTreeMap<String, QueueUrl>,
    /// Where failures are told.
    pub notification_delivery: QueueUrl,
}

impl Route {
    /// Handles the records of a batch; one outcome for each, in order.
    ///
    /// # Errors
    /// [`BatchError`] if the infrastructure failed for all of them.
    pub async fn handle(&self, works: &[Work<RecordNormalised>]) -> Result<Vec<Outcome>, BatchError> {
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
        members: &[(usize, &RecordNormalised)],
    ) -> Result<Vec<(usize, Outcome)>, BatchError> {
        self.busy.mark(id).await.map_err(BatchError::infrastructure)?;
        let ids: BTreeSet<(EntityName, CanonicalId)> =
            members.iter().map(|(_, message)| (message.entity.clone(), message.canonical_id)).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let rows =
            self.tenants.database().canonical_records(tenant, &ids).await.map_err(|error| batch_error(&error))?;
        let rows: HashMap<(EntityName, CanonicalId), CanonicalRow> =
            rows.into_iter().map(|row| ((row.entity.clone(), row.canonical_id), row)).collect();
        let payloads = self.payloads(tenant, rows.values()).await?;
        let (mut deliveries, mut superseded, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
        for (place, message) in members {
            let described = |outcome: Outcome| outcome.tenant(id).event(message.event);
            let row = rows.get(&(message.entity.clone(), message.canonical_id));
            match (row, tenant.configuration().flows.get(&message.flow)) {
                (Some(row), Some(flow)) if row.version == message.version => {
                    let made = self.deliveries(flow, row, message, &payloads);
                    outcomes.push((*place, described(Outcome::done(words(&made)))));
                    deliveries.extend(made);
                }
                // A newer version has a message of its own.
                (Some(row), _) if row.version != message.version => {
                    superseded.push((message.event, message.flow.clone()));
                    outcomes.push((*place, described(Outcome::done("superseded"))));
                }
                // `sweep` ends it, when no function can remember a configuration with the flow.
                (Some(_), _) => outcomes.push((*place, described(Outcome::done("the flow is gone")))),
                (None, _) => outcomes.push((*place, described(Outcome::retry("the record is not stored")))),
            }
        }
        self.write(tenant, &deliveries, &superseded).await?;
        Ok(outcomes)
    }

    async fn write(
        &self,
        tenant: &Tenant,
        deliveries: &[NewDelivery],
        superseded: &[(EventId, FlowId)],
    ) -> Result<(), BatchError> {
        let routed = self
            .tenants
            .database()
            .store_deliveries(tenant, self.clock.now(), deliveries, superseded)
            .await
            .map_err(|error| batch_error(&error))?;
        let mut wakes: BTreeMap<&QueueUrl, Vec<OutgoingMessage>> = BTreeMap::new();
        for wake in routed.wakes {
            let connector = tenant.configuration().connector_of(&wake.target);
            let Some(queue) = connector.and_then(|connector| self.outbound.get(connector.as_str())) else {
                tracing::error!(tenant = %tenant.id(), connection = %wake.target, "no outbound queue for this connector");
                continue;
            };
            wakes.entry(queue).or_default().push(self.wake(wake)?);
        }
        for (queue, messages) in wakes {
            self.queues.send(queue, messages).await.map_err(BatchError::infrastructure)?;
        }
        let failed: Vec<OutgoingMessage> = deliveries
            .iter()
            .filter(|delivery| delivery.state == DeliveryState::Failed)
            .map(|delivery| OutgoingMessage::json(&self.failure(tenant, delivery)))
            .map(|message| message.map(|message| message.group(tenant.id().as_str())))
            .collect::<Result<_, _>>()
            .map_err(BatchError::poisoned)?;
        if !failed.is_empty() {
            self.queues.send(&self.notification_delivery, failed).await.map_err(BatchError::infrastructure)?;
        }
        Ok(())
    }

    fn wake(&self, wake: Wake) -> Result<OutgoingMessage, BatchError> {
        let group = wake.group();
        let message = OutgoingMessage::json(&WakeMessage { v: V1, wake }).map_err(BatchError::poisoned)?;
        Ok(message.group(group).deduplication(self.clock.new_id().simple().to_string()))
    }

    fn deliveries(
        &self,
        flow: &Flow,
        row: &CanonicalRow,
        message: &RecordNormalised,
        payloads: &Payloads,
    ) -> Vec<NewDelivery> {
        let (ordering_key, settle) = (payloads.ordering_key(flow, row), self.settle(flow));
        let record = Json::parse("the canonical record", &row.data);
        flow.targets
            .iter()
            .map(|target| {
                let mapped = record.as_ref().map_err(Clone::clone).and_then(|record| map(flow, target, record, row));
                let (state, reason, operation, payload) = match mapped {
                    Ok(Some((operation, payload))) if flow.definition.shadow => {
                        (DeliveryState::Skipped, Some(SHADOW.to_owned()), operation, payload)
                    }
                    Ok(Some((operation, payload))) => (DeliveryState::Pending, None, operation, payload),
                    Ok(None) => (DeliveryState::Filtered, None, DeliveryOperation::default(), None),
                    Err(error) => (DeliveryState::Failed, Some(error.to_string()), DeliveryOperation::default(), None),
                };
                NewDelivery {
                    delivery: DeliveryId(self.clock.new_id()),
                    target: target.connection.clone(),
                    object: target.object.clone(),
                    flow: flow.id.clone(),
                    entity: row.entity.clone(),
                    canonical_id: row.canonical_id,
                    version: row.version,
                    revision: 1,
                    event: message.event,
                    ordering_key: ordering_key.clone(),
                    arrived_at: row.arrived_at,
                    settle,
                    state,
                    reason,
                    operation,
                    payload,
                    parent_names: row.parent_names.clone(),
                    parent_entities: row.parent_entities.clone(),
                    parent_ids: row.parent_ids.clone(),
                }
            })
            .collect()
    }

    fn settle(&self, flow: &Flow) -> SignedDuration {
        let settle = flow.definition.settle.map(|settle| self.time_scale.scale(settle.duration()));
        settle.and_then(|settle| SignedDuration::try_from(settle).ok()).unwrap_or_default()
    }

    fn failure(&self, tenant: &Tenant, delivery: &NewDelivery) -> Notification {
        Notification {
            v: V1,
            tenant: tenant.id().clone(),
            // Not the delivery's id: a message that comes again draws another one.
            id: uuid::Uuid::new_v5(&delivery.event.0, delivery.target.as_str().as_bytes()),
            kind: NotificationKind::DeliveryFailed,
            at: self.clock.now(),
            event: Some(delivery.event),
            delivery: None,
            connection: Some(delivery.target.clone()),
            record: Some(format!("{} {}", delivery.entity, delivery.canonical_id)),
            reason: delivery.reason.clone().unwrap_or_default(),
        }
    }
}

type Mapped = (DeliveryOperation, Option<String>);

/// What is done at the target, and what it is sent; nothing if it does not take the record.
fn map(flow: &Flow, target: &FlowTarget, record: &Json, row: &CanonicalRow) -> Result<Option<Mapped>, MappingError> {
    if row.deleted {
        return deletion(flow, target, record, row);
    }
    if !target.takes(record)? {
        return Ok(None);
    }
    let payload = target.to_target(record, &row.parent_names, row.canonical_id, row.version)?;
    Ok(Some((DeliveryOperation::Write, Some(payload))))
}

/// What is done with a record that its source deleted. Whether the target knows it is seen when it is sent.
fn deletion(
    flow: &Flow,
    target: &FlowTarget,
    record: &Json,
    row: &CanonicalRow,
) -> Result<Option<Mapped>, MappingError> {
    if row.was_never_stored() {
        return Ok(None);
    }
    match flow.definition.on_delete {
        OnDelete::Ignore => Ok(None),
        OnDelete::Delete => Ok(Some((DeliveryOperation::Delete, None))),
        OnDelete::Archive => {
            let payload = target.archive(record, row.canonical_id, row.version)?;
            Ok(payload.map(|payload| (DeliveryOperation::Archive, Some(payload))))
        }
    }
}

fn words(deliveries: &[NewDelivery]) -> String {
    let words: Vec<String> =
        deliveries.iter().map(|delivery| format!("{}: {}", delivery.target, delivery.state.as_str())).collect();
    words.join(", ")
}

pub(crate) fn batch_error(error: &StoreError) -> BatchError {
    if error.is_retryable() { BatchError::infrastructure(error) } else { BatchError::poisoned(error) }
}
