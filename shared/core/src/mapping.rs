//! Mappings are jq programs, compiled once and run on one value at a time.
//!
//! A mapping cannot define functions, loop without bound, or reach outside its input: the words
//! that would let it are refused when it is compiled. Numbers keep the digits they were written
//! with (`1000.10` stays `1000.10`), because money must not pass through a float.

mod library;

use jaq_core::load::parse::Def;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Ctx, Vars, data::JustLut, unwrap_valr};
use jaq_json::Val;
use serde::de::DeserializeOwned;
use std::fmt;

/// The largest mapping source, in bytes.
pub const LONGEST_SOURCE_BYTES: usize = 64 * 1024;

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
];

/// Why a mapping cannot be compiled or run. Never quotes the value it ran on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The source is longer than [`LONGEST_SOURCE_BYTES`].
    #[error("mapping {name}: longer than {LONGEST_SOURCE_BYTES} bytes")]
    TooLong {
        /// What the mapping is for.
        name: String,
    },
    /// The source uses a word that could make it recurse, loop, or reach outside.
    #[error("mapping {name}: `{word}` is not allowed in a mapping")]
    Refused {
        /// What the mapping is for.
        name: String,
        /// The word.
        word: String,
    },
    /// The source is not valid jq.
    #[error("mapping {name}: {reason}")]
    Syntax {
        /// What the mapping is for.
        name: String,
        /// What is wrong, with the offending part of the source.
        reason: String,
    },
    /// The input is not JSON.
    #[error("mapping {name}: its input is not JSON")]
    Input {
        /// What the mapping is for.
        name: String,
    },
    /// The program failed on this input. The values involved are not quoted.
    #[error("mapping {name}: it cannot handle this record ({reason})")]
    Run {
        /// What the mapping is for.
        name: String,
        /// The kind of failure, without the values involved.
        reason: &'static str,
    },
    /// The program must give exactly one value of a certain shape, and did not.
    #[error("mapping {name}: it must give {expected}")]
    Output {
        /// What the mapping is for.
        name: String,
        /// What it must give.
        expected: &'static str,
    },
}

/// A compiled mapping. Compile it once, when a flow is loaded, and run it for every record.
pub struct Program {
    name: String,
    variables: usize,
    filter: Filter,
}

impl fmt::Debug for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Program").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A JSON value in the form that programs run on.
#[derive(Clone, Debug)]
pub struct Json(Val);

impl Json {
    /// Reads JSON text.
    ///
    /// # Errors
    /// [`MappingError::Input`] if the text is not one JSON value.
    pub fn parse(name: &str, text: &str) -> Result<Self, MappingError> {
        // jaq recurses on nesting, and an overflow of the stack is not a panic that can be caught.
        crate::content::check_depth(text).map_err(|_| MappingError::Input { name: name.to_owned() })?;
        // jaq reads a superset of JSON (comments, NaN, byte strings); only real JSON may pass.
        serde_json::from_str::<serde::de::IgnoredAny>(text)
            .map_err(|_| MappingError::Input { name: name.to_owned() })?;
        jaq_json::read::parse_single(text.as_bytes())
            .map(Self)
            .map_err(|_| MappingError::Input { name: name.to_owned() })
    }

    /// The JSON `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(Val::Null)
    }

    /// The value as JSON text; numbers keep the digits they were written with.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.to_string()
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self(Val::from(text.to_owned()))
    }
}

impl Program {
    /// Compiles a jq program. `name` says in errors what it is for; `variables` are the names
    /// (with `$`) that [`run`](Self::run) gives values to.
    ///
    /// # Errors
    /// [`MappingError`] if the source is too long, uses a refused word, or is not valid jq.
    pub fn compile(name: &str, source: &str, variables: &[&str]) -> Result<Self, MappingError> {
        let owned = || name.to_owned();
        if source.len() > LONGEST_SOURCE_BYTES {
            return Err(MappingError::TooLong { name: owned() });
        }
        if let Some(word) = refused_word(source) {
            return Err(MappingError::Refused { name: owned(), word: word.to_owned() });
        }
        let used = library::Used::by(source);
        let functions = || jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let small = functions().filter(|(name, ..)| used.has(name));
        let filter = match build(name, source, variables, used.definitions(), small) {
            // It uses something of the library by an operator, not by its name; or it is wrong.
            Err(_) => build(name, source, variables, library::all(), functions())?,
            Ok(filter) => filter,
        };
        Ok(Self { name: owned(), variables: variables.len(), filter })
    }

