//! Secrets, remembered for five minutes, with a rate-limited way round the memory for rotated ones.

use crate::Disposition;
use crate::clock::Clock;
use crate::secrets::{SecretError, SecretValue, Secrets};
use async_trait::async_trait;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a secret is believed.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// How long a secret is still used while the service does not answer.
const USABLE: Duration = Duration::from_secs(60 * 60);
/// How long it is believed that there is no such secret: an operator may be creating it.
const ABSENT: Duration = Duration::from_secs(30);
/// How often [`CachedSecrets::refresh`] may ask for one secret: whoever sends garbage signatures must
/// not make us hammer the service.
const REFRESH_INTERVAL: Duration = Duration::from_secs(30);
/// Secrets remembered by one environment; beyond, it forgets them all.
const MAX_REMEMBERED: usize = 2_000;

#[derive(Default)]
struct Remembered {
    value: Option<SecretValue>,
    /// When the service last answered with what is remembered.
    read_at: Option<Timestamp>,
    /// When the service was last asked, whatever it answered.
    asked_at: Option<Timestamp>,
    /// When the memory was last gone round.
    refreshed_at: Option<Timestamp>,
}

impl Remembered {
    fn learn(&mut self, value: Option<SecretValue>, now: Timestamp) {
        self.value = value;
        self.read_at = Some(now);
        self.asked_at = Some(now);
    }
}

/// One for each execution environment. Callers that want the same secret at once ask once.
pub struct CachedSecrets {
    inner: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    remembered: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Remembered>>>>,
}

impl CachedSecrets {
    /// Remembers what `inner` answers.
    pub fn new(inner: Arc<dyn Secrets>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock, remembered: Mutex::new(HashMap::new()) }
    }

    /// The secret as the service has it now, for a signature that did not verify or a token that was
    /// refused: it may have been rotated. Called again within 30 seconds, it is [`Secrets::get`].
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn refresh(&self, name: &str) -> Result<SecretValue, SecretError> {
        let entry = self.entry(name);
        let mut entry = entry.lock().await;
        let now = self.clock.now();
        if !is_within(entry.refreshed_at, now, REFRESH_INTERVAL) {
            entry.refreshed_at = Some(now);
            return self.ask(&mut entry, name, now).await;
        }
        self.remember_or_ask(&mut entry, name, now).await
    }

    /// The secret as the service has it at this moment, and never what is remembered: for what is decided under a lock.
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn latest(&self, name: &str) -> Result<SecretValue, SecretError> {
        let entry = self.entry(name);
        let mut entry = entry.lock().await;
        let now = self.clock.now();
        let value = self.inner.get(name).await?;
        entry.asked_at = Some(now);
        entry.learn(Some(value.clone()), now);
        Ok(value)
    }

    async fn remember_or_ask(
        &self,
        entry: &mut Remembered,
        name: &str,
        now: Timestamp,
    ) -> Result<SecretValue, SecretError> {
        match &entry.value {
            Some(value) if is_within(entry.read_at, now, FRESH) => Ok(value.clone()),
            // While the service is silent, one question per interval is enough.
            Some(value)
                if is_within(entry.asked_at, now, REFRESH_INTERVAL) && is_within(entry.read_at, now, USABLE) =>
            {
                Ok(value.clone())
            }
            None if is_within(entry.read_at, now, ABSENT) => Err(SecretError::NotFound { name: name.to_owned() }),
            _ => self.ask(entry, name, now).await,
        }
    }

    /// Asks the service; while it is silent, its last answer stands for a while.
    async fn ask(&self, entry: &mut Remembered, name: &str, now: Timestamp) -> Result<SecretValue, SecretError> {
        entry.asked_at = Some(now);
        match self.inner.get(name).await {
            Ok(value) => {
                entry.learn(Some(value.clone()), now);
                Ok(value)
            }
            Err(error @ SecretError::NotFound { .. }) => {
                entry.learn(None, now);
                Err(error)
            }
            Err(error) => match (&entry.value, error.disposition()) {
                (Some(value), Disposition::Retry) if is_within(entry.read_at, now, USABLE) => {
                    tracing::warn!(%error, "using the secret as it was last read");
                    Ok(value.clone())
                }
                _ => Err(error),
            },
        }
    }

    fn entry(&self, name: &str) -> Arc<tokio::sync::Mutex<Remembered>> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = remembered.get(name) {
            return Arc::clone(entry);
        }
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        Arc::clone(remembered.entry(name.to_owned()).or_default())
    }
}

