//! Published poll settings, remembered with their compiled manifest.

use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::control::{Control, ControlError, Facet};
use fluxnex_core::bundle::Connection;
use fluxnex_core::ids::{ConnectionId, TenantId};
use fluxnex_core::poll::PollSettings;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A new version is promised to be in force everywhere within 30 s.
const FRESH: SignedDuration = SignedDuration::from_secs(15);
/// Connections remembered by one environment; beyond, it forgets and asks again.
const MOST_REMEMBERED: usize = 500;

/// A connection that is polled.
#[derive(Debug)]
pub(crate) struct Polled {
    pub(crate) connection: Connection,
    version: u64,
}

type Remembered = HashMap<(TenantId, ConnectionId), (Option<Arc<Polled>>, Timestamp)>;

pub(crate) struct PollCache {
    control: Arc<dyn Control>,
    clock: Arc<dyn Clock>,
    remembered: Mutex<Remembered>,
}

impl PollCache {
    pub(crate) fn new(control: Arc<dyn Control>, clock: Arc<dyn Clock>) -> Self {
        Self { control, clock, remembered: Mutex::new(HashMap::new()) }
    }

    /// The settings of a connection; nothing if it is not polled.
    pub(crate) async fn get(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
    ) -> Result<Option<Arc<Polled>>, ControlError> {
        let now = self.clock.now();
        let key = (tenant.clone(), connection.clone());
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((polled, asked_at)) = &remembered
            && now.duration_since(*asked_at) < FRESH
        {
            return Ok(polled.clone());
        }
        let known = remembered.and_then(|(polled, _)| polled);
        let polled = match (self.control.published(tenant, connection, Facet::Polls).await?, known) {
            (None, _) => None,
            // The manifest stays compiled.
            (Some(document), Some(known)) if document.version == known.version => Some(known),
            (Some(document), _) => {
                let malformed = |_| ControlError::Malformed { what: "the poll settings of a connection" };
                let settings: PollSettings = serde_json::from_value(document.body).map_err(malformed)?;
                let connection = Connection::new(connection.clone(), settings.definition, settings.manifest);
                Some(Arc::new(Polled { connection, version: document.version }))
            }
        };
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key, (polled.clone(), now));
        Ok(polled)
    }
}
