//! What people and systems are told.

use super::V1;
use crate::ids::{ConnectionId, DeliveryId, EventId, FlowId, TenantId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Any layer → `notify`, queue `notification-delivery`: something that people should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Format version.
    pub v: V1,
    /// Whom it concerns.
    pub tenant: TenantId,
    /// The same for each repetition of this notification, so that receivers can recognise it.
    pub id: Uuid,
    /// What happened.
    pub kind: NotificationKind,
    /// When it happened.
    pub at: Timestamp,
    /// The event concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// The delivery concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// The connection concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionId>,
    /// The record concerned, in words: `Invoice a0X…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// Why, for people. Of a delivery it is what the target said, which may quote the record; it goes
    /// to the tenant's own receivers only, and is never logged.
    pub reason: String,
}

impl Notification {
    /// The news that an event cannot be processed in a flow. Whoever tells it, and however often, it
    /// has the same id.
    #[must_use]
    pub fn event_failed(
        tenant: &TenantId,
        event: EventId,
        flow: &FlowId,
        connection: &ConnectionId,
        record: String,
        reason: String,
        at: Timestamp,
    ) -> Self {
        Self {
            v: V1,
            tenant: tenant.clone(),
            id: Uuid::new_v5(&event.0, flow.as_str().as_bytes()),
            kind: NotificationKind::EventFailed,
            at,
            event: Some(event),
            delivery: None,
            connection: Some(connection.clone()),
            record: Some(record),
            reason,
        }
    }

    /// The news that attempt number `attempt` of a delivery was its last. Whoever tells it, and
    /// however often, it has the same id.
    #[must_use]
    pub fn delivery_failed(
        tenant: &TenantId,
        delivery: DeliveryId,
        attempt: u32,
        target: &ConnectionId,
        record: &str,
        reason: &str,
        at: Timestamp,
    ) -> Self {
        Self {
            v: V1,
            tenant: tenant.clone(),
            id: Uuid::new_v5(&delivery.0, &attempt.to_be_bytes()),
            kind: NotificationKind::DeliveryFailed,
            at,
            event: None,
            delivery: Some(delivery),
            connection: Some(target.clone()),
            record: Some(record.to_owned()),
            reason: reason.to_owned(),
        }
    }
}

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum NotificationKind {
    /// An event cannot be processed.
    #[serde(rename = "event.failed")]
    EventFailed,
    /// A delivery failed for good.
    #[serde(rename = "delivery.failed")]
    DeliveryFailed,
    /// A source cannot be polled.
    #[serde(rename = "poll.failed")]
    PollFailed,
}

impl NotificationKind {
    /// The name that subscribers use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EventFailed => "event.failed",
            Self::DeliveryFailed => "delivery.failed",
            Self::PollFailed => "poll.failed",
        }
    }
}
