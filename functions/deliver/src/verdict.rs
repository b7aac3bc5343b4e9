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
}

/// Judges an attempt.
pub(crate) fn judge(sent: Sent, claim: &Claim, started_at: Timestamp, waits: &Waits<'_>) -> (Finish, Option<Attempt>) {
    let (report, repeatable) = match sent {
        Sent::Impossible(reason) => return (failed(reason, "cannot be sent"), None),
        Sent::InDoubt => {
            let reason =
                "an attempt was cut short; whether it took effect is not known, and the target offers no way to tell";
            return (failed(reason.to_owned(), "in doubt"), None);
        }
        Sent::Report { report, repeatable } => (report, repeatable),
    };
    let attempt = attempt(&report.effort, started_at);
    let finish = match report.outcome {
        SendOutcome::Delivered { target_id, target_version } => Finish::Delivered { target_id, target_version },
        SendOutcome::Failed(failure) => refused(failure, claim, waits),
        SendOutcome::Unknown { reason, fingerprint, .. } => match waits.after(claim.attempt) {
            Some(at) if repeatable => Finish::Unknown { at, reason },
            _ => failed(format!("whether it took effect is not known: {reason}"), &fingerprint),
        },
    };
    (finish, Some(attempt))
}

fn refused(failure: Failure, claim: &Claim, waits: &Waits<'_>) -> Finish {
    let Failure { class, fingerprint, reason, .. } = failure;
    match class {
        FailureClass::Throttle { retry_after } => {
            let pause = waits.time_scale.scale(retry_after.unwrap_or(THROTTLED).min(LONGEST_PAUSE));
            let spread = pause.mul_f64(1.0 + 0.2 * waits.random);
            Finish::Retry { at: later(waits.now, spread), reason, counts: false }
        }
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
        Turn::Held => "held",
        Turn::NotBefore(_) => "not yet",
        Turn::Send | Turn::Settle => "to be sent",
    }
}
