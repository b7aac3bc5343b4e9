//! L5: sends the heads of ordering keys to their targets.
//!
//! A wake carries no delivery: the ledger says what goes next. The head of each key is claimed with
//! a fence, sent, and its outcome written down by whoever still holds the fence. What waits is
//! acknowledged: its time, its parent or an operator brings it back. What goes to a paused connection is not even
//! claimed, and nothing is of a paused tenant: it waits in the ledger, and `sweep` wakes it when they are resumed; so does
//! the head of a key that is of a paused flow.

mod connections;
mod verdict;

use connections::Connections;
use fluxnex_cloud::busy::BusyMarker;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::queue::{MAX_DELAY, OutgoingMessage, QueueUrl, Queues};
use fluxnex_connect::Engine;
use fluxnex_core::ledger::Turn;
use fluxnex_core::message::{Notification, V1, Wake, WakeMessage, by_tenant};
use fluxnex_lambda::batch::{BatchError, Outcome, Work};
use fluxnex_lambda::{Deadline, TimeScale};
use fluxnex_store::{Claim, Claimed, Finish, Finished, StoreError, Tenant, Tenants, UntoldFailure};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What is left of an invocation for writing outcomes down; a request may take the rest.
const RESERVE: Duration = Duration::from_secs(3);
/// With less than this left no head is claimed any more.
const LEAST_TIME: Duration = Duration::from_secs(2);
/// How much longer a claim is trusted than its invocation can live.
const CLAIM_MARGIN: Duration = Duration::from_secs(5);

/// Most failures that one invocation tells of.
const MOST_TOLD: i64 = 100;

/// What the stage needs.
pub struct Deliver {
    /// The tenants and their database.
    pub tenants: Tenants,
    /// The connector engine.
    pub engine: Engine,
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
    /// Where wakes wait for up to 15 minutes.
    pub delayed_wakes: QueueUrl,
    /// Where failures are told.
    pub notification_delivery: QueueUrl,
}

