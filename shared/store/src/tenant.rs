//! A tenant that the catalog knows: the only way to a tenant schema.

use crate::connection::Database;
use crate::error::StoreError;
use fluxnex_core::bundle::Configuration;
use fluxnex_core::ids::TenantId;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// For how long a tenant is used without asking whether its configuration changed. A new version
/// is promised to run everywhere within 30 s.
const FRESH: SignedDuration = SignedDuration::from_secs(10);
/// Tenants remembered by one environment; beyond, it forgets and asks again.
const MOST_REMEMBERED: usize = 2_000;

/// A tenant whose schema the catalog verified, with the configuration that runs.
///
/// Only [`crate::Database::tenant`] makes one, so that no other text ever becomes a schema name.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) schema: Arc<str>,
    pub(crate) configuration: Arc<Configuration>,
}

impl Tenant {
    /// The tenant's id.
    #[must_use]
    pub fn id(&self) -> &TenantId {
        &self.id
    }

    /// What it runs.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }
}

/// Remembers tenants and their compiled mappings from one invocation to the next.
#[derive(Debug)]
pub struct Tenants {
    database: Arc<Database>,
    remembered: Mutex<HashMap<TenantId, (Tenant, Timestamp)>>,
}

impl Tenants {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new(database: Arc<Database>) -> Self {
        Self { database, remembered: Mutex::new(HashMap::new()) }
    }

    /// The database that the tenants are in.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The tenant with the configuration that runs, at most ten seconds old.
    ///
    /// # Errors
    /// As [`Database::tenant`].
    pub async fn get(&self, id: &TenantId, now: Timestamp) -> Result<Tenant, StoreError> {
        let remembered = self.lock().get(id).cloned();
        if let Some((tenant, asked_at)) = remembered {
            if now.duration_since(asked_at) < FRESH {
                return Ok(tenant);
            }
            if self.database.running_version(id).await? == tenant.configuration.version {
                self.lock().insert(id.clone(), (tenant.clone(), now));
                return Ok(tenant);
            }
        }
        let tenant = self.database.tenant(id).await?;
        let mut remembered = self.lock();
        if remembered.len() >= MOST_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(id.clone(), (tenant.clone(), now));
        Ok(tenant)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, (Tenant, Timestamp)>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
