//! A tenant that the catalog knows: the only way to a tenant schema.

use fluxnex_core::bundle::Configuration;
use fluxnex_core::ids::TenantId;
use std::sync::Arc;

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
