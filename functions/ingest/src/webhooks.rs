//! Published webhook settings, remembered for a short while.

use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::control::{Control, ControlError, Facet};
use fluxnex_core::ids::{ConnectionId, TenantId};
use fluxnex_core::signature::WebhookSettings;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A new version is promised to be in force everywhere within 30 s.
const FRESH: SignedDuration = SignedDuration::from_secs(15);
/// Connections remembered by one environment, those that do not exist among them; beyond, it
/// forgets and asks again.
const MOST_REMEMBERED: usize = 5_000;

type Remembered = HashMap<(TenantId, ConnectionId), (Option<Arc<WebhookSettings>>, Timestamp)>;

pub(crate) struct WebhookCache {
    control: Arc<dyn Control>,
    clock: Arc<dyn Clock>,
    remembered: Mutex<Remembered>,
}

impl WebhookCache {
    pub(crate) fn new(control: Arc<dyn Control>, clock: Arc<dyn Clock>) -> Self {
        Self { control, clock, remembered: Mutex::new(HashMap::new()) }
    }

    /// The settings of a connection; nothing if it has none. While the control table is away, what
    /// is remembered serves on.
    pub(crate) async fn get(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<Option<Arc<WebhookSettings>>, ControlError> {
        let now = self.clock.now();
        let key = (tenant.clone(), connection.clone());
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((settings, asked_at)) = &remembered
            && now.duration_since(*asked_at) < FRESH
        {
            return Ok(settings.clone());
        }
        let settings = match (self.control.published(tenant, connection, Facet::Webhook).await, remembered) {
            (Ok(document), _) => document
                .map(|document| {
                    serde_json::from_value(document.body)
                        .map(Arc::new)
                        .map_err(|_| ControlError::Malformed { what: "the webhook settings of a connection" })
                })
                .transpose()?,
            (Err(error), Some((Some(settings), _))) => {
                tracing::warn!(%error, "the control table cannot be read; using what is remembered");
                return Ok(Some(settings));
            }
            (Err(error), _) => return Err(error),
        };
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key, (settings.clone(), now));
        Ok(settings)
    }
}
