//! The check of a manifest: what each field may say in view of the others, and its programs.

mod authentication;
mod list;
mod operation;
mod refusal;
mod webhook;

use super::compiled::Problem;
use super::template::is_name;
use super::{Manifest, Template, Variable};
use crate::mapping::Program;
use regex_lite::Regex;

/// Goes through a manifest, and notes what is wrong with it.
pub(super) struct Check<'a> {
    manifest: &'a Manifest,
    problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    pub(super) fn new(manifest: &'a Manifest) -> Self {
        Self { manifest, problems: Vec::new() }
    }

    pub(super) fn problems(self) -> Vec<Problem> {
        self.problems
    }

    fn problem(&mut self, at: &str, reason: impl Into<String>) {
        self.problems.push(Problem { at: at.to_owned(), reason: reason.into() });
    }

    pub(super) fn names(&mut self) {
        let manifest = self.manifest;
        for (field, names) in [
            ("settings", manifest.settings.keys().collect::<Vec<_>>()),
            ("credentials", manifest.credentials.keys().collect()),
        ] {
            for name in names.into_iter().filter(|name| !is_name(name)) {
                self.problem(&format!("{field}.{name}"), "a name is lower-case letters, digits and underscores");
            }
        }
        if let Some(base_url) = &manifest.base_url {
            self.template("base_url", base_url, &[]);
        }
    }

    fn credential(&mut self, at: &str, name: &str) {
        if !self.manifest.credentials.contains_key(name) {
            let name: String = name.chars().take(60).collect();
            self.problem(at, format!("there is no credential {name} under credentials"));
        }
    }

    fn template(&mut self, at: &str, template: &Template, places: &[Variable]) {
        for place in template.places() {
            match place {
                Variable::Setting(name) => match self.manifest.settings.get(name) {
                    None => self.problem(at, format!("there is no setting {name} under settings")),
                    Some(setting) if !setting.required && setting.default.is_none() => {
                        self.problem(at, format!("the setting {name} must be required, or have a default"));
                    }
                    Some(_) => {}
                },
                other if !places.contains(other) => {
                    self.problem(at, format!("there is no {{{other}}} at this place"));
                }
                _ => {}
            }
        }
    }

    fn program(&mut self, at: &str, source: &str, variables: &[&str]) -> Option<Program> {
        match Program::compile(at, source, variables) {
            Ok(program) => Some(program),
            Err(error) => {
                self.problem(at, error.to_string());
                None
            }
        }
    }

    /// A program that need not be there: nothing if it is not, or wrong.
    fn optional(&mut self, at: &str, source: Option<&String>, variables: &[&str]) -> Option<Program> {
        source.and_then(|source| self.program(at, source, variables))
    }

    /// A regular expression with at least so many groups.
    fn regex(&mut self, at: &str, source: &str, groups: usize) -> Option<Regex> {
        const LONGEST_BYTES: usize = 1_000;
        let regex = if source.len() <= LONGEST_BYTES { Regex::new(source).ok() } else { None };
        match regex {
            None => self.problem(at, format!("is no regular expression of at most {LONGEST_BYTES} bytes")),
            Some(regex) if regex.captures_len() <= groups => {
                self.problem(at, format!("needs {groups} groups in parentheses"));
            }
            Some(regex) => return Some(regex),
        }
        None
    }
}