    /// Runs the program on one value and gives its only output.
    ///
    /// # Errors
    /// [`MappingError::Run`] if the program fails, [`MappingError::Output`] if it gives no value
    /// or more than one.
    pub fn run(&self, input: &Json, variables: Vec<Json>) -> Result<Json, MappingError> {
        if variables.len() != self.variables {
            return Err(MappingError::Run { name: self.name.clone(), reason: "a variable is missing" });
        }
        let variables = Vars::new(variables.into_iter().map(|json| json.0));
        let context = Ctx::<JustLut<Val>>::new(&self.filter.lut, variables);
        let mut outputs = self.filter.id.run((context, input.0.clone())).map(unwrap_valr);
        match (outputs.next(), outputs.next()) {
            (Some(Ok(value)), None) => Ok(Json(value)),
            (Some(Err(_)), _) | (_, Some(Err(_))) => {
                Err(MappingError::Run { name: self.name.clone(), reason: "a value has an unexpected type" })
            }
            _ => Err(self.output("exactly one value")),
        }
    }

    /// Runs the program and reads its output as a Rust value.
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`MappingError::Output`] if the output has another shape.
    pub fn run_as<T: DeserializeOwned>(
        &self,
        input: &Json,
        variables: Vec<Json>,
        expected: &'static str,
    ) -> Result<T, MappingError> {
        let output = self.run(input, variables)?;
        serde_json::from_str(&output.to_text()).map_err(|_| self.output(expected))
    }

    pub(crate) fn output(&self, expected: &'static str) -> MappingError {
        MappingError::Output { name: self.name.clone(), expected }
    }
}

type Filter = jaq_core::Filter<JustLut<Val>>;

fn build<'s>(
    name: &str,
    source: &'s str,
    variables: &[&'s str],
    definitions: impl Iterator<Item = Def<&'static str>>,
    functions: impl Iterator<Item = jaq_core::native::Fun<JustLut<Val>>>,
) -> Result<Filter, MappingError> {
    let syntax = |reason: String| MappingError::Syntax { name: name.to_owned(), reason };
    let arena = Arena::default();
    #[expect(clippy::map_identity, reason = "it shortens the lifetime")]
    let definitions = definitions.map(|definition| -> Def<&'s str> { definition });
    let modules = Loader::new(definitions)
        .load(&arena, File { code: source, path: () })
        .map_err(|errors| syntax(load_reason(source, &errors)))?;
    jaq_core::Compiler::default()
        .with_funs(functions)
        .with_global_vars(variables.iter().copied())
        .compile(modules)
        .map_err(|errors| syntax(compile_reason(&errors)))
}

fn refused_word(source: &str) -> Option<&str> {
    let tokens = jaq_core::load::lex::Lexer::new(source).lex().ok()?;
    first_refused(&tokens)
}

fn first_refused<'a>(tokens: &[jaq_core::load::lex::Token<&'a str>]) -> Option<&'a str> {
    use jaq_core::load::lex::{StrPart, Tok, Token};
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

fn load_reason(source: &str, errors: &jaq_core::load::Errors<&str, ()>) -> String {
    use jaq_core::load::Error;
    let Some((_, error)) = errors.first() else { return "it is not valid jq".to_owned() };
    let (expected, found) = match error {
        Error::Lex(errors) => match errors.first() {
            Some((expected, found)) => (expected.as_str().to_owned(), *found),
            None => return "it is not valid jq".to_owned(),
        },
        Error::Parse(errors) => match errors.first() {
            Some((expected, found)) => (expected.as_str().to_owned(), *found),
            None => return "it is not valid jq".to_owned(),
        },
        Error::Io(_) => return "it may not import".to_owned(),
    };
    let offset = found.as_ptr() as usize - source.as_ptr() as usize;
    let line = source.get(..offset).unwrap_or(source).matches('\n').count() + 1;
    let near: String = found.chars().take(30).collect();
    format!("line {line}: expected {expected}, found {near:?}")
}

