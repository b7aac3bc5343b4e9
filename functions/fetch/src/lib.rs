//! L3: gets one missing parent from its source and feeds it in at L2, as a step of the state machine
//! `blocking-fetch`; and ends the records that wait for a parent that cannot be had.
//!
//! The step waits by a task token until `normalise` has stored the parent. Two of the rules that keep
//! lost wake-ups out are here: the token is stored before the parent is fed in, and what is fed in
//! always passes L2, also when the replica knows it already. Waiting between attempts is the state
//! machine's: an error's name says which of its retries or catchers takes it.

mod give_up;

use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::queue::{QueueUrl, Queues};
use fluxnex_cloud::workflow::Workflows;
use fluxnex_connect::{Connection, Engine, FailureClass, ReadOutcome};
use fluxnex_core::fetch::{BlockingFetch, FetchError, FetchTask, Pause, THROTTLED};
use fluxnex_core::ids::{EventId, SenderEventId};
use fluxnex_core::message::EventSource;
use fluxnex_lambda::inbound::{Accepted, Inbound};
use fluxnex_lambda::{Failure, Invocation, TimeScale};
use fluxnex_store::{StoreError, Tenant, Tenants};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

/// What is left of an invocation for storing the token and feeding the parent in.
const RESERVE: Duration = Duration::from_secs(4);
/// How long a source is left in peace that throttles and does not say for how long.
const PAUSE: Duration = Duration::from_secs(60);

/// What the stage needs.
pub struct Fetch {
    /// The tenants and their database.
    pub tenants: Tenants,
    /// The connector engine.
    pub engine: Engine,
    /// The way into the pipeline.
    pub inbound: Inbound,
    /// The queues.
    pub queues: Arc<dyn Queues>,
    /// The state machine that waits.
    pub blocking_fetch: Arc<dyn Workflows>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Shortens waits.
    pub time_scale: TimeScale,
    /// Where failures are told.
    pub notification_delivery: QueueUrl,
}

/// Why a step of the state machine failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The parent was not got.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Our own infrastructure failed: the same again later.
    #[error("the infrastructure failed: {0}")]
    Infrastructure(String),
}

impl Failure for StepError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.name(),
            Self::Infrastructure(_) => "Unavailable",
        }
    }

    fn words(&self) -> String {
        self.to_string()
    }
}

pub(crate) fn infrastructure(error: impl Display) -> StepError {
    StepError::Infrastructure(error.to_string())
}

impl Fetch {
    /// Handles one step of the state machine.
    ///
    /// # Errors
    /// [`StepError`], whose name the state machine knows.
    pub async fn handle(&self, task: FetchTask, invocation: &Invocation) -> Result<Value, StepError> {
        let (parent, result) = match &task {
            FetchTask::Fetch { token, parent } => (parent, self.fetch(token, parent, invocation).await),
            FetchTask::GiveUp { parent, error } => (parent, self.give_up(parent, error).await),
        };
        let (outcome, reason) = match &result {
            Ok(outcome) => (*outcome, None),
            Err(error) => (error.kind(), Some(error.words())),
        };
        let (tenant, connection) = (parent.tenant.as_str(), parent.connection.as_str());
        let (object, generation) = (parent.object.as_str(), parent.generation);
        tracing::info!(tenant, connection, object, parent = %parent.parent, generation, outcome, reason, "fetch");
        result.map(|outcome| json!({ "outcome": outcome }))
    }

