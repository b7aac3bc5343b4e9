//! What is still open while a seed runs, and whose work needs somebody.

use crate::simulation::{Observer, TENANTS};
use anyhow::Result;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Behind a failure, or behind a parent that is itself to be explained, and said so.
pub(super) const EXPLAINED: &str = "(s.state = 'held' OR s.state = 'waiting' AND \
     (s.reason LIKE '%, which at % is failed%' OR s.reason LIKE '%, which at % is pending%'))";

/// Work that is not done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenWork {
    /// Whether there is any.
    pub is_any: bool,
    /// When the first of it is due that is not yet, as far as it says.
    pub due: Option<Timestamp>,
    /// Changes with every step of progress.
    pub digest: u64,
    /// In words.
    pub what: String,
    /// Tenants with work that nothing would wake if the messages were lost.
    pub unattended: BTreeSet<String>,
}

/// One thing that is open.
struct Open {
    tenant: String,
    what: String,
    due: Option<Timestamp>,
    needs_somebody: bool,
}

/// What is open now, of all tenants.
///
/// # Errors
/// If the database does not answer.
pub async fn open_work(observer: &Observer, now: Timestamp) -> Result<OpenWork> {
    let each = TENANTS.map(|tenant| {
        let schema = format!("tenant_{tenant}");
        // What waits for a parent is woken by it; what waits long is found by the hourly round.
        format!(
            "SELECT '{tenant}' tenant, 'delivery ' || state || ' ' || attempts what,
                    greatest(next_attempt_at, claimed_until) due, state = 'sending' OR blocked_on IS NULL needs
             FROM {schema}.deliveries d WHERE state = 'sending' OR state = 'pending' AND NOT EXISTS (
                 SELECT 1 FROM {schema}.event_states s WHERE s.event = d.event AND s.target = d.target AND {EXPLAINED})
             UNION ALL
             SELECT '{tenant}', 'in flight ' || event, NULL, NOT EXISTS (
                 SELECT 1 FROM {schema}.waiting_records w WHERE w.connection = i.connection AND w.object = i.object
                 AND w.source_id = i.source_id AND w.flow = i.flow)
             FROM {schema}.in_flight i
             UNION ALL SELECT '{tenant}', 'waits ' || source_id, deadline, false FROM {schema}.waiting_records
             UNION ALL
             SELECT '{tenant}', 'fetch ' || source_id || ' ' || state || ' ' || generation || ' ' || attempts,
                    CASE state WHEN 'wanted' THEN start_at WHEN 'started' THEN deadline ELSE busy_until END,
                    state <> 'started' OR attempts = 0
             FROM {schema}.dependency_fetches WHERE finished_at IS NULL
             UNION ALL SELECT '{tenant}', 'untold', NULL, true FROM {schema}.deliveries WHERE untold"
        )
    });
    let sql = format!("{} ORDER BY 1, 2, 3", each.join(" UNION ALL "));
    let rows = observer.ask(&sql).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in &rows {
        let (tenant, what) = (row.try_get(0)?, row.try_get(1)?);
        all.push(Open { tenant, what, due: row.try_get(2)?, needs_somebody: row.try_get(3)? });
    }
    Ok(sum(&all, now))
}

fn sum(all: &[Open], now: Timestamp) -> OpenWork {
    let mut hasher = DefaultHasher::new();
    let mut open = OpenWork { is_any: !all.is_empty(), ..OpenWork::default() };
    let mut words = Vec::new();
    let soon = now + jiff::SignedDuration::from_hours(1);
    for Open { tenant, what, due, needs_somebody } in all {
        (tenant, what).hash(&mut hasher);
        // What is due already waits for something else.
        let later = due.filter(|due| *due > now);
        open.due = [open.due, later].into_iter().flatten().min();
        words.push(format!("{tenant} {what}"));
        if *needs_somebody && due.is_none_or(|due| due < soon) {
            open.unattended.insert(tenant.clone());
        }
    }
    open.digest = hasher.finish();
    open.what = words.join(", ");
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(what: &str, due: Option<i64>, needs_somebody: bool) -> Open {
        let due = due.map(|second| Timestamp::from_second(second).unwrap());
        Open { tenant: "alpha".to_owned(), what: what.to_owned(), due, needs_somebody }
    }

    #[test]
    fn what_is_due_within_the_hour_needs_a_marker_and_what_waits_for_its_parent_does_not() {
        let now = Timestamp::from_second(1_000).unwrap();
        assert!(sum(&[open("in flight", None, true)], now).unattended.contains("alpha"));
        assert!(sum(&[open("delivery", Some(2_000), true)], now).unattended.contains("alpha"));
        assert!(sum(&[open("delivery", Some(90_000), true)], now).unattended.is_empty());
        assert!(sum(&[open("in flight", None, false)], now).unattended.is_empty());
        let (one, other) = (open("delivery pending 0", Some(5), true), open("delivery pending 1", Some(9), true));
        let blocked = open("delivery pending 0", Some(900), false);
        let late = open("delivery pending 7", Some(90_000), true);
        assert_eq!(sum(&[blocked, late], now).due, Some(Timestamp::from_second(90_000).unwrap()));
        assert_ne!(sum(&[one], now).digest, sum(&[other], now).digest, "an attempt is progress");
    }
}
