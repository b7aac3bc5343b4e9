//! The port to the control table: small shared facts that must be read without the database.

use crate::{BoxError, Disposition};
use async_trait::async_trait;
use fluxnex_core::ids::{ConnectionId, ObjectName, TenantId};
use jiff::Timestamp;
use serde_json::Value;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// What is published of a connection: a document of its own for each of its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Facet {
    /// How its webhooks are checked; for `ingest`.
    Webhook,
    /// What is polled, and how; for `poll`.
    Polls,
}

impl Facet {
    /// Its name in the table. Stored items depend on it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Polls => "polls",
        }
    }
}

/// A published document and its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The version that it was published with.
    pub version: u64,
    /// What was published; it holds no secret.
    pub body: Value,
}

/// What is saved of a poll's progress.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// 1 when it was saved first, one more each time; for [`Control::save_poll_progress`].
    pub revision: u64,
    /// What was saved; it holds no secret.
    pub body: Value,
}

/// What came of publishing or withdrawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It is now what readers see.
    Current,
    /// A newer version is there already; nothing was changed.
    Outdated,
}

/// A changing call of the API that may be made again under the same idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyedCall<'a> {
    /// Whose call.
    pub tenant: &'a TenantId,
    /// A digest of who calls and of the key: nobody finds another one's.
    pub name: &'a str,
    /// A digest of everything that was asked for.
    pub fingerprint: &'a str,
    /// Who does the work of this attempt.
    pub holder: Uuid,
}

/// What is known of a keyed call when it is begun.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// Nothing: whoever asked is to do it, and nobody else does meanwhile.
    Yours,
    /// It is under way elsewhere, or was a moment ago.
    UnderWay,
    /// It was answered so.
    Answered {
        /// What was asked for then.
        fingerprint: String,
        /// The answer; it holds no secret.
        answer: Value,
    },
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

/// What is published of connections, how far their polls are, the marker "this tenant has work waiting", leases, and
/// the answers of keyed calls.
#[async_trait]
pub trait Control: Send + Sync {
    /// Publishes one facet of a connection. A version below the one that is there changes nothing,
    /// so that applies may overlap; the same version replaces.
    ///
    /// # Errors
    /// [`ControlError`].
    async fn publish(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        facet: Facet,
        version: u64,
        document: &Value,
    ) -> Result<Published, ControlError>;

    /// What is published; nothing if nothing ever was, or it was withdrawn.
    ///
    /// # Errors
    /// [`ControlError`].
    async fn published(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        facet: Facet,
    ) -> Result<Option<Document>, ControlError>;

    /// Withdraws one facet as of `version`; a later publication of an older version stays without effect.
    ///
    /// # Errors
    /// [`ControlError`].
    async fn withdraw(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        facet: Facet,
        version: u64,
    ) -> Result<Published, ControlError>;

    /// How far the poll of an object is; nothing before it was saved first. Every save that was
    /// answered is seen.
    ///
    /// # Errors
    /// [`ControlError`].
    async fn poll_progress(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        object: &ObjectName,
    ) -> Result<Option<Saved>, ControlError>;

    /// Saves how far the poll of an object is, if nobody saved it since: `expected` is the revision
    /// that was read, nothing if there was none. Answers whether it was saved; its revision is then
    /// one more than the expected one. Nothing is changed otherwise.
    ///
    /// A save whose answer got lost on the way is tried again and then answers "no" although it was
    /// saved: who is told "no" reads again and goes by what is there.
    ///
    /// # Errors
    /// [`ControlError`].
    async fn save_poll_progress(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        object: &ObjectName,
        expected: Option<u64>,
        body: &Value,
    ) -> Result<bool, ControlError>;

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

    /// Takes the lease of that name until the moment given; answers whether `holder` has it now. It is free if nobody
    /// took it, if it was released, or if its end has passed at `now`. Who has it already has it longer. Moments are
    /// those of the holders' own clocks, in whole milliseconds: a lease has to outlast its work by more than clocks
    /// differ.
    ///
    /// # Errors
    /// [`ControlError`]; the lease may have been taken all the same, and then ends by itself.
    async fn take_lease(
        &self,
        name: &str,
        holder: Uuid,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, ControlError>;

    /// Releases a lease; answers whether `holder` had it. Nothing is changed otherwise.
    ///
    /// # Errors
    /// [`ControlError`].
    async fn release_lease(&self, name: &str, holder: Uuid) -> Result<bool, ControlError>;

    /// Begins a keyed call, for its holder alone until the moment given: then somebody else may begin it anew. What
    /// was remembered to `now` or before is forgotten. A begin whose answer got lost is repeated and answers the same.
    ///
    /// # Errors
    /// [`ControlError`]; the call may have begun all the same, and then is free again at `until`.
    async fn begin_call(&self, call: &KeyedCall<'_>, now: Timestamp, until: Timestamp) -> Result<Begun, ControlError>;

    /// Ends a keyed call that its holder began: with the answer, remembered until the moment given (in whole seconds),
    /// or with none: then it may be begun anew at once. Changes nothing if the holder lost it meanwhile.
    ///
    /// # Errors
    /// [`ControlError`].
    async fn end_call(
        &self,
        call: &KeyedCall<'_>,
        answer: Option<&Value>,
        remembered_until: Timestamp,
    ) -> Result<(), ControlError>;
}

/// The document as JSON text, if an item takes it.
pub(crate) fn bounded(document: &Value) -> Result<String, ControlError> {
    let text = document.to_string();
    let bytes = text.len();
    if bytes > MAX_DOCUMENT_BYTES {
        return Err(ControlError::TooLarge { bytes, max_bytes: MAX_DOCUMENT_BYTES });
    }
    Ok(text)
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
