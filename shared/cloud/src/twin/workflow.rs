//! A workflow in memory: what was started is noted, and tests make the tokens that wait.

use super::lock;
use crate::workflow::{Answered, Started, WorkflowError, Workflows, check_failure, check_start, check_success};
use async_trait::async_trait;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

/// The answer that a token got.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskAnswer {
    /// The step went on with this output.
    Succeeded(Value),
    /// The step failed.
    Failed {
        /// The name that retries and catchers go by.
        error: String,
        /// What it tells them.
        cause: String,
    },
}

#[derive(Default)]
struct State {
    executions: Vec<(String, Value)>,
    waiting: BTreeSet<String>,
    answers: BTreeMap<String, TaskAnswer>,
    tokens: u64,
    silent: bool,
}

impl State {
    fn answer(&mut self, token: &str, answer: TaskAnswer) -> Answered {
        if !self.waiting.remove(token) {
            return Answered::Gone;
        }
        self.answers.insert(token.to_owned(), answer);
        Answered::Answered
    }
}

/// The twin of one workflow.
#[derive(Default)]
pub struct InMemoryWorkflows {
    state: Mutex<State>,
}

impl InMemoryWorkflows {
    /// What was started, name and input, in order.
    #[must_use]
    pub fn executions(&self) -> Vec<(String, Value)> {
        lock(&self.state).executions.clone()
    }

    /// A new token that a step waits for.
    #[must_use]
    pub fn wait(&self) -> String {
        let mut state = lock(&self.state);
        state.tokens += 1;
        let token = format!("token-{}", state.tokens);
        state.waiting.insert(token.clone());
        token
    }

    /// The time of the step that waits for the token is over.
    pub fn expire(&self, token: &str) {
        lock(&self.state).waiting.remove(token);
    }

    /// The answer that the token got; nothing if it still waits, or its time was over first.
    #[must_use]
    pub fn answer(&self, token: &str) -> Option<TaskAnswer> {
        lock(&self.state).answers.get(token).cloned()
    }

    /// Whether the service stops answering.
    pub fn set_silent(&self, silent: bool) {
        lock(&self.state).silent = silent;
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, WorkflowError> {
        let state = lock(&self.state);
        if state.silent {
            return Err(WorkflowError::Unavailable { code: "Silent".to_owned(), source: None });
        }
        Ok(state)
    }
}

#[async_trait]
impl Workflows for InMemoryWorkflows {
    async fn start(&self, name: &str, input: &Value) -> Result<Started, WorkflowError> {
        check_start(name, input)?;
        let mut state = self.state()?;
        if state.executions.iter().any(|(known, _)| known == name) {
            return Ok(Started::AlreadyStarted);
        }
        state.executions.push((name.to_owned(), input.clone()));
        Ok(Started::Started)
    }

    async fn succeed(&self, token: &str, output: &Value) -> Result<Answered, WorkflowError> {
        check_success(token, output)?;
        Ok(self.state()?.answer(token, TaskAnswer::Succeeded(output.clone())))
    }

    async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<Answered, WorkflowError> {
        check_failure(token, error, cause)?;
        let answer = TaskAnswer::Failed { error: error.to_owned(), cause: cause.to_owned() };
        Ok(self.state()?.answer(token, answer))
    }
}
