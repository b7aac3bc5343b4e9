//! Where a program failed: run once more, with a mark around each of its parts.
//!
//! jaq does not know where in a program an error arose. So when a run fails, the program is written anew with
//! `marked(n; …)` around its parts, and run on the same input; the innermost part that gives the error is the place.
//! It costs only those who fail, and the marked program is compiled once. Where a part cannot be marked, the place is that of a larger part, or unknown.

use jaq_core::load::lex::{Lexer, Tok, Token};
use jaq_core::native::Fun;
use jaq_core::{Bind, DataT, Native};
use std::cell::Cell;

use super::reason;
use super::value::Value;

/// The name of the mark. A program that uses it itself is not marked.
const MARK: &str = "marked_part";

/// Parts of a program, as written.
pub(super) struct Marked<'s> {
    /// The program with its marks.
    pub(super) program: String,
    parts: Vec<&'s str>,
}

thread_local! {
    static INNERMOST: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The function that marks.
pub(super) fn function<D: for<'a> DataT<V<'a> = Value>>() -> Fun<D> {
    let native = Native::new(|mut cv| {
        let (part, context) = cv.0.pop_fun();
        let number = number(&cv.0.pop_var());
        Box::new(part.run((context, cv.1)).inspect(move |result| noted(number, result.is_err())))
    })
    .with_paths(|mut cv| {
        let (part, context) = cv.0.pop_fun();
        let number = number(&cv.0.pop_var());
        Box::new(part.paths((context, cv.1)).inspect(move |result| noted(number, result.is_err())))
    })
    .with_update(|mut cv, update| {
        let (part, context) = cv.0.pop_fun();
        let number = number(&cv.0.pop_var());
        Box::new(part.update((context, cv.1), update).inspect(move |result| noted(number, result.is_err())))
    });
    (MARK, Box::new([Bind::Var(()), Bind::Fun(())]), native)
}

fn number(value: &Value) -> Option<isize> {
    jaq_std::ValT::as_isize(value)
}

fn noted(number: Option<isize>, failed: bool) {
    INNERMOST.with(|innermost| match (failed, innermost.get()) {
        (true, None) => innermost.set(number.and_then(|number| usize::try_from(number).ok())),
        // What was caught is no failure.
        (false, Some(_)) => innermost.set(None),
        _ => {}
    });
}

impl<'s> Marked<'s> {
    /// Marks a program's parts, if it can be read.
    pub(super) fn of(source: &'s str) -> Option<Self> {
        let tokens = Lexer::new(source).lex().ok()?;
        if source.contains(MARK) {
            return None;
        }
        let mut parts = Vec::new();
        runs(source, &tokens, false, &mut parts);
        let mut places: Vec<(usize, bool, usize)> = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            let start = reason::offset(source, part)?;
            places.push((start, true, number));
            places.push((start + part.len(), false, number));
        }
        // At one place, what ends goes before what begins; an outer part begins first, and ends last.
        places.sort_by_key(|(place, begins, number)| {
            let order = if *begins { *number } else { usize::MAX - number };
            (*place, *begins, order)
        });
        let (mut program, mut copied) = (String::with_capacity(source.len() * 2), 0);
        for (place, begins, number) in places {
            program.push_str(source.get(copied..place)?);
            copied = place;
            if begins {
                program.push_str(&format!(" {MARK}({number}; "));
            } else {
                program.push(')');
            }
        }
        program.push_str(source.get(copied..)?);
        Some(Self { program, parts })
    }

    /// The place of each part, and how it begins, by its number.
    pub(super) fn places(&self, source: &str) -> Vec<String> {
        let place = |part: &&str| {
            let start = reason::offset(source, part).unwrap_or_default();
            format!("{}, `{}`", reason::place(source, start), reason::excerpt(part))
        };
        self.parts.iter().map(place).collect()
    }
}

/// Forgets earlier failures.
pub(super) fn begin() {
    INNERMOST.set(None);
}

/// The number of the innermost part that failed since.
pub(super) fn failed() -> Option<usize> {
    INNERMOST.take()
}

/// Runs of tokens that are terms for themselves, each before those within it.
fn runs<'s>(source: &'s str, tokens: &[Token<&'s str>], is_object: bool, parts: &mut Vec<&'s str>) {
    // A key of an object, a pattern behind `as`, and what goes on behind `end` are no terms.
    let (mut usable, mut after_as) = (!is_object, false);
    let mut run: Vec<&Token<&'s str>> = Vec::new();
    for token in tokens {
        let Token(text, kind) = token;
        let ends = match kind {
            Tok::Sym => {
                matches!(*text, "|" | "," | ";" | ":" | ")" | "]" | "}" | "=" | "|=" | "?//") || is_update(text)
            }
            Tok::Word => is_keyword(text),
            _ => false,
        };
        if !ends {
            run.push(token);
            continue;
        }
        close(source, &mut run, usable && !after_as, parts);
        after_as = *text == "as";
        usable = match *text {
            ":" => true,
            "," if is_object => false,
            "end" => false,
            _ if is_object => usable,
            _ => true,
        };
    }
    close(source, &mut run, usable && !after_as, parts);
}

fn is_update(text: &str) -> bool {
    text.len() >= 2 && text.ends_with('=') && !matches!(text, "==" | "!=" | "<=" | ">=")
}

fn is_keyword(text: &str) -> bool {
    matches!(
        text,
        "if" | "then"
            | "elif"
            | "else"
            | "end"
            | "as"
            | "reduce"
            | "foreach"
            | "try"
            | "catch"
            | "and"
            | "or"
            | "label"
    )
}

fn close<'s>(source: &'s str, run: &mut Vec<&Token<&'s str>>, usable: bool, parts: &mut Vec<&'s str>) {
    let tokens = std::mem::take(run);
    if !usable {
        return;
    }
    let (Some(Token(first, _)), Some(Token(last, _))) = (tokens.first(), tokens.last()) else { return };
    let (Some(start), Some(end)) = (reason::offset(source, first), reason::offset(source, last)) else { return };
    if let Some(whole) = source.get(start..end + last.len()) {
        parts.push(whole);
    }
    for Token(text, kind) in tokens {
        if let Tok::Block(inner) = kind {
            runs(source, inner, text.starts_with('{'), parts);
        }
    }
}
