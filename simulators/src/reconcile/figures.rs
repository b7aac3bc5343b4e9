//! Latency: from the sender's first 2xx for a version to that version's effect.

use super::Report;
use super::effects::Effects;
use super::events::Versions;

/// Fills in the percentiles. A version that nobody acknowledged has no latency; an effect
/// that came before the acknowledgement (the sender was slow to see it) counts as 0.
pub fn latencies(versions: &Versions<'_>, effects: &Effects<'_>, report: &mut Report) {
    let mut seen = std::collections::HashSet::new();
    let mut microseconds: Vec<i64> = Vec::new();
    for placed in &effects.in_order {
        let Some((source, order)) = &placed.source else {
            continue;
        };
        let Some((_, version)) = versions.find(source, order) else {
            continue;
        };
        let key = (placed.effect.app, source.app, source.record_id.as_str(), order);
        let accepted = version.accepted.iter().filter_map(|event| event.acknowledged_at).min();
        if let Some(accepted) = accepted
            && seen.insert(key)
        {
            microseconds.push((placed.effect.at - accepted).max(0));
        }
    }
    microseconds.sort_unstable();
    report.p50_ms = percentile(&microseconds, 50);
    report.p99_ms = percentile(&microseconds, 99);
    report.max_ms = percentile(&microseconds, 100);
}

/// The nearest-rank percentile, in milliseconds with one decimal.
fn percentile(sorted_microseconds: &[i64], percent: usize) -> Option<f64> {
    let rank = (sorted_microseconds.len() * percent).div_ceil(100);
    let value = *sorted_microseconds.get(rank.checked_sub(1)?)?;
    Some((value as f64 / 100.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let values: Vec<i64> = (1..=100).map(|value| value * 1000).collect();
        assert_eq!(percentile(&values, 50), Some(50.0));
        assert_eq!(percentile(&values, 99), Some(99.0));
        assert_eq!(percentile(&values, 100), Some(100.0));
        assert_eq!(percentile(&[1_234], 50), Some(1.2));
        assert_eq!(percentile(&[], 99), None);
    }
}
