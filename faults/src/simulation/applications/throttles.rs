//! Who was asked to wait, and which invocations can know of it.

use crate::simulation::gates::EnvironmentId;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Requests that are not to be repeated before their time.
#[derive(Debug, Default)]
pub(super) struct Throttles {
    asked: BTreeMap<String, Asked>,
    /// The invocation that runs in an environment, counted over all environments.
    running: BTreeMap<EnvironmentId, u64>,
    begun: u64,
}

#[derive(Debug)]
struct Asked {
    until: Timestamp,
    /// The invocation that was told.
    told: u64,
    /// Invocations from this one on began after that one had ended: what it was told is written down.
    known_from: Option<u64>,
}

impl Throttles {
    /// An invocation begins in an environment.
    pub(super) fn began(&mut self, environment: EnvironmentId) {
        self.begun += 1;
        self.running.insert(environment, self.begun);
    }

    /// The invocation of an environment ended: those that begin from now on can know what it was told.
    pub(super) fn ended(&mut self, environment: EnvironmentId) {
        let Some(ended) = self.running.remove(&environment) else { return };
        for asked in self.asked.values_mut().filter(|asked| asked.told == ended) {
            asked.known_from = Some(self.begun + 1);
        }
    }

    /// Somebody died, who may have been the only one to know.
    pub(super) fn forget(&mut self) {
        self.asked.clear();
    }

    /// A request is not to be repeated before its time.
    pub(super) fn ask(&mut self, identity: String, until: Timestamp, environment: EnvironmentId) {
        let told = self.invocation(environment);
        self.asked.insert(identity, Asked { until, told, known_from: None });
    }

    /// How many seconds too early a request is repeated. Where invocations may ask the same at the same time
    /// (`is_shared`), one is excused that was under way before it could be known.
    pub(super) fn early(
        &mut self,
        identity: &str,
        environment: EnvironmentId,
        now: Timestamp,
        is_shared: bool,
    ) -> Option<f64> {
        let asked = self.asked.get(identity)?;
        let invocation = self.invocation(environment);
        let can_know = invocation == asked.told || asked.known_from.is_some_and(|known| invocation >= known);
        if is_shared && now < asked.until && !can_know {
            return None;
        }
        let asked = self.asked.remove(identity)?;
        (now < asked.until).then(|| asked.until.duration_since(now).as_secs_f64())
    }

    fn invocation(&self, environment: EnvironmentId) -> u64 {
        self.running.get(&environment).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Throttles;
    use jiff::{SignedDuration, Timestamp};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// Environment 1 was told to wait while environment 2 was under way.
    fn two_at_a_time() -> Throttles {
        let mut throttles = Throttles::default();
        throttles.began(1);
        throttles.began(2);
        throttles.ask("GET x".to_owned(), NOW + SignedDuration::from_secs(5), 1);
        throttles
    }

    #[test]
    fn whoever_was_told_waits() {
        assert!(two_at_a_time().early("GET x", 1, NOW, true).is_some());
        assert!(two_at_a_time().early("GET x", 1, NOW + SignedDuration::from_secs(5), true).is_none());
    }

    #[test]
    fn whoever_was_under_way_is_excused_where_requests_are_shared() {
        let mut throttles = two_at_a_time();
        assert!(throttles.early("GET x", 2, NOW, true).is_none());
        throttles.ended(1);
        assert!(throttles.early("GET x", 2, NOW, true).is_none());
        assert!(throttles.early("GET x", 2, NOW, false).is_some(), "a delivery has one claim at a time");
    }

    #[test]
    fn whoever_begins_later_can_know() {
        let mut throttles = two_at_a_time();
        throttles.began(3);
        assert!(throttles.early("GET x", 3, NOW, true).is_none(), "the first has written nothing down yet");
        throttles.ended(1);
        throttles.ended(2);
        throttles.began(2);
        assert!(throttles.early("GET x", 2, NOW, true).is_some());
    }
}
