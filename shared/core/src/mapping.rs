//! Mappings are jq programs, compiled once and run on one value at a time.
//!
//! A mapping cannot define functions, loop without bound, or reach outside its input: what would let
//! it is refused when it is compiled (`mapping/source.rs`), and every run has a budget of steps and bytes
//! (`mapping/budget.rs`). Numbers keep the digits they were written with (`1000.10` stays `1000.10`), because
//! money must not pass through a float.

mod budget;
mod functions;
mod library;
mod reason;
mod source;
#[cfg(test)]
mod tests;
mod trace;
mod value;

use jaq_core::load::parse::Def;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::native::Fun;
use jaq_core::{Ctx, Vars, data::JustLut};
use jaq_json::Val;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::OnceLock;
use value::Value;

pub use budget::{BYTES_PER_BYTE, DEEPEST_VALUE, LONGEST_TEXT_BYTES, Limit, MOST_BYTES, MOST_STEPS, STEPS_PER_BYTE};
pub use reason::Place;

/// The largest mapping source, in bytes.
pub const LONGEST_SOURCE_BYTES: usize = 64 * 1024;
/// How deeply what is read from JSON may nest.
const INPUT_DEPTH: u8 = 64;
const _: () = assert!(INPUT_DEPTH as usize == crate::content::DEEPEST_NESTING);

/// What programs run on.
type Data = JustLut<Value>;
type Filter = jaq_core::Filter<Data>;

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
    #[error("mapping {name}: {at}: `{word}` is not allowed in a mapping")]
    Refused {
        /// What the mapping is for.
        name: String,
        /// The word.
        word: String,
        /// Where it stands.
        at: Place,
    },
    /// The source is not valid jq, or has a shape that is refused.
    #[error("mapping {name}: {place}{reason}", place = at.map(|at| format!("{at}: ")).unwrap_or_default())]
    Syntax {
        /// What the mapping is for.
        name: String,
        /// Where, if it is at one place.
        at: Option<Place>,
        /// What is wrong, with the offending part of the source.
        reason: String,
    },
    /// The input is not JSON.
    #[error("mapping {name}: its input is not JSON, or nests too deeply, or has a number of too many digits")]
    Input {
        /// What the mapping is for.
        name: String,
    },
    /// The program failed on this input. The values involved are not quoted.
    #[error("mapping {name}: {reason}")]
    Run {
        /// What the mapping is for.
        name: String,
        /// Where in the program, and what failed, with the kinds of the values involved.
        reason: String,
    },
    /// The run was stopped: it used more than a run may.
    #[error("mapping {name}: {limit}")]
    Stopped {
        /// What the mapping is for.
        name: String,
        /// What it used too much of.
        limit: Limit,
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

impl MappingError {
    /// Where in the program it is, for errors of compiling.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Refused { at, .. } => Some(*at),
            Self::Syntax { at, .. } => *at,
            _ => None,
        }
    }
}

/// A compiled mapping. Compile it once, when a flow is loaded, and run it for every record.
pub struct Program {
    name: String,
    source: String,
    variables: Vec<String>,
    filter: Filter,
    /// Made when a run fails for the first time; nothing if the program cannot be marked.
    traced: OnceLock<Option<Traced>>,
}

/// A program with marks around its parts.
struct Traced {
    filter: Filter,
    /// Where each part is.
    places: Vec<String>,
}

impl fmt::Debug for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Program").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A JSON value in the form that programs run on. Its `Debug` shows only what kind of value it is.
#[derive(Clone, Debug)]
pub struct Json {
    value: Value,
    /// Bytes of the text that it was read from, or made of.
    text_bytes: usize,
}

impl Json {
    /// Reads JSON text.
    ///
    /// # Errors
    /// [`MappingError::Input`] if the text is not one JSON value, nests too deeply, or has a number of too many digits.
    pub fn parse(name: &str, text: &str) -> Result<Self, MappingError> {
        let val = parsed(text).ok_or_else(|| MappingError::Input { name: name.to_owned() })?;
        Ok(Self { value: Value::new(val, INPUT_DEPTH), text_bytes: text.len() })
    }

    /// The JSON `null`.
    #[must_use]
    pub fn null() -> Self {
        Self { value: Value::new(Val::Null, 0), text_bytes: 0 }
    }

    /// The value as JSON text; numbers keep the digits they were written with.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.value.val().to_string()
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self { value: Value::new(Val::from(text.to_owned()), 0), text_bytes: text.len() }
    }
}

/// Reads real JSON, of bounded nesting and bounded numbers.
fn parsed(text: &str) -> Option<Val> {
    // jaq recurses on nesting, and an overflow of the stack is not a panic that can be caught.
    crate::content::check_depth(text).ok()?;
    // Reading a whole number takes time in the square of its digits.
    let digits = text.as_bytes().split(|byte| !byte.is_ascii_digit());
    if digits.map(<[u8]>::len).max() > Some(value::LONGEST_NUMBER) && has_long_number(text) {
        return None;
    }
    // jaq reads a superset of JSON (comments, NaN, byte strings); only real JSON may pass.
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    jaq_json::read::parse_single(text.as_bytes()).ok()
}

