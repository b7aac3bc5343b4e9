//! Access tokens: had once, remembered in memory until shortly before they end, shared through the connection's secret.
//!
//! A token that lasts 20 minutes or more lies in the secret itself, where every environment finds it. It is put there
//! together with a rotated refresh token, in one write, before it is first used: whoever dies between the answer and the
//! write has used nothing, so applications at which the old refresh token stays good until the new pair is used (Intuit)
//! lose nothing. `renewal.rs` sees to it that one environment renews at a time. Shorter tokens stay in the memory of
//! each environment: Secrets Manager keeps about a hundred versions of a secret a day, and refuses more
//! (<https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html>).
//!
//! The way of every request is one look into memory.

use super::prepare::Place;
use super::redact::Redactor;
use super::renewal;
use super::token_request::TokenProblem;
use crate::client::GuardedClient;
use crate::connection::Connection;
use fluxnex_core::connector::Authentication;
use fluxnex_core::secret_source::{SecretSource, SecretSourceError, StoredToken};
use jiff::Timestamp;
use reqwest::Url;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Connections remembered by one environment; beyond, it forgets them all.
const MAX_REMEMBERED: usize = 1_000;
/// How long before its end a token is no longer used, at most.
const SKEW: Duration = Duration::from_secs(60);

/// Waits: a function, so that a simulation can do it in its own time.
pub(super) type Pause = Arc<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What decides which token it is: a connection that is led elsewhere asks for another one.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    tenant: String,
    connection: String,
    secret_name: String,
    url: String,
}

/// What one environment knows of a connection's tokens.
#[derive(Default)]
pub(super) struct Entry {
    token: Option<Token>,
    /// What the application gave and what is not stored yet.
    pub(super) unsaved: Option<renewal::Unsaved>,
    /// The application's tokens are too short to be shared.
    pub(super) is_short: bool,
    /// When a token was last renewed because the application refused it.
    pub(super) forced_at: Option<Timestamp>,
    /// Somebody else renewed, and was waited for in vain: nobody here waits again before this.
    pub(super) patience_until: Option<Timestamp>,
}

/// A token, and until when it is used. It has no Debug.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) value: String,
    usable_until: Timestamp,
}

impl Token {
    /// A token that was just given.
    pub(super) fn fresh(value: &str, expires_in: Duration, now: Timestamp) -> Self {
        let usable = expires_in.saturating_sub(SKEW.min(expires_in / 5));
        Self { value: value.to_owned(), usable_until: now.checked_add(usable).unwrap_or(now) }
    }

    /// The token in a secret, if it is one that was had with the credentials beside it.
    pub(super) fn stored(secret: &Map<String, Value>, digest: &str) -> Option<Self> {
        let stored = StoredToken::of(secret)?;
        let is_theirs = stored.credentials.is_none_or(|credentials| credentials == digest);
        let usable_until = stored.expires_at.checked_sub(SKEW).ok()?;
        is_theirs.then_some(Self { value: stored.access_token, usable_until })
    }

    /// Whether it may be used now. One that the application refused may not, wherever it comes from.
    pub(super) fn is_good(&self, now: Timestamp, refused: Option<&str>) -> bool {
        now < self.usable_until && refused != Some(self.value.as_str())
    }
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
    pub(super) place: &'a Place,
    /// The token endpoint, or where to log in.
    pub(super) url: Url,
    pub(super) clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    pub(super) pause: &'a Pause,
    /// What one request may take.
    pub(super) timeout: Duration,
    /// What everything may take.
    pub(super) left: Duration,
}

impl<'a> TokenCall<'a> {
    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(super) fn authentication(&self) -> &'a Authentication {
        &self.connection.manifest.manifest().authentication
    }

    pub(super) fn secret_name(&self) -> &'a str {
        &self.connection.secret_name
    }
}

impl Tokens {
    /// An access token. `refused` is one that the application did not accept: it is not given again, save where nothing
    /// better can be had at the moment. Whatever is learned that is secret is added to `redactor`.
    pub(super) async fn get(
        &self,
        call: &TokenCall<'_>,
        refused: Option<&str>,
        redactor: &mut Redactor,
    ) -> Result<String, TokenProblem> {
        let entry = self.entry(call);
        let mut entry = entry.lock().await;
        if let Some(token) = renewal::save(call, &mut entry).await? {
            entry.token = Some(token);
        }
        if let Some(token) = entry.token.take_if(|token| !token.is_good(call.now(), refused)) {
            redactor.hide(&token.value);
        }
        if entry.token.is_none() {
            entry.token = renewal::renew(call, &mut entry, refused, redactor).await?;
        }
        let value =
            entry.token.as_ref().map(|token| token.value.as_str()).or(refused).ok_or_else(TokenProblem::nothing)?;
        redactor.hide(value);
        Ok(value.to_owned())
    }

    fn entry(&self, call: &TokenCall<'_>) -> Arc<tokio::sync::Mutex<Entry>> {
        let key = Key {
            tenant: call.connection.tenant.to_string(),
            connection: call.connection.id.to_string(),
            secret_name: call.connection.secret_name.clone(),
            url: call.url.to_string(),
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

impl TokenProblem {
    fn nothing() -> Self {
        Self::Unavailable { status: None, retry_after: None, reason: "there is no token".to_owned() }
    }
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
