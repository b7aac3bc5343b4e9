//! The port to the secrets of connections: declared here, because the engine that uses it and the
//! adapter that serves it may not know each other.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// The field of a connection's secret that holds its access token. No credential may have this name. Who replaces the
/// credentials writes a secret without it, and the token is forgotten with them.
pub const TOKEN_FIELD: &str = "fluxnex_token";

/// An access token as it lies in a connection's secret, beside the credentials that it was had with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredToken {
    /// The token.
    pub access_token: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// A digest of the credentials that it was had with: beside others it is not believed. Absent: it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// When it was had because the application refused the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced_at: Option<Timestamp>,
}

impl StoredToken {
    /// The token in a secret. One that cannot be read is none.
    #[must_use]
    pub fn of(secret: &Map<String, Value>) -> Option<Self> {
        let token = Self::deserialize(secret.get(TOKEN_FIELD)?).ok()?;
        (!token.access_token.is_empty()).then_some(token)
    }
}

impl fmt::Debug for StoredToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StoredToken(until {})", self.expires_at)
    }
}

/// The right to renew what one secret holds. It ends by itself after the time that it was taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretLock {
    /// Who holds it.
    pub holder: String,
}

/// Reads and writes secrets, each a JSON object. No more than the connector engine needs.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// The secret, possibly as it was remembered a few minutes ago.
    ///
    /// # Errors
    /// [`SecretSourceError`].
    async fn get(&self, name: &str) -> Result<Map<String, Value>, SecretSourceError>;

    /// The secret as it is now, as far as that may be asked: after a credential was refused.
    ///
    /// # Errors
    /// [`SecretSourceError`].
    async fn refresh(&self, name: &str) -> Result<Map<String, Value>, SecretSourceError> {
        self.get(name).await
    }

    /// The secret as the store has it at this moment, whatever is remembered: what is decided under a lock is decided
    /// by it.
    ///
    /// # Errors
    /// [`SecretSourceError`], also if only what is remembered could be given.
    async fn latest(&self, name: &str) -> Result<Map<String, Value>, SecretSourceError> {
        self.refresh(name).await
    }

    /// Replaces the secret: a token was renewed.
    ///
    /// # Errors
    /// [`SecretSourceError`]. The secret may have been replaced all the same.
    async fn put(&self, name: &str, secret: Map<String, Value>) -> Result<(), SecretSourceError>;

    /// Takes the lock on a secret for `span`, over all environments; nothing if somebody else has it. Given the one
    /// that it was, it is taken again for `span` from now on, if nobody else took it meanwhile.
    ///
    /// The default is for sources that nobody shares.
    ///
    /// # Errors
    /// [`SecretSourceError::Unavailable`].
    async fn lock(
        &self,
        name: &str,
        again: Option<&SecretLock>,
        span: Duration,
    ) -> Result<Option<SecretLock>, SecretSourceError> {
        let _ = (name, span);
        Ok(Some(again.cloned().unwrap_or(SecretLock { holder: String::new() })))
    }

    /// Gives the lock back. It ends by itself if this fails.
    async fn unlock(&self, name: &str, lock: SecretLock) {
        let _ = (name, lock);
    }
}

/// Why a secret could not be read or written. The message is shown to people.
#[derive(Debug, thiserror::Error)]
pub enum SecretSourceError {
    /// It is not there, or not a JSON object: a person has to repair it.
    #[error("the connection's secret is missing or malformed")]
    Unusable,
    /// The store of secrets does not answer, or refuses us.
    #[error("the connection's secret cannot be read or written now")]
    Unavailable,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stored_token_is_read_and_never_shown() {
        let secret = json!({"fluxnex_token": {"access_token": "marked-token", "expires_at": "2026-11-20T12:00:00Z"}});
        let token = StoredToken::of(secret.as_object().unwrap()).unwrap();
        assert_eq!(token.access_token, "marked-token");
        assert_eq!(serde_json::to_value(&token).unwrap(), secret["fluxnex_token"]);
        assert_eq!(format!("{token:?}"), "StoredToken(until 2026-11-20T12:00:00Z)");
        for garbage in [
            json!({}),
            json!({"fluxnex_token": null}),
            json!({"fluxnex_token": "marked-token"}),
            json!({"fluxnex_token": {"access_token": "", "expires_at": "2026-11-20T12:00:00Z"}}),
            json!({"fluxnex_token": {"access_token": "a", "expires_at": "soon"}}),
            json!({"fluxnex_token": {"access_token": 1, "expires_at": "2026-11-20T12:00:00Z"}}),
        ] {
            assert_eq!(StoredToken::of(garbage.as_object().unwrap()), None, "{garbage}");
        }
    }
}
