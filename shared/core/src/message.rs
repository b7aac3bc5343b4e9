//! The messages between stages: thin, versioned, and never more than what the next stage needs to
//! find the state in the database. The first one alone carries a payload.

mod notification;

pub use notification::{Notification, NotificationKind};

use crate::ids::{
    CanonicalId, ConnectionId, EntityName, EventId, FlowId, ObjectName, SenderEventId, SourceId, TenantId,
};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

/// Payloads up to this many bytes travel inside the first message; larger ones are stored as an
/// object and the message carries the claim check. One SQS request is billed per 64 KiB.
pub const LARGEST_INLINE_BYTES: usize = 64 * 1024;

/// The version of a message format. Only version 1 exists; a reader refuses any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct V1;

impl Serialize for V1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

impl<'de> Deserialize<'de> for V1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Self),
            other => Err(serde::de::Error::custom(format_args!("message version {other} is not known here"))),
        }
    }
}

/// How the news of a record came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventSource {
    /// The application sent a webhook.
    Webhook,
    /// A scheduled poll found the change.
    Poll,
    /// A record needed it as its parent.
    Fetch,
    /// An operator sent it again.
    Replay,
}

impl EventSource {
    /// The name that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Poll => "poll",
            Self::Fetch => "fetch",
            Self::Replay => "replay",
        }
    }
}

/// Where a payload too large for a message is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimCheck {
    /// Key of the object in the payload bucket.
    pub key: String,
    /// Size of the payload in bytes.
    pub bytes: u64,
}

/// L1 → L2, queue `inbound-gateway`: an accepted webhook, or a record that was read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InboundEvent {
    /// Format version.
    pub v: V1,
    /// Whose event it is.
    pub tenant: TenantId,
    /// Where it came from.
    pub connection: ConnectionId,
    /// The event. A webhook of several records is split into several events at L2.
    pub event: EventId,
    /// When it was accepted at L1, to the microsecond: the arrival stamp that decides between
    /// equal source versions.
    pub arrived_at: Timestamp,
    /// How it came in.
    pub source: EventSource,
    /// What makes a repetition recognisable.
    pub sender_event_id: SenderEventId,
    /// True if `sender_event_id` was derived from the body, so that it says nothing that the
    /// content does not say.
    #[serde(default)]
    pub derived: bool,
    /// The record type, where the body is one record; absent for a webhook, whose connector says
    /// how to find the records in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectName>,
    /// Which record was deleted, where the source lists deletions; the body is what it says of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// The body itself, up to [`LARGEST_INLINE_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<Box<RawValue>>,
    /// Where the body is, above that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_check: Option<ClaimCheck>,
}

/// The news that a record was deleted at its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// The record, and the place of its deletion among its versions. Nothing: the source's words cannot be
    /// read, which becomes a visible failure.
    pub of: Option<DeletedRecord>,
}

/// A record that was deleted at its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedRecord {
    /// The record.
    pub source_id: SourceId,
    /// The place of its deletion among its versions.
    pub version: i64,
}

/// L2 → L3, queue `source-replica`: the replica of a record has new content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordChanged {
    /// Format version.
    pub v: V1,
    /// Whose record it is.
    pub tenant: TenantId,
    /// The source.
    pub connection: ConnectionId,
    /// The record type at the source.
    pub object: ObjectName,
    /// The record at the source.
    pub source_id: SourceId,
    /// The event that brought the content. If the replica has moved on, this event is superseded.
    pub event: EventId,
}

/// L3 → L4, queue `normalised`: a canonical record has a new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordNormalised {
    /// Format version.
    pub v: V1,
    /// Whose record it is.
    pub tenant: TenantId,
    /// The flow that produced it.
    pub flow: FlowId,
    /// The canonical record type.
    pub entity: EntityName,
    /// The canonical record.
    pub canonical_id: CanonicalId,
    /// The version that this message speaks of.
    pub version: i64,
    /// The event that brought it.
    pub event: EventId,
}

/// EventBridge Scheduler → `poll`, queue `fetch-request`: read what changed at a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PollRequestText")]
pub struct PollRequest {
    /// Format version.
    pub v: V1,
    /// Whose connection it is.
    pub tenant: TenantId,
    /// The source.
    pub connection: ConnectionId,
    /// The record type at the source.
    pub object: ObjectName,
    /// The next page of a run; absent: a run is to begin.
    #[serde(flatten)]
    pub next: Option<NextPage>,
}

/// A flattened option would take a malformed page for none, and begin a run.
#[derive(Deserialize)]
struct PollRequestText {
    v: V1,
    tenant: TenantId,
    connection: ConnectionId,
    object: ObjectName,
    #[serde(default)]
    run: Option<Uuid>,
    #[serde(default)]
    page: Option<u32>,
}

impl TryFrom<PollRequestText> for PollRequest {
    type Error = &'static str;
    fn try_from(text: PollRequestText) -> Result<Self, Self::Error> {
        let PollRequestText { v, tenant, connection, object, run, page } = text;
        let next = match (run, page) {
            (None, None) => None,
            (Some(run), Some(page)) => Some(NextPage { run, page }),
            _ => return Err("a page is named by run and page together"),
        };
        Ok(Self { v, tenant, connection, object, next })
    }
}

/// Which page of which run is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextPage {
    /// The run.
    pub run: Uuid,
    /// The page, from 1; 0 asks for the first one of a run that may not have begun.
    pub page: u32,
}

