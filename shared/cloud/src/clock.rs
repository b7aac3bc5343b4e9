//! Time and fresh identifiers, which everything else takes as arguments.

use jiff::Timestamp;
use uuid::{NoContext, Uuid};

/// The only source of the time and of identifiers outside tests.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// A UUID of version 7: its first 48 bits are [`Clock::now`] in milliseconds.
    fn new_id(&self) -> Uuid;
}

/// The system's clock and random generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// The UUIDv7 timestamp of a moment; moments before 1970 count as 1970.
pub(crate) fn uuid_timestamp(now: Timestamp) -> uuid::Timestamp {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    uuid::Timestamp::from_unix(NoContext, seconds, nanoseconds)
}
