//! Secrets on Secrets Manager.

use super::error::{Failure, Kind};
use crate::secrets::{SecretError, SecretValue, Secrets};
use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;

/// The adapter to Secrets Manager.
#[derive(Debug, Clone)]
pub struct SecretsManager {
    client: Client,
}

impl SecretsManager {
    /// Secrets through `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

fn failed(name: &str, failure: Failure) -> SecretError {
    let Failure { kind, code, source } = failure;
    let name = name.to_owned();
    match (code.as_str(), kind) {
        // The second is the answer for a secret that is marked for deletion.
        ("ResourceNotFoundException" | "InvalidRequestException", _) => SecretError::NotFound { name },
        (_, Kind::Refused) => SecretError::Refused { name, code, source },
        (_, Kind::Unavailable) => SecretError::Unavailable { name, code, source },
    }
}

#[async_trait]
impl Secrets for SecretsManager {
    async fn get(&self, name: &str) -> Result<SecretValue, SecretError> {
        let answer = self.client.get_secret_value().secret_id(name).send().await;
        let answer = answer.map_err(|error| failed(name, Failure::of(error)))?;
        SecretValue::parse(name, answer.secret_string().unwrap_or_default())
    }

    async fn put(&self, name: &str, value: &SecretValue) -> Result<(), SecretError> {
        let text = value.to_json().to_string();
        let answer = self.client.put_secret_value().secret_id(name).secret_string(text).send().await;
        answer.map(drop).map_err(|error| failed(name, Failure::of(error)))
    }
}
