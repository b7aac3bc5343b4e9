//! Dead letters: registered as visible failures, and let in again where only infrastructure lacked.

use crate::Sweep;
use fluxnex_cloud::queue::{OutgoingMessage, QueueUrl};
use fluxnex_core::ids::TenantId;
use fluxnex_core::message::{
    InboundEvent, NextPage, Notification, NotificationKind, PollRequest, RecordChanged, RecordNormalised, SweepTenant,
    V1, WakeMessage,
};
use fluxnex_core::poll::run_of_message;
use fluxnex_lambda::batch::{self, BatchError, Outcome, Record, Undecodable, Work};
use fluxnex_lambda::{BoxError, Invocation, SqsBatchResponse, SqsEvent};
use fluxnex_store::{DeadLetter, DeadLetterReason};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long a dead letter waits before it goes in again for the first time; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// Most dead letters that one pass lets in again.
const MOST_PER_PASS: i64 = 500;

impl Sweep {
    /// Takes messages out of dead-letter queues into the catalog.
    pub(crate) async fn register_dead_letters(
        &self,
        event: SqsEvent,
        invocation: &Invocation,
    ) -> Result<SqsBatchResponse, BoxError> {
        let decode = |record: &Record| -> Result<(DeadLetter, DeadLetterReason), Undecodable> { Ok(self.read(record)) };
        let handle = async |works: &[Work<(DeadLetter, DeadLetterReason)>]| {
            let now = self.clock.now();
            let letters: Vec<_> = works.iter().map(|work| work.message.clone()).collect();
            let first_wait = self.time_scale.scale(FIRST_WAIT);
            let failed = self
                .tenants
                .database()
                .register_dead_letters(&letters, now, first_wait)
                .await
                .map_err(BatchError::infrastructure)?;
            self.tell_of(&failed).await.map_err(BatchError::infrastructure)?;
            Ok(letters
                .iter()
                .map(|(letter, reason)| {
                    let outcome = match reason {
                        DeadLetterReason::Unreadable => Outcome::done("unreadable"),
                        DeadLetterReason::Infrastructure => Outcome::done("to go in again"),
                    };
                    let outcome = outcome.because(format!("dead letter of {}", letter.queue));
                    match &letter.tenant {
                        Some(tenant) => outcome.tenant(tenant),
                        None => outcome,
                    }
                })
                .collect())
        };
        Ok(batch::run_batch(event, invocation, decode, handle).await?)
    }

    /// Lets in again what is due; gives their number.
    pub(crate) async fn reenter_dead_letters(&self) -> Result<usize, BoxError> {
        let now = self.clock.now();
        // Asking would wake a sleeping database each minute; work waiting anywhere keeps it awake.
        if self.control.busy_tenants(1).await?.is_empty() && now.as_second() / 60 % 60 != 18 {
            return Ok(0);
        }
        let letters = self.tenants.database().due_dead_letters(now, MOST_PER_PASS).await?;
        let mut sent = Vec::with_capacity(letters.len());
        for letter in letters {
            // Its queue is gone, perhaps with its connector: it keeps waiting, where it can be seen.
            let Some(queue) = self.queue_named(&letter.queue) else { continue };
            let mut message = OutgoingMessage::new(letter.body.clone());
            if queue.is_fifo() {
                let group = serde_json::from_str::<WakeMessage>(&letter.body).map(|message| message.wake.group());
                message = message
                    .group(group.unwrap_or_else(|_| "unknown".to_owned()))
                    .deduplication(self.clock.new_id().simple().to_string());
            } else if let Some(tenant) = &letter.tenant {
                message = message.group(tenant.as_str());
            }
            self.queues.send(queue, vec![message]).await?;
            sent.push(letter);
        }
        if !sent.is_empty() {
            self.tenants.database().reentered(&sent, now).await?;
        }
        Ok(sent.len())
    }

    async fn tell_of(&self, failed: &[DeadLetter]) -> Result<(), BoxError> {
        for letter in failed {
            tracing::error!(
                queue = letter.queue,
                tenant = letter.tenant.as_ref().map(TenantId::as_str),
                "a message failed for good"
            );
            let Some(tenant) = &letter.tenant else { continue };
            let message = Notification {
                v: V1,
                tenant: tenant.clone(),
                id: uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, letter.body.as_bytes()),
                kind: NotificationKind::EventFailed,
                at: self.clock.now(),
                event: None,
                delivery: None,
                connection: None,
                record: None,
                reason: format!("a message of the queue {} failed as often as it may", letter.queue),
            };
            let message = OutgoingMessage::json(&message)?.group(tenant.as_str());
            self.queues.send(&self.notification_delivery, vec![message]).await?;
        }
        Ok(())
    }

    /// A dead letter with the queue that it was meant for, and whether that queue's stage can read it.
    fn read(&self, record: &Record) -> (DeadLetter, DeadLetterReason) {
        #[derive(Deserialize)]
        struct Owned {
            tenant: TenantId,
        }
        let queue = match record.queue.strip_suffix("-dlq.fifo") {
            Some(name) => format!("{name}.fifo"),
            None => record.queue.strip_suffix("-dlq").unwrap_or(&record.queue).to_owned(),
        };
        let tenant = serde_json::from_str::<Owned>(&record.body).ok().map(|owned| owned.tenant);
        let readable = match self.queue_named(&queue) {
            None => false,
            Some(queue) if *queue == self.fetch_request => reads::<PollRequest>(&record.body),
            Some(queue) if *queue == self.inbound_gateway => reads::<InboundEvent>(&record.body),
            Some(queue) if *queue == self.source_replica => reads::<RecordChanged>(&record.body),
            Some(queue) if *queue == self.normalised => reads::<RecordNormalised>(&record.body),
            Some(queue) if *queue == self.sweep_tenant => reads::<SweepTenant>(&record.body),
            Some(queue) if *queue == self.notification_delivery => reads::<Notification>(&record.body),
            Some(_) => reads::<WakeMessage>(&record.body),
        };
        let reason = if readable { DeadLetterReason::Infrastructure } else { DeadLetterReason::Unreadable };
        let is_poll = self.queue_named(&queue).is_some_and(|queue| *queue == self.fetch_request);
        let body = if is_poll { named(record) } else { record.body.clone() };
        (DeadLetter { queue, tenant, body }, reason)
    }

    fn queue_named(&self, name: &str) -> Option<&QueueUrl> {
        let own = [
            &self.fetch_request,
            &self.inbound_gateway,
            &self.source_replica,
            &self.normalised,
            &self.delayed_wakes,
            &self.sweep_tenant,
            &self.notification_delivery,
        ];
        own.into_iter().chain(self.outbound.values()).find(|queue| queue.name() == name)
    }
}

/// A schedule's request, naming the run that it began under its first message's id. Under another id it would find that
/// run under way, and nobody who reads its pages, until the run's lease ends.
fn named(record: &Record) -> String {
    let Ok(mut request) = serde_json::from_str::<PollRequest>(&record.body) else { return record.body.clone() };
    request.next = request.next.or(Some(NextPage { run: run_of_message(&record.message_id), page: 0 }));
    serde_json::to_string(&request).unwrap_or_else(|_| record.body.clone())
}

fn reads<M: DeserializeOwned>(body: &str) -> bool {
    serde_json::from_str::<M>(body).is_ok()
}
