//! Looking after tenants: who has work waiting, and what of it made no progress.

use crate::Sweep;
use fluxnex_cloud::control::BusyTenant;
use fluxnex_cloud::queue::{OutgoingMessage, QueueUrl};
use fluxnex_core::fetch::FetchError;
use fluxnex_core::ids::TenantId;
use fluxnex_core::message::{Notification, SweepTenant, V1, WakeMessage};
use fluxnex_lambda::batch::{self, BatchError, Outcome, Work};
use fluxnex_lambda::{BoxError, Invocation, SqsBatchResponse, SqsEvent};
use fluxnex_store::{FetchEnd, HopelessWait, StoreError, Stranded, Tenant, UntoldFailure};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What made no progress for this long is stranded.
const IDLE: Duration = Duration::from_secs(60);
/// Functions remember a configuration for less than this.
const CONFIGURATION_KNOWN: Duration = Duration::from_secs(30);
/// Most of each kind that one pass lets in again, so that a great many do not flood the queues.
const MOST_PER_PASS: i64 = 1_000;
/// How long finished fetches are kept: longer than the 90 days for which the names of their executions
/// are taken.
const FETCHES_KEPT: Duration = Duration::from_secs(100 * 24 * 3600);
/// Most tenants that one pass looks after.
const MOST_TENANTS: usize = 10_000;
/// Minute of the hour in which every tenant is looked at, marked or not.
const FULL_ROUND_MINUTE: i64 = 17;

impl Sweep {
    /// Sends one message for each tenant that is to be looked after; gives their number.
    pub(crate) async fn fan_out(&self) -> Result<usize, BoxError> {
        let now = self.clock.now();
        let busy = self.control.busy_tenants(MOST_TENANTS).await?;
        let mut tenants: BTreeSet<TenantId> = busy.into_iter().map(|busy| busy.tenant).collect();
        if now.as_second() / 60 % 60 == FULL_ROUND_MINUTE {
            tenants.extend(self.tenants.database().tenants().await?);
        }
        let messages = tenants
            .iter()
            .map(|tenant| {
                let message = SweepTenant { v: V1, tenant: tenant.clone(), marker: None };
                Ok(OutgoingMessage::json(&message)?.group(tenant.as_str()))
            })
            .collect::<Result<Vec<_>, serde_json::Error>>()?;
        let sent = messages.len();
        if sent > 0 {
            self.queues.send(&self.sweep_tenant, messages).await?;
        }
        Ok(sent)
    }

    pub(crate) async fn sweep_tenants(
        &self,
        event: SqsEvent,
        invocation: &Invocation,
    ) -> Result<SqsBatchResponse, BoxError> {
        let handle = async |works: &[Work<SweepTenant>]| {
            // The marker is read before the scan, so that work committed meanwhile keeps it.
            let busy = self.control.busy_tenants(MOST_TENANTS).await.map_err(BatchError::infrastructure)?;
            let mut outcomes = Vec::with_capacity(works.len());
            for work in works {
                let marker = busy.iter().find(|busy| busy.tenant == work.message.tenant);
                let outcome = self.sweep_tenant(&work.message.tenant, marker).await;
                outcomes.push(
                    outcome.unwrap_or_else(|error| Outcome::retry(error.to_string())).tenant(&work.message.tenant),
                );
            }
            Ok(outcomes)
        };
        Ok(batch::run_batch(event, invocation, batch::json::<SweepTenant>, handle).await?)
    }

    async fn sweep_tenant(&self, id: &TenantId, marker: Option<&BusyTenant>) -> Result<Outcome, BoxError> {
        let now = self.clock.now();
        let tenant = match self.tenants.get(id, now).await {
            Ok(tenant) => tenant,
            Err(StoreError::UnknownTenant(_)) => return Ok(Outcome::done("there is no such tenant")),
            Err(error) => return Err(error.into()),
        };
        let database = self.tenants.database();
        let hopeless = database.expired_waits(&tenant, now, MOST_PER_PASS).await?;
        self.tell_of_waits(&tenant, &hopeless, now).await?;
        database.end_waits(&tenant, &hopeless).await?;
        let idle = self.time_scale.scale(IDLE);
        let removed = database.end_removed(&tenant, now, earlier(now, idle.max(CONFIGURATION_KNOWN))).await?;
        let idle_since = earlier(now, idle);
        let stranded = database.stranded(&tenant, now, idle_since, MOST_PER_PASS).await?;
        database.forget_event_ids(&tenant, now, MOST_PER_PASS).await?;
        database.forget_fetches(&tenant, earlier(now, FETCHES_KEPT), MOST_PER_PASS).await?;
        let words = format!(
            "{} records let in again, {} keys woken, {} waits ended, {} events and {} deliveries cancelled",
            stranded.records.len(),
            stranded.wakes.len(),
            hopeless.len(),
            removed.events,
            removed.deliveries
        );
        let has_work = stranded.has_work;
        self.tell_of_failures(&tenant, idle_since, now).await?;
        self.answer_fetches(&tenant, &stranded, now).await?;
        self.let_in_again(&tenant, stranded).await?;
        match marker {
            Some(marker) if !has_work => drop(self.control.clear_busy(id, marker.revision, now).await?),
            // Found by the round over all tenants: from here on it is looked at each minute.
            None if has_work => self.control.mark_busy(id, now).await?,
            _ => {}
        }
        Ok(Outcome::done(words))
    }

