//! A manifest is read and compiled; what is wrong is told with its line.

use crate::finding::Finding;
use crate::places::{Places, place};
use fluxnex_core::bundle::meant;
use fluxnex_core::connector::{CompiledManifest, Manifest};
use serde::de::DeserializeOwned;
use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

/// The name of a manifest in its folder.
pub const FILE: &str = "connector.yaml";
/// A larger file is no manifest, in bytes.
pub const LARGEST_BYTES: usize = 512 * 1024;

/// Reads and compiles the text of a manifest.
///
/// # Errors
/// Everything that is wrong; where the text cannot be read, the first fault.
pub fn compile(text: &str) -> Result<CompiledManifest, Vec<Finding>> {
    let manifest: Manifest = read(text, FILE).map_err(|finding| vec![finding])?;
    CompiledManifest::compile(manifest).map_err(|error| {
        let places = Places::of(text);
        let find = |at: &str| places.as_ref().and_then(|places| places.find(at));
        let problems = error.problems.into_iter();
        let finding = |problem: fluxnex_core::connector::Problem| {
            let message = without_repetition(&problem.at, &problem.reason);
            let (message, hint) = match message.split_once("; ") {
                Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
                None => (message, None),
            };
            Finding::of(FILE, format!("{}: {message}", problem.at)).at(find(&problem.at)).hint(hint)
        };
        problems.map(finding).collect()
    })
}

// A mapping's error begins with the mapping's name, which is the place here.
fn without_repetition(at: &str, reason: &str) -> String {
    reason.strip_prefix(&format!("mapping {at}: ")).unwrap_or(reason).to_owned()
}

/// Reads YAML into a type.
///
/// # Errors
/// The first fault, with its place and, where a name was mistyped, the one that was meant.
pub fn read<T: DeserializeOwned>(text: &str, file: &str) -> Result<T, Finding> {
    if text.len() > LARGEST_BYTES {
        return Err(Finding::of(file, format!("the file has {} bytes, at most {LARGEST_BYTES} are read", text.len())));
    }
    serde_saphyr::from_str(text).map_err(|error| finding(&error, file))
}

fn finding(error: &Error, file: &str) -> Finding {
    let plain = innermost(error);
    let message = UserMessageFormatter.format_message(plain).escape_debug().to_string().replace("\\'", "'");
    let message = message.replace("\\\"", "\"");
    let location = error.location().or_else(|| plain.location());
    Finding::of(file, message).at(location.map(place)).hint(advice(plain))
}

// An error inside an anchor is wrapped by the place of its use.
fn innermost(error: &Error) -> &Error {
    match error.without_snippet() {
        Error::AliasError { error, .. } => innermost(error),
        plain => plain,
    }
}

fn advice(error: &Error) -> Option<String> {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => Some(meant(field, expected)),
        Error::SerdeUnknownVariant { variant, expected, .. } => Some(meant(variant, expected)),
        Error::SerdeMissingField { field, .. } => Some(format!("add `{field}:` here")),
        Error::UnknownAnchor { .. } => Some("an anchor (`&name`) must stand before its alias (`*name`)".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> Finding {
        compile(text).unwrap_err().remove(0)
    }

    #[test]
    fn a_mistyped_name_is_told_with_its_line_and_the_right_one() {
        let finding = first("connector: x\ntitle: X\ncredentails: {}\n");
        assert_eq!(finding.place.as_ref().map(|place| place.line), Some(3), "{finding}");
        assert!(finding.message.contains("credentails"), "{finding}");
        assert_eq!(finding.hint.as_deref(), Some("did you mean `credentials`?"));
    }

    #[test]
    fn every_problem_has_its_line() {
        let text = "\
connector: x
title: X
base_url: https://x.example
objects:
  Thing:
    identify: {id: .id}
    read_one:
      method: GET
      path: \"/things/{key}\"
      body: .
      record: '.thing['
";
        let findings = compile(text).unwrap_err();
        let lines: Vec<_> = findings.iter().map(|found| found.place.as_ref().map(|place| place.line)).collect();
        assert_eq!(lines, [Some(9), Some(10), Some(11)], "{findings:#?}");
        assert!(findings[0].message.contains("there is no {key} at this place"), "{findings:#?}");
    }

    #[test]
    fn garbage_is_one_finding() {
        for garbage in ["", "[]", "a: [", "connector: x", "\u{0}", "&a [*a]", "connector: X!\ntitle: t\n"] {
            assert_eq!(compile(garbage).unwrap_err().len(), 1, "{garbage:?}");
        }
        assert!(first(&" ".repeat(LARGEST_BYTES + 1)).message.contains("bytes"));
    }
}
