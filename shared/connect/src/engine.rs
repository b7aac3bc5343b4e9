//! The engine: from a manifest, a connection and a payload to requests, and to what came of them.
//!
//! One call makes at most these requests: one for a token, one; after a 401 a new token and the
//! same once more; after a version conflict one that reads the current version, and the write once
//! more. Everything else is the caller's: the ledger decides when to try again.

mod answer;
mod call;
mod prepare;
mod proof;
mod redact;
mod token;
mod token_request;

use crate::client::GuardedClient;
use crate::connection::{Connection, DeliveryRequest, TargetRecord};
use crate::outcome::{ListOutcome, ListReport, ReadOutcome, ReadReport, SendOutcome, SendReport};
use answer::{Refusal, body_json};
use call::{Call, Exchange, Trouble};
use fluxnex_core::connector::{CompiledOperation, CompiledTargetObject, ListPlaces, ListedPage, Meaning};
use fluxnex_core::ids::{ObjectName, SourceId};
use fluxnex_core::mapping::Json;
use fluxnex_core::poll::Position;
use fluxnex_core::secret_source::SecretSource;
use jiff::Timestamp;
use prepare::{PrepareError, Subject, fit_key};
use std::sync::Arc;
use std::time::Duration;
use token::Tokens;

/// Tells the time.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Runs the operations of every connector. One for each execution environment: it remembers
/// access tokens.
pub struct Engine {
    client: GuardedClient,
    secrets: Arc<dyn SecretSource>,
    tokens: Tokens,
    now: Clock,
}

impl Engine {
    /// An engine that goes out through `client` and asks `secrets` for credentials.
    #[must_use]
    pub fn new(client: GuardedClient, secrets: Arc<dyn SecretSource>) -> Self {
        Self { client, secrets, tokens: Tokens::default(), now: Arc::new(Timestamp::now) }
    }

