//! What a program may not be: words that loop or reach outside, and shapes that take too much stack.

use super::reason::{Fault, Place, offset, place};
use jaq_core::load::lex::{Lexer, StrPart, Tok, Token};
use jaq_core::load::parse::{BinaryOp, Def, Term};

/// Words that a mapping may not use, because with them it could recurse, loop without bound, read
/// the clock or the environment, or end the process.
const REFUSED_WORDS: &[&str] = &[
    "def",
    "import",
    "include",
    "recurse",
    "repeat",
    "while",
    "until",
    "range",
    "input",
    "inputs",
    "env",
    "now",
    "localtime",
    "mktime",
    "strflocaltime",
    "debug",
    "stderr",
    "halt",
    "halt_error",
    "input_filename",
    "input_line_number",
    "combinations",
    "walk",
    "label",
    "setpath",
    "delpaths",
    // They loop as often as their argument says.
    "jn",
    "yn",
    // Parts of the library that are only for its own definitions.
    "matches_unpaid",
    "split_matches_unpaid",
    "split_unpaid",
    "regular_cost",
    "marked_part",
];

/// How deeply brackets may nest in a program.
const DEEPEST_BRACKETS: usize = 64;
/// How many operators may follow one another, along the deepest way into the brackets: parsing, compiling and running
/// take stack for each.
const MOST_OPERATORS: usize = 400;
/// Functions that change or name a place in a value; their first argument must be a plain path.
const TAKE_PATHS: &[&str] = &["del", "path", "paths", "pick", "path_value"];
/// Functions that a path may call.
const IN_PATHS: &[&str] = &[
    "select",
    "first",
    "last",
    "nth",
    "empty",
    "error",
    "values",
    "nulls",
    "booleans",
    "numbers",
    "strings",
    "arrays",
    "objects",
    "iterables",
    "scalars",
];

/// Why a program is refused.
pub(super) enum Refusal {
    /// A word, and where it stands.
    Word(String, Place),
    /// Anything else.
    Shape(Fault),
}

fn shape(at: Option<Place>, words: String) -> Refusal {
    Refusal::Shape(Fault { at, words })
}

/// Looks for what a program may not hold. A program that is no jq passes: the compiler has the words for it.
pub(super) fn check(source: &str) -> Result<(), Refusal> {
    // Before anything that recurses.
    brackets(source)?;
    let Ok(tokens) = Lexer::new(source).lex() else { return Ok(()) };
    if let Some(word) = first_refused(&tokens) {
        let at = place(source, offset(source, word).unwrap_or(0));
        return Err(Refusal::Word(word.to_owned(), at));
    }
    if operators(&tokens) > MOST_OPERATORS {
        return Err(shape(None, format!("more than {MOST_OPERATORS} operators follow one another; split it up")));
    }
    let term = jaq_core::load::parse::Parser::new(&tokens).parse(|parser| parser.term());
    term.map_or(Ok(()), |term| terms(source, &term))
}

/// Brackets that are open at once, those of `\(…)` in strings among them.
fn brackets(source: &str) -> Result<(), Refusal> {
    // Whether each open bracket is of code within a string.
    let mut open: Vec<bool> = Vec::new();
    let (mut in_string, mut in_comment) = (false, false);
    let mut characters = source.chars();
    while let Some(character) = characters.next() {
        match character {
            '\n' => in_comment = false,
            _ if in_comment => {}
            '\\' if in_string => {
                let begins_code = characters.next() == Some('(');
                in_string = !begins_code;
                open.extend(begins_code.then_some(true));
            }
            '"' => in_string = !in_string,
            _ if in_string => {}
            '#' => in_comment = true,
            '(' | '[' | '{' => open.push(false),
            ')' | ']' | '}' => in_string = open.pop() == Some(true),
            _ => {}
        }
        if open.len() > DEEPEST_BRACKETS {
            return Err(shape(None, format!("brackets nest deeper than {DEEPEST_BRACKETS} levels")));
        }
    }
    Ok(())
}

/// The most operators and keywords on one way into the brackets. Members of an object stand side by side.
fn operators(tokens: &[Token<&str>]) -> usize {
    let is_object = matches!(tokens.last(), Some(Token("}", Tok::Sym)));
    let (mut most, mut here, mut inside) = (0, 0, 0);
    for Token(text, kind) in tokens {
        match kind {
            Tok::Sym if *text == "," && is_object => {
                most = most.max(here + inside);
                (here, inside) = (0, 0);
            }
            Tok::Block(inner) => inside = inside.max(1 + operators(inner)),
            Tok::Str(parts) => {
                let terms = parts.iter().filter_map(|part| match part {
                    StrPart::Term(Token(_, Tok::Block(inner))) => Some(1 + operators(inner)),
                    _ => None,
                });
                inside = inside.max(terms.max().unwrap_or(0));
                here += parts.len();
            }
            Tok::Sym if !matches!(*text, "." | ":") && !text.starts_with('.') => here += 1,
            Tok::Word if matches!(*text, "as" | "try" | "if" | "elif" | "reduce" | "foreach" | "and" | "or") => {
                here += 1
            }
            _ => {}
        }
    }
    most.max(here + inside)
}

