//! The state machine `blocking-fetch`, as its ASL file says (`infra-cdk/lib/pipeline/blocking-fetch.asl.json`).

use fluxnex_cloud::workflow::{Answered, Started};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The longest pause between two attempts.
const LONGEST_PAUSE: i64 = 900;
/// How often giving up is tried again.
const MOST_GIVE_UPS: u32 = 10;

/// Where an execution stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Stand {
    /// The function is to be invoked at that time.
    Fetch { at: Timestamp, attempt: u32 },
    /// Its step waits for the answer to a token.
    Token { token: String, until: Timestamp, attempt: u32 },
    /// The function is to be told that the parent cannot be had.
    GiveUp { at: Timestamp, attempt: u32, error: Value },
    /// The function is being told so.
    GivingUp { attempt: u32, error: Value },
    /// It is over.
    Over(&'static str),
}

/// One execution.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Its name.
    pub name: String,
    /// Its input.
    pub input: Value,
    /// Where it stands.
    pub stand: Stand,
    /// Whether a step of it was never answered.
    pub timed_out: bool,
}

/// All executions of a seed.
#[derive(Debug, Default)]
pub struct Executions {
    /// In the order in which they were started.
    pub all: Vec<Execution>,
    tokens: u64,
    /// A bug that is planted: answers get lost.
    pub loses_answers: bool,
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

impl Executions {
    /// `StartExecution`.
    pub fn start(&mut self, name: &str, input: &Value, now: Timestamp) -> Started {
        if self.all.iter().any(|execution| execution.name == name) {
            return Started::AlreadyStarted;
        }
        let stand = Stand::Fetch { at: now, attempt: 0 };
        self.all.push(Execution { name: name.to_owned(), input: input.clone(), stand, timed_out: false });
        Started::Started
    }

    /// When an execution has something to do next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let due = |execution: &Execution| match &execution.stand {
            Stand::Fetch { at, .. } | Stand::GiveUp { at, .. } => Some(*at),
            Stand::Token { until, .. } => Some(*until),
            Stand::GivingUp { .. } | Stand::Over(_) => None,
        };
        self.all.iter().filter_map(due).min()
    }

    /// Those that were not obtained although somebody fed them in: nobody answered their token.
    #[must_use]
    pub fn timed_out(&self) -> usize {
        self.all.iter().filter(|execution| execution.timed_out).count()
    }

    /// Ends steps whose time is over; gives the executions that want the function invoked.
    pub fn due(&mut self, now: Timestamp) -> Vec<usize> {
        for execution in &mut self.all {
            if let Stand::Token { until, .. } = &execution.stand
                && *until <= now
            {
                let error = json!({"Error": "States.Timeout", "Cause": ""});
                execution.timed_out = true;
                execution.stand = Stand::GiveUp { at: now, attempt: 0, error };
            }
        }
        let is_due = |execution: &Execution| matches!(&execution.stand, Stand::Fetch { at, .. } | Stand::GiveUp { at, .. } if *at <= now);
        self.all.iter().enumerate().filter(|(_, execution)| is_due(execution)).map(|(place, _)| place).collect()
    }

    /// Begins the step that is due; gives what the function is told.
    pub fn begin(&mut self, place: usize, now: Timestamp) -> Option<Value> {
        self.tokens += 1;
        let token = format!("token-{}", self.tokens);
        let execution = self.all.get_mut(place)?;
        match execution.stand.clone() {
            Stand::Fetch { attempt, .. } => {
                let seconds = execution.input.get("timeout_seconds").and_then(Value::as_i64).unwrap_or(60);
                execution.stand = Stand::Token { token: token.clone(), until: later(now, seconds), attempt };
                Some(json!({"action": "fetch", "token": token, "parent": execution.input}))
            }
            Stand::GiveUp { attempt, error, .. } => {
                execution.stand = Stand::GivingUp { attempt, error: error.clone() };
                Some(json!({"action": "give_up", "parent": execution.input, "error": error}))
            }
            _ => None,
        }
    }

    /// The function answered, failed or died.
    pub fn function_ended(&mut self, place: usize, told: &Value, error: Option<&str>, now: Timestamp) {
        let Some(execution) = self.all.get_mut(place) else { return };
        // An invocation that was to fetch may end after its answer led on to giving up.
        let gives_up = told.get("action").and_then(Value::as_str) == Some("give_up");
        match (&execution.stand, error) {
            (Stand::GivingUp { .. }, _) if !gives_up => {}
            (Stand::GivingUp { .. }, None) => execution.stand = Stand::Over("not obtained"),
            (Stand::GivingUp { attempt, error }, Some(_)) if *attempt < MOST_GIVE_UPS => {
                let (attempt, error) = (*attempt, error.clone());
                execution.stand = Stand::GiveUp { at: later(now, pause(attempt)), attempt: attempt + 1, error };
            }
            (Stand::GivingUp { .. }, Some(_)) => execution.stand = Stand::Over("not obtained"),
            (Stand::Token { token, .. }, Some(error)) if told.get("token").and_then(Value::as_str) == Some(token) => {
                let token = token.clone();
                self.fail(&token, error, "", now);
            }
            _ => {}
        }
    }

    fn waiting(&mut self, token: &str) -> Option<(&mut Execution, u32)> {
        self.all.iter_mut().find_map(|execution| match &execution.stand {
            Stand::Token { token: own, attempt, .. } if own == token => {
                let attempt = *attempt;
                Some((execution, attempt))
            }
            _ => None,
        })
    }

    /// `SendTaskSuccess`.
    pub fn succeed(&mut self, token: &str) -> Answered {
        if self.loses_answers {
            return Answered::Answered;
        }
        let Some((execution, _)) = self.waiting(token) else { return Answered::Gone };
        execution.stand = Stand::Over("stored");
        Answered::Answered
    }

    /// `SendTaskFailure`: retries and catchers of the state machine.
    pub fn fail(&mut self, token: &str, error: &str, cause: &str, now: Timestamp) -> Answered {
        let Some((execution, attempt)) = self.waiting(token) else { return Answered::Gone };
        execution.stand = match error {
            "Throttled" => {
                let pause = serde_json::from_str::<Value>(cause).ok();
                let seconds = pause.and_then(|pause| pause.get("retry_after_seconds")?.as_i64()).unwrap_or(60);
                Stand::Fetch { at: later(now, seconds), attempt: 0 }
            }
            "Superseded" => Stand::Over("superseded"),
            "NotFound" | "Forbidden" | "Invalid" | "OutOfTime" => {
                Stand::GiveUp { at: now, attempt: 0, error: json!({"Error": error, "Cause": cause}) }
            }
            _ => Stand::Fetch { at: later(now, pause(attempt)), attempt: attempt + 1 },
        };
        Answered::Answered
    }
}

/// Full jitter draws from 0 to this; half of it stands for all.
fn pause(attempt: u32) -> i64 {
    (5_i64.saturating_mul(1 << attempt.min(8))).min(LONGEST_PAUSE) / 2
}
