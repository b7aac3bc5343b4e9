//! Secrets on Secrets Manager.

use super::error::{Failure, Kind};
use crate::secret_store::{RECOVERY_DAYS, SecretStore, Stored};
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

#[async_trait]
impl SecretStore for SecretsManager {
    async fn store(&self, name: &str, value: &SecretValue) -> Result<Stored, SecretError> {
        match self.put(name, value).await {
            Err(SecretError::NotFound { .. }) => {}
            stored => return stored.map(|()| Stored::Replaced),
        }
        // It is not there, or it was ended.
        if self.restore(name).await? {
            return self.put(name, value).await.map(|()| Stored::Replaced);
        }
        let text = value.to_json().to_string();
        let made = self.client.create_secret().name(name).secret_string(text).send().await;
        match made.map_err(Failure::of) {
            Ok(_) => Ok(Stored::Created),
            // Somebody was quicker.
            Err(failure) if failure.code == "ResourceExistsException" => {
                self.put(name, value).await.map(|()| Stored::Replaced)
            }
            Err(failure) => Err(failed(name, failure)),
        }
    }

    async fn end(&self, name: &str) -> Result<bool, SecretError> {
        let request = self.client.delete_secret().secret_id(name).recovery_window_in_days(RECOVERY_DAYS);
        match request.send().await.map_err(|error| failed(name, Failure::of(error))) {
            Ok(_) => Ok(true),
            Err(SecretError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl SecretsManager {
    /// Brings a secret back that was ended; answers whether there was one.
    async fn restore(&self, name: &str) -> Result<bool, SecretError> {
        let answer = self.client.restore_secret().secret_id(name).send().await;
        match answer.map_err(|error| failed(name, Failure::of(error))) {
            Ok(_) => Ok(true),
            Err(SecretError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
