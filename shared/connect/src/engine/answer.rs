//! What an answer means: the manifest's rules first, then what HTTP says.

use super::redact::Redactor;
use crate::client::HttpAnswer;
use crate::outcome::{Failure, FailureClass, LONGEST_REASON, SendOutcome};
use fluxnex_core::connector::{CompiledErrorRule, CompiledManifest, Meaning, OperationKind};
use fluxnex_core::mapping::Json;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use std::time::Duration;

/// The longest vendor's code that is kept, in characters.
const LONGEST_CODE: usize = 60;
/// The longest wait that is believed when an application asks for one.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A refusal, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) meaning: Meaning,
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) fingerprint: String,
    pub(super) reason: String,
    /// With [`Meaning::DuplicateMeansSuccess`]: the id of what is there.
    pub(super) existing_id: Option<String>,
}

/// Whether the status is a success. A redirect is none: it is not followed.
pub(super) fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Whether the application accepted the request.
pub(super) fn is_accepted(manifest: &CompiledManifest, answer: &HttpAnswer) -> bool {
    let errors = manifest.errors();
    let refused = || errors.refused.is_some() && body_json(answer).is_some_and(|body| errors.is_refusal(&body));
    is_success(answer.status) && !refused()
}

/// The answer's body as JSON; nothing if it has none or is something else.
pub(super) fn body_json(answer: &HttpAnswer) -> Option<Json> {
    let text = std::str::from_utf8(answer.body.as_deref().ok()?).ok()?;
    Json::parse("answer", text).ok()
}

/// What a refusal means for an operation.
pub(super) fn refusal(
    manifest: &CompiledManifest,
    kind: OperationKind,
    answer: &HttpAnswer,
    now: Timestamp,
    redactor: &Redactor,
) -> Refusal {
    let body = body_json(answer).unwrap_or_else(Json::null);
    let errors = manifest.errors();
    let code = errors.answered_code(&body);
    let rule = errors.rules.iter().find(|rule| fits(rule, kind, answer.status, code.as_deref()));
    let by_rule =
        rule.and_then(|rule| rule.rule.retry_after_seconds).map(|seconds| Duration::from_secs(seconds.into()));
    let retry_after = retry_after(answer, now).or(by_rule);
    let meaning = match rule {
        Some(rule) => rule.rule.means,
        None => meaning_of_status(answer.status, kind, retry_after.is_some()),
    };
    let connector = &manifest.manifest().connector;
    let code = code.map(|code| redactor.clean(&code, LONGEST_CODE));
    let named = code.map_or_else(|| answer.status.to_string(), |code| format!("{} {code}", answer.status));
    let words = errors.answered_message(&body);
    let reason = words.map_or_else(|| named.clone(), |words| format!("{named}: {words}"));
    Refusal {
        meaning,
        status: answer.status,
        retry_after,
        fingerprint: format!("{connector} {named}"),
        reason: redactor.clean(&reason, LONGEST_REASON),
        existing_id: rule.and_then(|rule| rule.answered_id(&body)),
    }
}

fn fits(compiled: &CompiledErrorRule, kind: OperationKind, status: u16, code: Option<&str>) -> bool {
    let rule = &compiled.rule;
    rule.status.is_none_or(|pattern| pattern.fits(status))
        && (rule.code.is_empty() || code.is_some_and(|code| rule.code.iter().any(|known| known == code)))
        && (rule.operations.is_empty() || rule.operations.contains(&kind))
}

// RFC 9110 section 15, and what gateways in between do: they answer 5xx for an application that
// may have done its work already.
fn meaning_of_status(status: u16, kind: OperationKind, asks_to_wait: bool) -> Meaning {
    match status {
        401 => Meaning::Reauthenticate,
        404 if kind != OperationKind::Create => Meaning::Gone,
        408 | 425 => Meaning::Retry,
        409 | 412 => Meaning::Conflict,
        410 => Meaning::Gone,
        429 => Meaning::Throttle,
        503 if asks_to_wait => Meaning::Throttle,
        501 | 505 => Meaning::Permanent,
        500.. if kind.has_effect() => Meaning::Unknown,
        500.. => Meaning::Retry,
        _ => Meaning::Permanent,
    }
}

// RFC 9110 section 10.2.3: seconds, or a date.
pub(super) fn retry_after(answer: &HttpAnswer, now: Timestamp) -> Option<Duration> {
    let text = answer.headers.get("retry-after")?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = rfc2822::parse(text).ok()?.timestamp();
            Duration::try_from(until.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

impl Refusal {
    /// What came of a request that has an effect.
    pub(super) fn into_send_outcome(self) -> SendOutcome {
        let class = match self.meaning {
            Meaning::DuplicateMeansSuccess => {
                return SendOutcome::Delivered { target_id: self.existing_id, target_version: None };
            }
            Meaning::Unknown => {
                return SendOutcome::Unknown {
                    status: Some(self.status),
                    fingerprint: self.fingerprint,
                    reason: self.reason,
                };
            }
            meaning => class(meaning, self.retry_after),
        };
        SendOutcome::Failed(self.into_failure(class))
    }

    /// Why a request that only reads failed.
    pub(super) fn into_read_failure(self) -> Failure {
        let class = class(self.meaning, self.retry_after);
        self.into_failure(class)
    }

    fn into_failure(self, class: FailureClass) -> Failure {
        Failure { class, status: Some(self.status), fingerprint: self.fingerprint, reason: self.reason }
    }
}

fn class(meaning: Meaning, retry_after: Option<Duration>) -> FailureClass {
    match meaning {
        Meaning::Retry | Meaning::Unknown => FailureClass::Retry,
        Meaning::Throttle => FailureClass::Throttle { retry_after },
        Meaning::Reauthenticate => FailureClass::Reauthenticate,
        Meaning::Conflict => FailureClass::Conflict,
        Meaning::InvalidReference => FailureClass::InvalidReference,
        Meaning::Gone => FailureClass::Gone,
        Meaning::Permanent | Meaning::DuplicateMeansSuccess => FailureClass::Permanent,
    }
}
