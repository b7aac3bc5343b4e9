//! The main of every function: runtime, logging, settings, and the loop over invocations.

use crate::batch::NotABatch;
use crate::deadline::Deadline;
use crate::settings::Settings;
use crate::{BoxError, logging};
use futures::FutureExt;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::convert::Infallible;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

/// What the handler may know about the invocation that it serves.
#[derive(Debug, Clone)]
pub struct Invocation {
    request_id: String,
    deadline: Deadline,
}

impl Invocation {
    /// An invocation of that id and deadline; for tests, as the loop makes its own.
    pub fn new(request_id: impl Into<String>, deadline: Deadline) -> Self {
        Self { request_id: request_id.into(), deadline }
    }

    /// The id that Lambda gave the invocation.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// When Lambda ends it.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }
}

/// A handler's error, as Lambda hands it to whoever called the function. It may quote no data.
pub trait Failure {
    /// The name that callers know it by: Step Functions matches retries and catchers with it.
    fn kind(&self) -> &'static str {
        "Failed"
    }

    /// What happened, in words.
    fn words(&self) -> String;
}

impl Failure for BoxError {
    fn words(&self) -> String {
        self.to_string()
    }
}

impl Failure for &'static str {
    fn words(&self) -> String {
        (*self).to_owned()
    }
}

impl Failure for NotABatch {
    fn words(&self) -> String {
        self.to_string()
    }
}

impl Failure for Infallible {
    fn words(&self) -> String {
        match *self {}
    }
}

/// Starts the function: logging, settings, then `setup`, which makes the handler from the settings,
/// then one call of the handler for each invocation, on one thread.
///
/// A handler that fails or panics fails its invocation, and Lambda does what the trigger's rules say.
/// What cannot start is printed and ends the process with a failure.
pub fn run<Setup, Handler, Event, Response, Error>(function: &str, setup: Setup) -> ExitCode
where
    Setup: AsyncFnOnce(Settings) -> Result<Handler, BoxError>,
    Handler: AsyncFn(Event, Invocation) -> Result<Response, Error>,
    Event: DeserializeOwned,
    Response: Serialize,
    Error: Failure,
{
    logging::init(function);
    // One invocation at a time: a thread pool would more than double the CPU of each.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(function, &error),
    };
    let ended = runtime.block_on(async {
        let settings = Settings::load(function)?;
        let handler = setup(settings).await?;
        serve(&handler).await
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(function, error.as_ref()),
    }
}

fn refuse(function: &str, error: &(dyn std::error::Error + 'static)) -> ExitCode {
    tracing::error!(target: "fluxnex::start", function, error = chain(error), "the function cannot run");
    ExitCode::FAILURE
}

/// An error and its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

async fn serve<Handler, Event, Response, Error>(handler: &Handler) -> Result<(), BoxError>
where
    Handler: AsyncFn(Event, Invocation) -> Result<Response, Error>,
    Event: DeserializeOwned,
    Response: Serialize,
    Error: Failure,
{
    // The event is taken raw: the runtime would quote a malformed one in its error.
    let service = service_fn(|event: LambdaEvent<Box<RawValue>>| invoke(handler, event));
    lambda_runtime::run(service).await
}

async fn invoke<Handler, Event, Response, Error>(
    handler: &Handler,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Response, Failed>
where
    Handler: AsyncFn(Event, Invocation) -> Result<Response, Error>,
    Event: DeserializeOwned,
    Error: Failure,
{
    let deadline = Deadline::at_unix_milliseconds(event.context.deadline);
    let invocation = Invocation::new(event.context.request_id, deadline);
    let payload = serde_json::from_str::<Event>(event.payload.get()).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Failed::log("InvalidEvent", format!("the event is not of the expected shape at line {line} column {column}"))
    })?;
    drop(event.payload);
    match AssertUnwindSafe(async { handler(payload, invocation).await }).catch_unwind().await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(failure)) => Err(Failed::log(failure.kind(), failure.words())),
        Err(_) => Err(Failed::log("Panic", "the function panicked".to_owned())),
    }
}

/// A failed invocation, already logged. It quotes no data: Lambda hands it to whoever called.
struct Failed {
    kind: &'static str,
    message: String,
}

impl Failed {
    fn log(kind: &'static str, message: String) -> Self {
        tracing::error!(target: "fluxnex::invocation", kind, error = message, "the invocation failed");
        Self { kind, message }
    }
}

impl fmt::Debug for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.kind, self.message)
    }
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        Self { error_type: failed.kind.to_owned(), error_message: failed.message }
    }
}
