//! The engine: from a manifest, a connection and a payload to requests, and to what came of them.
//!
//! One call that sends, or reads one record or page, makes at most these requests: one for a token, one;
//! after a 401 a new token and the same once more; after a version conflict one that reads the current
//! version, and the write once more; before a write one for a token against forged requests where the manifest says so,
//! and one more when that was not taken. Of more records than one request takes it makes several. Redirects
//! are followed only where the manifest says so, by reading, at the same origin. Everything else is the
//! caller's: the ledger decides when to try again.

mod answer;
mod assertion;
mod authorise;
mod batch;
mod call;
mod csrf;
mod link;
mod prepare;
mod proof;
mod read;
pub(crate) mod redact;
mod renewal;
mod session;
mod token;
mod token_request;
mod write;

use crate::client::GuardedClient;
use crate::connection::{BatchRequest, Connection, DeleteRequest, DeliveryRequest, ListRequest, TargetRecord};
use crate::outcome::{
    BatchReport, ListOutcome, ListReport, ReadManyOutcome, ReadManyReport, ReadOutcome, ReadReport, SendReport,
};
pub use authorise::{Code, Consent, ConsentError};
use call::Call;
use fluxnex_core::ids::{ObjectName, SourceId};
use fluxnex_core::poll::{Listing, Position};
use fluxnex_core::secret_source::SecretSource;
use jiff::Timestamp;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use token::{Pause, Tokens};

/// Tells the time.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Runs the operations of every connector. One for each execution environment: it remembers
/// access tokens.
pub struct Engine {
    client: GuardedClient,
    secrets: Arc<dyn SecretSource>,
    tokens: Tokens,
    now: Clock,
    pause: Pause,
}

impl Engine {
    /// An engine that goes out through `client` and asks `secrets` for credentials.
    #[must_use]
    pub fn new(client: GuardedClient, secrets: Arc<dyn SecretSource>) -> Self {
        let pause: Pause = Arc::new(|span| Box::pin(tokio::time::sleep(span)));
        Self { client, secrets, tokens: Tokens::default(), now: Arc::new(Timestamp::now), pause }
    }

    /// The same engine with another clock: for the expiry of tokens and for signed times.
    #[must_use]
    pub fn with_clock(self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { now: Arc::new(now), ..self }
    }

    /// The same engine with another way to let time pass: for waits for a token that another environment renews.
    #[must_use]
    pub fn with_pause(
        self,
        pause: impl Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'static,
    ) -> Self {
        Self { pause: Arc::new(pause), ..self }
    }

    /// Sends one record to the connection's application. It never fails otherwise than by what it
    /// reports; its requests take no longer than the request allows. Await it to its end: dropped
    /// between a token's answer and its storing, it would lose a rotated refresh token.
    pub async fn send(&self, connection: &Connection, request: &DeliveryRequest<'_>) -> SendReport {
        let mut call = Call::new(self, connection, request.timeout);
        let outcome = match call.deliver(request).await {
            Ok(outcome) => outcome,
            Err(trouble) => call.send_outcome(trouble),
        };
        SendReport { outcome, effort: call.effort() }
    }

    /// Deletes one record at the connection's application. That it is not there any more is success.
    pub async fn delete(&self, connection: &Connection, request: &DeleteRequest<'_>) -> SendReport {
        let mut call = Call::new(self, connection, request.timeout);
        let outcome = match call.remove(request).await {
            Ok(outcome) => outcome,
            Err(trouble) => call.send_outcome(trouble),
        };
        SendReport { outcome, effort: call.effort() }
    }

    /// Sends several records, as many with one request as the application takes; what became of each is
    /// told by itself. Of which the answer says nothing, or nothing that can be read, is unknown.
    pub async fn send_batch(&self, connection: &Connection, request: &BatchRequest<'_>) -> BatchReport {
        let mut call = Call::new(self, connection, request.timeout);
        let outcomes = call.batch(request).await;
        BatchReport { outcomes, effort: call.effort() }
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
        let outcome = match call.read(operation, object, &target).await {
            Ok(read::Read::Found { record: Some(record), .. }) => ReadOutcome::Found { record },
            Ok(read::Read::Found { record: None, .. }) => ReadOutcome::Gone,
            Ok(read::Read::Refused(refusal)) => refusal.into_read_outcome(),
            Err(trouble) => ReadOutcome::Failed(call.read_failure(trouble)),
        };
        ReadReport { outcome, effort: call.effort() }
    }

    /// Reads several records of a source object, as many with one request as the application takes, in
    /// one `timeout` for everything.
    pub async fn read_many(
        &self,
        connection: &Connection,
        object: &ObjectName,
        ids: &[SourceId],
        timeout: Duration,
    ) -> ReadManyReport {
        let mut call = Call::new(self, connection, timeout);
        let outcome = match call.read_many(object, ids).await {
            Ok(Ok(records)) => ReadManyOutcome::Found(records),
            Ok(Err(refusal)) => ReadManyOutcome::Failed(refusal.into_read_failure()),
            Err(trouble) => ReadManyOutcome::Failed(call.read_failure(trouble)),
        };
        ReadManyReport { outcome, effort: call.effort() }
    }

    /// Lists the page of what changed of a source object that begins at `position` (nothing: at the very
    /// beginning).
    pub async fn list_changed(
        &self,
        connection: &Connection,
        object: &ObjectName,
        position: Option<&Position>,
        timeout: Duration,
    ) -> ListReport {
        let request = ListRequest { list: Listing::Changed, object, position, continuation: None, timeout };
        self.list(connection, &request).await
    }

    /// Lists one page of what changed, or was deleted, of a source object.
    pub async fn list(&self, connection: &Connection, request: &ListRequest<'_>) -> ListReport {
        let mut call = Call::new(self, connection, request.timeout);
        let outcome = match call.list(request).await {
            Ok(Ok(page)) => ListOutcome::Listed(page),
            Ok(Err(refusal)) => ListOutcome::Failed(refusal.into_read_failure()),
            Err(trouble) => ListOutcome::Failed(call.read_failure(trouble)),
        };
        ListReport { outcome, effort: call.effort() }
    }
}
