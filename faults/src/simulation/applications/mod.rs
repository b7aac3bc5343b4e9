//! The applications outside: `crm` knows the source's records, `books` and `partner` take them, `alerts` hears
//! of failures. Each has faults before and after its effect, and may be away for a while.

mod access;
mod accounting;
mod receivers;
mod source;
#[cfg(test)]
mod tests;
mod throttles;

pub use access::Access;

use super::gates::EnvironmentId;
use super::scenario::{DELETED, MARK, content_of};
use crate::queues::{Choices as _, Seeded};
use fluxnex_connect::client::{HttpAnswer, HttpRequest, RequestError};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use throttles::Throttles;

/// The seconds that an application asks to wait when it throttles.
const RETRY_AFTER: u64 = 5;

/// A change that an application made because it was asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// At whose application, by its host.
    pub tenant: String,
    /// At which of them: the name of the connection.
    pub target: &'static str,
    /// What the target calls the record.
    pub target_id: String,
    /// What the source calls it, as the record itself says.
    pub source_id: String,
    /// The name in the record, which begins with its tenant.
    pub name: String,
}

impl Effect {
    /// What the record says.
    #[must_use]
    pub fn content(&self) -> &str {
        content_of(&self.name)
    }
}

/// A notification that was received.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// Whose receiver.
    pub tenant: String,
    /// The failed event, if it is about one.
    pub event: Option<String>,
    /// The failed delivery, if it is about one.
    pub delivery: Option<String>,
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Throttled,
    Unavailable,
    UnavailableAfterEffect,
    NotSent,
    Lost,
    LostAfterEffect,
    Slow,
}

impl Fault {
    const ALL: [Self; 7] = [
        Self::Throttled,
        Self::Unavailable,
        Self::UnavailableAfterEffect,
        Self::NotSent,
        Self::Lost,
        Self::LostAfterEffect,
        Self::Slow,
    ];
    /// What requests to a host that is away come to.
    const AWAY: [Self; 3] = [Self::Unavailable, Self::NotSent, Self::Lost];

    fn has_effect(self) -> bool {
        matches!(self, Self::UnavailableAfterEffect | Self::LostAfterEffect | Self::Slow)
    }
}

#[derive(Debug, Clone)]
struct Stored {
    body: Value,
    sync_token: u64,
}

/// All of them.
#[derive(Debug)]
pub struct Applications {
    /// The source's records as they are now, by tenant, object and id.
    pub records: BTreeMap<(String, String, String), Value>,
    /// What was changed at targets, in order.
    pub effects: Vec<Effect>,
    /// Notifications that were received.
    pub told: BTreeSet<Told>,
    /// Rules that a request broke.
    pub problems: Vec<String>,
    stored: BTreeMap<(String, String, String), Stored>,
    answered: BTreeMap<(String, String), (Value, Value)>,
    throttles: Throttles,
    away: Vec<(String, Timestamp)>,
    choices: Seeded,
    faults_left: usize,
    fault_one_in: usize,
    next_id: u64,
    /// Faults so far, left out or not.
    pub faults: usize,
    /// Faults that are left out, by their numbers.
    pub left_out: BTreeSet<usize>,
    /// A bug that is planted: the keys of requests are of no use.
    pub ignores_keys: bool,
    /// The accounting application's tokens, where they end; elsewhere every token is good.
    pub access: Option<Access>,
}

type Answered = (u16, Value);

/// An answer, what happened in words, and how long it took.
pub struct Carried {
    /// The answer.
    pub answer: Result<HttpAnswer, RequestError>,
    /// What happened, in words.
    pub told: String,
    /// How long it took.
    pub took: Duration,
}

/// A request as the applications see it.
struct Call<'a> {
    host: String,
    tenant: String,
    path: String,
    query: BTreeMap<String, String>,
    body: Value,
    request: &'a HttpRequest,
}

