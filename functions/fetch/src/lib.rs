//! L3: gets one missing parent from its source and feeds it in at L2, as a step of the state machine
//! `blocking-fetch`; and ends the records that wait for a parent that cannot be had.
//!
//! The step waits by a task token until `normalise` has stored the parent. Two of the rules that keep
//! lost wake-ups out are here: the token is stored before the parent is fed in, and what is fed in
//! always passes L2, also when the replica knows it already. Waiting between attempts is the state
//! machine's: the name of an error says which of its retries or catchers takes it. An attempt that died
//! is found by `sweep`, which answers its token.

mod give_up;

use fluxnex_cloud::busy::BusyMarker;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::queue::{QueueUrl, Queues};
use fluxnex_cloud::workflow::Workflows;
use fluxnex_connect::{Connection, Engine, FailureClass, ReadOutcome};
use fluxnex_core::fetch::{BlockingFetch, FetchError, FetchTask, Pause, THROTTLED};
use fluxnex_core::ids::{EventId, SenderEventId};
use fluxnex_core::message::EventSource;
use fluxnex_lambda::inbound::{Accepted, Inbound};
use fluxnex_lambda::{Failure, Invocation, TimeScale};
use fluxnex_store::{OpenFetch, StoreError, Tenant, Tenants};
use jiff::SignedDuration;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

/// What is left of an invocation for storing the token and feeding the parent in.
const RESERVE: Duration = Duration::from_secs(4);
/// How long a source is left in peace that throttles and does not say for how long.
const PAUSE: Duration = Duration::from_secs(60);
/// Each pause is four steps of an execution, which has room for 25,000 events.
const LEAST_PAUSE: Duration = Duration::from_secs(30);
/// The longest that an invocation takes (Lambda).
const LONGEST_ATTEMPT: SignedDuration = SignedDuration::from_mins(15);

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
    /// Marks tenants that have work waiting.
    pub busy: BusyMarker,
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
            Ok(Step { outcome, reason }) => (*outcome, reason.clone()),
            Err(error) => (error.kind(), Some(error.words())),
        };
        let (tenant, connection) = (parent.tenant.as_str(), parent.connection.as_str());
        let (object, generation) = (parent.object.as_str(), parent.generation);
        tracing::info!(tenant, connection, object, parent = %parent.parent, generation, outcome, reason, "fetch");
        result.map(|step| json!({ "outcome": step.outcome }))
    }

    /// One attempt. Whatever comes of it answers the token, or has somebody else answer it: a function
    /// that failed would do so too at AWS, but not everywhere.
    async fn fetch(&self, token: &str, parent: &BlockingFetch, invocation: &Invocation) -> Result<Step, StepError> {
        let attempt = OpenFetch { parent: parent.parent, generation: parent.generation, token: Some(token.to_owned()) };
        let (error, name, cause) = match self.attempt(&attempt, parent, invocation).await {
            Ok(Read::Found) => return Ok(Step { outcome: "fed in", reason: None }),
            Ok(Read::Throttled(pause)) => {
                let retry_after_seconds = self.time_scale.scale(pause.max(LEAST_PAUSE)).as_secs().max(1);
                let cause = serde_json::to_string(&Pause { retry_after_seconds }).map_err(infrastructure)?;
                (None, THROTTLED, cause)
            }
            Err(error) => (Some(error.words()), error.kind(), error.words()),
        };
        self.blocking_fetch.fail(token, name, &cause).await.map_err(infrastructure)?;
        if let Ok(tenant) = self.tenant(parent).await {
            // Should this fail, `sweep` does it when the attempt's time is over.
            self.tenants.database().attempt_ended(&tenant, &attempt).await.map_err(infrastructure)?;
        }
        Ok(Step { outcome: name, reason: error })
    }

    async fn attempt(
        &self,
        attempt: &OpenFetch,
        parent: &BlockingFetch,
        invocation: &Invocation,
    ) -> Result<Read, StepError> {
        let tenant = self.tenant(parent).await?;
        self.busy.mark(&parent.tenant).await.map_err(infrastructure)?;
        let (database, now) = (self.tenants.database(), self.clock.now());
        let time = SignedDuration::try_from(invocation.deadline().remaining()).unwrap_or(LONGEST_ATTEMPT);
        let busy_until = now.saturating_add(time.min(LONGEST_ATTEMPT)).unwrap_or(now);
        let deadline = database.attempt_begins(&tenant, attempt, busy_until).await.map_err(infrastructure)?;
        match deadline {
            None => return Err(FetchError::Superseded.into()),
            Some(deadline) if now >= deadline => {
                return Err(FetchError::OutOfTime("it could not be fetched in time".to_owned()).into());
            }
            Some(_) => {}
        }
        let record = match self.read(&tenant, parent, invocation).await? {
            Answer::Found(record) => record,
            Answer::Throttled(pause) => return Ok(Read::Throttled(pause)),
        };
        self.feed(parent, record).await?;
        database.attempt_fed(&tenant, attempt).await.map_err(infrastructure)?;
        Ok(Read::Found)
    }

    async fn tenant(&self, parent: &BlockingFetch) -> Result<Tenant, StepError> {
        match self.tenants.get(&parent.tenant, self.clock.now()).await {
            Ok(tenant) => Ok(tenant),
            Err(error @ StoreError::UnknownTenant(_)) => Err(FetchError::Invalid(error.to_string()).into()),
            Err(error) => Err(infrastructure(error)),
        }
    }

    async fn read(
        &self,
        tenant: &Tenant,
        parent: &BlockingFetch,
        invocation: &Invocation,
    ) -> Result<Answer, StepError> {
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
                    FailureClass::Throttle { retry_after } => Ok(Answer::Throttled(retry_after.unwrap_or(PAUSE))),
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
        Ok(Answer::Found(record))
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
            deletion: None,
            body: record,
        };
        self.inbound.make_durable(vec![accepted]).await.map_err(infrastructure)
    }
}

/// What came of a step.
pub(crate) struct Step {
    pub(crate) outcome: &'static str,
    pub(crate) reason: Option<String>,
}

enum Read {
    Found,
    Throttled(Duration),
}

enum Answer {
    Found(Box<RawValue>),
    Throttled(Duration),
}
