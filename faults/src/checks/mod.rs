//! The checkers: what is wrong at the end of a seed, by what was told and what took effect.

mod effects;
mod open;
mod renewals;
mod rest;
mod states;
#[cfg(test)]
mod tests;
mod wide;

pub use open::{OpenWork, open_work};
pub use rest::{needless, unmarked};

use crate::simulation::{Applications, Observer, Scenario};
use anyhow::Result;
use std::collections::BTreeSet;
use std::fmt;

/// A kind of violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An accepted event has no effect, and no visible state explains it.
    Lost,
    /// A second effect of one version.
    Duplicated,
    /// An effect of an earlier version after that of a later one.
    OutOfOrder,
    /// No progress, though nothing is missing.
    Stuck,
    /// A tenant got what is another one's.
    Isolation,
    /// A child was sent before its parent.
    Parents,
    /// A request came before the time that the application asked to wait for.
    RateLimit,
    /// A secret is where none may be.
    Secret,
    /// A failure of which nobody was told.
    Untold,
    /// Invocations without need, or work that somebody had to rescue though nothing went wrong.
    Needless,
    /// Anything else that must not be.
    Other,
}

/// One violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind.
    pub kind: Kind,
    /// What exactly.
    pub words: String,
}

impl Problem {
    /// A violation that was seen while it happened.
    #[must_use]
    pub fn of(words: &str) -> Self {
        let known = [
            ("stuck", Kind::Stuck),
            ("child before parent", Kind::Parents),
            ("rate limit", Kind::RateLimit),
            ("a secret", Kind::Secret),
            ("isolation", Kind::Isolation),
            ("busy", Kind::Needless),
            ("rescued", Kind::Needless),
            ("credentials", Kind::Lost),
        ];
        let kind = known.iter().find(|(begin, _)| words.starts_with(begin)).map_or(Kind::Other, |(_, kind)| *kind);
        Self { kind, words: words.to_owned() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: {}", self.kind, self.words)
    }
}

/// Runs every checker. `accepted` are the webhooks that were answered with a 2xx, by tenant and sender's id.
///
/// # Errors
/// If the database does not answer.
pub async fn all(
    observer: &Observer,
    scenario: &Scenario,
    applications: &Applications,
    accepted: &BTreeSet<(String, String)>,
) -> Result<Vec<Problem>> {
    let mut problems = effects::check(scenario, applications);
    problems.extend(states::check(observer, scenario, applications, accepted).await?);
    problems.extend(wide::check(observer, scenario, applications).await?);
    problems.extend(renewals::check(applications));
    // Two clocks that differ do not agree on when a pause is over.
    let agree = scenario.clocks_apart.is_zero();
    let seen = applications.problems.iter().map(|words| Problem::of(words));
    problems.extend(seen.filter(|problem| agree || problem.kind != Kind::RateLimit));
    Ok(problems)
}

/// Looks for secrets in everything that is stored; takes longer than the others.
///
/// # Errors
/// If the database does not answer.
pub async fn secrets(observer: &Observer) -> Result<Vec<Problem>> {
    states::secrets(observer).await
}