    /// The same engine with another clock: for the expiry of tokens and for signed times.
    #[must_use]
    pub fn with_clock(self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), ..self }
    }

    /// Sends one record to the connection's application. It never fails otherwise than by what it
    /// reports; its requests take no longer than the request allows. Await it to its end: dropped
    /// between a token's answer and its storing, it would lose a rotated refresh token.
    pub async fn send(&self, connection: &Connection, request: &DeliveryRequest<'_>) -> SendReport {
        let mut call = Call::new(self, connection, request.timeout);
        let outcome = match self.deliver(&mut call, request).await {
            Ok(outcome) => outcome,
            Err(trouble) => call.send_outcome(trouble),
        };
        SendReport { outcome, effort: call.effort() }
    }

    /// Reads one record of a source object, in one `timeout` for everything.
    pub async fn read_one(
        &self,
        connection: &Connection,
        object: &ObjectName,
        id: &SourceId,
        timeout: Duration,
    ) -> ReadReport {
        let mut call = Call::new(self, connection, timeout);
        let target = TargetRecord { id: id.to_string(), version: None };
        let operation = connection.manifest.read_one(object, id).ok();
        let outcome = match self.read(&mut call, operation, object, &target).await {
            Ok(Read::Found { record: Some(record), .. }) => ReadOutcome::Found { record },
            Ok(Read::Found { record: None, .. }) => ReadOutcome::Gone,
            Ok(Read::Refused(refusal)) if refusal.meaning == Meaning::Gone => ReadOutcome::Gone,
            Ok(Read::Refused(refusal)) => ReadOutcome::Failed(refusal.into_read_failure()),
            Err(trouble) => ReadOutcome::Failed(call.read_failure(trouble)),
        };
        ReadReport { outcome, effort: call.effort() }
    }

    /// Lists one page of what changed of a source object after `position` (nothing: from the very
    /// beginning), in one `timeout` for everything.
    pub async fn list_changed(
        &self,
        connection: &Connection,
        object: &ObjectName,
        position: Option<&Position>,
        timeout: Duration,
    ) -> ListReport {
        let mut call = Call::new(self, connection, timeout);
        let outcome = match self.list(&mut call, object, position).await {
            Ok(Ok(page)) => ListOutcome::Listed(page),
            Ok(Err(refusal)) => ListOutcome::Failed(refusal.into_read_failure()),
            Err(trouble) => ListOutcome::Failed(call.read_failure(trouble)),
        };
        ListReport { outcome, effort: call.effort() }
    }

    async fn list(
        &self,
        call: &mut Call<'_>,
        object: &ObjectName,
        position: Option<&Position>,
    ) -> Result<Result<ListedPage, Refusal>, Trouble> {
        let manifest = call.connection.manifest.clone();
        let list = manifest.list_changed(object).ok_or(Trouble::NoOperation)?;
        let ((since, after), page_size) = (list.places(position), list.list.page_size.to_string());
        let places = ListPlaces { since: &since, after: &after, page_size: &page_size };
        let payload = serde_json::json!({"since": since, "after": after, "page_size": list.list.page_size}).to_string();
        let subject = Subject { object, key: None, target: None, list: Some(places), payload: &payload };
        let answer = match call.exchange(&list.operation, &subject).await? {
            Exchange::Answered(answer) => answer,
            Exchange::Refused(refusal) => return Ok(Err(refusal)),
        };
        let unreadable = || Trouble::UnreadableRecord { status: answer.status };
        let settings = manifest.settings(&call.connection.settings).map_err(PrepareError::from)?;
        let settings = serde_json::to_string(&settings).map_err(|_| unreadable())?;
        let settings = Json::parse("settings", &settings).map_err(|_| unreadable())?;
        let body = body_json(&answer).ok_or_else(unreadable)?;
        list.page(&body, &settings).map(Ok).map_err(|_| unreadable())
    }

    async fn deliver(&self, call: &mut Call<'_>, request: &DeliveryRequest<'_>) -> Result<SendOutcome, Trouble> {
        let manifest = &call.connection.manifest;
        let (Some(object), Some(target)) = (manifest.target_object(request.object), &manifest.manifest().target) else {
            return Err(Trouble::NoOperation);
        };
        let mut known = request.target.clone();
        let updates = known.is_some() && object.update.is_some();
        if let (true, Some(record), Some(read)) = (updates, &mut known, versioned_read(object))
            && record.version.is_none()
        {
            match self.read(call, Some(read), request.object, record).await? {
                Read::Found { version, .. } => record.version = version,
                Read::Refused(refusal) => return Ok(SendOutcome::Failed(refusal.into_read_failure())),
            }
        }
        let key = fit_key(request.idempotency_key.to_owned(), &target.once);
        let outcome = self.write(call, object, request, known.as_ref(), &key).await?;
        let (Write::Conflict(_), true, Some(record), Some(read)) = (&outcome, updates, &known, versioned_read(object))
        else {
            return Ok(outcome.into_outcome());
        };
        let current = match self.read(call, Some(read), request.object, record).await? {
            Read::Found { record: None, .. } => return Ok(outcome.into_outcome()),
            Read::Found { version, .. } => TargetRecord { id: record.id.clone(), version },
            Read::Refused(refusal) => return Ok(SendOutcome::Failed(refusal.into_read_failure())),
        };
        // A key of its own, because the application may have remembered its refusal; and always the
        // same one, because this request may be repeated, too, when its answer is lost.
        let key = fit_key(format!("{}-2", request.idempotency_key), &target.once);
        Ok(self.write(call, object, request, Some(&current), &key).await?.into_outcome())
    }

    async fn write(
        &self,
        call: &mut Call<'_>,
        object: &CompiledTargetObject,
        request: &DeliveryRequest<'_>,
        target: Option<&TargetRecord>,
        key: &str,
    ) -> Result<Write, Trouble> {
        let operation = match (&object.update, target) {
            (Some(update), Some(_)) => update,
            _ => &object.create,
        };
        let subject =
            Subject { object: request.object, key: Some(key), target, list: None, payload: request.payload.get() };
        let answer = match call.exchange(operation, &subject).await? {
            Exchange::Answered(answer) => answer,
            Exchange::Refused(refusal) if refusal.meaning == Meaning::Conflict => return Ok(Write::Conflict(refusal)),
            Exchange::Refused(refusal) => {
                let target_id = target.map(|target| target.id.clone());
                return Ok(Write::Settled(with_known_id(refusal.into_send_outcome(), target_id)));
            }
        };
        let body = body_json(&answer);
        let answered_id = body.as_ref().and_then(|body| operation.answered_id(body));
        let target_version = body.as_ref().and_then(|body| operation.answered_version(body));
        let target_id = answered_id.or_else(|| target.map(|target| target.id.clone()));
        if operation.operation.id.is_some() && target_id.is_none() {
            // It took effect, but under which id? The same request with the same key may tell.
            return Err(Trouble::Unreadable { status: answer.status });
        }
        Ok(Write::Settled(SendOutcome::Delivered { target_id, target_version }))
    }

    async fn read(
        &self,
        call: &mut Call<'_>,
        operation: Option<&CompiledOperation>,
        object: &ObjectName,
        target: &TargetRecord,
    ) -> Result<Read, Trouble> {
        let operation = operation.ok_or(Trouble::NoOperation)?;
        let subject = Subject { object, key: None, target: Some(target), list: None, payload: "null" };
        let answer = match call.exchange(operation, &subject).await? {
            Exchange::Answered(answer) => answer,
            Exchange::Refused(refusal) => return Ok(Read::Refused(refusal)),
        };
        let unreadable = Trouble::UnreadableRecord { status: answer.status };
        let Some(body) = body_json(&answer) else { return Err(unreadable) };
        match operation.answered_record(&body) {
            Ok(record) => Ok(Read::Found { version: operation.answered_version(&body), record }),
            Err(_) => Err(unreadable),
        }
    }
}

enum Write {
    Settled(SendOutcome),
    Conflict(Refusal),
}

impl Write {
    fn into_outcome(self) -> SendOutcome {
        match self {
            Self::Settled(outcome) => outcome,
            Self::Conflict(refusal) => refusal.into_send_outcome(),
        }
    }
}

enum Read {
    Found { record: Option<String>, version: Option<String> },
    Refused(Refusal),
}

// The operation that tells the current version, if the connector has one.
fn versioned_read(object: &CompiledTargetObject) -> Option<&CompiledOperation> {
    object.read.as_ref().filter(|read| read.operation.version.is_some())
}

fn with_known_id(outcome: SendOutcome, known: Option<String>) -> SendOutcome {
    match outcome {
        SendOutcome::Delivered { target_id: None, target_version } => {
            SendOutcome::Delivered { target_id: known, target_version }
        }
        outcome => outcome,
    }
}