impl<'a> Call<'a> {
    fn of(request: &'a HttpRequest) -> Self {
        let mut labels = request.url.host_str().unwrap_or_default().split('.').map(str::to_owned);
        let body = request.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or(Value::Null);
        Self {
            host: labels.next().unwrap_or_default(),
            tenant: labels.next().unwrap_or_default(),
            path: request.url.path().to_owned(),
            query: request.url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
            body,
            request,
        }
    }

    fn header(&self, name: &str) -> String {
        self.request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    fn is_for_token(&self) -> bool {
        self.path.ends_with("/token") || self.path.ends_with("/bearer")
    }

    /// What makes two requests the same: a repetition has the same address and key.
    fn identity(&self) -> String {
        format!("{} {} {}", self.request.method, self.request.url, self.header("webhook-id"))
    }
}

impl Applications {
    /// Applications that know nothing and make at most so many faults, once in so many requests.
    #[must_use]
    pub fn new(seed: u64, faults: usize, fault_one_in: usize) -> Self {
        Self {
            records: BTreeMap::new(),
            effects: Vec::new(),
            told: BTreeSet::new(),
            problems: Vec::new(),
            stored: BTreeMap::new(),
            answered: BTreeMap::new(),
            throttles: Throttles::default(),
            away: Vec::new(),
            choices: Seeded::new(seed ^ 0x4150_5053),
            faults_left: faults,
            fault_one_in,
            next_id: 100,
            faults: 0,
            left_out: BTreeSet::new(),
            ignores_keys: false,
            access: None,
        }
    }

    /// Hosts whose name begins so do not answer until then.
    pub fn goes_away(&mut self, host: &str, until: Timestamp) {
        self.away.push((host.to_owned(), until));
    }

    /// Somebody died, who may have been the only one to know that it was asked to wait.
    pub fn somebody_died(&mut self) {
        self.throttles.forget();
        if let Some(access) = &mut self.access {
            access.deaths += 1;
        }
    }

    /// An invocation begins.
    pub fn invocation_began(&mut self, environment: EnvironmentId) {
        self.throttles.began(environment);
    }

    /// An invocation ended.
    pub fn invocation_ended(&mut self, environment: EnvironmentId) {
        self.throttles.ended(environment);
    }

    /// Answers a request of an environment, and says in words what happened.
    pub fn answer(&mut self, request: &HttpRequest, environment: EnvironmentId, now: Timestamp) -> Carried {
        let call = Call::of(request);
        self.is_early(&call, environment, now);
        let fault = self.fault(&call, now);
        let what = format!("{} {}{}", request.method, call.host, call.path);
        let answered = match fault {
            Some(fault) if !fault.has_effect() => None,
            _ => Some(self.handle(&call, now)),
        };
        let is_lost = matches!(fault, Some(Fault::UnavailableAfterEffect | Fault::LostAfterEffect));
        if let Some(access) = self.access.as_mut().filter(|_| is_lost && call.is_for_token()) {
            access.answer_lost(&call.tenant);
        }
        let told = match (&fault, &answered) {
            (None, Some((status, body))) => format!("{what} -> {status} {}", short(body)),
            (Some(fault), _) => format!("{what} -> {fault:?}"),
            (None, None) => what,
        };
        let (status, body) = answered.unwrap_or((500, Value::Null));
        let mut took = Duration::ZERO;
        let answer = match fault {
            None => Ok(http(status, &body, None)),
            Some(Fault::Slow) => {
                took = Duration::from_secs(1 + self.choices.below(20) as u64);
                Ok(http(status, &body, None))
            }
            Some(Fault::Throttled) => {
                let until = crate::queues::after(now, Duration::from_secs(RETRY_AFTER));
                self.throttles.ask(call.identity(), until, environment);
                Ok(http(429, &json!({}), Some(RETRY_AFTER)))
            }
            Some(Fault::Unavailable | Fault::UnavailableAfterEffect) => Ok(http(503, &json!({}), None)),
            Some(Fault::NotSent) => Err(RequestError::NotSent { reason: "the connection was refused, or TLS failed" }),
            Some(Fault::Lost | Fault::LostAfterEffect) => Err(RequestError::Lost { reason: "no answer came in time" }),
        };
        Carried { answer, told, took }
    }

