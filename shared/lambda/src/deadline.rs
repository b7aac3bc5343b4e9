//! How long an invocation may still take.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The moment at which Lambda ends the invocation, on the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(End);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Never,
    At(Instant),
    Always(Duration),
}

impl Deadline {
    /// No end.
    pub const NONE: Self = Self(End::Never);

    /// So long from now.
    #[must_use]
    pub fn after(span: Duration) -> Self {
        Self(Instant::now().checked_add(span).map_or(End::Never, End::At))
    }

    /// Always so far away: where time is simulated, and stands still while a function works.
    #[must_use]
    pub fn standing(span: Duration) -> Self {
        Self(End::Always(span))
    }

    /// From the milliseconds since 1970 that the runtime states.
    #[must_use]
    pub fn at_unix_milliseconds(milliseconds: u64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::after(Duration::from_millis(milliseconds).saturating_sub(now))
    }

    /// What remains; `Duration::MAX` if there is no end.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        match self.0 {
            End::Never => Duration::MAX,
            End::At(end) => end.saturating_duration_since(Instant::now()),
            End::Always(span) => span,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remaining_time_shrinks_to_nothing() {
        assert_eq!(Deadline::NONE.remaining(), Duration::MAX);
        assert_eq!(Deadline::at_unix_milliseconds(0).remaining(), Duration::ZERO);
        let minute = Deadline::after(Duration::from_secs(60)).remaining();
        assert!(minute <= Duration::from_secs(60) && minute > Duration::from_secs(30));
    }
}