fn first_refused<'a>(tokens: &[Token<&'a str>]) -> Option<&'a str> {
    tokens.iter().find_map(|Token(text, kind)| match kind {
        Tok::Word | Tok::Var => {
            let word = text.trim_start_matches('$');
            (REFUSED_WORDS.contains(&word) || *text == "$ENV" || *text == "$__loc__").then_some(*text)
        }
        Tok::Block(inner) => first_refused(inner),
        Tok::Str(parts) => parts.iter().find_map(|part| match part {
            StrPart::Term(inner) => first_refused(std::slice::from_ref(inner)),
            _ => None,
        }),
        _ => None,
    })
}

/// Every part of a term that is run on a value, and whether it must be a plain path.
fn parts<'t, 's>(term: &'t Term<&'s str>) -> Vec<(&'t Term<&'s str>, bool)> {
    let runs = |inner: &'t Term<&'s str>| (inner, false);
    match term {
        Term::Str(_, parts) => parts
            .iter()
            .filter_map(|part| match part {
                StrPart::Term(inner) => Some(runs(inner)),
                _ => None,
            })
            .collect(),
        Term::Arr(inner) => inner.iter().map(|inner| runs(inner)).collect(),
        Term::Obj(entries) => {
            entries.iter().flat_map(|(key, value)| std::iter::once(key).chain(value.as_ref())).map(runs).collect()
        }
        Term::Neg(inner) | Term::Label(_, inner) => vec![runs(inner)],
        Term::BinOp(left, operator, right) => {
            let assigns =
                matches!(operator, BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt);
            vec![(left.as_ref(), assigns), runs(right)]
        }
        Term::Fold(_, source, _, arguments) => std::iter::once(source.as_ref()).chain(arguments).map(runs).collect(),
        Term::TryCatch(inner, catch) => std::iter::once(inner).chain(catch).map(|inner| runs(inner)).collect(),
        Term::IfThenElse(branches, otherwise) => branches
            .iter()
            .flat_map(|(condition, then)| [condition, then])
            .chain(otherwise.as_deref())
            .map(runs)
            .collect(),
        Term::Def(_, inner) => vec![runs(inner)],
        Term::Call(name, arguments) => arguments.iter().map(|argument| (argument, TAKE_PATHS.contains(name))).collect(),
        Term::Path(head, path) => {
            use jaq_core::path::Part;
            let indices = path.0.iter().flat_map(|(part, _)| match part {
                Part::Index(index) => vec![index],
                Part::Range(from, until) => from.iter().chain(until).collect(),
            });
            std::iter::once(head.as_ref()).chain(indices).map(runs).collect()
        }
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => Vec::new(),
    }
}

fn terms(source: &str, term: &Term<&str>) -> Result<(), Refusal> {
    for (part, is_path) in parts(term) {
        if is_path {
            path(source, part)?;
        }
        terms(source, part)?;
    }
    Ok(())
}

/// A place in a value may be named by steps, choices and conditions only: jaq recurses on a fold in a place once for
/// each of its values, and the stack is not counted.
fn path(source: &str, term: &Term<&str>) -> Result<(), Refusal> {
    let refused = |name: &str| {
        let at = offset(source, name).map(|start| place(source, start));
        Err(shape(at, format!("`{name}` cannot name a place that is changed; write the path out")))
    };
    match term {
        Term::Fold(name, ..) => refused(name),
        Term::Call(name, arguments) => {
            let takes = ["first", "last"].contains(name) || IN_PATHS.contains(name);
            if !takes {
                return refused(name);
            }
            // Conditions are run, not followed.
            let mut followed = arguments.iter().filter(|_| *name != "select");
            followed.try_for_each(|argument| path(source, argument))
        }
        Term::BinOp(left, operator, right) => {
            path(source, left)?;
            if matches!(operator, BinaryOp::Pipe(_) | BinaryOp::Comma | BinaryOp::Alt) {
                path(source, right)
            } else {
                Ok(())
            }
        }
        Term::IfThenElse(branches, otherwise) => {
            branches.iter().map(|(_, then)| then).chain(otherwise.as_deref()).try_for_each(|then| path(source, then))
        }
        Term::TryCatch(inner, _) | Term::Neg(inner) | Term::Label(_, inner) => path(source, inner),
        Term::Path(head, _) => path(source, head),
        Term::Def(definitions, inner) => {
            let bodies = definitions.iter().map(|definition: &Def<&str>| &definition.body);
            bodies.chain(std::iter::once(inner.as_ref())).try_for_each(|body| path(source, body))
        }
        _ => Ok(()),
    }
}
