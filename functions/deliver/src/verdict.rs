//! What an attempt means for its delivery.

use crate::connections::Sent;
use crate::later;
use fluxnex_connect::outcome::{Effort, Failure, FailureClass, SendOutcome};
use fluxnex_core::ledger::Turn;
use fluxnex_core::retry::wait_after;
use fluxnex_lambda::TimeScale;
use fluxnex_store::{Attempt, Claim, Finish};
use jiff::Timestamp;
use std::time::Duration;

/// How long a target that asks for a pause without saying how long is left in peace.
const THROTTLED: Duration = Duration::from_secs(5);
/// The longest that a target's `Retry-After` is honoured.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What waits are made of.
pub(crate) struct Waits<'a> {
    pub(crate) now: Timestamp,
    /// In 0..1; spreads what failed together.
    pub(crate) random: f64,
    pub(crate) time_scale: &'a TimeScale,
}

impl Waits<'_> {
    fn after(&self, attempt: u32) -> Option<Timestamp> {
        wait_after(attempt, self.random).map(|wait| later(self.now, self.time_scale.scale(wait)))
    }

    /// The end of the pause that a target asks for.
    fn pause(&self, asked: Option<Duration>) -> Timestamp {
        let pause = self.time_scale.scale(asked.unwrap_or(THROTTLED).min(LONGEST_PAUSE));
        later(self.now, pause.mul_f64(1.0 + 0.2 * self.random))
    }
}

/// Judges an attempt.
pub(crate) fn judge(sent: Sent, claim: &Claim, started_at: Timestamp, waits: &Waits<'_>) -> (Finish, Option<Attempt>) {
    let (report, repeatable, payload) = match sent {
        Sent::Unchanged => return (Finish::Unchanged, None),
        Sent::Impossible(reason) => return (failed(reason, "cannot be sent"), None),
        Sent::NothingThere => {
            let reason = "the target does not know the record that its source deleted".to_owned();
            return (Finish::Filtered { reason }, None);
        }
        Sent::InDoubt => {
            let reason =
                "an attempt was cut short; whether it took effect is not known, and the target offers no way to tell";
            return (failed(reason.to_owned(), "in doubt"), None);
        }
        Sent::Report { report, repeatable, payload } => (report, repeatable, payload),
    };
    let attempt = attempt(&report.effort, started_at);
    let finish = match report.outcome {
        SendOutcome::Delivered { target_id, target_version } => {
            Finish::Delivered { target_id, target_version, payload }
        }
        SendOutcome::Failed(failure) if claim.settles && leaves_doubt(failure.class, &report.effort) => {
            still_unknown(failure, claim, waits)
        }
        SendOutcome::Failed(failure) => refused(failure, claim, waits),
        SendOutcome::Unknown { reason, fingerprint, .. } => match waits.after(claim.attempt) {
            Some(at) if repeatable => Finish::Unknown { at, reason, counts: true },
            _ => failed(format!("whether it took effect is not known: {reason}"), &fingerprint),
        },
    };
    (finish, Some(attempt))
}

/// Whether an attempt that settles an earlier one did not learn what became of that: the target was never asked, or
/// answered before it looked. Only what it says of the record itself tells that the earlier one had no effect.
fn leaves_doubt(class: FailureClass, effort: &Effort) -> bool {
    let is_of_the_record = match class {
        FailureClass::Throttle { .. } | FailureClass::Retry | FailureClass::Reauthenticate => false,
        FailureClass::Conflict | FailureClass::InvalidReference | FailureClass::Permanent | FailureClass::Gone => true,
    };
    effort.request.is_none() || !is_of_the_record
}

/// A delivery in doubt stays in doubt, so that nothing takes its place.
fn still_unknown(failure: Failure, claim: &Claim, waits: &Waits<'_>) -> Finish {
    let Failure { class, fingerprint, reason, .. } = failure;
    match class {
        FailureClass::Throttle { retry_after } => {
            Finish::Unknown { at: waits.pause(retry_after), reason, counts: false }
        }
        _ => match waits.after(claim.attempt) {
            Some(at) => Finish::Unknown { at, reason, counts: true },
            None => failed(format!("whether it took effect is not known: {reason}"), &fingerprint),
        },
    }
}

fn refused(failure: Failure, claim: &Claim, waits: &Waits<'_>) -> Finish {
    let Failure { class, fingerprint, reason, .. } = failure;
    match class {
        FailureClass::Throttle { retry_after } => Finish::Retry { at: waits.pause(retry_after), reason, counts: false },
        FailureClass::Retry
        | FailureClass::Conflict
        | FailureClass::Reauthenticate
        | FailureClass::InvalidReference => match waits.after(claim.attempt) {
            Some(at) => Finish::Retry { at, reason, counts: true },
            None => failed(format!("gave up after {} attempts: {reason}", claim.attempt), &fingerprint),
        },
        FailureClass::Permanent | FailureClass::Gone => failed(reason, &fingerprint),
    }
}

fn failed(reason: String, fingerprint: &str) -> Finish {
    Finish::Failed { reason, fingerprint: fingerprint.to_owned() }
}

fn attempt(effort: &Effort, started_at: Timestamp) -> Attempt {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    Attempt {
        started_at,
        duration: effort.duration,
        status: effort.status,
        request_digest: effort.request.map(|digest| digest.to_hex()).unwrap_or_default(),
        request_bytes: effort.request.map_or(0, |digest| size(digest.bytes)),
        response_digest: effort.response.map(|digest| digest.to_hex()),
        response_bytes: effort.response.map(|digest| size(digest.bytes)),
    }
}

/// Why a head is not sent, in a word for queries.
pub(crate) fn waits(turn: &Turn) -> &'static str {
    match turn {
        Turn::AfterParent(_) => "waits for a parent",
        Turn::AfterUpstream => "waits for an earlier event",
        Turn::AfterVersion => "waits for an earlier version",
        Turn::Paused => "the flow is paused",
        Turn::Held => "held",
        Turn::NotBefore(_) => "not yet",
        Turn::Send | Turn::Settle => "to be sent",
    }
}
