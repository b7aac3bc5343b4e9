//! The report as a table for a terminal.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result};

use super::Report;

/// More findings than this are counted, not listed: the whole list is in the report's JSON.
const LISTED: usize = 20;

impl Display for Report {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let milliseconds = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1} ms"));
        let lost_events = self.lost.saturating_sub(self.polled_lost);
        let silent = format!("{} of {}", self.silent_parents_fetched, self.silent_parents);
        let figures = [
            ("events accepted", self.events.to_string(), ""),
            ("  delivered", self.delivered.to_string(), "took effect at the target"),
            ("  unchanged", self.unchanged.to_string(), "duplicates and resends"),
            ("  superseded", self.superseded.to_string(), "a later version took effect"),
            ("  failed visibly", self.failed_visible.to_string(), "shown with a reason"),
            ("  lost", lost_events.to_string(), verdict(lost_events)),
            ("records to poll", self.to_poll.to_string(), "nobody announced them"),
            ("  polled", self.polled.to_string(), "versions that took effect"),
            ("  failed visibly", self.polled_failed.to_string(), "shown with a reason"),
            ("  lost", self.polled_lost.to_string(), verdict(self.polled_lost)),
            ("parents fetched", self.parents_fetched.to_string(), ""),
            ("  reads", self.parent_reads.to_string(), "as many as parents: each was read once"),
            ("  silent", silent, "fetched of those that nobody brings"),
            ("effects", self.effects.to_string(), ""),
            ("  target records", self.target_records.to_string(), ""),
            ("  unannounced", self.delivered_unannounced.to_string(), "polled or fetched"),
            ("  duplicated", self.duplicated.to_string(), verdict(self.duplicated)),
            ("  out of order", self.out_of_order.to_string(), verdict(self.out_of_order)),
            ("  child before parent", self.child_before_parent.to_string(), verdict(self.child_before_parent)),
            ("  mismatched", self.mismatched.to_string(), verdict(self.mismatched)),
            ("not acknowledged", self.unacknowledged.to_string(), ""),
            ("latency p50", milliseconds(self.p50_ms), "first 2xx to effect"),
            ("latency p99", milliseconds(self.p99_ms), ""),
            ("latency max", milliseconds(self.max_ms), ""),
        ];
        for (name, value, remark) in figures {
            let line = format!("{name:<24}{value:>12}  {remark}");
            writeln!(formatter, "{}", line.trim_end())?;
        }
        self.write_failures(formatter)?;
        self.write_violations(formatter)
    }
}

impl Report {
    fn write_failures(&self, formatter: &mut Formatter<'_>) -> Result {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for failure in &self.failures {
            *reasons.entry(&failure.reason).or_default() += 1;
        }
        for (position, (reason, count)) in reasons.into_iter().enumerate() {
            if position == 0 {
                writeln!(formatter, "\nfailed visibly:")?;
            }
            writeln!(formatter, "  {count:>6} × {}", one_line(reason))?;
        }
        Ok(())
    }

    fn write_violations(&self, formatter: &mut Formatter<'_>) -> Result {
        if self.violations.is_empty() {
            return Ok(());
        }
        writeln!(formatter, "\nviolations:")?;
        for violation in self.violations.iter().take(LISTED) {
            let kind = format!("{:?}", violation.kind);
            writeln!(formatter, "  {kind:<18}{}: {}", violation.subject, one_line(&violation.explanation))?;
        }
        match self.violations.len().checked_sub(LISTED) {
            Some(more) if more > 0 => writeln!(formatter, "  … and {more} more"),
            _ => Ok(()),
        }
    }
}

fn verdict(count: u64) -> &'static str {
    if count == 0 { "ok" } else { "VIOLATION" }
}

/// A reason comes from elsewhere: it must not break the table or steer the terminal.
fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