fn is_within(moment: Option<Timestamp>, now: Timestamp, span: Duration) -> bool {
    moment.is_some_and(|moment| now.duration_since(moment).unsigned_abs() < span)
}

#[async_trait]
impl Secrets for CachedSecrets {
    async fn get(&self, name: &str) -> Result<SecretValue, SecretError> {
        let entry = self.entry(name);
        let mut entry = entry.lock().await;
        let now = self.clock.now();
        self.remember_or_ask(&mut entry, name, now).await
    }

    async fn put(&self, name: &str, value: &SecretValue) -> Result<(), SecretError> {
        let entry = self.entry(name);
        let mut entry = entry.lock().await;
        self.inner.put(name, value).await?;
        entry.learn(Some(value.clone()), self.clock.now());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::{InMemorySecrets, ManualClock};
    use serde_json::json;

    fn setting() -> (Arc<InMemorySecrets>, Arc<ManualClock>, CachedSecrets) {
        let inner = Arc::new(InMemorySecrets::default());
        inner.create("s", json!({"v": "1"}));
        let clock = Arc::new(ManualClock::default());
        let cached = CachedSecrets::new(inner.clone(), clock.clone());
        (inner, clock, cached)
    }

    #[tokio::test]
    async fn a_secret_is_read_once_in_five_minutes() {
        let (inner, clock, cached) = setting();
        for _ in 0..3 {
            assert_eq!(cached.get("s").await.unwrap().field("v"), Some("1"));
        }
        assert_eq!(inner.reads(), 1);
        inner.create("s", json!({"v": "2"}));
        clock.advance(Duration::from_secs(299));
        assert_eq!(cached.get("s").await.unwrap().field("v"), Some("1"));
        clock.advance(Duration::from_secs(1));
        assert_eq!(cached.get("s").await.unwrap().field("v"), Some("2"));
        assert_eq!(inner.reads(), 2);
    }

    #[tokio::test]
    async fn refresh_sees_a_rotated_secret_but_cannot_be_hammered() {
        let (inner, clock, cached) = setting();
        cached.get("s").await.unwrap();
        inner.create("s", json!({"v": "2"}));
        assert_eq!(cached.refresh("s").await.unwrap().field("v"), Some("2"));
        for _ in 0..100 {
            cached.refresh("s").await.unwrap();
        }
        assert_eq!(inner.reads(), 2);
        clock.advance(Duration::from_secs(30));
        cached.refresh("s").await.unwrap();
        assert_eq!(inner.reads(), 3);
    }

    #[tokio::test]
    async fn what_is_absent_is_asked_for_rarely() {
        let (inner, clock, cached) = setting();
        for _ in 0..10 {
            assert!(matches!(cached.get("other").await, Err(SecretError::NotFound { .. })));
        }
        assert_eq!(inner.reads(), 1);
        clock.advance(Duration::from_secs(30));
        inner.create("other", json!({"v": "3"}));
        assert_eq!(cached.get("other").await.unwrap().field("v"), Some("3"));
    }

    #[tokio::test]
    async fn an_outage_is_bridged_for_an_hour() {
        let (inner, clock, cached) = setting();
        cached.get("s").await.unwrap();
        inner.set_silent(true);
        clock.advance(Duration::from_secs(600));
        for _ in 0..10 {
            assert_eq!(cached.get("s").await.unwrap().field("v"), Some("1"));
        }
        assert_eq!(inner.reads(), 2);
        clock.advance(Duration::from_secs(3600));
        assert!(cached.get("s").await.is_err());
    }

    #[tokio::test]
    async fn what_is_put_is_remembered() {
        let (inner, _clock, cached) = setting();
        let value = SecretValue::from_json("s", &json!({"v": "4"})).unwrap();
        cached.put("s", &value).await.unwrap();
        assert_eq!(cached.get("s").await.unwrap().field("v"), Some("4"));
        assert_eq!(inner.reads(), 0);
    }
}
