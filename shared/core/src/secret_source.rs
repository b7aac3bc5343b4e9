//! The port to the secrets of connections: declared here, because the engine that uses it and the
//! adapter that serves it may not know each other.

use async_trait::async_trait;
use serde_json::{Map, Value};

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

    /// Replaces the secret: a refresh token was rotated.
    ///
    /// # Errors
    /// [`SecretSourceError`].
    async fn put(&self, name: &str, secret: Map<String, Value>) -> Result<(), SecretSourceError>;
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
