//! What must hold while everything waits: work that needs somebody is found, and nobody is kept busy.

use super::OpenWork;
use std::time::Duration;

/// A wake that cannot run comes back through a delay queue after this at most, which takes an invocation.
const LONGEST_DELAY: Duration = Duration::from_secs(900);
/// So many invocations for each wake may find nothing to do before it is a pattern: what was under way when
/// everything began to wait, repeated messages, parents that come late, clocks that differ.
const FEW: u64 = 4;
/// An event wakes each target of its record.
const WAKES_OF_EVENT: u64 = 2;

/// Tenants with work that nobody would find if its messages were lost. `marked` are those of the markers.
#[must_use]
pub fn unmarked(open: &OpenWork, marked: &[String]) -> Option<String> {
    let tenant = open.unattended.iter().find(|tenant| !marked.contains(tenant))?;
    Some(format!("stuck: {tenant} has work, and no marker says so: {}", open.what))
}

/// Invocations beside sweep that changed nothing within `span`, in a seed of so many events.
#[must_use]
pub fn needless(invocations: u64, events: u64, span: Duration) -> Option<String> {
    let delays = span.as_secs() / LONGEST_DELAY.as_secs();
    let is_needless = invocations > FEW * (2 + WAKES_OF_EVENT * events) + 8 * delays;
    is_needless.then(|| format!("busy: {invocations} invocations within {span:?}, while everything waits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn work_that_needs_somebody_without_a_marker_is_reported() {
        let open = OpenWork { unattended: BTreeSet::from(["alpha".to_owned()]), ..OpenWork::default() };
        assert!(unmarked(&open, &["beta".to_owned()]).unwrap().starts_with("stuck"));
        assert_eq!(unmarked(&open, &["alpha".to_owned()]), None);
        assert_eq!(unmarked(&OpenWork::default(), &[]), None);
    }

    #[test]
    fn a_wake_that_comes_back_at_once_is_reported_and_one_that_comes_each_quarter_of_an_hour_is_not() {
        let hours = Duration::from_secs(5 * 3_600);
        assert_eq!(needless(20, 1, hours), None);
        assert!(needless(300, 1, hours).unwrap().starts_with("busy"));
        assert!(needless(30, 1, Duration::from_secs(60)).is_some());
    }
}
