//! One call of the engine: its deadline, what it learned that is secret, and what it took.

use super::Engine;
use super::answer::{Refusal, header, is_accepted, item_refusal, refusal};
use super::csrf::{CsrfSession, wants_another};
use super::prepare::{Place, PrepareError, Prepared, Subject};
use super::proof::{Proof, Prover};
use super::redact::Redactor;
use super::token_request::TokenProblem;
use crate::client::{HttpAnswer, HttpRequest, RequestError};
use crate::connection::Connection;
use crate::outcome::{BodyDigest, Effort, Failure, FailureClass, LONGEST_REASON, SendOutcome};
use fluxnex_core::connector::{BatchItem, CompiledOperation, LimitsTold, Meaning, OperationKind, OperationVariables};
use jiff::Timestamp;
use reqwest::{Method, Url};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// With less time than this left, no request is begun: it would only end in doubt.
const LEAST_TIME: Duration = Duration::from_millis(50);

/// An answer, or a refusal that was understood.
pub(super) enum Exchange {
    Answered(Box<Answered>),
    Refused(Refusal),
}

/// What is asked for.
pub(super) struct Asked<'a> {
    pub(super) kind: OperationKind,
    pub(super) place: &'a Place,
    pub(super) prepared: &'a Prepared,
    pub(super) subject: &'a Subject<'a>,
}

/// An answer, with what it answers.
pub(super) struct Answered {
    pub(super) answer: HttpAnswer,
    /// Where it came from, without what proves who asked.
    pub(super) url: Url,
    /// What the programs over it see.
    pub(super) variables: OperationVariables,
}

/// Why there is neither.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connector has no such object or operation.
    NoOperation,
    /// No request can be made.
    Prepare(PrepareError),
    /// The request cannot prove who sends it.
    Token(TokenProblem),
    /// There is no answer.
    Request { error: RequestError, has_effect: bool },
    /// It took effect, and the answer does not tell the record's id.
    Unreadable { status: u16 },
    /// The record cannot be read from the answer.
    UnreadableRecord { status: u16 },
    /// The next page of a list cannot be asked for.
    NextPage { reason: String },
    /// There is no time left for a request.
    OutOfTime,
}

impl From<PrepareError> for Trouble {
    fn from(error: PrepareError) -> Self {
        Self::Prepare(error)
    }
}

impl From<TokenProblem> for Trouble {
    fn from(problem: TokenProblem) -> Self {
        Self::Token(problem)
    }
}

pub(super) struct Call<'a> {
    engine: &'a Engine,
    pub(super) connection: &'a Connection,
    started: Instant,
    timeout: Duration,
    redactor: Redactor,
    effort: Effort,
    wrote: bool,
    pub(super) csrf: Option<CsrfSession>,
    /// The last answer said that the token is not good.
    csrf_refused: bool,
}

impl<'a> Call<'a> {
    pub(super) fn new(engine: &'a Engine, connection: &'a Connection, timeout: Duration) -> Self {
        let (redactor, effort) = (Redactor::default(), Effort::default());
        let (csrf, csrf_refused) = (None, false);
        Self {
            engine,
            connection,
            started: Instant::now(),
            timeout,
            redactor,
            effort,
            wrote: false,
            csrf,
            csrf_refused,
        }
    }

