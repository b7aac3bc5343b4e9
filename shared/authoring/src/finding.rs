//! One fault in a connector's or a bundle's folder, and how it is shown: as the Rust compiler shows its own.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;
use std::ops::Range;
use std::path::PathBuf;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    #[serde(skip_serializing_if = "Severity::is_fault")]
    pub severity: Severity,
    /// The file, below the folder.
    pub file: PathBuf,
    /// Where in the file, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What would be right, where that can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether its line may hold a secret and is not to be shown.
    #[serde(skip)]
    pub conceal: bool,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is wrong.
    #[default]
    Fault,
    /// It is probably not meant so.
    Warning,
}

impl Severity {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_fault(&self) -> bool {
        *self == Self::Fault
    }
}

/// A place in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Counted from 1.
    pub line: u64,
    /// In characters, counted from 1.
    pub column: u64,
    /// In bytes, from the beginning of the file; empty if only the point is known.
    #[serde(skip)]
    pub bytes: Range<usize>,
}

impl Finding {
    /// A fault of a file as a whole.
    #[must_use]
    pub fn of(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        let (severity, file, message) = (Severity::Fault, file.into(), message.into());
        Self { severity, file, place: None, message, hint: None, conceal: false }
    }

    /// The same, that is no fault.
    #[must_use]
    pub fn warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// Whether it is wrong, and not only odd.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        self.severity == Severity::Fault
    }

    /// The same fault at a place.
    #[must_use]
    pub fn at(self, place: Option<Place>) -> Self {
        Self { place, ..self }
    }

    /// The same fault with what would be right.
    #[must_use]
    pub fn hint(self, hint: impl Into<Option<String>>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// The fault for a person: the message, the line that it is in, the hint. `text` is the file's.
    #[must_use]
    pub fn render(&self, text: Option<&str>, coloured: bool) -> String {
        let path = self.file.display().to_string();
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let level = if self.is_fault() { Level::ERROR } else { Level::WARNING };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()));
        group = match (text, &self.place) {
            (_, Some(place)) if self.conceal => {
                let line = usize::try_from(place.line).unwrap_or_default();
                group.element(annotate_snippets::Origin::path(path).line(line))
            }
            (Some(text), Some(place)) => {
                let mark = AnnotationKind::Primary.span(within(text, &place.bytes));
                group.element(Snippet::source(text).path(path).annotation(mark))
            }
            _ => group.element(annotate_snippets::Origin::path(path)),
        };
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        renderer.render(&[group])
    }
}

// The marks of a place that spans lines would bury the message: the first line is enough.
fn within(text: &str, bytes: &Range<usize>) -> Range<usize> {
    let mut start = bytes.start.min(text.len());
    while !text.is_char_boundary(start) {
        start = start.saturating_sub(1);
    }
    let rest = text.get(start..).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let longest = bytes.end.saturating_sub(bytes.start).max(1);
    let mut length = longest.min(line.len());
    while !rest.is_char_boundary(length) {
        length += 1;
    }
    start..start + length
}

impl std::fmt::Display for Finding {
    /// One line: `file:line:column: message; hint`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        if let Some(place) = &self.place {
            write!(formatter, ":{}:{}", place.line, place.column)?;
        }
        let kind = if self.is_fault() { "" } else { "warning: " };
        write!(formatter, ": {kind}{}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(formatter, "; {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_shown_with_its_line_and_hint() {
        let text = "connector: x\ntitel: Ä thing\n";
        let place = Place { line: 2, column: 1, bytes: 13..18 };
        let finding = Finding::of("connector.yaml", "unknown field `titel`").at(Some(place));
        let shown = finding.hint("did you mean `title`?".to_owned()).render(Some(text), false);
        for expected in
            ["error: unknown field `titel`", "connector.yaml:2:1", "2 | titel: Ä thing", "^^^^^", "did you mean"]
        {
            assert!(shown.contains(expected), "{expected} is not in\n{shown}");
        }
    }

    #[test]
    fn no_place_makes_it_panic() {
        let text = "a: ä\nb: ö\n";
        for start in 0..20 {
            for end in 0..20 {
                let place = Place { line: 1, column: 1, bytes: start..end };
                assert!(Finding::of("f", "m").at(Some(place)).render(Some(text), true).contains('m'));
            }
        }
    }
}
