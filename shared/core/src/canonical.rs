//! Identity and versions of canonical records.

use crate::content::ContentHash;
use crate::ids::{CanonicalId, ConnectionId, EventId, ObjectName, SourceId};
use crate::replica::Place;
use uuid::Uuid;

/// Namespace of canonical ids: any fixed random UUID.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f0d_3b1c_9a57_4c8e_8f2a_51d7_b0c4_e611);

/// The canonical id of the record that a source calls `source_id`.
///
/// It is derived, not drawn, so that a child can name its parent before the parent is here, and
/// two invocations that see a record for the first time agree without asking anybody.
#[must_use]
pub fn canonical_id(connection: &ConnectionId, object: &ObjectName, source_id: &SourceId) -> CanonicalId {
    // NUL cannot occur in any of the three, so no two records share a name.
    CanonicalId(Uuid::new_v5(&NAMESPACE, format!("{connection}\0{object}\0{source_id}").as_bytes()))
}

/// What is known of a stored canonical record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its version, counted from 1.
    pub version: i64,
    /// Place of the source state that it was made from.
    pub place: Place,
    /// The event that brought this version.
    pub event: EventId,
    /// Hash of its content.
    pub content: ContentHash,
}

/// The content of a record that was deleted: the hash of nothing that can be stored.
pub const DELETED: ContentHash = ContentHash([0; 32]);

/// What a newly mapped record does to the canonical store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It becomes this version.
    Store(i64),
    /// The content is stored already; only the place moves up.
    Unchanged,
    /// A later state of the source is stored.
    Superseded,
    /// This very event stored this version before; only its messages are repeated.
    Repeat(i64),
}

/// Decides what a record made by `event` from a source state at `place` does.
#[must_use]
pub fn decide(stored: Option<&Stored>, place: &Place, event: EventId, content: ContentHash) -> Decision {
    match stored {
        None => Decision::Store(1),
        Some(stored) if stored.event == event => Decision::Repeat(stored.version),
        Some(stored) if *place < stored.place => Decision::Superseded,
        Some(stored) if stored.content == content => Decision::Unchanged,
        Some(stored) => Decision::Store(stored.version.saturating_add(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_depend_on_each_part() {
        let id = |connection: &str, object: &str, record: &str| {
            canonical_id(
                &ConnectionId::parse(connection).unwrap(),
                &ObjectName::parse(object).unwrap(),
                &SourceId::parse(record).unwrap(),
            )
        };
        assert_eq!(id("a", "b", "c"), id("a", "b", "c"));
        assert_ne!(id("a", "b", "c"), id("a", "bc", "c"));
        assert_ne!(id("a", "b", "c"), id("ab", "b", "c"));
    }
}
