//! What is wrong with a bundle: everything at once, each with its place and, where it is known, what would be right.

use crate::mapping::MappingError;
use std::fmt;

/// One thing that is wrong with a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct BundleError {
    /// The fields that lead there, with dots; the entries of a list are counted from 1. Empty: the bundle itself.
    pub at: String,
    /// What is wrong. Never quotes what may be secret.
    pub reason: String,
    /// What would be right.
    pub hint: Option<String>,
    /// Line and column in the text of the mapping that is at that place, counted from 1.
    pub position: Option<(u64, u64)>,
    /// Whether what stands there may be a secret, which is not to be shown.
    pub conceal: bool,
}

impl BundleError {
    /// Something that is wrong at a place.
    pub fn new(at: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self { at: at.into(), reason: reason.to_string(), hint: None, position: None, conceal: false }
    }

    /// The same with what would be right.
    #[must_use]
    pub fn hint(self, hint: impl Into<Option<String>>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// The same of something that may be a secret.
    #[must_use]
    pub fn concealed(self) -> Self {
        Self { conceal: true, ..self }
    }

    /// A mapping at a place that cannot be compiled.
    #[must_use]
    pub fn of_mapping(at: impl Into<String>, error: &MappingError, source: &str) -> Self {
        let reason = error.to_string();
        // The mapping's name says what the place says.
        let reason = match reason.strip_prefix("mapping ").and_then(|rest| rest.split_once(": ")) {
            Some((_, reason)) => reason.to_owned(),
            None => reason,
        };
        let (position, reason) = match told(&reason) {
            Some((position, rest)) => (Some(position), rest.to_owned()),
            None => (reason.split('`').nth(1).and_then(|word| found(source, word)), reason),
        };
        Self { position, ..Self::new(at, reason) }
    }

    fn text(&self) -> String {
        let mut text = if self.at.is_empty() { self.reason.clone() } else { format!("{}: {}", self.at, self.reason) };
        if let Some(hint) = &self.hint {
            text.push_str("; ");
            text.push_str(hint);
        }
        text
    }
}

/// Everything that is wrong with a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleErrors(pub Vec<BundleError>);

impl fmt::Display for BundleErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&all.join("; "))
    }
}

impl std::error::Error for BundleErrors {}

/// The position that a mapping's error begins with (`line 2, column 5: …`), and what it says of it.
fn told(reason: &str) -> Option<((u64, u64), &str)> {
    let (place, rest) = reason.strip_prefix("line ")?.split_once(": ")?;
    let mut numbers = place.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    let line = numbers.next()?.parse().ok()?;
    let column = numbers.next().map_or(Some(1), |column| column.parse().ok())?;
    Some(((line, column), rest))
}

fn found(source: &str, word: &str) -> Option<(u64, u64)> {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let start = source.match_indices(word).map(|(start, _)| start).find(|start| {
        let before = source.get(..*start).and_then(|text| text.chars().next_back());
        let after = source.get(start + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })?;
    let before = source.get(..start)?;
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some((u64::try_from(line).ok()?, u64::try_from(column).ok()?))
}

/// Names that are less alike than this are different words.
const ALIKE: f64 = 0.7;

/// The known name that was probably meant.
#[must_use]
pub fn nearest<'n>(given: &str, known: &[&'n str]) -> Option<&'n str> {
    let likeness = |name: &str| strsim::jaro_winkler(given, name);
    let nearest = known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(nearest) >= ALIKE).then_some(nearest)
}

/// Advice for a name that is not known: the one that was meant, or all that there are.
#[must_use]
pub fn meant(given: &str, known: &[&str]) -> String {
    match nearest(given, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "nothing can stand here".to_owned(),
        None => format!("there are: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::Program;

    #[test]
    fn a_refused_word_is_found_where_it_stands() {
        let source = "# a renowned list\n{known: .now,\n  at: now}";
        let error = Program::compile("x", source, &[]).unwrap_err();
        let error = BundleError::of_mapping("flows.a.to_entity", &error, source);
        assert_eq!(error.position, Some((3, 7)), "{error}");
        assert!(error.to_string().starts_with("flows.a.to_entity: `now`"), "{error}");
    }

    #[test]
    fn the_name_that_was_meant_is_given() {
        assert_eq!(meant("conections", &["connections", "flows"]), "did you mean `connections`?");
        assert_eq!(meant("xyz", &["connections", "flows"]), "there are: connections, flows");
        assert_eq!(meant("xyz", &[]), "nothing can stand here");
    }
}
