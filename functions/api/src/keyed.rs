//! `Idempotency-Key`: a changing call that is made again gives the first answer again
//! (draft-ietf-httpapi-idempotency-key-header-07).
//!
//! What is remembered is found by tenant, caller and key. Neither the key nor the body is kept: what was asked for is a
//! digest over both, so whoever reads the table can guess no credential of a body without the key.
//!
//! If the process dies between doing and remembering, the key is under way until the function's time is surely over.
//! After that the call is done again: each of them may be.

use crate::request::actor;
use crate::routes::Route;
use crate::{Api, unavailable};
use fluxnex_cloud::control::{Begun, ControlError, KeyedCall};
use fluxnex_core::ids::TenantId;
use fluxnex_lambda::problem::Problem;
use fluxnex_lambda::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse, Invocation};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::time::Duration;
use uuid::Uuid;

/// The longest key, in characters. A UUID has 36.
const LONGEST_KEY: usize = 255;
/// For how long an attempt has its key for itself: above the function's own time limit.
const ATTEMPT: SignedDuration = SignedDuration::from_secs(60);
/// For how long an answer is given again.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// From this status on an answer says that it is our fault: the next attempt is a new one.
const OUR_FAULT: i64 = 500;

/// An attempt that has its key for itself.
struct Attempt {
    tenant: TenantId,
    name: String,
    fingerprint: String,
    holder: Uuid,
}

impl Attempt {
    fn call(&self) -> KeyedCall<'_> {
        let Self { tenant, name, fingerprint, holder } = self;
        KeyedCall { tenant, name, fingerprint, holder: *holder }
    }
}

enum Start {
    /// There is no key.
    Unkeyed,
    /// It is to be done.
    Attempt(Attempt),
    /// It was done.
    Answered(Box<ApiGatewayV2httpResponse>),
}

impl Api {
    /// Serves a changing call, once for each key.
    pub(crate) async fn keyed(
        &self,
        route: &Route,
        request: ApiGatewayV2httpRequest,
        invocation: &Invocation,
    ) -> ApiGatewayV2httpResponse {
        match self.start(route, &request).await {
            Err(problem) => problem.request_id(invocation.request_id()).into_response(),
            Ok(Start::Unkeyed) => self.answer(route, request, invocation).await,
            Ok(Start::Answered(response)) => *response,
            Ok(Start::Attempt(attempt)) => {
                let response = self.answer(route, request, invocation).await;
                self.remember(&attempt, &response).await;
                response
            }
        }
    }

    async fn start(&self, route: &Route, request: &ApiGatewayV2httpRequest) -> Result<Start, Problem> {
        let Some(value) = request.headers.get("idempotency-key") else { return Ok(Start::Unkeyed) };
        let key = value.to_str().ok().and_then(key).ok_or_else(malformed)?;
        let tenant = crate::request::tenant(request)?;
        let attempt = Attempt {
            tenant,
            name: digest(&[actor(request).as_bytes(), key.as_bytes()]),
            fingerprint: fingerprint(route, request, &key),
            holder: self.clock.new_id(),
        };
        let now = self.clock.now();
        let begun = self.control.begin_call(&attempt.call(), now, later(now, ATTEMPT)).await.map_err(|error| {
            tracing::error!(%error, "a keyed call cannot be begun");
            unavailable("idempotency keys cannot be looked up now")
        })?;
        match begun {
            Begun::Yours => Ok(Start::Attempt(attempt)),
            Begun::UnderWay => Err(under_way()),
            Begun::Answered { fingerprint, .. } if fingerprint != attempt.fingerprint => Err(of_another()),
            Begun::Answered { answer, .. } => match serde_json::from_value(answer) {
                Ok(response) => Ok(Start::Answered(Box::new(response))),
                Err(error) => {
                    tracing::error!(%error, "a remembered answer cannot be read");
                    Err(Problem::of_status(500))
                }
            },
        }
    }

