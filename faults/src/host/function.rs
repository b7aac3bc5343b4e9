//! One function: as many environments as it may have, started when they are needed.

use super::account::{Account, Ending, Figures};
use super::environment::{Answered, Environment, Job, Killer, Start};
use axum::body::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot, watch};

/// How long a process may take until it asks for its first event ("Lambda execution environments").
const INIT: Duration = Duration::from_secs(10);

/// How a function runs.
#[derive(Debug, Clone)]
pub struct FunctionSettings {
    /// Its name in this repository, such as `ingest`.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its program.
    pub program: PathBuf,
    /// Its environment variables.
    pub variables: Vec<(String, String)>,
    /// After which an invocation is killed.
    pub timeout: Duration,
    /// The most environments at once; further invocations wait.
    pub maximum_environments: usize,
    /// Where its output goes.
    pub log: PathBuf,
}

/// Why an invocation has no answer, as Lambda words it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", default)]
#[error("{error_type}: {error_message}")]
pub struct FunctionError {
    /// The kind, such as `Sandbox.Timedout`, or the function's own.
    pub error_type: String,
    /// What happened.
    pub error_message: String,
}

impl FunctionError {
    fn new(error_type: &str, message: impl Into<String>) -> Self {
        Self { error_type: error_type.to_owned(), error_message: message.into() }
    }
}

/// A function that can be invoked.
pub struct Function {
    settings: FunctionSettings,
    account: Arc<Account>,
    permits: Semaphore,
    idle: Mutex<Vec<Environment>>,
    /// What kills each environment there is.
    running: Arc<Mutex<BTreeMap<u32, Killer>>>,
    next_request: AtomicU64,
}

impl Function {
    pub(super) fn new(settings: FunctionSettings) -> Self {
        Self {
            permits: Semaphore::new(settings.maximum_environments),
            settings,
            account: Arc::default(),
            idle: Mutex::default(),
            running: Arc::default(),
            next_request: AtomicU64::new(1),
        }
    }

