//! `fluxnex validate`: everything that is wrong with a bundle's folder, each thing with its file, line and hint.

use super::{Folder, Variables};
use crate::finding::{Finding, Place};
use crate::manifest;
use crate::places::Places;
use fluxnex_connect::catalog::BuiltIn;
use fluxnex_core::bundle::{
    Bundle, BundleError, Configuration, Inlined, LARGEST_BUNDLE_BYTES, Review, inline_all, read, review, without_value,
};
use fluxnex_core::ids::ConnectionId;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Whether every variable must have a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// It is to be applied.
    Needed,
    /// It is only looked at: what depends on a value that is not known is not judged.
    MayLack,
}

/// What a check saw.
#[derive(Debug, Default)]
pub struct Checked {
    /// What is wrong, and what is odd; in the order of files and lines.
    pub findings: Vec<Finding>,
    /// The bundle with its files in their places; only if nothing is wrong.
    pub bundle: Option<Bundle>,
    /// The same, ready to run; only if its parts fit together.
    pub configuration: Option<Configuration>,
    /// Variables without a value.
    pub missing: Vec<String>,
}

impl Checked {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        !self.findings.iter().any(Finding::is_fault)
    }
}

/// Checks the bundle in a folder, or that of a file.
#[must_use]
pub fn check(place: &Path, variables: &Variables, values: Values) -> Checked {
    let failed = |finding| Checked { findings: vec![finding], ..Checked::default() };
    let mut folder = match Folder::open(place) {
        Ok(folder) => folder,
        Err(finding) => return failed(finding),
    };
    let file = folder.file.clone();
    let text = match folder.read(&file) {
        Ok(text) => text,
        Err(reason) => {
            let hint = "a bundle is a folder with fluxnex.yaml; `fluxnex init` makes one".to_owned();
            return failed(Finding::of(file, format!("cannot be read: {reason}")).hint(hint));
        }
    };
    let document: Value = match manifest::read(&text, &file) {
        Ok(document) => document,
        Err(finding) => return failed(finding),
    };
    let mut texts = Vec::new();
    let inlined = inline_all(document, &variables.values, &mut |path| {
        let text = folder.read(path)?;
        texts.push((path.to_owned(), text.clone()));
        Ok(text)
    });
    let sight = Sight { file: &file, places: Places::of(&text), inlined: &inlined, texts: &texts };
    let mut checked = look(&sight, values);
    sight.unused_variables(variables, &mut checked.findings);
    order(&mut checked.findings);
    checked
}

fn look(sight: &Sight<'_>, values: Values) -> Checked {
    let inlined = sight.inlined;
    let mut errors = inlined.errors.clone();
    if values == Values::Needed {
        errors.extend(inlined.missing.iter().map(|(name, at)| without_value(name, at.as_str())));
    }
    let reading = read(inlined.document.clone(), &inlined.open);
    errors.extend(reading.errors);
    let mut checked = Checked { missing: inlined.missing.keys().cloned().collect(), ..Checked::default() };
    if let Some(bundle) = reading.bundle {
        let Review { errors: found, configuration, .. } = review(&bundle, &reading.broken, &BuiltIn);
        errors.extend(found.into_iter().filter(|error| !is_open(inlined, &error.at)));
        let bytes = serde_json::to_string(&bundle).map_or(0, |text| text.len());
        if bytes > LARGEST_BUNDLE_BYTES {
            let reason =
                format!("the bundle has {bytes} bytes with its files, at most {LARGEST_BUNDLE_BYTES} are taken");
            errors.push(BundleError::new("", reason));
        }
        let whole = errors.is_empty();
        // What is wrong may be what uses them.
        if whole {
            checked.findings.extend(sight.unused_connections(&bundle));
        }
        checked.configuration = configuration;
        checked.bundle = whole.then_some(bundle);
    }
    checked.findings.extend(errors.iter().map(|error| sight.finding(error)));
    checked
}

/// A text that stands in for one that is not known says nothing.
fn is_open(inlined: &Inlined, at: &str) -> bool {
    inlined.open.contains(at)
}

/// What is needed to see where a fault is.
struct Sight<'a> {
    file: &'a str,
    places: Option<Places>,
    inlined: &'a Inlined,
    texts: &'a [(String, String)],
}

