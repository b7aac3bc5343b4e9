//! Access tokens: asked for once, remembered in memory until shortly before they expire.
//!
//! A rotated refresh token is stored before its access token is used. If storing fails, it is kept
//! here and stored first when the connection is used again.

use super::redact::Redactor;
use super::token_request::{Grant, Granted, TokenProblem, ask};
use crate::client::GuardedClient;
use crate::connection::Connection;
use fluxnex_core::secret_source::{SecretSource, SecretSourceError};
use jiff::Timestamp;
use reqwest::Url;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Connections remembered by one environment; beyond, it forgets them all.
const MAX_REMEMBERED: usize = 1_000;
/// How long before its end a token is no longer used, at most.
const SKEW: Duration = Duration::from_secs(60);

/// What decides which token it is: a connection that is led elsewhere asks for another one.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    tenant: String,
    connection: String,
    secret_name: String,
    token_url: String,
}

#[derive(Default)]
struct Entry {
    token: Option<Token>,
    /// A refresh token that the application gave and that is not stored yet.
    unsaved: Option<Rotated>,
}

struct Token {
    value: String,
    usable_until: Timestamp,
}

struct Rotated {
    field: String,
    value: String,
}

/// The tokens of one environment. Callers of one connection that need a token at once ask once.
#[derive(Default)]
pub(super) struct Tokens {
    entries: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<Entry>>>>,
}

/// What is needed to get a token.
pub(super) struct TokenCall<'a> {
    pub(super) client: &'a GuardedClient,
    pub(super) secrets: &'a dyn SecretSource,
    pub(super) connection: &'a Connection,
    pub(super) token_url: Url,
    pub(super) now: Timestamp,
    pub(super) timeout: Duration,
}

impl Tokens {
    /// An access token. `refused` is one that the application did not accept: it is not given again.
    /// Whatever is learned that is secret is added to `redactor`.
    pub(super) async fn get(
        &self,
        call: &TokenCall<'_>,
        refused: Option<&str>,
        redactor: &mut Redactor,
    ) -> Result<String, TokenProblem> {
        let entry = self.entry(call);
        let mut entry = entry.lock().await;
        if let Some(rotated) = entry.unsaved.take()
            && let Err(problem) = store(call, &rotated).await
        {
            entry.unsaved = Some(rotated);
            return Err(problem);
        }
        if let Some(token) = &entry.token
            && refused != Some(token.value.as_str())
            && call.now < token.usable_until
        {
            redactor.hide(&token.value);
            return Ok(token.value.clone());
        }
        entry.token = None;
        let Granted { access_token, expires_in, rotated } = grant(call, refused.is_some(), redactor).await?;
        redactor.hide(&access_token);
        let usable_until = call.now.checked_add(usable(expires_in)).unwrap_or(call.now);
        entry.token = Some(Token { value: access_token.clone(), usable_until });
        if let Some((field, value)) = rotated {
            redactor.hide(&value);
            let rotated = Rotated { field, value };
            if let Err(problem) = store(call, &rotated).await {
                entry.unsaved = Some(rotated);
                return Err(problem);
            }
        }
        Ok(access_token)
    }

    fn entry(&self, call: &TokenCall<'_>) -> Arc<tokio::sync::Mutex<Entry>> {
        let key = Key {
            tenant: call.connection.tenant.to_string(),
            connection: call.connection.id.to_string(),
            secret_name: call.connection.secret_name.clone(),
            token_url: call.token_url.to_string(),
        };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_REMEMBERED && !entries.contains_key(&key) {
            // What is not stored yet, or in use, must not be forgotten.
            entries.retain(|_, entry| {
                Arc::strong_count(entry) > 1 || entry.try_lock().map_or(true, |entry| entry.unsaved.is_some())
            });
        }
        Arc::clone(entries.entry(key).or_default())
    }
}

// A credential that is refused may have been renewed since it was remembered: it is read once more.
async fn grant(call: &TokenCall<'_>, fresh: bool, redactor: &mut Redactor) -> Result<Granted, TokenProblem> {
    let name = &call.connection.secret_name;
    let secret = if fresh { call.secrets.refresh(name).await? } else { call.secrets.get(name).await? };
    redactor.hide_all(&secret);
    let authentication = &call.connection.manifest.manifest().authentication;
    let used = Grant::of(authentication, &secret)?;
    match ask(call, &used, redactor).await {
        Err(problem @ TokenProblem::Refused { .. }) => {
            let secret = call.secrets.refresh(name).await?;
            redactor.hide_all(&secret);
            let renewed = Grant::of(authentication, &secret)?;
            if renewed == used { Err(problem) } else { ask(call, &renewed, redactor).await }
        }
        outcome => outcome,
    }
}

async fn store(call: &TokenCall<'_>, rotated: &Rotated) -> Result<(), TokenProblem> {
    let name = &call.connection.secret_name;
    // Read anew: what was remembered may lack what an operator changed meanwhile.
    let mut secret: Map<String, Value> = call.secrets.refresh(name).await?;
    secret.insert(rotated.field.clone(), Value::String(rotated.value.clone()));
    call.secrets.put(name, secret).await?;
    tracing::info!(
        tenant = %call.connection.tenant,
        connection = %call.connection.id,
        "a rotated refresh token was stored"
    );
    Ok(())
}

fn usable(expires_in: Duration) -> Duration {
    expires_in.saturating_sub(SKEW.min(expires_in / 5))
}

impl From<SecretSourceError> for TokenProblem {
    fn from(error: SecretSourceError) -> Self {
        match error {
            SecretSourceError::Unusable => Self::Credentials { reason: error.to_string() },
            SecretSourceError::Unavailable => {
                Self::Unavailable { status: None, retry_after: None, reason: error.to_string() }
            }
        }
    }
}