    /// Whoever was asked to wait does not send the same again before its time.
    fn is_early(&mut self, call: &Call<'_>, environment: EnvironmentId, now: Timestamp) {
        // Each environment asks for tokens by itself, and knows nothing of the others.
        if call.is_for_token() {
            return;
        }
        let identity = call.identity();
        // A poll message or a fetch may come twice at a time, and both read; a delivery is claimed by one.
        let is_shared = call.host == "crm";
        if let Some(early) = self.throttles.early(&identity, environment, now, is_shared) {
            self.problems.push(format!("rate limit: {identity} was repeated {early:.1} s before it was allowed to"));
        }
    }

    fn fault(&mut self, call: &Call<'_>, now: Timestamp) -> Option<Fault> {
        if self.away.iter().any(|(host, until)| call.host.starts_with(host.as_str()) && now < *until) {
            return Fault::AWAY.get(self.choices.below(Fault::AWAY.len())).copied();
        }
        if self.faults_left == 0 || !self.choices.rarely(self.fault_one_in) {
            return None;
        }
        self.faults_left -= 1;
        self.faults += 1;
        let fault = Fault::ALL.get(self.choices.below(Fault::ALL.len())).copied();
        fault.filter(|_| !self.left_out.contains(&self.faults))
    }

    fn handle(&mut self, call: &Call<'_>, now: Timestamp) -> Answered {
        let token = call.header("authorization");
        if token.contains("-access-") && !token.ends_with(&format!("-access-{}", call.tenant)) {
            self.problems.push(format!("isolation: {} of {} was called with another's token", call.host, call.tenant));
        }
        if call.is_for_token() {
            return self.token(call, now);
        }
        match call.host.as_str() {
            "crm" => self.source(call),
            "books" => self.refused(call, now).unwrap_or_else(|| self.accounting(call)),
            "partner" => self.partner(call),
            _ => self.alerts(call),
        }
    }

    fn token(&mut self, call: &Call<'_>, now: Timestamp) -> Answered {
        if call.path.ends_with("/bearer")
            && let Some(answered) = self.renewed(call, now)
        {
            return answered;
        }
        let token = format!("{MARK}-access-{}", call.tenant);
        let mut answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600});
        // The old refresh token stays good for a day at Intuit: a rotation that was not stored does no harm.
        if call.path.ends_with("/bearer") && self.choices.below(2) == 1 {
            self.next_id += 1;
            answer = json!({"access_token": token, "refresh_token": format!("{MARK}-{}", self.next_id),
                "token_type": "bearer", "expires_in": 3600});
        }
        (200, answer)
    }

    /// Notes a change; one without a name took the record away.
    fn took_effect(
        &mut self,
        call: &Call<'_>,
        target: &'static str,
        target_id: &str,
        reference: &str,
        name: Option<&str>,
    ) {
        let source_id = reference.split(' ').nth(1).unwrap_or_default().to_owned();
        let name = name.map_or_else(|| format!("{}-{source_id}-{DELETED}", call.tenant), str::to_owned);
        let (tenant, target_id) = (call.tenant.clone(), target_id.to_owned());
        self.effects.push(Effect { tenant, target, target_id, source_id, name });
    }
}

fn text<'a>(body: &'a Value, pointer: &str) -> &'a str {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn http(status: u16, body: &Value, retry_after: Option<u64>) -> HttpAnswer {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert(reqwest::header::CONTENT_TYPE, reqwest::header::HeaderValue::from_static("application/json"));
    if let Some(seconds) = retry_after {
        headers.insert(reqwest::header::RETRY_AFTER, reqwest::header::HeaderValue::from(seconds));
    }
    HttpAnswer { status, headers, body: Ok(body.to_string().into_bytes()) }
}

fn short(body: &Value) -> String {
    body.to_string().replace(MARK, "…").chars().take(90).collect()
}