/// L4 → L5, queues `outbound-<app>.fifo` and `delayed-wakes`: an ordering key may have something
/// to send. It carries no delivery: the ledger says what goes next.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wake {
    /// Whose deliveries they are.
    pub tenant: TenantId,
    /// The target.
    pub target: ConnectionId,
    /// The ordering key.
    pub ordering_key: String,
}

/// The queued form of a [`Wake`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeMessage {
    /// Format version.
    pub v: V1,
    /// The wake.
    #[serde(flatten)]
    pub wake: Wake,
}

/// `sweep` → `sweep`, queue `sweep-tenant`: look after one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepTenant {
    /// Format version.
    pub v: V1,
    /// The tenant to look after.
    pub tenant: TenantId,
    /// Revision of its "work waiting" marker before the scan; absent on the hourly full round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// A message that is of one tenant, as all are.
pub trait OfTenant {
    /// Whose message it is.
    fn tenant(&self) -> &TenantId;
}

macro_rules! of_tenant {
    ($($message:ty: $($field:ident).+;)*) => {
        $(impl OfTenant for $message {
            fn tenant(&self) -> &TenantId {
                &self.$($field).+
            }
        })*
    };
}

of_tenant! {
    InboundEvent: tenant;
    RecordChanged: tenant;
    RecordNormalised: tenant;
    PollRequest: tenant;
    WakeMessage: wake.tenant;
    Notification: tenant;
    SweepTenant: tenant;
}

/// The places of a batch's messages, by tenant: a stage works on one tenant at a time.
pub fn by_tenant<'a, M: OfTenant + 'a>(
    messages: impl IntoIterator<Item = &'a M>,
) -> std::collections::BTreeMap<&'a TenantId, Vec<(usize, &'a M)>> {
    let mut tenants: std::collections::BTreeMap<_, Vec<_>> = std::collections::BTreeMap::new();
    for (place, message) in messages.into_iter().enumerate() {
        tenants.entry(message.tenant()).or_default().push((place, message));
    }
    tenants
}

impl Wake {
    /// Ordering group of the wake on a FIFO queue: wakes of one key never run at the same time.
    /// A hash, because keys may be longer than a group id (128 characters) and hold any text.
    #[must_use]
    pub fn group(&self) -> String {
        let name = format!("{}\u{0}{}\u{0}{}", self.tenant, self.target, self.ordering_key);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).simple().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_refused_by_name() {
        let error = serde_json::from_str::<SweepTenant>(r#"{"v":2,"tenant":"acme"}"#).unwrap_err().to_string();
        assert!(error.contains("version 2"), "{error}");
    }

    #[test]
    fn messages_keep_their_format() {
        let tenant = TenantId::parse("acme").unwrap();
        let connection = ConnectionId::parse("revenova").unwrap();
        let event = EventId(Uuid::from_u128(1));
        let inbound = InboundEvent {
            v: V1,
            tenant: tenant.clone(),
            connection: connection.clone(),
            event,
            arrived_at: "2026-11-20T12:00:00.000001Z".parse().unwrap(),
            source: EventSource::Webhook,
            sender_event_id: SenderEventId::parse("d-1").unwrap(),
            derived: false,
            object: None,
            deletion: None,
            inline: Some(RawValue::from_string("{\"a\":1.10}".to_owned()).unwrap()),
            claim_check: None,
        };
        insta::assert_snapshot!("inbound_event", serde_json::to_string_pretty(&inbound).unwrap());
        let text = serde_json::to_string(&inbound).unwrap();
        assert_eq!(serde_json::from_str::<InboundEvent>(&text).unwrap().inline.unwrap().get(), "{\"a\":1.10}");
        insta::assert_json_snapshot!(
            "record_changed",
            RecordChanged {
                v: V1,
                tenant: tenant.clone(),
                connection: connection.clone(),
                object: ObjectName::parse("Account").unwrap(),
                source_id: SourceId::parse("001").unwrap(),
                event,
            }
        );
        insta::assert_json_snapshot!(
            "record_normalised",
            RecordNormalised {
                v: V1,
                tenant: tenant.clone(),
                flow: FlowId::parse("customers").unwrap(),
                entity: EntityName::parse("customer").unwrap(),
                canonical_id: CanonicalId(Uuid::from_u128(2)),
                version: 3,
                event,
            }
        );
        let wake = Wake { tenant: tenant.clone(), target: connection, ordering_key: "k".into() };
        let message = WakeMessage { v: V1, wake };
        insta::assert_json_snapshot!("wake", &message);
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<WakeMessage>(&text).unwrap(), message);
        let begin = PollRequest {
            v: V1,
            tenant: tenant.clone(),
            connection: ConnectionId::parse("erp").unwrap(),
            object: ObjectName::parse("Invoices").unwrap(),
            next: None,
        };
        let next = PollRequest { next: Some(NextPage { run: Uuid::from_u128(3), page: 2 }), ..begin.clone() };
        insta::assert_json_snapshot!("poll_request", [&begin, &next]);
        for garbage in
            [r#""run":"x","page":2"#, r#""page":2"#, r#""run":"00000000-0000-0000-0000-000000000003","page":-1"#]
        {
            let text = format!(r#"{{"v":1,"tenant":"acme","connection":"erp","object":"Invoices",{garbage}}}"#);
            assert!(serde_json::from_str::<PollRequest>(&text).is_err(), "{garbage}");
        }
        for request in [begin, next] {
            let text = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<PollRequest>(&text).unwrap(), request);
        }
        insta::assert_json_snapshot!("sweep_tenant", SweepTenant { v: V1, tenant, marker: None });
    }
}
