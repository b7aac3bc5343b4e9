//! One execution environment: a process of a function, and the Runtime API that it asks for work.
//!
//! By "Using the Lambda runtime API" of the Lambda Developer Guide the process asks `next`, is handed an
//! event with its id, deadline and ARN, and posts `response` or `error`; `init/error` says that it cannot
//! start. One event at a time. The process gets SIGKILL when an invocation takes too long.

use super::account::Account;
use super::http::{self, Answer, Call, Server};
use super::usage;
use axum::body::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

const PREFIX: &str = "/2018-06-01/runtime/";
/// The same number on every Unix.
const SIGKILL: i32 = 9;

/// Kills a process, and tells whether that is what ended it.
pub(super) type Killer = mpsc::Sender<oneshot::Sender<bool>>;

/// One event for the function.
pub(super) struct Job {
    pub(super) id: String,
    pub(super) payload: Bytes,
    pub(super) timeout: Duration,
    /// Told when the process takes it.
    pub(super) handed: oneshot::Sender<Instant>,
    pub(super) answered: oneshot::Sender<Answered>,
}

/// What the process posted.
pub(super) enum Answered {
    Response(Bytes),
    Error(Bytes),
}

/// How an environment is started.
pub(super) struct Start<'a> {
    pub(super) program: &'a Path,
    pub(super) variables: &'a [(String, String)],
    pub(super) arn: &'a str,
    /// Where its output goes.
    pub(super) log: File,
    pub(super) account: Arc<Account>,
}

/// A running environment. Its process ends when this is dropped.
pub(super) struct Environment {
    process: u32,
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) exited: watch::Receiver<bool>,
    started: Instant,
    kill: Killer,
    seen: Arc<Meter>,
    _api: Server,
    waiter: JoinHandle<()>,
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.seen.read();
        self.waiter.abort();
    }
}

struct Meter {
    process: u32,
    account: Arc<Account>,
    cpu_seconds: Mutex<f64>,
}

impl Meter {
    /// Adds what the process has used since the last time to the account.
    fn read(&self) {
        let mut seen = self.cpu_seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(usage) = usage::of(self.process) else { return };
        self.account.used((usage.cpu_seconds - *seen).max(0.0), usage.peak_memory_bytes);
        *seen = seen.max(usage.cpu_seconds);
    }
}

impl Environment {
    /// Starts the process.
    pub(super) async fn start(start: Start<'_>) -> io::Result<Self> {
        let started = Instant::now();
        let (jobs, waiting) = mpsc::channel(1);
        let runtime = Arc::new(RuntimeApi {
            arn: start.arn.to_owned(),
            waiting: tokio::sync::Mutex::new(waiting),
            current: Mutex::default(),
        });
        let api = http::serve(move |call| Arc::clone(&runtime).answer(call)).await?;
        let child = Command::new(start.program)
            .env_clear()
            .envs(start.variables.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", api.address.to_string())
            .stdin(Stdio::null())
            .stdout(start.log.try_clone()?)
            .stderr(start.log)
            .kill_on_drop(true)
            .spawn()?;
        let process = child.id().unwrap_or_default();
        let seen = Arc::new(Meter { process, account: start.account, cpu_seconds: Mutex::default() });
        let (exit, exited) = watch::channel(false);
        let (kill, killed) = mpsc::channel(1);
        let waiter = tokio::spawn(wait(child, killed, exit, Arc::clone(&seen)));
        Ok(Self { process, jobs, exited, started, kill, seen, _api: api, waiter })
    }

    /// When the process was started.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// The process.
    pub(super) fn process(&self) -> u32 {
        self.process
    }

    /// What kills it from elsewhere.
    pub(super) fn killer(&self) -> Killer {
        self.kill.clone()
    }

    pub(super) fn has_exited(&self) -> bool {
        *self.exited.borrow()
    }

    /// Adds what it has used to the account.
    pub(super) fn measure(&self) {
        self.seen.read();
    }

    /// Kills the process and waits until it is gone.
    pub(super) async fn kill(mut self) {
        // Full means that it is being killed, closed that it is gone.
        let _ = self.kill.try_send(oneshot::channel().0);
        drop(self.exited.wait_for(|exited| *exited).await);
    }
}

async fn wait(
    mut child: Child,
    mut killed: mpsc::Receiver<oneshot::Sender<bool>>,
    exit: watch::Sender<bool>,
    seen: Arc<Meter>,
) {
    let asked = tokio::select! {
        _ = child.wait() => None,
        Some(asked) = killed.recv() => {
            seen.read();
            // An error means that it is gone already.
            drop(child.start_kill());
            let hit = child.wait().await.is_ok_and(|status| status.signal() == Some(SIGKILL));
            Some((asked, hit))
        }
    };
    exit.send_replace(true);
    if let Some((asked, hit)) = asked {
        // Not everybody wants to know.
        let _ = asked.send(hit);
    }
}

/// What one process asks.
struct RuntimeApi {
    arn: String,
    waiting: tokio::sync::Mutex<mpsc::Receiver<Job>>,
    current: Mutex<BTreeMap<String, oneshot::Sender<Answered>>>,
}

impl RuntimeApi {
    async fn answer(self: Arc<Self>, call: Call) -> Answer {
        let Some(path) = call.path.strip_prefix(PREFIX) else { return refused(404, "NotFound") };
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["invocation", "next"] => self.next().await,
            ["invocation", id, "response"] => self.answered(id, Answered::Response(call.body)),
            ["invocation", id, "error"] => self.answered(id, Answered::Error(call.body)),
            // The process ends now, which fails the invocation that waits for it.
            ["init", "error"] => accepted(),
            _ => refused(404, "NotFound"),
        }
    }

    async fn next(&self) -> Answer {
        let Some(job) = self.waiting.lock().await.recv().await else { return refused(500, "Gone") };
        let now = Timestamp::now();
        let deadline = crate::queues::after(now, job.timeout).as_millisecond();
        self.current().insert(job.id.clone(), job.answered);
        // Nobody listens any more: the environment is about to be killed.
        let _ = job.handed.send(Instant::now());
        let mut answer = http::answer(200, "application/json", job.payload);
        for (name, value) in [
            ("lambda-runtime-aws-request-id", job.id.as_str()),
            ("lambda-runtime-deadline-ms", &deadline.to_string()),
            ("lambda-runtime-invoked-function-arn", &self.arn),
        ] {
            answer = http::with_header(answer, name, value);
        }
        answer
    }

    fn answered(&self, id: &str, answered: Answered) -> Answer {
        match self.current().remove(id) {
            Some(sender) => {
                drop(sender.send(answered));
                accepted()
            }
            None => refused(400, "InvalidRequestID"),
        }
    }

    fn current(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, oneshot::Sender<Answered>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accepted() -> Answer {
    http::json(202, &json!({"status": "OK"}))
}

fn refused(status: u16, kind: &str) -> Answer {
    http::json(status, &json!({"errorType": kind, "errorMessage": Value::Null}))
}
