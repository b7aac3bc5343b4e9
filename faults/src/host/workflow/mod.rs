//! Step Functions: runs the executions of one Standard state machine.
//!
//! The definition is the file of the infrastructure. What it uses is interpreted as the Amazon States
//! Language says (Task with `lambda:invoke` and `.waitForTaskToken`, Pass, Wait, Succeed, Fail; Retry and
//! Catch; timeouts and heartbeats); what it does not use ends an execution with `States.Runtime`.

mod data;
mod run;
mod task;
#[cfg(test)]
mod tests;

use super::function::FunctionError;
use crate::queues::{Choices, Seeded};
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Invokes the function of an ARN or name with a payload.
pub type Invoke = Arc<dyn Fn(String, Value) -> BoxFuture<'static, Result<Value, FunctionError>> + Send + Sync>;

/// What somebody says to a token.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The task is done.
    Success(Value),
    /// The task has failed.
    Failure {
        /// Its name.
        error: String,
        /// Its text.
        cause: String,
    },
    /// The task goes on.
    Heartbeat,
}

/// An execution of that name is there, with another input, or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartError {
    /// It is there.
    Exists,
}

/// Nobody waits for the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Any more.
    Gone,
    /// There never was such a token.
    Token,
}

/// How an execution stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Status {
    /// It is under way.
    Running,
    /// It has ended well.
    Succeeded,
    /// It has failed.
    Failed {
        /// The name of the error.
        error: String,
        /// Its text.
        cause: String,
    },
}

#[derive(Debug, Clone)]
struct Execution {
    input: Value,
    status: Status,
}

/// The executions of one state machine.
#[derive(Clone)]
pub struct Workflows {
    shared: Arc<Shared>,
}

struct Shared {
    definition: Value,
    invoke: Invoke,
    /// Waits and retry intervals are divided by it; timeouts are not, as the caller gives them.
    time_scale: f64,
    executions: Mutex<BTreeMap<String, Execution>>,
    tokens: Mutex<BTreeMap<String, mpsc::UnboundedSender<Answer>>>,
    next_token: AtomicU64,
    transitions: AtomicU64,
    jitter: Mutex<Seeded>,
}

impl Workflows {
    /// The state machine of this definition, whose retries are spread as `seed` says.
    pub fn new(definition: Value, invoke: Invoke, time_scale: f64, seed: u64) -> Self {
        let shared = Shared {
            definition,
            invoke,
            time_scale,
            executions: Mutex::default(),
            tokens: Mutex::default(),
            next_token: AtomicU64::new(1),
            transitions: AtomicU64::new(0),
            jitter: Mutex::new(Seeded::new(seed)),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts an execution. One of the same name and input that still runs is taken for it
    /// (`StartExecution` of the Step Functions API Reference).
    ///
    /// # Errors
    /// The name is taken.
    pub fn start(&self, name: &str, input: Value) -> Result<(), StartError> {
        let mut executions = locked(&self.shared.executions);
        if let Some(known) = executions.get(name) {
            let is_same = known.status == Status::Running && known.input == input;
            return if is_same { Ok(()) } else { Err(StartError::Exists) };
        }
        executions.insert(name.to_owned(), Execution { input: input.clone(), status: Status::Running });
        drop(executions);
        let (shared, name) = (Arc::clone(&self.shared), name.to_owned());
        tokio::spawn(async move {
            let status = run::run(&shared, input).await;
            if let Some(execution) = locked(&shared.executions).get_mut(&name) {
                execution.status = status;
            }
        });
        Ok(())
    }

    /// Answers the token of a task.
    ///
    /// # Errors
    /// Nobody waits for it.
    pub fn answer(&self, token: &str, answer: Answer) -> Result<(), Unknown> {
        let mut tokens = locked(&self.shared.tokens);
        let is_last = answer != Answer::Heartbeat;
        let Some(waiting) = tokens.get(token) else {
            let number = token.strip_prefix("token-").and_then(|number| number.parse::<u64>().ok());
            let was_given = number.is_some_and(|number| number < self.shared.next_token.load(Ordering::Relaxed));
            return Err(if was_given { Unknown::Gone } else { Unknown::Token });
        };
        let sent = waiting.send(answer);
        if is_last {
            tokens.remove(token);
        }
        sent.map_err(|_| Unknown::Gone)
    }

    /// How each execution stands, by name.
    #[must_use]
    pub fn executions(&self) -> BTreeMap<String, Status> {
        let executions = locked(&self.shared.executions);
        executions.iter().map(|(name, execution)| (name.clone(), execution.status.clone())).collect()
    }

    /// State transitions so far, as AWS bills them: each entry of a state, each retry.
    #[must_use]
    pub fn transitions(&self) -> u64 {
        self.shared.transitions.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// A new token, and what is said to it.
    fn token(&self) -> (String, mpsc::UnboundedReceiver<Answer>) {
        let token = format!("token-{}", self.next_token.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = mpsc::unbounded_channel();
        locked(&self.tokens).insert(token.clone(), sender);
        (token, receiver)
    }

    fn forget(&self, token: &str) {
        locked(&self.tokens).remove(token);
    }

    fn count_transition(&self) {
        self.transitions.fetch_add(1, Ordering::Relaxed);
    }

    async fn wait(&self, seconds: f64) {
        tokio::time::sleep(Duration::try_from_secs_f64(seconds / self.time_scale).unwrap_or(Duration::MAX)).await;
    }

    /// A share of 1, evenly.
    fn share(&self) -> f64 {
        const STEPS: usize = 1 << 20;
        locked(&self.jitter).below(STEPS) as f64 / STEPS as f64
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
