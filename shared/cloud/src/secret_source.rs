//! The secrets of connections as the connector engine asks for them: remembered, and locked over all environments.

use crate::cached_secrets::CachedSecrets;
use crate::clock::Clock;
use crate::control::Control;
use crate::secrets::{SecretError, SecretValue, Secrets};
use async_trait::async_trait;
use fluxnex_core::secret_source::{SecretLock, SecretSource, SecretSourceError};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Remembered secrets, with leases in the control table for whoever renews what they hold.
pub struct ConnectionSecrets {
    secrets: Arc<CachedSecrets>,
    control: Arc<dyn Control>,
    clock: Arc<dyn Clock>,
}

impl ConnectionSecrets {
    /// The secrets that `secrets` remembers, locked in `control`.
    pub fn new(secrets: Arc<CachedSecrets>, control: Arc<dyn Control>, clock: Arc<dyn Clock>) -> Self {
        Self { secrets, control, clock }
    }
}

#[async_trait]
impl SecretSource for ConnectionSecrets {
    async fn get(&self, name: &str) -> Result<Map<String, Value>, SecretSourceError> {
        read(Secrets::get(self.secrets.as_ref(), name).await)
    }

    async fn refresh(&self, name: &str) -> Result<Map<String, Value>, SecretSourceError> {
        read(self.secrets.refresh(name).await)
    }

    async fn latest(&self, name: &str) -> Result<Map<String, Value>, SecretSourceError> {
        read(self.secrets.latest(name).await)
    }

    async fn put(&self, name: &str, secret: Map<String, Value>) -> Result<(), SecretSourceError> {
        let value = SecretValue::from_json(name, &Value::Object(secret)).map_err(|error| reduce(&error))?;
        Secrets::put(self.secrets.as_ref(), name, &value).await.map_err(|error| reduce(&error))
    }

    async fn lock(
        &self,
        name: &str,
        again: Option<&SecretLock>,
        span: Duration,
    ) -> Result<Option<SecretLock>, SecretSourceError> {
        let holder = again.and_then(holder).unwrap_or_else(|| self.clock.new_id());
        let now = self.clock.now();
        let until = now.checked_add(span).map_err(|_| SecretSourceError::Unavailable)?;
        let taken = self.control.take_lease(name, holder, now, until).await.map_err(|error| {
            tracing::warn!(%error, "the lease on a connection's secret cannot be taken");
            SecretSourceError::Unavailable
        })?;
        Ok(taken.then(|| SecretLock { holder: holder.to_string() }))
    }

    async fn unlock(&self, name: &str, lock: SecretLock) {
        let Some(holder) = holder(&lock) else { return };
        if let Err(error) = self.control.release_lease(name, holder).await {
            tracing::warn!(%error, "the lease on a connection's secret is not released; it ends by itself");
        }
    }
}

fn holder(lock: &SecretLock) -> Option<Uuid> {
    lock.holder.parse().ok()
}

fn read(answer: Result<SecretValue, SecretError>) -> Result<Map<String, Value>, SecretSourceError> {
    match answer.map_err(|error| reduce(&error))?.to_json() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::{InMemoryControl, InMemorySecrets, ManualClock};
    use serde_json::json;

    struct Setting {
        inner: Arc<InMemorySecrets>,
        control: Arc<InMemoryControl>,
        clock: Arc<ManualClock>,
    }

    impl Setting {
        fn new() -> Self {
            let inner = Arc::new(InMemorySecrets::default());
            inner.create("s", json!({"v": "1"}));
            Self { inner, control: Arc::default(), clock: Arc::default() }
        }

        /// One environment.
        fn environment(&self) -> ConnectionSecrets {
            let cached = Arc::new(CachedSecrets::new(self.inner.clone(), self.clock.clone()));
            ConnectionSecrets::new(cached, self.control.clone(), self.clock.clone())
        }
    }

    const SPAN: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn one_environment_has_the_lock_until_it_is_given_back_or_ends() {
        let setting = Setting::new();
        let (one, other) = (setting.environment(), setting.environment());
        let lock = one.lock("s", None, SPAN).await.unwrap().unwrap();
        assert_eq!(other.lock("s", None, SPAN).await.unwrap(), None);
        assert_eq!(one.lock("s", None, SPAN).await.unwrap(), None, "nor has another task of the same environment");
        assert_eq!(one.lock("s", Some(&lock), SPAN).await.unwrap(), Some(lock.clone()));
        one.unlock("s", lock.clone()).await;
        let theirs = other.lock("s", None, SPAN).await.unwrap().unwrap();
        assert_eq!(one.lock("s", Some(&lock), SPAN).await.unwrap(), None);
        setting.clock.advance(SPAN);
        assert!(one.lock("s", Some(&lock), SPAN).await.unwrap().is_some());
        other.unlock("s", theirs).await;
        assert_eq!(other.lock("s", None, SPAN).await.unwrap(), None, "whoever lost it cannot give it back");
        setting.control.set_silent(true);
        assert!(matches!(one.lock("s", None, SPAN).await, Err(SecretSourceError::Unavailable)));
        one.unlock("s", lock).await;
    }

    #[tokio::test]
    async fn the_latest_is_never_a_memory() {
        let setting = Setting::new();
        let environment = setting.environment();
        assert_eq!(environment.get("s").await.unwrap()["v"], "1");
        setting.inner.create("s", json!({"v": "2"}));
        assert_eq!(environment.get("s").await.unwrap()["v"], "1");
        assert_eq!(environment.latest("s").await.unwrap()["v"], "2");
        assert_eq!(environment.get("s").await.unwrap()["v"], "2", "and it is remembered");
        setting.inner.set_silent(true);
        assert!(matches!(environment.latest("s").await, Err(SecretSourceError::Unavailable)));
        assert_eq!(environment.get("s").await.unwrap()["v"], "2");
    }
}