/// The wakes of one tenant, and what the ledger answered.
struct Share<'a> {
    tenant: Tenant,
    members: Vec<(usize, &'a WakeMessage)>,
    claimed: Vec<Claimed>,
    /// Those whose target an operator stopped.
    paused: Vec<(usize, &'a WakeMessage)>,
}

impl Deliver {
    /// Handles the wakes of a batch; one outcome for each, in order.
    ///
    /// # Errors
    /// [`BatchError`] if the infrastructure failed for all of them.
    pub async fn handle(&self, works: &[Work<WakeMessage>], deadline: Deadline) -> Result<Vec<Outcome>, BatchError> {
        let mut outcomes = vec![Outcome::retry("no time left"); works.len()];
        if deadline.remaining() < RESERVE + LEAST_TIME {
            return Ok(outcomes);
        }
        let mut shares = Vec::new();
        for (id, members) in by_tenant(works.iter().map(|work| &work.message)) {
            // One tenant's trouble is not another's: what was claimed for them must still be sent.
            let places: Vec<usize> = members.iter().map(|(place, _)| *place).collect();
            let claimed = match self.tenants.get(id, self.clock.now()).await {
                Ok(tenant) => self.claim(tenant, members, deadline).await,
                Err(error) => Err(batch_error(&error)),
            };
            match claimed {
                Ok(share) => shares.push(share),
                Err(error) => come_again(&mut outcomes, places, &error),
            }
        }
        let time = deadline.remaining().saturating_sub(RESERVE);
        let sent = join_all(shares.iter().map(|share| self.send(share, time))).await;
        for (share, sent) in shares.iter().zip(sent) {
            for (place, message) in &share.paused {
                let whole = share.tenant.configuration().paused;
                let word = if whole { "the tenant is paused" } else { "the connection is paused" };
                let outcome = Outcome::done(word).tenant(&message.wake.tenant);
                set(&mut outcomes, *place, outcome.connection(&message.wake.target));
            }
            let (finished, causes): (Vec<Finished>, Vec<Option<String>>) = sent.into_iter().unzip();
            let places = share.members.iter().map(|(place, _)| *place);
            if let Err(error) = self.write_down(share, &finished).await {
                // The claims run out, and are settled under the same idempotency keys.
                come_again(&mut outcomes, places, &error);
                continue;
            }
            if let Err(error) = self.come_back(share).await {
                come_again(&mut outcomes, places, &error);
                continue;
            }
            for ((place, message), claimed) in share.members.iter().zip(&share.claimed) {
                set(&mut outcomes, *place, describe(message, claimed, &finished, &causes));
            }
        }
        Ok(outcomes)
    }

    async fn claim<'a>(
        &self,
        tenant: Tenant,
        members: Vec<(usize, &'a WakeMessage)>,
        deadline: Deadline,
    ) -> Result<Share<'a>, BatchError> {
        let (paused, members): (Vec<_>, Vec<_>) =
            members.into_iter().partition(|(_, message)| tenant.configuration().is_paused(&message.wake.target));
        if members.is_empty() {
            return Ok(Share { tenant, members, claimed: Vec::new(), paused });
        }
        self.busy.mark(tenant.id()).await.map_err(BatchError::infrastructure)?;
        let now = self.clock.now();
        let until = later(now, deadline.remaining().min(Duration::from_secs(900)) + CLAIM_MARGIN);
        let wakes: Vec<&Wake> = members.iter().map(|(_, message)| &message.wake).collect();
        let fences = || self.clock.new_id();
        let database = self.tenants.database();
        let claimed =
            database.claim(&tenant, now, until, &wakes, &fences).await.map_err(|error| batch_error(&error))?;
        Ok(Share { tenant, members, claimed, paused })
    }

    /// Sends what was claimed, all at once: they are heads of different keys.
    async fn send(&self, share: &Share<'_>, time: Duration) -> Vec<(Finished, Option<String>)> {
        let connections = Connections::of(&share.tenant);
        let claims = share.claimed.iter().filter_map(|claimed| match claimed {
            Claimed::Send(claim) => Some(claim.as_ref()),
            _ => None,
        });
        join_all(claims.map(|claim| self.attempt(&connections, claim, time))).await
    }

    /// One attempt, and the cause for logs if it did not deliver.
    async fn attempt(
        &self,
        connections: &Connections<'_>,
        claim: &Claim,
        time: Duration,
    ) -> (Finished, Option<String>) {
        let started_at = self.clock.now();
        let sent = connections.send(&self.engine, claim, time).await;
        let random =
            f64::from(u32::try_from(self.clock.new_id().as_u128() & 0xffff_ffff).unwrap_or(0)) / f64::from(u32::MAX);
        let waits = verdict::Waits { now: self.clock.now(), random, time_scale: &self.time_scale };
        let cause = sent.cause();
        let (finish, attempt) = verdict::judge(sent, claim, started_at, &waits);
        let finished =
            Finished { delivery: claim.delivery, fence: claim.fence, attempt_number: claim.attempt, attempt, finish };
        (finished, cause)
    }

    /// Writes the outcomes down, then wakes who may go on, sets alarms, and tells of failures.
    async fn write_down(&self, share: &Share<'_>, finished: &[Finished]) -> Result<(), BatchError> {
        if finished.is_empty() {
            return Ok(());
        }
        let tenant = &share.tenant;
        let now = self.clock.now();
        let next = self.tenants.database().finish(tenant, now, finished).await.map_err(|error| batch_error(&error))?;
        let mut wakes: BTreeMap<&QueueUrl, Vec<OutgoingMessage>> = BTreeMap::new();
        for wake in next {
            let connector = tenant.configuration().connector_of(&wake.target);
            let Some(queue) = connector.and_then(|connector| self.outbound.get(connector.as_str())) else { continue };
            let group = wake.group();
            let message = OutgoingMessage::json(&WakeMessage { v: V1, wake }).map_err(BatchError::poisoned)?;
            let message = message.group(group).deduplication(self.clock.new_id().simple().to_string());
            wakes.entry(queue).or_default().push(message);
        }
        for (queue, messages) in wakes {
            self.queues.send(queue, messages).await.map_err(BatchError::infrastructure)?;
        }
        let times: BTreeMap<_, _> = finished
            .iter()
            .filter_map(|finished| match &finished.finish {
                Finish::Retry { at, .. } | Finish::Unknown { at, .. } => Some((finished.delivery, *at)),
                _ => None,
            })
            .collect();
        self.set_alarms(tenant, &times).await?;
        if finished.iter().any(|finished| matches!(finished.finish, Finish::Failed { .. })) {
            self.tell(tenant).await?;
        }
        Ok(())
    }

    /// Tells of the failures that nobody was told of, and then notes that it did.
    async fn tell(&self, tenant: &Tenant) -> Result<(), BatchError> {
        let database = self.tenants.database();
        let now = self.clock.now();
        let untold = database.untold_failures(tenant, later(now, CLAIM_MARGIN), MOST_TOLD).await;
        let untold = untold.map_err(|error| batch_error(&error))?;
        let messages = untold
            .iter()
            .map(|failure| {
                let UntoldFailure { delivery, attempt, target, record, reason } = failure;
                let message =
                    Notification::delivery_failed(tenant.id(), *delivery, *attempt, target, record, reason, now);
                OutgoingMessage::json(&message).map(|message| message.group(tenant.id().as_str()))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(BatchError::poisoned)?;
        if messages.is_empty() {
            return Ok(());
        }
        self.queues.send(&self.notification_delivery, messages).await.map_err(BatchError::infrastructure)?;
        let told: Vec<_> = untold.iter().map(|failure| failure.delivery).collect();
        database.told(tenant, &told).await.map_err(|error| batch_error(&error))
    }

    /// Retries are few; their wakes are made of the ledger's keys, so that they survive any change.
    async fn set_alarms(
        &self,
        tenant: &Tenant,
        times: &BTreeMap<fluxnex_core::ids::DeliveryId, Timestamp>,
    ) -> Result<(), BatchError> {
        if times.is_empty() {
            return Ok(());
        }
        let deliveries: Vec<_> = times.keys().copied().collect();
        let keys = self.tenants.database().wakes_of(tenant, &deliveries).await.map_err(|error| batch_error(&error))?;
        let alarms = keys.into_iter().filter_map(|(delivery, wake)| Some((wake, *times.get(&delivery)?)));
        self.delay(tenant, alarms.collect()).await
    }

    /// A wake that came too early comes back at its time.
    async fn come_back(&self, share: &Share<'_>) -> Result<(), BatchError> {
        let early = share.members.iter().zip(&share.claimed).filter_map(|((_, message), claimed)| match claimed {
            Claimed::NotBefore(at) => Some((message.wake.clone(), *at)),
            _ => None,
        });
        self.delay(&share.tenant, early.collect()).await?;
        // Whoever wrote the failure of a held key down may have died before it told.
        if share.claimed.iter().any(|claimed| matches!(claimed, Claimed::Waits(Turn::Held))) {
            self.tell(&share.tenant).await?;
        }
        Ok(())
    }

    /// Lets wakes come back through the delay queue; what is further away is found when it is due.
    async fn delay(&self, tenant: &Tenant, wakes: Vec<(Wake, Timestamp)>) -> Result<(), BatchError> {
        let now = self.clock.now();
        let mut messages = Vec::new();
        for (wake, at) in wakes {
            let delay = Duration::try_from(at.duration_since(now)).unwrap_or_default();
            if delay <= MAX_DELAY {
                let message = OutgoingMessage::json(&WakeMessage { v: V1, wake }).map_err(BatchError::poisoned)?;
                messages.push(message.group(tenant.id().as_str()).delay(delay));
            }
        }
        if messages.is_empty() {
            return Ok(());
        }
        self.queues.send(&self.delayed_wakes, messages).await.map_err(BatchError::infrastructure)
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

fn come_again(outcomes: &mut [Outcome], places: impl IntoIterator<Item = usize>, error: &BatchError) {
    for place in places {
        set(outcomes, place, Outcome::retry(error.to_string()));
    }
}

fn set(outcomes: &mut [Outcome], place: usize, outcome: Outcome) {
    if let Some(slot) = outcomes.get_mut(place) {
        *slot = outcome;
    }
}

/// The line of a wake. The target's own words may quote the record: they are kept with the delivery,
/// and the log has what groups equal cases.
fn describe(message: &WakeMessage, claimed: &Claimed, finished: &[Finished], causes: &[Option<String>]) -> Outcome {
    let outcome = match claimed {
        Claimed::Nothing => Outcome::done("nothing to send"),
        Claimed::NotBefore(_) => Outcome::done("not yet"),
        Claimed::Waits(turn) => Outcome::done(verdict::waits(turn)),
        Claimed::Send(claim) => {
            let ended = finished.iter().zip(causes).find(|(finished, _)| finished.delivery == claim.delivery);
            let word = match ended.map(|(finished, _)| &finished.finish) {
                Some(Finish::Delivered { .. }) => "delivered",
                Some(Finish::Unchanged) => "unchanged",
                Some(Finish::Filtered { .. }) => "filtered",
                Some(Finish::Retry { .. }) => "to be tried again",
                Some(Finish::Failed { .. }) => "failed",
                Some(Finish::Unknown { .. }) | None => "unknown",
            };
            let outcome = match ended {
                Some((_, Some(cause))) => Outcome::done(word).because(cause.clone()),
                _ => Outcome::done(word),
            };
            outcome.delivery(claim.delivery).attempt(claim.attempt)
        }
    };
    outcome.tenant(&message.wake.tenant).connection(&message.wake.target)
}

fn batch_error(error: &StoreError) -> BatchError {
    if error.is_retryable() { BatchError::infrastructure(error) } else { BatchError::poisoned(error) }
}
