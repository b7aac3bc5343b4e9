//! The ordering ledger: what may be sent next, and what an attempt does to a delivery.
//!
//! For one ordering key only its head, the open delivery with the lowest place, may be in flight.
//! The queue only wakes; these rules decide.

use crate::ids::CanonicalId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The visible state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waits for its turn, its time or its parents.
    Pending,
    /// Claimed: an attempt is under way, or its outcome is not known yet.
    Sending,
    /// The target acknowledged it.
    Delivered,
    /// The target refused it for good, or attempts ran out. Its ordering key stands still.
    Failed,
    /// Behind a failed delivery of its ordering key.
    Held,
    /// A newer version of the record took its place.
    Superseded,
    /// The flow does not send this record to this target.
    Filtered,
    /// The target has what it was to be sent.
    Unchanged,
    /// An operator chose not to send it, or its flow is in shadow.
    Skipped,
    /// An operator took it back.
    Cancelled,
}

impl DeliveryState {
    /// All states, in the order of a delivery's life.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Sending,
        Self::Delivered,
        Self::Failed,
        Self::Held,
        Self::Superseded,
        Self::Filtered,
        Self::Unchanged,
        Self::Skipped,
        Self::Cancelled,
    ];

    /// The name that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Superseded => "superseded",
            Self::Filtered => "filtered",
            Self::Unchanged => "unchanged",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads a stored name.
    #[must_use]
    pub fn from_stored(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether the delivery still has its place in its ordering key.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Sending | Self::Failed | Self::Held)
    }

    /// Whether a newer version of the same record takes this delivery's place. Never while the
    /// outcome of an attempt is unknown: the newer one could overtake it at the target.
    #[must_use]
    pub fn gives_way(self) -> bool {
        matches!(self, Self::Pending | Self::Failed | Self::Held)
    }
}

/// What a delivery does at its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeliveryOperation {
    /// Makes the record, or changes it.
    #[default]
    Write,
    /// Changes the record if the target knows it: its source deleted it.
    Archive,
    /// Deletes the record if the target knows it.
    Delete,
}

impl DeliveryOperation {
    /// The name that is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Archive => "archive",
            Self::Delete => "delete",
        }
    }

    /// Reads a stored name.
    #[must_use]
    pub fn from_stored(name: &str) -> Option<Self> {
        [Self::Write, Self::Archive, Self::Delete].into_iter().find(|operation| operation.as_str() == name)
    }

    /// Whether there is nothing to do at a target that does not know the record.
    #[must_use]
    pub fn needs_known(self) -> bool {
        self != Self::Write
    }
}

/// What is known of the head of an ordering key when a wake asks for it.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its state.
    pub state: DeliveryState,
    /// Not to be attempted before this time.
    pub next_attempt_at: Timestamp,
    /// Until when the attempt under way is trusted to be alive.
    pub claimed_until: Option<Timestamp>,
    /// The first parent that the target does not know yet.
    pub missing_parent: Option<CanonicalId>,
    /// Whether an earlier event of the same ordering key is still between L2 and L4.
    pub earlier_upstream: bool,
    /// Whether an earlier version of the same record is still open at the target under another ordering key.
    pub earlier_version: bool,
    /// Whether an operator stopped its flow.
    pub paused: bool,
}

/// What a wake may do with the head of an ordering key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Claim it and send it.
    Send,
    /// An attempt claimed it and never reported: its outcome is unknown. Send it again under the
    /// same idempotency key.
    Settle,
    /// Come back at this time.
    NotBefore(Timestamp),
    /// The target must know this parent first; the parent's delivery will wake it.
    AfterParent(CanonicalId),
    /// An earlier event is still upstream; its delivery will wake the key.
    AfterUpstream,
    /// An earlier version of the record is open under another ordering key; whoever ends it wakes this one.
    AfterVersion,
    /// Its flow is stopped: resuming it will wake the key.
    Paused,
    /// It failed: the key is held until an operator or a newer version moves it.
    Held,
}

/// Decides what may be done with the head of an ordering key.
#[must_use]
pub fn turn(head: &Head, now: Timestamp) -> Turn {
    match head.state {
        DeliveryState::Sending => match head.claimed_until {
            Some(until) if until > now => Turn::NotBefore(until),
            _ if head.paused => Turn::Paused,
            _ => Turn::Settle,
        },
        DeliveryState::Pending if head.paused => Turn::Paused,
        DeliveryState::Pending => {
            if head.next_attempt_at > now {
                Turn::NotBefore(head.next_attempt_at)
            } else if let Some(parent) = head.missing_parent {
                Turn::AfterParent(parent)
            } else if head.earlier_version {
                Turn::AfterVersion
            } else if head.earlier_upstream {
                Turn::AfterUpstream
            } else {
                Turn::Send
            }
        }
        _ => Turn::Held,
    }
}