/// Whether a number outside strings has too many digits.
fn has_long_number(text: &str) -> bool {
    let (mut run, mut in_string, mut escaped) = (0_usize, false, false);
    text.bytes().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
        run = if !in_string && byte.is_ascii_digit() { run + 1 } else { 0 };
        run > value::LONGEST_NUMBER
    })
}

/// Why a run gave no value.
enum Ended {
    Error(jaq_core::Error<Value>),
    /// It gave no value, or more than one.
    Count,
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
        source::check(source).map_err(|refusal| match refusal {
            source::Refusal::Word(word, at) => MappingError::Refused { name: owned(), word, at },
            source::Refusal::Shape(fault) => syntax(name, fault),
        })?;
        let used = library::Used::by(source);
        let small = functions::all().filter(|(name, ..)| used.has(name));
        let filter = match build(source, variables, used.definitions(), small) {
            // It uses something of the library by an operator, not by its name; or it is wrong.
            Err(_) => {
                build(source, variables, library::all(), functions::all()).map_err(|fault| syntax(name, fault))?
            }
            Ok(filter) => filter,
        };
        let variables = variables.iter().map(|name| (*name).to_owned()).collect();
        Ok(Self { name: owned(), source: source.to_owned(), variables, filter, traced: OnceLock::new() })
    }

    /// Runs the program on one value and gives its only output.
    ///
    /// # Errors
    /// [`MappingError::Run`] if the program fails, [`MappingError::Output`] if it gives no value
    /// or more than one, [`MappingError::Stopped`] if it uses more than a run may.
    pub fn run(&self, input: &Json, variables: Vec<Json>) -> Result<Json, MappingError> {
        if variables.len() != self.variables.len() {
            return Err(MappingError::Run { name: self.name.clone(), reason: "a variable is missing".to_owned() });
        }
        match budget::within(input.text_bytes, || run_once(&self.filter, input, &variables)) {
            Err(limit) => Err(MappingError::Stopped { name: self.name.clone(), limit }),
            Ok(Ok(value)) => Ok(Json { value, text_bytes: input.text_bytes }),
            Ok(Err(Ended::Count)) => Err(self.output("exactly one value")),
            Ok(Err(Ended::Error(error))) => {
                let shown = reason::shown(error, &self.source);
                let reason = match self.place_of_failure(input, &variables) {
                    Some(place) => format!("{place}: {shown}"),
                    None => shown,
                };
                Err(MappingError::Run { name: self.name.clone(), reason })
            }
        }
    }

    /// Where the program fails on this input, found by running it once more.
    fn place_of_failure(&self, input: &Json, variables: &[Json]) -> Option<&str> {
        let traced = self.traced.get_or_init(|| self.trace()).as_ref()?;
        trace::begin();
        let _ = budget::within(input.text_bytes, || run_once(&traced.filter, input, variables).map(drop)).ok()?;
        traced.places.get(trace::failed()?).map(String::as_str)
    }

    fn trace(&self) -> Option<Traced> {
        let marked = trace::Marked::of(&self.source)?;
        let names: Vec<&str> = self.variables.iter().map(String::as_str).collect();
        let functions = functions::all().chain(std::iter::once(trace::function()));
        let filter = build(&marked.program, &names, library::all(), functions).ok()?;
        Some(Traced { filter, places: marked.places(&self.source) })
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

/// Runs a program for its only output, and pays for writing that down.
fn run_once(filter: &Filter, input: &Json, variables: &[Json]) -> Result<Value, Ended> {
    let variables = Vars::new(variables.iter().map(|json| json.value.clone()));
    let context = Ctx::<Data>::new(&filter.lut, variables);
    // `label` and `halt` are refused, so an exception is an error.
    let mut outputs = filter
        .id
        .run((context, input.value.clone()))
        .map(|output| output.map_err(|exception| exception.get_err().map_or(Ended::Count, Ended::Error)));
    let value = outputs.next().ok_or(Ended::Count)??;
    match outputs.next() {
        None => {
            value.pay_for_text();
            Ok(value)
        }
        Some(Ok(_)) => Err(Ended::Count),
        Some(Err(ended)) => Err(ended),
    }
}

fn syntax(name: &str, fault: reason::Fault) -> MappingError {
    MappingError::Syntax { name: name.to_owned(), at: fault.at, reason: fault.words }
}

fn build<'s>(
    source: &'s str,
    variables: &[&'s str],
    definitions: impl Iterator<Item = Def<&'static str>>,
    functions: impl Iterator<Item = Fun<Data>>,
) -> Result<Filter, reason::Fault> {
    let arena = Arena::default();
    #[expect(clippy::map_identity, reason = "it shortens the lifetime")]
    let definitions = definitions.map(|definition| -> Def<&'s str> { definition });
    let modules = Loader::new(definitions)
        .load(&arena, File { code: source, path: () })
        .map_err(|errors| reason::load_reason(source, &errors))?;
    jaq_core::Compiler::default()
        .with_funs(functions)
        .with_global_vars(variables.iter().copied())
        .compile(modules)
        .map_err(|errors| reason::compile_reason(source, &errors))
}
