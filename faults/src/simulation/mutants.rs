//! Deliberate bugs, as data (`faults/mutants.yaml`): planted for the time of a seed, to show that it is found.

use super::functions::Function;
use super::scenario::{self, Recipe};
use anyhow::{Result, anyhow};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

static TEXT: &str = include_str!("../../mutants.yaml");
static ALL: LazyLock<Result<Vec<Mutant>, String>> =
    LazyLock::new(|| serde_saphyr::from_str(TEXT).map_err(|error| format!("faults/mutants.yaml: {error}")));

/// A deliberate bug.
#[derive(Debug, Deserialize)]
pub struct Mutant {
    /// Its name.
    pub name: String,
    /// What it does.
    pub why: String,
    /// The kind of story that it is sought in, if its occasions are rare in all others.
    #[serde(default)]
    scenario: Option<String>,
    /// A statement that is changed.
    statement: Option<Change>,
    /// What the surroundings do in its place.
    edge: Option<Edge>,
    /// How often it had an occasion.
    #[serde(skip)]
    met: AtomicU64,
}

/// A change of one statement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Words that only this statement has; schemas are left out.
    of: String,
    replace: String,
    by: String,
}

/// What the surroundings do as if a function had the bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// Messages are deleted when a batch begins.
    AcknowledgedBeforeCommit,
    /// `replicate` commits only when it is done.
    ReplicateSendsBeforeCommit,
    /// `normalise` commits only when it is done.
    WaitersLookedForBeforeCommit,
    /// `deliver` commits only when it is done.
    ChildrenLookedForBeforeCommit,
    /// Senders believe that they were answered 2xx when `ingest` began.
    AcceptedBeforeDurable,
    /// What `poll` sends is held back until it has saved its progress.
    WatermarkBeforeDurability,
    /// Tenants are marked when the invocation is done.
    MarkedAfterCommit,
    /// Batches are always answered with success.
    FailuresNotReported,
    /// The keys of requests are of no use at their target.
    NoIdempotencyKey,
    /// All wakes of a group have one deduplication id.
    OneDeduplicationId,
    /// `sweep` is not invoked each minute.
    NoSweep,
    /// Answers to tokens get lost.
    TokensNeverAnswered,
    /// Secrets are replaced when the invocation is done.
    TokenUsedBeforeStored,
    /// Secrets keep the refresh token that they had.
    RotationNotStored,
    /// Everybody gets every lease.
    NoLease,
}

/// All of them.
///
/// # Errors
/// If their file is not understood.
pub fn all() -> Result<&'static [Mutant]> {
    ALL.as_deref().map_err(|error| anyhow!("{error}"))
}

/// The mutant of that name.
///
/// # Errors
/// If there is none, with the names that there are.
pub fn named(name: &str) -> Result<&'static Mutant> {
    let all = all()?;
    let found = all.iter().find(|mutant| mutant.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|mutant| mutant.name.as_str()).collect();
        anyhow!("there is no mutant {name:?}; there are: {}", names.join(", "))
    })
}

impl Mutant {
    /// The kind of story that it is sought in; nothing: any.
    #[must_use]
    pub fn recipe(&self) -> Option<&'static Recipe> {
        scenario::named(self.scenario.as_deref()?)
    }

    /// How often it had an occasion so far.
    #[must_use]
    pub fn met(&self) -> u64 {
        self.met.load(Ordering::Relaxed)
    }
}

/// The bug that is planted in a seed, if one is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Planted(pub Option<&'static Mutant>);

impl Planted {
    /// Whether this is the bug. Asked only where it has an occasion.
    #[must_use]
    pub fn is(self, edge: Edge) -> bool {
        let Some(mutant) = self.0.filter(|mutant| mutant.edge == Some(edge)) else { return false };
        mutant.met.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Whether a function leaves its transactions open until it is done.
    #[must_use]
    pub fn withholds_commit(self, function: Function) -> bool {
        match function {
            Function::Replicate => self.is(Edge::ReplicateSendsBeforeCommit),
            Function::Normalise => self.is(Edge::WaitersLookedForBeforeCommit),
            Function::Deliver => self.is(Edge::ChildrenLookedForBeforeCommit),
            _ => false,
        }
    }

    /// The statement that is run for this one.
    #[must_use]
    pub fn statement<'s>(self, sql: &'s str) -> Cow<'s, str> {
        let Some((mutant, change)) = self.0.and_then(|mutant| Some((mutant, mutant.statement.as_ref()?))) else {
            return Cow::Borrowed(sql);
        };
        if !sql.contains(&change.replace) || !without_schemas(sql).contains(&change.of) {
            return Cow::Borrowed(sql);
        }
        mutant.met.fetch_add(1, Ordering::Relaxed);
        Cow::Owned(sql.replacen(&change.replace, &change.by, 1))
    }
}

/// A statement in one line, and as if there were one schema only.
fn without_schemas(sql: &str) -> String {
    let words = sql.split_whitespace().map(|word| match word.split_once('.') {
        Some((schema, table)) if schema.starts_with("tenant_") => table,
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_says_one_thing_and_has_a_name_of_its_own() {
        let all = all().unwrap();
        let names: BTreeSet<&str> = all.iter().map(|mutant| mutant.name.as_str()).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|mutant| mutant.statement.is_some() != mutant.edge.is_some()));
        assert!(all.iter().all(|mutant| mutant.recipe().is_some() == mutant.scenario.is_some()));
        assert!(named("no such").unwrap_err().to_string().contains("head check skipped"));
    }

    #[test]
    fn a_statement_is_changed_and_no_other() {
        let planted = Planted(Some(named("replica not locked").unwrap()));
        let sql = "SELECT r.connection, r.object, r.source_id, r.source_version, r.arrived_at, r.placed_by\n FROM tenant_a.x r FOR UPDATE OF r";
        assert!(!planted.statement(sql).contains("FOR UPDATE"));
        assert!(planted.statement("SELECT 1 FOR UPDATE OF r").contains("FOR UPDATE"));
    }
}
