//! What an incoming record does to the replica: the rules that make the final state independent
//! of the order, the repetition and the batching of events.
//!
//! A record's place is its source version, then its arrival stamp, then its event id. The replica
//! keeps the content of the highest place it has seen; everything below is stale.

use crate::content::ContentHash;
use crate::ids::EventId;
use jiff::Timestamp;

/// Where one state of a record stands among all states of that record. A record without a source
/// version is placed by its arrival alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The source's version as a number that grows: microseconds since 1970 for a timestamp.
    pub source_version: Option<i64>,
    /// When the news of this state was accepted at L1.
    pub arrived_at: Timestamp,
    /// Decides between equal stamps.
    pub event: EventId,
}

/// A state of a record: what the replica has, or what an event brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordState {
    /// Its place among the states of the record.
    pub place: Place,
    /// Hash of its content.
    pub content: ContentHash,
    /// Whether the source deleted the record.
    pub deleted: bool,
}

/// What an incoming state does to the replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// First sight of the record.
    Insert,
    /// New content (or the deletion, or the return, of the record).
    Update,
    /// The content is known; only the place moves up.
    Confirm,
    /// The replica has a later state; nothing changes.
    Stale,
    /// The very state that the replica has, brought by the same event again.
    Repeat,
}

/// Decides what `incoming` does to a replica that holds `existing`.
#[must_use]
pub fn decide(existing: Option<&RecordState>, incoming: &RecordState) -> Decision {
    let Some(existing) = existing else { return Decision::Insert };
    if incoming.place.event == existing.place.event {
        return Decision::Repeat;
    }
    if incoming.place < existing.place {
        return Decision::Stale;
    }
    if incoming.content == existing.content && incoming.deleted == existing.deleted {
        Decision::Confirm
    } else {
        Decision::Update
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn state(version: Option<i64>, arrived: i64, event: u128, content: u8, deleted: bool) -> RecordState {
        RecordState {
            place: Place {
                source_version: version,
                arrived_at: Timestamp::from_microsecond(arrived).unwrap(),
                event: EventId(Uuid::from_u128(event)),
            },
            content: ContentHash([content; 32]),
            deleted,
        }
    }

    /// Plays events against a replica and gives what it holds in the end.
    fn play(events: &[RecordState]) -> Option<RecordState> {
        let mut replica: Option<RecordState> = None;
        for event in events {
            match decide(replica.as_ref(), event) {
                Decision::Insert | Decision::Update | Decision::Confirm => replica = Some(*event),
                Decision::Stale | Decision::Repeat => {}
            }
        }
        replica
    }

    #[test]
    fn a_record_that_returns_to_old_content_is_seen() {
        let events =
            [state(Some(1), 1, 1, b'A', false), state(Some(2), 2, 2, b'B', false), state(Some(3), 3, 3, b'A', false)];
        assert_eq!(decide(Some(&events[1]), &events[2]), Decision::Update);
        assert_eq!(play(&events), Some(events[2]));
    }

    #[test]
    fn equal_versions_are_decided_by_arrival() {
        let (early, late) = (state(Some(1), 1, 1, b'A', false), state(Some(1), 2, 2, b'B', false));
        assert_eq!(play(&[early, late]), Some(late));
        assert_eq!(play(&[late, early]), Some(late));
    }

    proptest! {
        #[test]
        fn any_order_and_repetition_gives_the_same_replica(
            events in prop::collection::vec((prop::option::of(0_i64..3), 0_i64..4, 0_u8..3, any::<bool>()), 1..8),
            order in any::<prop::sample::Index>(),
            repeat in any::<prop::sample::Index>(),
        ) {
            let events: Vec<_> = events.into_iter().enumerate()
                .map(|(index, (version, arrived, content, deleted))| state(version, arrived, index as u128, content, deleted))
                .collect();
            let mut shuffled = events.clone();
            shuffled.rotate_left(order.index(events.len()));
            shuffled.reverse();
            shuffled.push(events[repeat.index(events.len())]);
            let (straight, other) = (play(&events).unwrap(), play(&shuffled).unwrap());
            prop_assert_eq!(straight.place, other.place);
            prop_assert_eq!(straight.content, other.content);
            prop_assert_eq!(straight.deleted, other.deleted);
        }
    }
}