fn compile_reason(errors: &jaq_core::compile::Errors<&str, ()>) -> String {
    match errors.first().and_then(|(_, errors)| errors.first()) {
        Some((name, kind)) => format!("{} `{name}` is not known", kind.as_str()),
        None => "it cannot be compiled".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(source: &str, input: &str) -> Result<String, MappingError> {
        let program = Program::compile("test", source, &[])?;
        Ok(program.run(&Json::parse("test", input)?, vec![])?.to_text())
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(
            run("{a: .a, b: (.b | tostring)}", r#"{"a":1000.10,"b":1234.50}"#).unwrap(),
            r#"{"a":1000.10,"b":"1234.50"}"#
        );
        assert_eq!(run(".", "123456789012345678901234567890").unwrap(), "123456789012345678901234567890");
    }

    #[test]
    fn words_that_reach_outside_or_loop_are_refused() {
        for source in [
            "def f: f; f",
            "env",
            "$ENV",
            "now",
            "input",
            "repeat(.)",
            "[range(10)]",
            "\"\\(env)\"",
            "{a: [until(false; .)]}",
        ] {
            assert!(matches!(Program::compile("test", source, &[]), Err(MappingError::Refused { .. })), "{source}");
        }
        assert!(Program::compile("test", "\"now and env\"", &[]).is_ok());
        assert!(Program::compile("test", ".now", &[]).is_ok());
    }

    #[test]
    fn errors_name_the_place_and_never_the_value() {
        let error = Program::compile("invoice.to_entity", "{a: .b,\n c: }", &[]).unwrap_err().to_string();
        assert!(error.contains("invoice.to_entity") && error.contains("line 2"), "{error}");
        let error = Program::compile("x", "nosuch(.)", &[]).unwrap_err().to_string();
        assert!(error.contains("nosuch"), "{error}");
        let error = run(".a + 1", r#"{"a":"secret"}"#).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn exactly_one_output_is_asked_for() {
        assert!(matches!(run("empty", "1"), Err(MappingError::Output { .. })));
        assert!(matches!(run(".,.", "1"), Err(MappingError::Output { .. })));
        assert!(matches!(run(".", "{,}"), Err(MappingError::Input { .. })));
        assert!(matches!(run(".", "nan"), Err(MappingError::Input { .. })));
    }

    #[test]
    fn variables_are_given_in_order() {
        let program = Program::compile("test", "{k: $key, v: .}", &["$key"]).unwrap();
        assert_eq!(program.run(&Json::null(), vec![Json::from("a\"b")]).unwrap().to_text(), r#"{"k":"a\"b","v":null}"#);
    }

    #[test]
    fn the_cut_library_gives_the_same_results() {
        let input = r#"{"a":[{"k":"x","v":1.50},{"k":"y","v":2}],"t":"2026-11-01T08:15:00Z","n":null}"#;
        for (source, expected) in [
            ("[.a[] | select(.v > 1) | .k] | join(\"-\")", r#""x-y""#),
            (".a | map({(.k): .v}) | add", r#"{"x":1.50,"y":2}"#),
            (".a | sort_by(.v) | last.k | ascii_upcase", r#""Y""#),
            ("[.a | to_entries[] | .key]", "[0,1]"),
            ("[..|numbers] | length", "2"),
            (".t | fromdateiso8601 | todateiso8601", r#""2026-11-01T08:15:00Z""#),
            ("@json \"v=\\(.a[0].v)\"", r#""v=1.50""#),
            (".n // \"none\"", r#""none""#),
            ("[.a[] | .v |= tostring | .v] | any(. == \"2\")", "true"),
            ("[limit(1; .a[])] | length", "1"),
            ("try error(\"x\") catch .", r#""x""#),
            ("[splits(\"a\")]? // \"no\"", r#""no""#),
            (".a as [$x, $y] | {$x} | keys", r#"["x"]"#),
        ] {
            assert_eq!(run(source, input).unwrap(), expected, "{source}");
            let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
            let filter = build("whole", source, &[], library::all(), functions).unwrap();
            let whole = Program { name: "whole".to_owned(), variables: 0, filter };
            assert_eq!(
                whole.run(&Json::parse("test", input).unwrap(), vec![]).unwrap().to_text(),
                expected,
                "{source}"
            );
        }
    }

    #[test]
    fn programs_can_be_shared() {
        fn shared<T: Send + Sync>() {}
        shared::<Program>();
    }
}
