//! The story of a seed: who did what, in which order; and what was counted on the way.

use super::functions::Function;
use super::gates::{Kind, Moment};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Where an invocation may be killed: at an effect of a function, before or after it.
pub type Place = (Function, Kind, Moment);

/// What was counted of the gates.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// How often a gate of an effect was passed.
    pub visited: BTreeMap<Place, u64>,
    /// How often an invocation was crashed there.
    pub crashed: BTreeMap<Place, u64>,
    /// Events: webhooks that were accepted, and records that were polled or fetched.
    pub events: u64,
    /// Invocations that began.
    pub invocations: u64,
    /// Steps of the scheduler.
    pub steps: u64,
    /// Statements that had to wait for a lock.
    pub lock_waits: u64,
    /// Seeds that were run.
    pub seeds: u64,
    /// Crashes of this seed, left out or not.
    pub crashes: usize,
    /// Faults of applications in this seed, left out or not.
    pub faults: usize,
}

impl Counted {
    /// Adds what another seed counted.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.visited, &other.visited), (&mut self.crashed, &other.crashed)] {
            for (key, count) in theirs {
                *mine.entry(*key).or_default() += count;
            }
        }
        self.events += other.events;
        self.invocations += other.invocations;
        self.steps += other.steps;
        self.lock_waits += other.lock_waits;
        self.seeds += other.seeds;
    }

    /// Gates of effects that were passed: each a place where a crash was possible.
    #[must_use]
    pub fn crash_points(&self) -> u64 {
        self.visited.values().sum()
    }

    /// Places that some invocation came by, and at which none was killed.
    pub fn uncovered(&self) -> impl Iterator<Item = Place> {
        self.visited.keys().filter(|place| !self.crashed.contains_key(*place)).copied()
    }

    /// Kinds of effects that no invocation had.
    pub fn unseen(&self) -> impl Iterator<Item = Kind> {
        Kind::EFFECTS.into_iter().filter(|kind| !self.visited.keys().any(|(_, seen, _)| seen == kind))
    }

    /// The share of the places at which some invocation was killed.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        let (open, unseen) = (self.uncovered().count(), 2 * self.unseen().count());
        1.0 - (open + unseen) as f64 / (self.visited.len() + unseen).max(1) as f64
    }
}

/// What happened in one seed.
#[derive(Debug, Default)]
pub struct Story {
    /// Whether lines are kept; their digest always is.
    pub is_told: bool,
    /// One line for each step.
    pub lines: Vec<String>,
    /// What was counted.
    pub counted: Counted,
    /// Webhooks that were answered with a 2xx, by tenant and sender's id.
    pub accepted: BTreeSet<(String, String)>,
    /// Violations that were seen while they happened.
    pub problems: Vec<String>,
    digest: Sha256,
    began: Option<Timestamp>,
}

impl Story {
    /// Notes what somebody did.
    pub fn tell(&mut self, now: Timestamp, who: &str, what: &str) {
        let began = *self.began.get_or_insert(now);
        let seconds = now.duration_since(began).as_secs_f64();
        let line = format!("{seconds:>10.3}  {who:<14} {what}");
        self.digest.update(line.as_bytes());
        if self.is_told {
            self.lines.push(line);
        }
    }

    /// A digest of everything told: the same for each run of a seed.
    #[must_use]
    pub fn digest(&self) -> String {
        let digest = self.digest.clone().finalize();
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}
