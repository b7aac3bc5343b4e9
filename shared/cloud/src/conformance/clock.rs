//! What every clock does.

use crate::clock::Clock;

/// Runs the suite.
pub fn suite(clock: &dyn Clock) {
    let before = clock.now();
    let ids = [clock.new_id(), clock.new_id(), clock.new_id()];
    let after = clock.now();
    assert!(ids[0] < ids[1] && ids[1] < ids[2], "identifiers ascend");
    for id in ids {
        assert_eq!(id.get_version_num(), 7);
        let (seconds, nanoseconds) = id.get_timestamp().expect("version 7 has a time").to_unix();
        let milliseconds = seconds * 1000 + u64::from(nanoseconds / 1_000_000);
        let milliseconds = i64::try_from(milliseconds).expect("a time of our days");
        assert!(milliseconds >= before.as_millisecond() && milliseconds <= after.as_millisecond());
    }
}
