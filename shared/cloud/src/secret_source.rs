//! Remembered secrets as the connector engine asks for them.

use crate::cached_secrets::CachedSecrets;
use crate::secrets::{SecretError, SecretValue, Secrets};
use async_trait::async_trait;
use fluxnex_core::secret_source::{SecretSource, SecretSourceError};
use serde_json::{Map, Value};

#[async_trait]
impl SecretSource for CachedSecrets {
    async fn get(&self, name: &str) -> Result<Map<String, Value>, SecretSourceError> {
        Secrets::get(self, name).await.map_err(|error| reduce(&error)).and_then(fields)
    }

    async fn refresh(&self, name: &str) -> Result<Map<String, Value>, SecretSourceError> {
        CachedSecrets::refresh(self, name).await.map_err(|error| reduce(&error)).and_then(fields)
    }

    async fn put(&self, name: &str, secret: Map<String, Value>) -> Result<(), SecretSourceError> {
        let value = SecretValue::from_json(name, &Value::Object(secret)).map_err(|error| reduce(&error))?;
        Secrets::put(self, name, &value).await.map_err(|error| reduce(&error))
    }
}

fn fields(secret: SecretValue) -> Result<Map<String, Value>, SecretSourceError> {
    match secret.to_json() {
        Value::Object(fields) => Ok(fields),
        _ => Err(SecretSourceError::Unusable),
    }
}

/// The engine's errors are shown to people, so the cause is logged here.
fn reduce(error: &SecretError) -> SecretSourceError {
    tracing::warn!(%error, "a connection's secret cannot be used");
    match error {
        SecretError::NotFound { .. } | SecretError::Malformed { .. } | SecretError::MissingField { .. } => {
            SecretSourceError::Unusable
        }
        SecretError::Refused { .. } | SecretError::Unavailable { .. } => SecretSourceError::Unavailable,
    }
}
