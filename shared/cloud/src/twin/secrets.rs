//! Secrets in memory.

use super::lock;
use crate::secret_store::{SecretStore, Stored};
use crate::secrets::{SecretError, SecretValue, Secrets};
use async_trait::async_trait;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

#[derive(Default)]
struct State {
    secrets: BTreeMap<String, SecretValue>,
    reads: usize,
    silent: bool,
    /// Names of secrets that were ended and can be brought back.
    ended: BTreeSet<String>,
}

/// The twin of the secrets service.
#[derive(Default)]
pub struct InMemorySecrets {
    state: Mutex<State>,
}

impl InMemorySecrets {
    /// Creates or replaces a secret, as an operator does. What is no object becomes an empty one.
    pub fn create(&self, name: &str, json: Value) {
        let fields = match json {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        if let Ok(value) = SecretValue::from_json(name, &Value::Object(fields)) {
            lock(&self.state).secrets.insert(name.to_owned(), value);
        }
    }

    /// Deletes a secret.
    pub fn delete(&self, name: &str) {
        lock(&self.state).secrets.remove(name);
    }

    /// Whether the service stops answering.
    pub fn set_silent(&self, silent: bool) {
        lock(&self.state).silent = silent;
    }

    /// How often a secret was asked for.
    #[must_use]
    pub fn reads(&self) -> usize {
        lock(&self.state).reads
    }
}

fn silence(name: &str) -> SecretError {
    SecretError::Unavailable { name: name.to_owned(), code: "Silent".to_owned(), source: None }
}

#[async_trait]
impl Secrets for InMemorySecrets {
    async fn get(&self, name: &str) -> Result<SecretValue, SecretError> {
        let mut state = lock(&self.state);
        state.reads += 1;
        if state.silent {
            return Err(silence(name));
        }
        state.secrets.get(name).cloned().ok_or_else(|| SecretError::NotFound { name: name.to_owned() })
    }

    async fn put(&self, name: &str, value: &SecretValue) -> Result<(), SecretError> {
        let mut state = lock(&self.state);
        if state.silent {
            return Err(silence(name));
        }
        match state.secrets.get_mut(name) {
            Some(current) => {
                *current = value.clone();
                Ok(())
            }
            None => Err(SecretError::NotFound { name: name.to_owned() }),
        }
    }
}

#[async_trait]
impl SecretStore for InMemorySecrets {
    async fn store(&self, name: &str, value: &SecretValue) -> Result<Stored, SecretError> {
        let mut state = lock(&self.state);
        if state.silent {
            return Err(silence(name));
        }
        let ended = state.ended.remove(name);
        match state.secrets.insert(name.to_owned(), value.clone()) {
            None if !ended => Ok(Stored::Created),
            _ => Ok(Stored::Replaced),
        }
    }

    async fn end(&self, name: &str) -> Result<bool, SecretError> {
        let mut state = lock(&self.state);
        if state.silent {
            return Err(silence(name));
        }
        let was_there = state.secrets.remove(name).is_some();
        if was_there {
            state.ended.insert(name.to_owned());
        }
        Ok(was_there)
    }
}
