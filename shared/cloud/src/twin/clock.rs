//! A clock that moves only when told, and makes the same identifiers in every run.

use super::lock;
use crate::clock::{Clock, uuid_timestamp};
use jiff::Timestamp;
use std::sync::Mutex;
use std::time::Duration;
use uuid::{Builder, Uuid};

/// The twin of the system clock.
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<(Timestamp, u64)>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { state: Mutex::new((now, 0)) }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let mut state = lock(&self.state);
        state.0 = state.0.checked_add(by).unwrap_or(Timestamp::MAX);
    }

    /// Sets the clock, backwards too.
    pub fn set(&self, now: Timestamp) {
        lock(&self.state).0 = now;
    }
}

/// Stands at 2026-01-01T00:00:00Z.
impl Default for ManualClock {
    fn default() -> Self {
        Self::at(Timestamp::constant(1_767_225_600, 0))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        lock(&self.state).0
    }

    /// The time and a counter: identifiers differ, ascend, and are the same in every run.
    fn new_id(&self) -> Uuid {
        let mut state = lock(&self.state);
        state.1 += 1;
        let mut random = [0_u8; 10];
        for (place, byte) in random.iter_mut().skip(2).zip(state.1.to_be_bytes()) {
            *place = byte;
        }
        let (seconds, nanoseconds) = uuid_timestamp(state.0).to_unix();
        let milliseconds = seconds.saturating_mul(1000).saturating_add(u64::from(nanoseconds / 1_000_000));
        Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_ascend_and_repeat() {
        let first = ManualClock::default();
        let second = ManualClock::default();
        let ids = [first.new_id(), first.new_id(), first.new_id()];
        assert_eq!(ids, [second.new_id(), second.new_id(), second.new_id()]);
        assert!(ids.is_sorted() && ids[0] != ids[1]);
        assert_eq!(ids[0].get_version_num(), 7);
        first.advance(Duration::from_millis(1));
        assert!(first.new_id() > ids[2]);
    }
}
