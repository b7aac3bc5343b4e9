//! What became of a record, and of a batch.

use fluxnex_core::ids::{ConnectionId, DeliveryId, EventId, TenantId};
use std::borrow::Cow;

/// What became of one record, with what its log line says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub(crate) acknowledged: bool,
    /// One word for queries, such as `delivered` or `unchanged`.
    pub(crate) result: Cow<'static, str>,
    pub(crate) reason: Option<Cow<'static, str>>,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) event: Option<EventId>,
    pub(crate) delivery: Option<DeliveryId>,
    pub(crate) attempt: Option<u32>,
}

impl Outcome {
    fn new(acknowledged: bool, result: Cow<'static, str>) -> Self {
        Self {
            acknowledged,
            result,
            reason: None,
            tenant: None,
            connection: None,
            event: None,
            delivery: None,
            attempt: None,
        }
    }

    /// The record is acknowledged: whatever came of it is committed and was sent. `result` is one
    /// word or two for queries, such as `delivered`, `unchanged` or `failed`.
    #[must_use]
    pub fn done(result: impl Into<Cow<'static, str>>) -> Self {
        Self::new(true, result.into())
    }

    /// The record comes back after the queue's visibility timeout, and after so many times it goes to
    /// the dead-letter queue. The reason is logged: it must not quote content.
    #[must_use]
    pub fn retry(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: Some(reason.into()), ..Self::new(false, Cow::Borrowed("retry")) }
    }

    /// Says why; logged, so it must not quote content.
    #[must_use]
    pub fn because(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Names the tenant in the log line.
    #[must_use]
    pub fn tenant(mut self, tenant: &TenantId) -> Self {
        self.tenant = Some(tenant.clone());
        self
    }

    /// Names the connection in the log line.
    #[must_use]
    pub fn connection(mut self, connection: &ConnectionId) -> Self {
        self.connection = Some(connection.clone());
        self
    }

    /// Names the event in the log line.
    #[must_use]
    pub fn event(mut self, event: EventId) -> Self {
        self.event = Some(event);
        self
    }

    /// Names the delivery in the log line.
    #[must_use]
    pub fn delivery(mut self, delivery: DeliveryId) -> Self {
        self.delivery = Some(delivery);
        self
    }

    /// Names the number of the attempt, from 1, in the log line.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = Some(attempt);
        self
    }

    /// Whether the record is acknowledged; if not, it comes back.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledged
    }

    /// The word for queries.
    #[must_use]
    pub fn result(&self) -> &str {
        &self.result
    }

    /// The reason, if one was given.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

/// Why a stage answered nothing for the records that it was given.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The infrastructure failed: all of these records come back.
    #[error("the infrastructure failed: {reason}")]
    Infrastructure {
        /// Logged: must not quote content.
        reason: String,
    },
    /// One of the records makes the others fail: they are run one by one.
    #[error("a record of the batch is poisoned: {reason}")]
    Poisoned {
        /// Logged: must not quote content.
        reason: String,
    },
}

impl BatchError {
    /// The infrastructure failed; `error` in words, which must not quote content.
    pub fn infrastructure(error: impl std::fmt::Display) -> Self {
        Self::Infrastructure { reason: error.to_string() }
    }

    /// One of the records makes the others fail; `error` in words, which must not quote content.
    pub fn poisoned(error: impl std::fmt::Display) -> Self {
        Self::Poisoned { reason: error.to_string() }
    }
}

/// Why a record is no message that the stage knows. It comes back, and ends in the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("undecodable: {reason}")]
pub struct Undecodable {
    pub(crate) reason: Cow<'static, str>,
}

impl Undecodable {
    /// The reason is logged: it must not quote content.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into() }
    }
}

/// What is wrong and where, without the text: serde quotes values in its own messages.
impl From<serde_json::Error> for Undecodable {
    fn from(error: serde_json::Error) -> Self {
        let kind = match error.classify() {
            serde_json::error::Category::Data => "not of the expected shape",
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => "not valid JSON",
        };
        Self::new(format!("{kind} at line {} column {}", error.line(), error.column()))
    }
}