    /// Keeps the answer, unless the fault is ours. Failing to do so changes nothing for who called: the key is free
    /// again after a while.
    async fn remember(&self, attempt: &Attempt, response: &ApiGatewayV2httpResponse) {
        let answer = (response.status_code < OUR_FAULT).then(|| serde_json::to_value(response).unwrap_or_default());
        let until = later(self.clock.now(), REMEMBERED);
        let mut ended = self.control.end_call(&attempt.call(), answer.as_ref(), until).await;
        if let Err(ControlError::TooLarge { .. }) = ended {
            ended = self.control.end_call(&attempt.call(), None, until).await;
        }
        if let Err(error) = ended {
            tracing::warn!(tenant = %attempt.tenant, %error, "an answer is not remembered");
        }
    }
}

/// A String of structured fields (RFC 8941, section 3.3.3): printable ASCII between quotation marks, in which `\`
/// stands before a quotation mark and before itself.
fn key(value: &str) -> Option<String> {
    let inner = value.trim().strip_prefix('"')?.strip_suffix('"')?;
    let mut key = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        key.push(match character {
            '\\' => characters.next().filter(|escaped| matches!(escaped, '\\' | '"'))?,
            '"' => return None,
            ' '..='~' => character,
            _ => return None,
        });
    }
    (1..=LONGEST_KEY).contains(&key.len()).then_some(key)
}

/// Everything that says what is to be done, and the key in front of it as what nobody can guess.
fn fingerprint(route: &Route, request: &ApiGatewayV2httpRequest, key: &str) -> String {
    let header = |name: &str| request.headers.get(name).map(|value| value.as_bytes()).unwrap_or_default();
    let mut parameters: Vec<(&String, &String)> = request.path_parameters.iter().collect();
    parameters.sort();
    let mut query: Vec<(&str, &str)> = request.query_string_parameters.iter().collect();
    query.sort_unstable();
    let mut parts = vec![key.as_bytes(), route.key.as_bytes(), header("if-match"), header("if-none-match")];
    parts.extend(parameters.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]));
    parts.push(b"?");
    parts.extend(query.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]));
    parts.push(request.body.as_deref().unwrap_or_default().as_bytes());
    digest(&parts)
}

/// SHA-256 of parts, each behind its length, in hexadecimal digits.
fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn malformed() -> Problem {
    let detail = format!(
        "write it between quotation marks, 1 to {LONGEST_KEY} printable ASCII characters, such as \
         \"8e03978e-40d5-43e8-bc93-6894a57f9324\", and only one"
    );
    Problem::new(400, "idempotency-key", "The Idempotency-Key is not understood").detail(detail)
}

fn of_another() -> Problem {
    Problem::new(422, "idempotency-key-reused", "The Idempotency-Key was used for another request")
        .detail("a key stands for one request for a day: send this one under a key of its own")
}

fn under_way() -> Problem {
    Problem::new(409, "request-under-way", "A request with this Idempotency-Key is under way")
        .detail("send it again, as it is, in a moment: the answer will be that of the first")
        .retry_after(Duration::from_secs(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_strings_of_structured_fields() {
        let long = format!("\"{}\"", "k".repeat(LONGEST_KEY));
        for (value, expected) in [
            ("\"8e03978e-40d5-43e8-bc93-6894a57f9324\"", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
            (" \"a b\" ", "a b"),
            (r#""\"\\""#, r#""\"#),
            (long.as_str(), &"k".repeat(LONGEST_KEY)),
        ] {
            assert_eq!(key(value).as_deref(), Some(expected), "{value}");
        }
        let longer = format!("\"{}\"", "k".repeat(LONGEST_KEY + 1));
        for garbage in [
            "",
            "\"",
            "\"\"",
            "bare",
            "'a'",
            "\"a",
            "\"a\"b\"",
            r#""\""#,
            r#""\a""#,
            "\"é\"",
            "\"a\"; b=1",
            "\"a\",\"b\"",
            "\"a\u{7f}\"",
            &longer,
        ] {
            assert_eq!(key(garbage), None, "{garbage}");
        }
    }

    #[test]
    fn parts_cannot_run_into_each_other() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_eq!(digest(&[]).len(), 64);
    }
}