    pub(super) fn effort(self) -> Effort {
        Effort { duration: self.started.elapsed(), ..self.effort }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.engine.now)()
    }

    // What one request may take of the time that is left.
    fn request_timeout(&self) -> Result<Duration, Trouble> {
        let left = self.timeout.saturating_sub(self.started.elapsed());
        if left < LEAST_TIME {
            return Err(Trouble::OutOfTime);
        }
        Ok(left.min(self.connection.manifest.manifest().limits.request_timeout()))
    }

    /// Makes the request of an operation, with a token against forged requests where the application wants one.
    pub(super) async fn exchange(
        &mut self,
        operation: &CompiledOperation,
        subject: &Subject<'_>,
    ) -> Result<Exchange, Trouble> {
        let place = Place::of(self.connection)?;
        let prepared = place.prepare(operation, subject)?;
        let asked = Asked { kind: operation.kind, place: &place, prepared: &prepared, subject };
        let Some(csrf) = self.csrf(operation.kind) else { return self.proved(&asked).await };
        if self.csrf.is_none()
            && let Some(refusal) = self.open_csrf(&csrf, &place, subject).await?
        {
            return Ok(Exchange::Refused(refusal));
        }
        match self.proved(&asked).await? {
            exchange if !self.csrf_refused => return Ok(exchange),
            _ => {}
        }
        // The application looked at nothing but the token.
        if let Some(refusal) = self.open_csrf(&csrf, &place, subject).await? {
            return Ok(Exchange::Refused(refusal));
        }
        self.proved(&asked).await
    }

    /// Makes a request; after a refused credential once more with a new one.
    pub(super) async fn proved(&mut self, asked: &Asked<'_>) -> Result<Exchange, Trouble> {
        let place = asked.place;
        let proof = self.proof(place, None).await?;
        let refusal = match self.request(asked, &proof).await? {
            Exchange::Refused(refusal) if refusal.meaning == Meaning::Reauthenticate => refusal,
            exchange => return Ok(exchange),
        };
        let Some(refused) = proof.credential() else { return Ok(Exchange::Refused(refusal)) };
        let renewed = self.proof(place, Some(refused)).await?;
        if renewed.credential() == Some(refused) {
            return Ok(Exchange::Refused(refusal));
        }
        self.request(asked, &renewed).await
    }

    async fn request(&mut self, asked: &Asked<'_>, proof: &Proof) -> Result<Exchange, Trouble> {
        let Asked { kind, place, prepared, subject } = *asked;
        let manifest = &self.connection.manifest;
        let mut left = if kind.has_effect() { 0 } else { manifest.manifest().limits.redirects };
        let mut url = prepared.url.clone();
        let answer = loop {
            let answer = self.carry(kind, prepared, &url, proof, subject.key).await?;
            match redirected(&answer, &url).filter(|_| left > 0 && prepared.method == Method::GET) {
                Some(further) => (url, left) = (further, left.saturating_sub(1)),
                None => break answer,
            }
        };
        self.note_limits(&answer);
        self.csrf_refused = self.csrf(kind).is_some_and(|csrf| wants_another(&csrf, &answer));
        if is_accepted(manifest, kind, &answer) {
            // They were made before, so they can be; and with an answer it cannot be said any more that nothing was sent.
            let variables = place.variables(subject).map_err(|_| Trouble::Unreadable { status: answer.status })?;
            return Ok(Exchange::Answered(Box::new(Answered { answer, url, variables })));
        }
        Ok(Exchange::Refused(refusal(manifest, kind, &answer, self.now(), &self.redactor)))
    }

    /// One request, proved anew: a signature may cover its address.
    async fn carry(
        &mut self,
        kind: OperationKind,
        prepared: &Prepared,
        url: &Url,
        proof: &Proof,
        key: Option<&str>,
    ) -> Result<HttpAnswer, Trouble> {
        let limits = &self.connection.manifest.manifest().limits;
        let mut request = HttpRequest {
            method: prepared.method.clone(),
            url: url.clone(),
            headers: prepared.headers.clone(),
            body: prepared.body.as_ref().map(|body| body.clone().into_bytes()),
            timeout: self.request_timeout()?,
            response_max_bytes: usize::try_from(limits.response_max_bytes).unwrap_or(usize::MAX),
        };
        let now = self.now();
        proof.add(&mut request, key, now, &mut self.redactor)?;
        if let Some(session) = self.csrf.as_ref().filter(|_| kind.has_effect()) {
            session.add(&mut request, &mut self.redactor)?;
        }
        // What is told is the write, if there was one, and not the reading around it.
        let tells = kind.has_effect() || !self.wrote;
        self.wrote |= kind.has_effect();
        self.effort.requests += 1;
        if tells {
            (self.effort.request, self.effort.response) = (request.body.as_deref().map(digest), None);
            self.effort.status = None;
        }
        let answer = self.engine.client.execute(self.connection.reach, request).await;
        let answer = answer.map_err(|error| Trouble::Request { error, has_effect: kind.has_effect() })?;
        if tells {
            self.effort.status = Some(answer.status);
            self.effort.response = answer.body.as_deref().ok().map(digest);
        }
        Ok(answer)
    }

    fn note_limits(&mut self, answer: &HttpAnswer) {
        let told = self.connection.manifest.limit_headers().told(|name| header(answer, name), self.now());
        let Some(LimitsTold { limit, remaining, reset_at, usage }) = told else { return };
        self.effort.limits = told;
        let (tenant, connection) = (self.connection.tenant.as_str(), self.connection.id.as_str());
        let reset_at = reset_at.map(|at| at.to_string());
        let (used, of) = (usage.map(|usage| usage.used), usage.map(|usage| usage.of));
        tracing::debug!(tenant, connection, limit, remaining, reset_at, used, of, "the application told its limits");
    }

    /// Whether a text shows a credential that is in use.
    pub(super) fn shows_a_credential(&self, text: &str) -> bool {
        self.redactor.clean(text, usize::MAX) != text
    }

    /// What the refusal of one record of a batch came to.
    pub(super) fn item_refusal(&self, item: &BatchItem, answer: &HttpAnswer) -> Refusal {
        item_refusal(&self.connection.manifest, item, answer, self.now(), &self.redactor)
    }

    async fn proof(&mut self, place: &Place, refused: Option<&str>) -> Result<Proof, Trouble> {
        let (timeout, left) = (self.request_timeout()?, self.timeout.saturating_sub(self.started.elapsed()));
        let prover = Prover { engine: self.engine, connection: self.connection, place, timeout, left };
        prover.proof(refused, &mut self.redactor).await
    }

    /// What a delivery that came to no answer came to.
    pub(super) fn send_outcome(&self, trouble: Trouble) -> SendOutcome {
        let in_doubt = match &trouble {
            Trouble::Request { error, has_effect: true } => error.was_sent(),
            Trouble::Unreadable { .. } => true,
            _ => false,
        };
        let Failure { class, status, fingerprint, reason } = self.failure(trouble);
        if in_doubt {
            return SendOutcome::Unknown { status, fingerprint, reason };
        }
        SendOutcome::Failed(Failure { class, status, fingerprint, reason })
    }

    /// Why a request that only reads came to no answer.
    pub(super) fn read_failure(&self, trouble: Trouble) -> Failure {
        self.failure(trouble)
    }

    fn failure(&self, trouble: Trouble) -> Failure {
        use FailureClass::{Permanent, Reauthenticate, Retry, Throttle};
        let (class, status, tag, reason) = match trouble {
            Trouble::NoOperation => {
                (Permanent, None, "no-operation", "the connector cannot do this with this object".to_owned())
            }
            Trouble::Prepare(error) if error.is_of_connection() => {
                (Reauthenticate, None, "settings", error.to_string())
            }
            Trouble::Prepare(error) => (Permanent, None, "payload", error.to_string()),
            Trouble::Token(TokenProblem::Credentials { reason }) => (Reauthenticate, None, "credentials", reason),
            Trouble::Token(TokenProblem::Refused { status, reason }) => {
                (Reauthenticate, Some(status), "credentials", reason)
            }
            Trouble::Token(TokenProblem::Unavailable { status, retry_after: Some(wait), reason }) => {
                (Throttle { retry_after: Some(wait) }, status, "no-token", reason)
            }
            Trouble::Token(TokenProblem::Unavailable { status, retry_after: None, reason }) => {
                (Retry, status, "no-token", reason)
            }
            Trouble::Request { error: error @ RequestError::Refused(_), .. } => {
                (Reauthenticate, None, "refused-address", error.to_string())
            }
            Trouble::Request { error: error @ RequestError::Malformed, .. } => {
                (Permanent, None, "payload", error.to_string())
            }
            Trouble::Request { error: error @ RequestError::NotSent { .. }, .. } => {
                (Retry, None, "unreachable", error.to_string())
            }
            Trouble::Request { error: error @ RequestError::Lost { .. }, .. } => {
                (Retry, None, "no-answer", error.to_string())
            }
            Trouble::Unreadable { status } | Trouble::UnreadableRecord { status } => {
                (Retry, Some(status), "unreadable-answer", format!("{status}: the answer cannot be read"))
            }
            Trouble::NextPage { reason } => (Permanent, None, "next-page", reason),
            Trouble::OutOfTime => (Retry, None, "out-of-time", "no time was left for the request".to_owned()),
        };
        let connector = &self.connection.manifest.manifest().connector;
        let reason = self.redactor.clean(&reason, LONGEST_REASON);
        Failure { class, status, fingerprint: format!("{connector} {tag}"), reason }
    }
}

/// Where a redirect of RFC 9110, section 15.4, leads: to the same origin, or nowhere. Credentials go along.
fn redirected(answer: &HttpAnswer, from: &Url) -> Option<Url> {
    if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let to = from.join(header(answer, "location")?).ok()?;
    let is_plain = to.username().is_empty() && to.password().is_none();
    (to.origin() == from.origin() && is_plain).then_some(to)
}

fn digest(body: &[u8]) -> BodyDigest {
    BodyDigest { sha256: Sha256::digest(body).into(), bytes: body.len() as u64 }
}
