//! Faults on command: which request suffers what.

use std::sync::Mutex;

use crate::commands::{Fault, FaultRule, ListedFault};
use crate::journal::App;
use crate::observe::Subject;
use crate::random::Random;
use crate::recorder::lock;

/// More rules than this are surely a mistake of the caller's loop.
const MOST_RULES: usize = 1_000;
/// Ten minutes: longer than any client waits.
const LONGEST_MILLISECONDS: u64 = 600_000;

#[derive(Default)]
pub struct Faults {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: u64,
    rules: Vec<Active>,
}

struct Active {
    listed: ListedFault,
    random: Random,
}

impl Faults {
    /// Adds a rule and returns its id.
    ///
    /// # Errors
    /// Says what is wrong with the rule.
    pub fn add(&self, rule: FaultRule) -> Result<u64, String> {
        check(&rule)?;
        let mut state = lock(&self.state);
        if state.rules.len() >= MOST_RULES {
            return Err(format!("there are {MOST_RULES} rules already"));
        }
        state.last_id += 1;
        let id = state.last_id;
        let random = Random::new(rule.seed);
        state.rules.push(Active { listed: ListedFault { id, played: 0, rule }, random });
        Ok(id)
    }

    pub fn list(&self) -> Vec<ListedFault> {
        lock(&self.state).rules.iter().map(|active| active.listed.clone()).collect()
    }

    /// Removes the rules of an application, or all; returns how many.
    pub fn clear(&self, app: Option<App>) -> usize {
        let mut state = lock(&self.state);
        let before = state.rules.len();
        state.rules.retain(|active| app.is_some_and(|app| active.listed.rule.app != app));
        before - state.rules.len()
    }

    pub fn remove(&self, id: u64) -> bool {
        let mut state = lock(&self.state);
        let before = state.rules.len();
        state.rules.retain(|active| active.listed.id != id);
        state.rules.len() < before
    }

    /// The fault that this request suffers: of the rules that match, the first that is due.
    pub fn play(&self, app: App, method: &str, path: &str, subject: &Subject) -> Option<(u64, Fault)> {
        let mut state = lock(&self.state);
        for Active { listed, random } in &mut state.rules {
            let rule = &listed.rule;
            let due = rule.app == app
                && rule.count.is_none_or(|count| listed.played < count)
                && matches(rule, method, path, subject)
                && random.chance(rule.probability);
            if due {
                listed.played += 1;
                return Some((listed.id, rule.fault));
            }
        }
        None
    }
}

fn matches(rule: &FaultRule, method: &str, path: &str, subject: &Subject) -> bool {
    let same = |wanted: &Option<String>, found: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| found.is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
    };
    same(&rule.method, Some(method))
        && same(&rule.entity, subject.entity.as_deref())
        && rule.path_prefix.as_deref().is_none_or(|prefix| path.starts_with(prefix))
}

fn check(rule: &FaultRule) -> Result<(), String> {
    if !(0.0..=1.0).contains(&rule.probability) {
        return Err(format!("probability {} is not between 0 and 1", rule.probability));
    }
    let (name, value, allowed) = match rule.fault {
        Fault::Status { status } => ("status", u64::from(status), 500..=599),
        Fault::Throttle { retry_after_seconds } => ("retry_after_seconds", retry_after_seconds, 0..=86_400),
        Fault::TimeoutBefore { hold_ms } | Fault::TimeoutAfter { hold_ms } => {
            ("hold_ms", hold_ms, 0..=LONGEST_MILLISECONDS)
        }
        Fault::Slow { milliseconds } => ("milliseconds", milliseconds, 0..=LONGEST_MILLISECONDS),
        Fault::Reset { .. } => return Ok(()),
    };
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(format!("{name} {value} is not between {} and {}", allowed.start(), allowed.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(fault: Fault) -> FaultRule {
        FaultRule {
            app: App::Quickbooks,
            fault,
            method: None,
            path_prefix: None,
            entity: None,
            count: None,
            probability: 1.0,
            seed: 0,
        }
    }

    fn play(faults: &Faults, method: &str, entity: &str) -> Option<u64> {
        let subject = Subject { entity: Some(entity.to_owned()), ..Subject::default() };
        faults.play(App::Quickbooks, method, "/v3/company/1/x", &subject).map(|(id, _)| id)
    }

    #[test]
    fn a_rule_plays_as_often_as_it_says_and_only_where_it_matches() {
        let faults = Faults::default();
        let mut once = rule(Fault::Status { status: 503 });
        once.entity = Some("Invoice".to_owned());
        once.method = Some("post".to_owned());
        once.count = Some(2);
        let id = faults.add(once).unwrap();
        assert_eq!(play(&faults, "GET", "invoice"), None);
        assert_eq!(play(&faults, "POST", "customer"), None);
        assert_eq!(play(&faults, "POST", "invoice"), Some(id));
        assert_eq!(play(&faults, "POST", "invoice"), Some(id));
        assert_eq!(play(&faults, "POST", "invoice"), None);
        assert_eq!(faults.list()[0].played, 2);
    }

    #[test]
    fn a_probability_follows_the_seed() {
        let drawn = |seed| {
            let faults = Faults::default();
            let mut half = rule(Fault::Reset { after_effect: false });
            half.probability = 0.5;
            half.seed = seed;
            faults.add(half).unwrap();
            (0..64).map(|_| play(&faults, "POST", "invoice").is_some()).collect::<Vec<_>>()
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        assert!((16..48).contains(&drawn(1).iter().filter(|played| **played).count()));
    }

    #[test]
    fn rules_are_cleared_by_application_and_by_id() {
        let faults = Faults::default();
        let id = faults.add(rule(Fault::Slow { milliseconds: 1 })).unwrap();
        let mut other = rule(Fault::Slow { milliseconds: 1 });
        other.app = App::Revenova;
        faults.add(other).unwrap();
        assert_eq!(faults.clear(Some(App::Quickbooks)), 1);
        assert!(!faults.remove(id));
        assert_eq!(faults.list().len(), 1);
        assert_eq!(faults.clear(None), 1);
    }

    #[test]
    fn rules_out_of_range_are_refused() {
        let faults = Faults::default();
        let mut unlikely = rule(Fault::Slow { milliseconds: 1 });
        unlikely.probability = f64::NAN;
        for refused in [
            unlikely,
            rule(Fault::Status { status: 404 }),
            rule(Fault::Slow { milliseconds: LONGEST_MILLISECONDS + 1 }),
            rule(Fault::TimeoutAfter { hold_ms: u64::MAX }),
            rule(Fault::Throttle { retry_after_seconds: u64::MAX }),
        ] {
            assert!(faults.add(refused.clone()).is_err(), "{refused:?}");
        }
        for _ in 0..MOST_RULES {
            faults.add(rule(Fault::Slow { milliseconds: 1 })).unwrap();
        }
        assert!(faults.add(rule(Fault::Slow { milliseconds: 1 })).is_err());
    }
}