impl Sight<'_> {
    fn place(&self, at: &str) -> Option<Place> {
        self.places.as_ref().and_then(|places| places.find(at))
    }

    fn finding(&self, error: &BundleError) -> Finding {
        let message = match error.at.as_str() {
            "" => error.reason.clone(),
            at => format!("{at}: {}", error.reason),
        };
        let finding = match (self.beside(&error.at), error.position) {
            (Some((path, text, _)), Some((line, column))) => {
                Finding::of(path, message).at(place_in(text, line, column))
            }
            (Some((path, text, within)), None) => {
                Finding::of(path, message).at(Places::of(text).and_then(|places| places.find(within)))
            }
            (None, Some((line, _))) if line > 1 => {
                Finding::of(self.file, format!("{message} (in line {line} of it)")).at(self.place(&error.at))
            }
            // What is wrong is the name, not what stands behind it.
            (None, _) if error.reason.starts_with("unknown field") => {
                let place = self.places.as_ref().and_then(|places| places.name(&error.at));
                Finding::of(self.file, message).at(place)
            }
            (None, _) => Finding::of(self.file, message).at(self.place(&error.at)),
        };
        Finding { conceal: error.conceal, ..finding.hint(error.hint.clone()) }
    }

    /// The file that a fault is in, its text, and the fields in it that lead to the fault. A file that could not be
    /// read is named wrongly in the bundle: the fault is there.
    fn beside<'s>(&'s self, at: &'s str) -> Option<(&'s str, &'s str, &'s str)> {
        let (begins, path) = self.inlined.files.iter().find(|(begins, _)| {
            at.strip_prefix(begins.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })?;
        if self.inlined.open.contains(begins) {
            return None;
        }
        let (_, text) = self.texts.iter().find(|(read, _)| read == path)?;
        Some((path, text, at.strip_prefix(begins.as_str())?.trim_start_matches('.')))
    }

    fn unused_connections(&self, bundle: &Bundle) -> Vec<Finding> {
        let flows = bundle.flows.values().flat_map(|flow| {
            std::iter::once(&flow.source.connection).chain(flow.targets.iter().map(|target| &target.connection))
        });
        let used: BTreeSet<&ConnectionId> =
            flows.chain(bundle.notifications.iter().map(|rule| &rule.connection)).collect();
        let warning = |at: String, message: String, hint: &str| {
            Finding::of(self.file, format!("{at}: {message}")).at(self.place(&at)).hint(hint.to_owned()).warning()
        };
        let mut warnings = Vec::new();
        for (id, definition) in &bundle.connections {
            let at = format!("connections.{id}");
            if !used.contains(id) {
                let hint = "name it in a flow or under notifications, or take it out";
                warnings.push(warning(at, "nothing uses this connection".to_owned(), hint));
                continue;
            }
            for object in definition.polls.keys() {
                let takes =
                    bundle.flows.values().any(|flow| flow.source.connection == *id && flow.source.object == *object);
                if !takes {
                    let message = "it is polled, but no flow takes it".to_owned();
                    warnings.push(warning(format!("{at}.polls.{object}"), message, "add a flow, or take the poll out"));
                }
            }
        }
        warnings
    }

    fn unused_variables(&self, variables: &Variables, findings: &mut Vec<Finding>) {
        for name in variables.given.difference(&self.inlined.variables) {
            let finding = Finding::of(self.file, format!("nothing uses the variable {name}, which was given"));
            findings.push(finding.hint(format!("write ${{{name}}} where it belongs, or leave it out")).warning());
        }
    }
}

/// The place of a line and column in a text; it spans the word that is there.
fn place_in(text: &str, line: u64, column: u64) -> Option<Place> {
    let number = |number: u64| usize::try_from(number).ok()?.checked_sub(1);
    let begins: usize = text.split_inclusive('\n').take(number(line)?).map(str::len).sum();
    let rest = text.get(begins..)?;
    let within: usize = rest.chars().take(number(column)?).map(char::len_utf8).sum();
    let start = begins + within;
    let word = text.get(start..)?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum();
    Some(Place { line, column, bytes: start..start.saturating_add(word) })
}

/// By file and line. What shares a line with a secret is not shown either.
fn order(findings: &mut [Finding]) {
    let line = |finding: &Finding| finding.place.as_ref().map(|place| place.line);
    let secret: Vec<_> = findings.iter().filter(|it| it.conceal).map(|it| (it.file.clone(), line(it))).collect();
    for finding in findings.iter_mut() {
        finding.conceal |= secret.contains(&(finding.file.clone(), line(finding)));
    }
    findings.sort_by_cached_key(|finding| {
        let column = finding.place.as_ref().map(|place| place.column);
        (finding.file.clone(), line(finding), column, finding.message.clone())
    });
}
