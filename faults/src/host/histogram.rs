//! Durations, counted in buckets that are at most an eighth wide.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::time::Duration;

/// Buckets for each power of two.
const PARTS: u64 = 8;

/// How many durations of which length there were. As JSON: count, p50, p90, p99 and the maximum, in milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    buckets: BTreeMap<u64, u64>,
    count: u64,
    longest: Duration,
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        *self.buckets.entry(bucket(microseconds)).or_default() += 1;
        self.count += 1;
        self.longest = self.longest.max(duration);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The duration that this share of them (0 to 1) does not exceed; zero if there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(upper_end(*bucket)).min(self.longest);
            }
        }
        Duration::ZERO
    }
}

/// Small numbers have a bucket each; larger ones share it with those that begin with the same bits.
fn bucket(value: u64) -> u64 {
    let power = u64::from(value.max(1).ilog2());
    if power < 3 {
        return value;
    }
    (power - 2) * PARTS + ((value >> (power - 3)) & (PARTS - 1))
}

fn upper_end(bucket: u64) -> u64 {
    if bucket < PARTS {
        return bucket;
    }
    let shift = bucket / PARTS - 1;
    ((PARTS + bucket % PARTS + 1) << shift) - 1
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let mut fields = serializer.serialize_struct("Histogram", 5)?;
        fields.serialize_field("count", &self.count)?;
        fields.serialize_field("p50_milliseconds", &milliseconds(self.quantile(0.5)))?;
        fields.serialize_field("p90_milliseconds", &milliseconds(self.quantile(0.9)))?;
        fields.serialize_field("p99_milliseconds", &milliseconds(self.quantile(0.99)))?;
        fields.serialize_field("longest_milliseconds", &milliseconds(self.longest))?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_at_most_an_eighth_wide_and_in_order() {
        let mut last = 0;
        for value in (0..100_000_u64).chain([1 << 40, u64::MAX >> 8]) {
            let bucket = bucket(value);
            assert!(bucket >= last, "{value}");
            last = bucket;
            let end = upper_end(bucket);
            assert!(end >= value && end - value <= value / 8, "{value} in a bucket up to {end}");
        }
    }

    #[test]
    fn quantiles_are_found() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        (1..=100).for_each(|number| histogram.record(Duration::from_millis(number)));
        let near = |share, milliseconds: f64| {
            let found = histogram.quantile(share).as_secs_f64() * 1000.0;
            assert!((found / milliseconds - 1.0).abs() < 0.13, "{found} is not about {milliseconds}");
        };
        near(0.5, 50.0);
        near(0.99, 99.0);
        assert_eq!(histogram.quantile(1.0), Duration::from_millis(100));
    }
}
