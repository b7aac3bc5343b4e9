//! What an answer means: the manifest's rules first, then what HTTP says.

use super::redact::Redactor;
use crate::client::HttpAnswer;
use crate::outcome::{Failure, FailureClass, LONGEST_REASON, ReadOutcome, SendOutcome};
use fluxnex_core::connector::{BatchItem, CompiledManifest, Meaning, OperationKind, Refused};
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

/// Whether the application accepted the request. The items of a batch are judged one by one.
pub(super) fn is_accepted(manifest: &CompiledManifest, kind: OperationKind, answer: &HttpAnswer) -> bool {
    let errors = manifest.errors();
    let by_body = kind != OperationKind::Batch && errors.may_refuse_by_body();
    let refused = || by_body && body_json(answer).is_some_and(|body| errors.is_refusal(&body));
    is_success(answer.status) && !refused()
}

/// The answer's body as JSON; nothing if it has none or is something else.
pub(super) fn body_json(answer: &HttpAnswer) -> Option<Json> {
    let text = std::str::from_utf8(answer.body.as_deref().ok()?).ok()?;
    Json::parse("answer", text).ok()
}

/// The same, where an empty body is `null`.
pub(super) fn body_or_null(answer: &HttpAnswer) -> Option<Json> {
    match answer.body.as_deref() {
        Ok([]) => Some(Json::null()),
        _ => body_json(answer),
    }
}

/// The value of an answer's header.
pub(super) fn header<'a>(answer: &'a HttpAnswer, name: &str) -> Option<&'a str> {
    answer.headers.get(name)?.to_str().ok()
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
    let (code, words) = (errors.answered_code(&body), errors.answered_message(&body));
    let refused = Refused { operation: kind, status: answer.status, code: code.as_deref(), body: &body };
    understood(manifest, &refused, words, answer, now, redactor)
}

/// What the refusal of one record of a batch means.
pub(super) fn item_refusal(
    manifest: &CompiledManifest,
    item: &BatchItem,
    answer: &HttpAnswer,
    now: Timestamp,
    redactor: &Redactor,
) -> Refusal {
    let status = item.status.unwrap_or(answer.status);
    let refused = Refused { operation: OperationKind::Batch, status, code: item.code.as_deref(), body: &item.json };
    understood(manifest, &refused, item.message.clone(), answer, now, redactor)
}

fn understood(
    manifest: &CompiledManifest,
    refused: &Refused<'_>,
    words: Option<String>,
    answer: &HttpAnswer,
    now: Timestamp,
    redactor: &Redactor,
) -> Refusal {
    let rule = manifest.errors().rule_for(refused, |name| header(answer, name));
    let by_rule =
        rule.and_then(|rule| rule.rule.retry_after_seconds).map(|seconds| Duration::from_secs(seconds.into()));
    let asked = manifest.limit_headers().retry_after(|name| header(answer, name));
    let retry_after = asked.and_then(|text| wait(text, now)).or(by_rule);
    let meaning = match rule {
        Some(rule) => rule.rule.means,
        None => meaning_of_status(refused.status, refused.operation, retry_after.is_some()),
    };
    let connector = &manifest.manifest().connector;
    let code = refused.code.map(|code| redactor.clean(code, LONGEST_CODE));
    let named = code.map_or_else(|| refused.status.to_string(), |code| format!("{} {code}", refused.status));
    let reason = words.map_or_else(|| named.clone(), |words| format!("{named}: {words}"));
    Refusal {
        meaning,
        status: refused.status,
        retry_after,
        fingerprint: format!("{connector} {named}"),
        reason: redactor.clean(&reason, LONGEST_REASON),
        existing_id: rule.and_then(|rule| rule.answered_id(refused.body)),
    }
}

// RFC 9110 section 15, and what gateways in between do: they answer 5xx for an application that
// may have done its work already.
fn meaning_of_status(status: u16, kind: OperationKind, asks_to_wait: bool) -> Meaning {
    match status {
        401 => Meaning::Reauthenticate,
        404 | 410 if kind == OperationKind::Delete => Meaning::DuplicateMeansSuccess,
        404 if matches!(kind, OperationKind::Update | OperationKind::Read | OperationKind::List) => Meaning::Gone,
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
    wait(header(answer, "retry-after")?, now)
}

fn wait(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
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

    /// What came of reading one record.
    pub(super) fn into_read_outcome(self) -> ReadOutcome {
        match self.meaning {
            Meaning::Gone => ReadOutcome::Gone,
            _ => ReadOutcome::Failed(self.into_read_failure()),
        }
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