    /// How it runs.
    #[must_use]
    pub fn settings(&self) -> &FunctionSettings {
        &self.settings
    }

    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// What it has used.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.idle().iter().for_each(Environment::measure);
        self.account.so_far()
    }

    /// Begins to count anew.
    pub fn reset_figures(&self) {
        self.idle().iter().for_each(Environment::measure);
        self.account.reset();
    }

    /// The processes that run, sorted.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        self.running().keys().copied().collect()
    }

    /// Those that start or have an event, sorted.
    #[must_use]
    pub fn at_work(&self) -> Vec<u32> {
        let idle: Vec<u32> = self.idle().iter().map(Environment::process).collect();
        self.processes().into_iter().filter(|process| !idle.contains(process)).collect()
    }

    /// Kills one process (SIGKILL), whatever it does, and waits until it is gone. False if something else
    /// had ended it.
    pub async fn kill(&self, process: u32) -> bool {
        let Some(killer) = self.running().get(&process).cloned() else { return false };
        let (asked, hit) = oneshot::channel();
        killer.try_send(asked).is_ok() && hit.await.unwrap_or(false)
    }

    /// Ends all environments that wait for events.
    pub async fn stop(&self) {
        let idle = std::mem::take(&mut *self.idle());
        for environment in idle {
            environment.kill().await;
        }
    }

    /// Invokes the function and waits for its answer. The invocation goes on if nobody waits any more.
    ///
    /// # Errors
    /// The function failed, crashed, could not start, or ran out of time.
    pub async fn invoke(self: &Arc<Self>, payload: Bytes) -> Result<Bytes, FunctionError> {
        let function = Arc::clone(self);
        let invocation = tokio::spawn(async move { function.invocation(payload).await });
        invocation.await.unwrap_or_else(|_| Err(FunctionError::new("Stopped", "the host ends")))
    }

    async fn invocation(&self, payload: Bytes) -> Result<Bytes, FunctionError> {
        let _permit = self.permits.acquire().await.map_err(|_| FunctionError::new("Stopped", "the host ends"))?;
        loop {
            let (environment, is_new) = match self.take_idle() {
                Some(environment) => (environment, false),
                None => (self.start().await.map_err(|error| cannot_start(&error))?, true),
            };
            if let Some(answer) = self.run(environment, is_new, &payload).await {
                return answer;
            }
        }
    }

    /// One invocation in this environment; `None` if the environment was gone before it began.
    async fn run(
        &self,
        mut environment: Environment,
        is_new: bool,
        payload: &Bytes,
    ) -> Option<Result<Bytes, FunctionError>> {
        let number = self.next_request.fetch_add(1, Ordering::Relaxed);
        let (handed, mut was_handed) = oneshot::channel();
        let (answered, mut answer) = oneshot::channel();
        let id = format!("00000000-0000-4000-8000-{number:012x}");
        let job = Job { id, payload: payload.clone(), timeout: self.settings.timeout, handed, answered };
        // A process that is gone shows below.
        drop(environment.jobs.send(job).await);
        let begun = tokio::select! {
            biased;
            begun = &mut was_handed => begun.ok(),
            () = exited(&mut environment.exited) => None,
            () = tokio::time::sleep(INIT) => None,
        };
        let Some(begun) = begun else {
            let init = environment.started().elapsed();
            environment.kill().await;
            return is_new.then(|| {
                self.account.invoked(Ending::Crashed, Duration::ZERO, Some(init));
                Err(FunctionError::new("Runtime.ExitError", "the process ended before it asked for an event"))
            });
        };
        let init = is_new.then(|| begun.duration_since(environment.started()));
        let answer = tokio::select! {
            biased;
            answer = &mut answer => Some(answer.ok()),
            () = exited(&mut environment.exited) => Some(None),
            () = tokio::time::sleep_until((begun + self.settings.timeout).into()) => None,
        };
        let (ending, result) = match answer {
            Some(Some(Answered::Response(bytes))) => (Ending::Answered, Ok(bytes)),
            Some(Some(Answered::Error(bytes))) => {
                (Ending::Failed, Err(serde_json::from_slice(&bytes).unwrap_or_default()))
            }
            Some(None) => {
                (Ending::Crashed, Err(FunctionError::new("Runtime.ExitError", "the process ended without an answer")))
            }
            None => {
                let seconds = self.settings.timeout.as_secs_f64();
                let message = format!("Task timed out after {seconds:.2} seconds");
                (Ending::TimedOut, Err(FunctionError::new("Sandbox.Timedout", message)))
            }
        };
        self.account.invoked(ending, begun.elapsed(), init);
        match ending {
            Ending::Answered | Ending::Failed => self.idle().push(environment),
            Ending::Crashed | Ending::TimedOut => environment.kill().await,
        }
        Some(result)
    }

    fn take_idle(&self) -> Option<Environment> {
        // The one used last is the warmest.
        let mut idle = self.idle();
        while let Some(environment) = idle.pop() {
            if !environment.has_exited() {
                return Some(environment);
            }
        }
        None
    }

    async fn start(&self) -> io::Result<Environment> {
        let settings = &self.settings;
        let environment = Environment::start(Start {
            program: &settings.program,
            variables: &settings.variables,
            arn: &settings.arn,
            log: OpenOptions::new().create(true).append(true).open(&settings.log)?,
            account: Arc::clone(&self.account),
        })
        .await?;
        let process = environment.process();
        let count = {
            let mut running = self.running();
            running.insert(process, environment.killer());
            running.len()
        };
        self.account.started(count);
        let (running, mut exit) = (Arc::clone(&self.running), environment.exited.clone());
        tokio::spawn(async move {
            exited(&mut exit).await;
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&process);
        });
        Ok(environment)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Environment>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<u32, Killer>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cannot_start(error: &io::Error) -> FunctionError {
    FunctionError::new("Runtime.InvalidEntrypoint", error.to_string())
}

/// Waits until the process has ended; whoever would tell is gone only then, too.
async fn exited(exited: &mut watch::Receiver<bool>) {
    drop(exited.wait_for(|exited| *exited).await);
}
