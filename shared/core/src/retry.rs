//! When a failed attempt is made again: exponential backoff with full jitter, over days.

use std::time::Duration;

/// The longest waits before attempt 2, 3, …; after the last one a delivery fails for good.
///
/// The steps follow the example schedule of Standard Webhooks 1.0 ("Retry schedule").
const LONGEST_WAITS: &[Duration] = &[
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(5 * 3600),
    Duration::from_secs(10 * 3600),
    Duration::from_secs(14 * 3600),
    Duration::from_secs(20 * 3600),
    Duration::from_secs(24 * 3600),
];

/// How long to wait after failed attempt number `attempt` (from 1), or `None` if that was the last.
///
/// `random` in 0..1 spreads attempts that failed together: the wait is between half and the whole
/// of the step, so that a delivery never waits next to nothing.
#[must_use]
pub fn wait_after(attempt: u32, random: f64) -> Option<Duration> {
    let index = usize::try_from(attempt).ok()?.checked_sub(1)?;
    LONGEST_WAITS.get(index).map(|longest| longest.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        assert_eq!(wait_after(1, 1.0), Some(Duration::from_secs(5)));
        assert_eq!(wait_after(1, 0.0), Some(Duration::from_millis(2500)));
        assert_eq!(wait_after(11, 0.5), None);
        assert_eq!(wait_after(0, 0.5), None);
    }
}
