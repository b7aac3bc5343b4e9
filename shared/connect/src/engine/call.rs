//! One call of the engine: its deadline, what it learned that is secret, and what it took.

use super::Engine;
use super::answer::{Refusal, is_accepted, refusal};
use super::prepare::{Place, PrepareError, Prepared, Subject};
use super::proof::Proof;
use super::redact::Redactor;
use super::token::TokenCall;
use super::token_request::{TokenProblem, credential};
use crate::client::{HttpAnswer, HttpRequest, RequestError};
use crate::connection::Connection;
use crate::outcome::{BodyDigest, Effort, Failure, FailureClass, LONGEST_REASON, SendOutcome};
use fluxnex_core::connector::{Authentication, CompiledOperation, Meaning, OperationKind, TemplateValues};
use fluxnex_core::signature::{ActiveSecrets, SignatureError};
use jiff::Timestamp;
use reqwest::Url;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// With less time than this left, no request is begun: it would only end in doubt.
const LEAST_TIME: Duration = Duration::from_millis(50);

/// An answer, or a refusal that was understood.
pub(super) enum Exchange {
    Answered(HttpAnswer),
    Refused(Refusal),
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
}

impl<'a> Call<'a> {
    pub(super) fn new(engine: &'a Engine, connection: &'a Connection, timeout: Duration) -> Self {
        let (redactor, effort) = (Redactor::default(), Effort::default());
        Self { engine, connection, started: Instant::now(), timeout, redactor, effort, wrote: false }
    }

    pub(super) fn effort(self) -> Effort {
        Effort { duration: self.started.elapsed(), ..self.effort }
    }

    fn now(&self) -> Timestamp {
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

    /// Makes the request of an operation; after a refused token once more with a new one.
    pub(super) async fn exchange(
        &mut self,
        operation: &CompiledOperation,
        subject: &Subject<'_>,
    ) -> Result<Exchange, Trouble> {
        let place = Place::of(self.connection)?;
        let prepared = place.prepare(operation, subject)?;
        let proof = self.proof(&place, None).await?;
        let refusal = match self.request(operation.kind, &prepared, &proof, subject).await? {
            Exchange::Refused(refusal) if refusal.meaning == Meaning::Reauthenticate => refusal,
            exchange => return Ok(exchange),
        };
        let Some(refused) = proof.token() else { return Ok(Exchange::Refused(refusal)) };
        let renewed = self.proof(&place, Some(refused)).await?;
        if renewed.token() == Some(refused) {
            return Ok(Exchange::Refused(refusal));
        }
        self.request(operation.kind, &prepared, &renewed, subject).await
    }

    async fn request(
        &mut self,
        kind: OperationKind,
        prepared: &Prepared,
        proof: &Proof,
        subject: &Subject<'_>,
    ) -> Result<Exchange, Trouble> {
        let limits = &self.connection.manifest.manifest().limits;
        let mut headers = prepared.headers.clone();
        let body = prepared.body.as_ref().map(|body| body.clone().into_bytes());
        proof.add(&mut headers, subject.key, body.as_deref().unwrap_or_default(), self.now())?;
        let timeout = self.request_timeout()?;
        // What is told is the write, if there was one, and not the reading around it.
        let tells = kind.has_effect() || !self.wrote;
        self.wrote |= kind.has_effect();
        self.effort.requests += 1;
        if tells {
            (self.effort.request, self.effort.response) = (body.as_deref().map(digest), None);
            self.effort.status = None;
        }
        let request = HttpRequest {
            method: prepared.method.clone(),
            url: prepared.url.clone(),
            headers,
            body,
            timeout,
            response_max_bytes: usize::try_from(limits.response_max_bytes).unwrap_or(usize::MAX),
        };
        let answer = self.engine.client.execute(self.connection.reach, request).await;
        let answer = answer.map_err(|error| Trouble::Request { error, has_effect: kind.has_effect() })?;
        if tells {
            self.effort.status = Some(answer.status);
            self.effort.response = answer.body.as_deref().ok().map(digest);
        }
        if is_accepted(&self.connection.manifest, &answer) {
            return Ok(Exchange::Answered(answer));
        }
        Ok(Exchange::Refused(refusal(&self.connection.manifest, kind, &answer, self.now(), &self.redactor)))
    }

    async fn proof(&mut self, place: &Place, refused: Option<&str>) -> Result<Proof, Trouble> {
        let (secrets, name) = (self.engine.secrets.as_ref(), &self.connection.secret_name);
        let authentication = &self.connection.manifest.manifest().authentication;
        match authentication {
            Authentication::None => Ok(Proof::None),
            Authentication::Bearer { token } => {
                let secret = if refused.is_some() { secrets.refresh(name).await } else { secrets.get(name).await };
                let secret = secret.map_err(TokenProblem::from)?;
                self.redactor.hide_all(&secret);
                Ok(Proof::Bearer(credential(&secret, token)?.to_owned()))
            }
            Authentication::StandardWebhooks { secret: field } => {
                let secret = secrets.get(name).await.map_err(TokenProblem::from)?;
                self.redactor.hide_all(&secret);
                let active = ActiveSecrets::of(&secret, field);
                Ok(Proof::Signature(active.map_err(|error: SignatureError| unusable(&error))?))
            }
            Authentication::OAuth2ClientCredentials { token_url, .. }
            | Authentication::OAuth2RefreshToken { token_url, .. } => {
                let url = token_url.fill(&TemplateValues::settings(&place.settings), str::to_owned);
                let url = url.map_err(PrepareError::from)?;
                let token_url = if url.starts_with('/') {
                    place.below(&url)?
                } else {
                    Url::parse(&url).map_err(|_| PrepareError::BaseUrl)?
                };
                let (connection, now, timeout) = (self.connection, self.now(), self.request_timeout()?);
                let call = TokenCall { client: &self.engine.client, secrets, connection, token_url, now, timeout };
                Ok(Proof::Bearer(self.engine.tokens.get(&call, refused, &mut self.redactor).await?))
            }
        }
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
            Trouble::OutOfTime => (Retry, None, "out-of-time", "no time was left for the request".to_owned()),
        };
        let connector = &self.connection.manifest.manifest().connector;
        let reason = self.redactor.clean(&reason, LONGEST_REASON);
        Failure { class, status, fingerprint: format!("{connector} {tag}"), reason }
    }
}

fn unusable(error: &SignatureError) -> TokenProblem {
    TokenProblem::Credentials { reason: error.to_string() }
}

fn digest(body: &[u8]) -> BodyDigest {
    BodyDigest { sha256: Sha256::digest(body).into(), bytes: body.len() as u64 }
}
