//! A page that cannot be read: once more later, or given up until the next run.

use crate::{Poll, Reading};
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_connect::{Failure, FailureClass};
use fluxnex_core::message::{Notification, NotificationKind, PollRequest, V1};
use fluxnex_core::poll::Run;
use fluxnex_lambda::BoxError;
use fluxnex_lambda::batch::Outcome;
use jiff::SignedDuration;
use std::time::Duration;
use uuid::Uuid;

/// How long a page waits after each failure before it is read again; after the last one the run is
/// given up, and the next run goes on where it ended.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(30), Duration::from_secs(120), Duration::from_secs(480), Duration::from_secs(900)];
/// How long a source is left in peace that throttles and does not say for how long.
const THROTTLED: Duration = Duration::from_secs(60);
/// The longest that a message can be delayed (SQS).
const LONGEST_DELAY: Duration = Duration::from_secs(900);

impl Poll {
    pub(crate) async fn page_failed(&self, reading: &Reading<'_>, failure: Failure) -> Result<Outcome, BoxError> {
        let failures = reading.progress.run.as_ref().map_or(0, |run| run.failures);
        let pause = match failure.class {
            // Waiting burns no attempt.
            FailureClass::Throttle { retry_after } => Some((retry_after.unwrap_or(THROTTLED), false)),
            FailureClass::Retry => PAUSES.get(failures as usize).map(|pause| (*pause, true)),
            FailureClass::Reauthenticate
            | FailureClass::Conflict
            | FailureClass::InvalidReference
            | FailureClass::Permanent
            | FailureClass::Gone => None,
        };
        let Some((pause, counts)) = pause else {
            return self.give_up(reading, &failure.reason, &failure.fingerprint).await;
        };
        let delay = self.time_scale.scale(pause).min(LONGEST_DELAY);
        let lease = SignedDuration::try_from(delay).unwrap_or(SignedDuration::ZERO);
        let after = reading.progress.page_failed(lease, counts, self.clock.now());
        if self.save(reading.request, reading.revision, &after).await?.is_some() {
            self.go_on(reading.request, reading.next, delay).await?;
        }
        Ok(Outcome::done("again later").because(failure.fingerprint))
    }

    /// Told first, then noted: after a crash in between it is told again, with the same id. `reason`
    /// is for the tenant's people, `cause` for the log.
    pub(crate) async fn give_up(&self, reading: &Reading<'_>, reason: &str, cause: &str) -> Result<Outcome, BoxError> {
        let Reading { request, progress, revision, next, .. } = reading;
        let (after, tell) = progress.given_up(reason, self.clock.now());
        if tell {
            self.tell(request, next.run, reason).await?;
        }
        self.save(request, *revision, &after).await?;
        Ok(Outcome::done("given up").because(cause.to_owned()))
    }

    /// The published settings do not fit the program, which the next deployment or apply repairs.
    pub(crate) async fn misconfigured(
        &self,
        request: &PollRequest,
        run: Uuid,
        reason: String,
    ) -> Result<Outcome, BoxError> {
        let (progress, revision) = self.progress(request).await?;
        let taken = progress.run.as_ref().is_some_and(|Run { leased_until, .. }| *leased_until > self.clock.now());
        let (after, tell) = progress.given_up(&reason, self.clock.now());
        if tell && !taken {
            self.tell(request, run, &reason).await?;
            self.save(request, revision, &after).await?;
        }
        Ok(Outcome::done("given up").because(reason))
    }

    async fn tell(&self, request: &PollRequest, run: Uuid, reason: &str) -> Result<(), BoxError> {
        let message = Notification {
            v: V1,
            tenant: request.tenant.clone(),
            id: Uuid::new_v5(&run, b"poll.failed"),
            kind: NotificationKind::PollFailed,
            at: self.clock.now(),
            event: None,
            delivery: None,
            connection: Some(request.connection.clone()),
            record: Some(request.object.to_string()),
            reason: reason.to_owned(),
        };
        let message = OutgoingMessage::json(&message)?.group(request.tenant.as_str());
        Ok(self.queues.send(&self.notification_delivery, vec![message]).await?)
    }
}