/// Why a delivery of a flow in shadow is skipped.
pub const SHADOW: &str = "shadow";

const PLACEHOLDER: &str = "$reference";

/// What stands in a payload for the name that the target gives a parent.
#[must_use]
pub fn placeholder(parent: &str) -> Value {
    json!({ PLACEHOLDER: parent })
}

/// Puts the target's own ids of the parents in the place of their placeholders.
///
/// Numbers keep the digits they were written with, so the payload is edited as text.
///
/// # Errors
/// The name of a parent that `references` does not have, or that the payload is not JSON.
pub fn fill_references(payload: &str, references: &BTreeMap<String, String>) -> Result<String, UnfilledReference> {
    if !payload.contains(PLACEHOLDER) {
        return Ok(payload.to_owned());
    }
    let mut filled = payload.to_owned();
    for (name, target_id) in references {
        let id = Value::String(target_id.clone()).to_string();
        filled = filled.replace(&placeholder(name).to_string(), &id);
    }
    match filled.split_once("{\"$reference\":") {
        None => Ok(filled),
        Some((_, rest)) => Err(UnfilledReference(rest.chars().take_while(|c| *c != '}').take(80).collect())),
    }
}

/// A payload speaks of a parent that the delivery does not list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload refers to parent {0}, which the flow does not require")]
pub struct UnfilledReference(String);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn head(state: DeliveryState) -> Head {
        Head {
            state,
            next_attempt_at: at(10),
            claimed_until: None,
            missing_parent: None,
            earlier_upstream: false,
            earlier_version: false,
            paused: false,
        }
    }

    #[test]
    fn only_a_due_head_with_its_parents_there_is_sent() {
        let parent = CanonicalId(uuid::Uuid::from_u128(1));
        assert_eq!(turn(&head(DeliveryState::Pending), at(9)), Turn::NotBefore(at(10)));
        assert_eq!(turn(&head(DeliveryState::Pending), at(10)), Turn::Send);
        let waiting = Head { missing_parent: Some(parent), earlier_upstream: true, ..head(DeliveryState::Pending) };
        assert_eq!(turn(&waiting, at(10)), Turn::AfterParent(parent));
        let barred = Head { earlier_upstream: true, ..head(DeliveryState::Pending) };
        assert_eq!(turn(&barred, at(10)), Turn::AfterUpstream);
        let overtaking = Head { earlier_version: true, ..head(DeliveryState::Pending) };
        assert_eq!(turn(&overtaking, at(10)), Turn::AfterVersion);
    }

    #[test]
    fn what_is_of_a_stopped_flow_is_neither_begun_nor_settled() {
        for state in [DeliveryState::Pending, DeliveryState::Sending] {
            assert_eq!(turn(&Head { paused: true, ..head(state) }, at(10)), Turn::Paused);
        }
        let under_way = Head { paused: true, claimed_until: Some(at(20)), ..head(DeliveryState::Sending) };
        assert_eq!(turn(&under_way, at(10)), Turn::NotBefore(at(20)));
        assert_eq!(turn(&Head { paused: true, ..head(DeliveryState::Failed) }, at(10)), Turn::Held);
    }

    #[test]
    fn a_claim_is_trusted_until_it_expires_and_then_settled() {
        let claimed = Head { claimed_until: Some(at(20)), ..head(DeliveryState::Sending) };
        assert_eq!(turn(&claimed, at(19)), Turn::NotBefore(at(20)));
        assert_eq!(turn(&claimed, at(20)), Turn::Settle);
    }

    #[test]
    fn a_failed_head_holds_its_key_and_gives_way_to_a_newer_version() {
        assert_eq!(turn(&head(DeliveryState::Failed), at(99)), Turn::Held);
        assert!(DeliveryState::Failed.gives_way() && !DeliveryState::Sending.gives_way());
    }

    #[test]
    fn references_are_filled_in_and_digits_kept() {
        let references = BTreeMap::from([("customer".to_owned(), "5\"8".to_owned())]);
        let payload = format!(r#"{{"a":1.10,"ref":{{"value":{}}}}}"#, placeholder("customer"));
        assert_eq!(fill_references(&payload, &references).unwrap(), r#"{"a":1.10,"ref":{"value":"5\"8"}}"#);
        assert!(fill_references(&payload, &BTreeMap::new()).is_err());
        assert_eq!(fill_references("{\"a\":1.10}", &BTreeMap::new()).unwrap(), "{\"a\":1.10}");
    }

    #[test]
    fn stored_names_are_read_back() {
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::from_stored(state.as_str()), Some(state));
        }
    }
}
