//! The port to the control table: small shared facts that must be read without the database.

use crate::{BoxError, Disposition};
use async_trait::async_trait;
use fluxnex_core::ids::{ConnectionId, TenantId};
use jiff::Timestamp;
use serde_json::Value;
use std::fmt;
use std::str::FromStr;

/// A published document and its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The version that it was published with.
    pub version: u64,
    /// What was published; it holds no secret.
    pub body: Value,
}

/// What came of publishing or removing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It is now what readers see.
    Current,
    /// A newer version is there already; nothing was changed.
    Outdated,
}

/// The state of a busy marker when it was read. Opaque; as text it travels in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BusyRevision(pub(crate) i64);

impl fmt::Display for BusyRevision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for BusyRevision {
    type Err = ControlError;

    fn from_str(text: &str) -> Result<Self, ControlError> {
        text.parse().map(Self).map_err(|_| ControlError::Malformed { what: "revision of a busy marker" })
    }
}

/// A tenant that has, or had, work waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusyTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// Until when the marker stands whatever happens; in whole milliseconds.
    pub until: Timestamp,
    /// For [`Control::clear_busy`].
    pub revision: BusyRevision,
}

/// Why the control table could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// An item is not of the shape that this version writes.
    #[error("a control item is malformed: {what}")]
    Malformed {
        /// Which attribute of which kind of item.
        what: &'static str,
    },
    /// The document is too large for an item.
    #[error("the document has {bytes} bytes, an item takes {max_bytes}")]
    TooLarge {
        /// The size of the document as JSON.
        bytes: usize,
        /// The largest that is taken.
        max_bytes: usize,
    },
    /// The table is not there, or refuses us.
    #[error("the control table is not there or refuses us ({code})")]
    Refused {
        /// The service's error code.
        code: String,
        /// What the client library says.
        #[source]
        source: Option<BoxError>,
    },
    /// The table did not answer, in spite of repeated attempts.
    #[error("the control table did not answer ({code})")]
    Unavailable {
        /// The service's error code.
        code: String,
        /// What the client library says.
        #[source]
        source: Option<BoxError>,
    },
}

impl ControlError {
    /// What the caller does about it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::TooLarge { .. } => Disposition::Drop,
            Self::Malformed { .. } => Disposition::Hold,
            Self::Refused { .. } | Self::Unavailable { .. } => Disposition::Retry,
        }
    }
}

/// The largest document, in bytes of JSON. An item of DynamoDB takes 400 KB; settings are far smaller.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// Published webhook settings, and the marker "this tenant has work waiting".
#[async_trait]
pub trait Control: Send + Sync {
    /// Publishes the webhook settings of a connection. A version below the one that is there changes
    /// nothing, so that applies may overlap; the same version replaces.
    ///
    /// # Errors
    /// [`ControlError`].
    async fn publish_connection(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        version: u64,
        document: &Value,
    ) -> Result<Published, ControlError>;

    /// The published settings; nothing if there are none, or they were removed.
    ///
    /// # Errors
    /// [`ControlError`].
    async fn connection(&self, tenant: &TenantId, connection: &ConnectionId) -> Result<Option<Document>, ControlError>;

    /// Removes the settings as of `version`; a later publication of an older version stays without effect.
    ///
    /// # Errors
    /// [`ControlError`].
    async fn remove_connection(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        version: u64,
    ) -> Result<Published, ControlError>;

    /// Marks the tenant as having work waiting, at least until the moment given (rounded up to
    /// milliseconds). An earlier moment than the marker's changes nothing. Call it *before* the commit
    /// that creates the work, and through [`crate::busy::BusyMarker`].
    ///
    /// # Errors
    /// [`ControlError`].
    async fn mark_busy(&self, tenant: &TenantId, until: Timestamp) -> Result<(), ControlError>;

    /// The marked tenants, those whose marker ends first before the others, at most `limit`.
    /// A marker that is set while this reads may be missing: the next minute's pass sees it.
    ///
    /// # Errors
    /// [`ControlError`].
    async fn busy_tenants(&self, limit: usize) -> Result<Vec<BusyTenant>, ControlError>;

    /// Removes a marker whose moment has passed and that nobody has set since it was read; answers
    /// whether it did. Read the marker, then look for work, then clear: work committed before
    /// `until` was visible to a look that began after it.
    ///
    /// # Errors
    /// [`ControlError`].
    async fn clear_busy(&self, tenant: &TenantId, revision: BusyRevision, now: Timestamp)
    -> Result<bool, ControlError>;
}

/// The moment in whole milliseconds since 1970, rounded up.
pub(crate) fn ceil_millisecond(moment: Timestamp) -> i64 {
    let milliseconds = moment.as_millisecond();
    let is_whole = moment.subsec_nanosecond() % 1_000_000 == 0;
    // Before 1970 the division truncates upwards already.
    if is_whole || milliseconds < 0 { milliseconds } else { milliseconds + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_round_up() {
        let at = |nanosecond| Timestamp::from_nanosecond(nanosecond).unwrap();
        assert_eq!(ceil_millisecond(at(1_000_000)), 1);
        assert_eq!(ceil_millisecond(at(1_000_001)), 2);
        assert_eq!(ceil_millisecond(at(0)), 0);
    }
}