    async fn fetch(
        &self,
        token: &str,
        parent: &BlockingFetch,
        invocation: &Invocation,
    ) -> Result<&'static str, StepError> {
        let tenant = self.tenant(parent).await?;
        let database = self.tenants.database();
        let deadline = database.fetch_attempted(&tenant, parent.parent, parent.generation).await;
        let Some(deadline) = deadline.map_err(infrastructure)? else { return Err(FetchError::Superseded.into()) };
        if self.clock.now() >= deadline {
            return Err(FetchError::OutOfTime("it could not be fetched in time".to_owned()).into());
        }
        let record = match self.read(&tenant, parent, invocation).await? {
            Read::Found(record) => record,
            Read::Throttled(pause) => return self.pause(token, pause).await,
        };
        let kept = database.keep_token(&tenant, parent.parent, parent.generation, token).await;
        if !kept.map_err(infrastructure)? {
            return Err(FetchError::Superseded.into());
        }
        self.feed(parent, record).await?;
        Ok("fed in")
    }

    async fn tenant(&self, parent: &BlockingFetch) -> Result<Tenant, StepError> {
        match self.tenants.get(&parent.tenant, self.clock.now()).await {
            Ok(tenant) => Ok(tenant),
            Err(error @ StoreError::UnknownTenant(_)) => Err(FetchError::Invalid(error.to_string()).into()),
            Err(error) => Err(infrastructure(error)),
        }
    }

    async fn read(&self, tenant: &Tenant, parent: &BlockingFetch, invocation: &Invocation) -> Result<Read, StepError> {
        let configured = tenant.configuration().connections.get(&parent.connection).ok_or_else(|| {
            FetchError::Invalid(format!("the connection {} is not in the running configuration", parent.connection))
        })?;
        let connection = Connection::of(tenant.id(), configured).map_err(FetchError::Invalid)?;
        let time = invocation.deadline().remaining().saturating_sub(RESERVE);
        let record = match self.engine.read_one(&connection, &parent.object, &parent.source_id, time).await.outcome {
            ReadOutcome::Found { record } => record,
            ReadOutcome::Gone => return Err(FetchError::NotFound("the source has no such record".to_owned()).into()),
            // What groups equal cases, and not the source's own words: executions are kept for 90 days.
            ReadOutcome::Failed(failure) => {
                let words = failure.fingerprint;
                return match failure.class {
                    FailureClass::Throttle { retry_after } => Ok(Read::Throttled(retry_after.unwrap_or(PAUSE))),
                    FailureClass::Retry => Err(FetchError::Unavailable(words).into()),
                    FailureClass::Reauthenticate => Err(FetchError::Forbidden(words).into()),
                    FailureClass::Gone => Err(FetchError::NotFound(words).into()),
                    FailureClass::Conflict | FailureClass::InvalidReference | FailureClass::Permanent => {
                        Err(FetchError::Invalid(words).into())
                    }
                };
            }
        };
        let settings = configured.settings().map_err(FetchError::Invalid)?;
        let identified = connection.manifest.identify(&parent.object, &record, &settings);
        let identified = identified.map_err(|error| FetchError::Invalid(error.to_string()))?;
        if identified.id != parent.source_id {
            // It would be stored as another record, and this one would be waited for in vain.
            return Err(FetchError::Invalid("the source answers with a record of another id".to_owned()).into());
        }
        let record = identified.record.unwrap_or(record);
        let record = RawValue::from_string(record).map_err(|_| FetchError::Invalid("it is not JSON".to_owned()))?;
        Ok(Read::Found(record))
    }

    /// Ends the task: the state machine waits, and begins anew.
    async fn pause(&self, token: &str, pause: Duration) -> Result<&'static str, StepError> {
        let retry_after_seconds = self.time_scale.scale(pause).as_secs().max(1);
        let cause = serde_json::to_string(&Pause { retry_after_seconds }).map_err(infrastructure)?;
        self.blocking_fetch.fail(token, THROTTLED, &cause).await.map_err(infrastructure)?;
        Ok("throttled")
    }

    async fn feed(&self, parent: &BlockingFetch, record: Box<RawValue>) -> Result<(), StepError> {
        let event = EventId(self.clock.new_id());
        let accepted = Accepted {
            tenant: parent.tenant.clone(),
            connection: parent.connection.clone(),
            event,
            at: self.clock.now(),
            source: EventSource::Fetch,
            sender_event_id: SenderEventId::parse(format!("fetch-{event}")).map_err(infrastructure)?,
            derived: true,
            object: Some(parent.object.clone()),
            body: record,
        };
        self.inbound.make_durable(vec![accepted]).await.map_err(infrastructure)
    }
}

enum Read {
    Found(Box<RawValue>),
    Throttled(Duration),
}
