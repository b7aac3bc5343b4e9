//! `cargo xtask tidy`: what a compiler does not check about the repository.

mod documents;
mod files;

use std::fmt;

use anyhow::Result;

use crate::{layout::Layout, progress::Progress};

/// A fault, at a place.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Finding {
    /// The file, from the clone's root.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.file, self.message),
            line => write!(formatter, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// A text file of the repository.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// Its path, from the clone's root.
    pub path: String,
    /// Its content.
    pub text: String,
}

impl Source {
    fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { file: self.path.clone(), line, message: message.into() }
    }

    fn has_extension(&self, extensions: &[&str]) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }
}

/// The outcome of one rule.
#[derive(Clone, Debug)]
pub struct RuleResult {
    /// What the rule demands.
    pub rule: &'static str,
    /// Where it is broken.
    pub findings: Vec<Finding>,
}

/// Applies every rule to the clone.
pub fn check(layout: &Layout) -> Result<Vec<RuleResult>> {
    let sources = files::read_all(layout.root())?;
    let rule = |rule, mut findings: Vec<Finding>| {
        findings.sort();
        RuleResult { rule, findings }
    };
    Ok(vec![
        rule("every Rust file opens with what it is for", files::opening(&sources)),
        rule("no file is longer than 400 lines without a reason", files::length(&sources)),
        rule("no name of a particular machine or registry", files::forbidden(&sources)),
        rule("lock files name public registries only", files::registries(&sources)),
        rule("paths named in documents exist", documents::paths(&sources, layout.root())),
        rule("commands named in documents exist", documents::commands(&sources, &crate::commands())),
    ])
}

/// Prints the outcome. Says whether every rule holds.
pub fn print(results: &[RuleResult], progress: &Progress) -> bool {
    for result in results {
        let mark = if result.findings.is_empty() { '✓' } else { '✗' };
        progress.say(format!("  {mark} {}", result.rule));
        for finding in &result.findings {
            progress.say(format!("      {finding}"));
        }
    }
    results.iter().all(|result| result.findings.is_empty())
}
