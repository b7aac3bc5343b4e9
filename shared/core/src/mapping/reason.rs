//! Why a mapping failed, in words that never hold a value: kinds of values, operations and places only.

use super::value::Value;
use jaq_core::Error;
use jaq_core::ops::Math;
use std::cell::RefCell;

/// What an operation could not do. Its words are safe to show.
pub(super) enum Failure {
    LongNumber,
    NotANumber,
    Key(&'static str),
    Iterate(&'static str),
    Index(&'static str, &'static str),
    Slice(&'static str),
    OutOfBounds,
    Replacement(&'static str),
    Calculate(Math, &'static str, &'static str),
    Negate(&'static str),
    /// A function's own words.
    Function(&'static str, &'static str),
}

impl Failure {
    fn words(&self) -> String {
        match self {
            Self::LongNumber => "a number has too many digits".to_owned(),
            Self::NotANumber => "a text is not a number".to_owned(),
            Self::Key(kind) => format!("an object's key must be a string, not {kind}"),
            Self::Iterate(kind) => format!("cannot go through {kind}"),
            Self::Index(kind, index) => format!("cannot index {kind} with {index}"),
            Self::Slice(kind) => format!("cannot take a slice of {kind}"),
            Self::OutOfBounds => "an index is out of bounds".to_owned(),
            Self::Replacement(kind) => format!("a slice can be replaced only by an array, not {kind}"),
            Self::Calculate(Math::Add, left, right) => format!("cannot add {left} and {right}"),
            Self::Calculate(Math::Sub, left, right) => format!("cannot subtract {right} from {left}"),
            Self::Calculate(Math::Mul, left, right) => format!("cannot multiply {left} and {right}"),
            Self::Calculate(Math::Div, left, right) => format!("cannot divide {left} by {right}"),
            Self::Calculate(Math::Rem, left, right) => format!("cannot take the remainder of {left} by {right}"),
            Self::Negate(kind) => format!("cannot negate {kind}"),
            Self::Function(name, words) => format!("`{name}`: {words}"),
        }
    }
}

thread_local! {
    /// The words of the last failure. An error of the program that has the same words may be shown.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// jaq's form of a failure.
pub(super) fn fail(failure: Failure) -> Error<Value> {
    let words = failure.words();
    LAST.with_borrow_mut(|last| last.clone_from(&words));
    Error::str(words)
}

/// What may be shown of an error: our own words, jaq's words with the kinds of the values involved, and words that
/// stand in the program as they are.
pub(super) fn shown(error: Error<Value>, source: &str) -> String {
    // Values show themselves as their kinds.
    let words = error.to_string();
    let value = error.into_val();
    let Some(text) = value.as_text() else { return raised() };
    let is_ours = text == words || LAST.with_borrow(|last| last == text);
    if is_ours || is_literal(source, text) { text.to_owned() } else { raised() }
}

fn raised() -> String {
    "it raised an error, whose words are not shown because they may hold the record's values".to_owned()
}

/// Errors of jaq's library, which is written in jq.
const OF_THE_LIBRARY: &[&str] =
    &["cannot parse as number", "cannot parse as boolean", "split input and separator must be strings"];

fn is_literal(source: &str, text: &str) -> bool {
    if OF_THE_LIBRARY.contains(&text) {
        return true;
    }
    // Shorter texts may stand there by chance.
    text.len() >= 8 && source.contains(&format!("\"{text}\""))
}

/// A place in a program, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// The place of a byte of a program.
pub(super) fn place(source: &str, offset: usize) -> Place {
    let before = source.get(..offset).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place { line, column }
}

/// Why a program cannot be compiled, and where.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: Option<Place>,
    pub(super) words: String,
}

impl Fault {
    fn nowhere(words: &str) -> Self {
        Self { at: None, words: words.to_owned() }
    }
}

/// The start of a part of a program, for people.
pub(super) fn excerpt(part: &str) -> String {
    const LONGEST: usize = 40;
    let line = part.trim().lines().next().unwrap_or_default();
    let short: String = line.chars().take(LONGEST).collect();
    if short.len() < part.trim().len() { format!("{short}…") } else { short }
}

/// Where a part of a program stands in it, if it is a part of it.
pub(super) fn offset(source: &str, part: &str) -> Option<usize> {
    let start = (part.as_ptr() as usize).checked_sub(source.as_ptr() as usize)?;
    (start <= source.len()).then_some(start)
}

pub(super) fn load_reason(source: &str, errors: &jaq_core::load::Errors<&str, ()>) -> Fault {
    use jaq_core::load::Error;
    let found = errors.first().and_then(|(_, error)| match error {
        Error::Lex(errors) => errors.first().map(|(expected, found)| (expected.as_str().to_owned(), *found)),
        Error::Parse(errors) => errors.first().map(|(expected, found)| (expected.as_str().to_owned(), *found)),
        Error::Io(_) => None,
    });
    let Some((expected, found)) = found else { return Fault::nowhere("it is not valid jq") };
    let at = Some(place(source, offset(source, found).unwrap_or(source.len())));
    if found.trim().is_empty() {
        Fault { at, words: format!("expected {expected}, found the end") }
    } else {
        Fault { at, words: format!("expected {expected}, found `{}`", excerpt(found)) }
    }
}

pub(super) fn compile_reason(source: &str, errors: &jaq_core::compile::Errors<&str, ()>) -> Fault {
    use jaq_core::compile::Undefined;
    let Some((name, kind)) = errors.first().and_then(|(_, errors)| errors.first()) else {
        return Fault::nowhere("it cannot be compiled");
    };
    let words = match kind {
        Undefined::Var => format!("variable `{name}` is not known"),
        Undefined::Filter(0) => format!("function `{name}` is not known"),
        Undefined::Filter(arguments) => format!("function `{name}` with {arguments} arguments is not known"),
        other => format!("{} `{name}` is not known", other.as_str()),
    };
    let start = offset(source, name).filter(|start| source.get(*start..).is_some_and(|rest| rest.starts_with(name)));
    Fault { at: start.map(|start| place(source, start)), words }
}