    async fn tell_of_waits(&self, tenant: &Tenant, waits: &[HopelessWait], now: Timestamp) -> Result<(), BoxError> {
        let messages = waits
            .iter()
            .map(|HopelessWait { event, flow, connection, record, reason }| {
                let (record, reason) = (record.clone(), reason.clone());
                let message = Notification::event_failed(tenant.id(), *event, flow, connection, record, reason, now);
                Ok(OutgoingMessage::json(&message)?.group(tenant.id().as_str()))
            })
            .collect::<Result<Vec<_>, serde_json::Error>>()?;
        if !messages.is_empty() {
            self.queues.send(&self.notification_delivery, messages).await?;
        }
        Ok(())
    }

    /// Answers the fetches of which whoever should have answered died, and those whose time is over: a
    /// token that nobody waits for any more does no harm.
    async fn answer_fetches(&self, tenant: &Tenant, stranded: &Stranded, now: Timestamp) -> Result<(), BoxError> {
        let database = self.tenants.database();
        for fetch in &stranded.needless {
            if let Some(token) = &fetch.token {
                self.blocking_fetch.succeed(token, &serde_json::json!({ "outcome": "stored" })).await?;
            }
            database.end_fetch(tenant, fetch, FetchEnd::Stored, now).await?;
        }
        for fetch in &stranded.expired {
            let error = FetchError::OutOfTime("it did not arrive in time".to_owned());
            if let Some(token) = &fetch.token {
                self.blocking_fetch.fail(token, error.name(), &error.to_string()).await?;
            }
            database.end_fetch(tenant, fetch, FetchEnd::Failed(&error.to_string()), now).await?;
        }
        for fetch in &stranded.died {
            let error = FetchError::Unavailable("the attempt died".to_owned());
            if let Some(token) = &fetch.token {
                self.blocking_fetch.fail(token, error.name(), &error.to_string()).await?;
            }
            database.attempt_ended(tenant, fetch).await?;
        }
        Ok(())
    }

    /// Tells of failed deliveries of which whoever wrote them down died before telling.
    async fn tell_of_failures(&self, tenant: &Tenant, idle_since: Timestamp, now: Timestamp) -> Result<(), BoxError> {
        let failures = self.tenants.database().untold_failures(tenant, idle_since, MOST_PER_PASS).await?;
        let messages = failures
            .iter()
            .map(|failure| {
                let UntoldFailure { delivery, attempt, target, record, reason } = failure;
                let message =
                    Notification::delivery_failed(tenant.id(), *delivery, *attempt, target, record, reason, now);
                Ok(OutgoingMessage::json(&message)?.group(tenant.id().as_str()))
            })
            .collect::<Result<Vec<_>, serde_json::Error>>()?;
        if messages.is_empty() {
            return Ok(());
        }
        self.queues.send(&self.notification_delivery, messages).await?;
        let told: Vec<_> = failures.iter().map(|failure| failure.delivery).collect();
        Ok(self.tenants.database().told(tenant, &told).await?)
    }

    async fn let_in_again(&self, tenant: &Tenant, stranded: Stranded) -> Result<(), BoxError> {
        let records = stranded
            .records
            .iter()
            .map(|record| Ok(OutgoingMessage::json(record)?.group(tenant.id().as_str())))
            .collect::<Result<Vec<_>, serde_json::Error>>()?;
        if !records.is_empty() {
            self.queues.send(&self.source_replica, records).await?;
        }
        let mut wakes: BTreeMap<&QueueUrl, Vec<OutgoingMessage>> = BTreeMap::new();
        for wake in stranded.wakes {
            let connector = tenant.configuration().connector_of(&wake.target);
            let Some(queue) = connector.and_then(|connector| self.outbound.get(connector.as_str())) else { continue };
            let group = wake.group();
            let message = OutgoingMessage::json(&WakeMessage { v: V1, wake })?;
            let message = message.group(group).deduplication(self.clock.new_id().simple().to_string());
            wakes.entry(queue).or_default().push(message);
        }
        for (queue, messages) in wakes {
            self.queues.send(queue, messages).await?;
        }
        Ok(())
    }
}

fn earlier(now: Timestamp, span: Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    now.checked_sub(span).unwrap_or(Timestamp::MIN)
}
