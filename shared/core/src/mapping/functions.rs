//! The functions that mappings have besides jq's: pure, few, and named alike.
//!
//! `null` and blank text give null. What cannot be understood is an error, so that a record fails visibly;
//! `(… | f)? // fallback` says what else to do.

mod country;
mod currency;
mod date;
mod decimal;
mod json;
mod phone;
mod regular;
mod state;
mod text;

use super::Data;
use super::budget;
use super::reason::{Failure, fail};
use super::value::Value;
use jaq_core::native::{Fun, bome, v};
use jaq_core::{Cv, DataT, Native, RunPtr, ValR, ValXs};
use jaq_json::Val;

/// Definitions in jq, before those of the library.
pub(super) const DEFINITIONS: &str = r"
def matches($re; $flags): regular_cost($re; $flags) | matches_unpaid($re; $flags);
def split_matches($re; $flags): regular_cost($re; $flags) | split_matches_unpaid($re; $flags);
def split_($re; $flags): regular_cost($re; $flags) | split_unpaid($re; $flags);
";

/// jaq's functions that a definition of ours stands before.
const RENAMED: &[(&str, &str)] =
    &[("matches", "matches_unpaid"), ("split_matches", "split_matches_unpaid"), ("split_", "split_unpaid")];

/// jaq's functions that reach outside, or that write.
pub(super) const OUTSIDE: &[&str] =
    &["halt", "env", "now", "strflocaltime", "localtime", "debug_empty", "stderr_empty"];

/// What a function of ours does: its input, and its arguments.
type Work = fn(Value, Vec<Value>) -> ValR<Value>;

/// Everything that is native: jaq's and ours.
pub(super) fn all() -> impl Iterator<Item = Fun<Data>> {
    let jaq = jaq_core::funs().chain(jaq_std::funs()).filter(|(name, ..)| !OUTSIDE.contains(name));
    let jaq = jaq.map(|(name, arity, native)| {
        let renamed = RENAMED.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| *new);
        (renamed, arity, native)
    });
    jaq.chain(ours::<Data>())
}

/// Runs a function of ours on its arguments, which are bound in order.
fn call<'a, D: for<'b> DataT<V<'b> = Value>>(mut cv: Cv<'a, D>, arguments: usize, work: Work) -> ValXs<'a, Value> {
    budget::steps(10);
    let mut given: Vec<Value> = (0..arguments).map(|_| cv.0.pop_var()).collect();
    given.reverse();
    bome(work(cv.1, given))
}

// Generic, because the compiler does not see through a pointer to a function over data of a certain type.
fn native<D: DataT>(name: &'static str, arguments: usize, run: RunPtr<D>) -> Fun<D> {
    (name, v(arguments), Native::new(run))
}

fn ours<D: for<'a> DataT<V<'a> = Value>>() -> Vec<Fun<D>> {
    vec![
        // What jaq has for values that are not covered.
        native("fromjson", 0, |cv| call(cv, 0, json::from_json)),
        native("tojson", 0, |cv| call(cv, 0, json::to_json)),
        native("length", 0, |cv| call(cv, 0, json::length)),
        native("contains", 1, |cv| call(cv, 1, json::contains)),
        native("has", 1, |cv| call(cv, 1, json::has)),
        native("indices", 1, |cv| call(cv, 1, json::indices)),
        native("regular_cost", 2, |cv| call(cv, 2, regular::pay)),
        // Text.
        native("compact", 0, |cv| call(cv, 0, text::compact)),
        native("trimmed", 0, |cv| call(cv, 0, text::trimmed)),
        native("lookup", 1, |cv| call(cv, 1, text::lookup)),
        native("lookup", 2, |cv| call(cv, 2, text::lookup)),
        // Decimals and money.
        native("decimal", 0, |cv| call(cv, 0, decimal::decimal)),
        native("decimal_add", 1, |cv| call(cv, 1, decimal::add)),
        native("decimal_subtract", 1, |cv| call(cv, 1, decimal::subtract)),
        native("decimal_multiply", 1, |cv| call(cv, 1, decimal::multiply)),
        native("decimal_divide", 3, |cv| call(cv, 3, decimal::divide)),
        native("decimal_round", 2, |cv| call(cv, 2, decimal::round)),
        native("decimal_compare", 1, |cv| call(cv, 1, decimal::compare)),
        native("decimal_sum", 0, |cv| call(cv, 0, decimal::sum)),
        native("is_currency", 0, |cv| call(cv, 0, currency::is_currency)),
        native("money_round", 1, |cv| call(cv, 1, currency::round)),
        native("minor_units", 1, |cv| call(cv, 1, currency::minor_units)),
        native("from_minor_units", 1, |cv| call(cv, 1, currency::from_minor_units)),
        // Dates.
        native("to_moment", 0, |cv| call(cv, 0, date::to_moment)),
        native("to_moment", 1, |cv| call(cv, 1, date::to_moment)),
        native("moment_from", 2, |cv| call(cv, 2, date::moment_from)),
        native("moment_in", 1, |cv| call(cv, 1, date::moment_in)),
        native("date_from", 1, |cv| call(cv, 1, date::date_from)),
        native("date_in", 1, |cv| call(cv, 1, date::date_in)),
        // Places and people.
        native("country", 0, |cv| call(cv, 0, country::alpha2)),
        native("country_alpha3", 0, |cv| call(cv, 0, country::alpha3)),
        native("country_name", 0, |cv| call(cv, 0, country::name)),
        native("state", 1, |cv| call(cv, 1, state::code)),
        native("state_name", 1, |cv| call(cv, 1, state::name)),
        native("phone", 1, |cv| call(cv, 1, phone::e164)),
    ]
}

/// A function's error.
fn refuse<T>(function: &'static str, words: &'static str) -> Result<T, jaq_core::Error<Value>> {
    Err(fail(Failure::Function(function, words)))
}

fn null() -> ValR<Value> {
    Ok(Value::new(Val::Null, 0))
}

/// The input of a function: its text without white space around it; null and blank text are nothing.
fn input<'v>(function: &'static str, value: &'v Value) -> Result<Option<&'v str>, jaq_core::Error<Value>> {
    match value.val() {
        Val::Null => Ok(None),
        Val::TStr(_) => match value.as_text().map(str::trim) {
            Some("") => Ok(None),
            Some(text) => Ok(Some(text)),
            None => refuse(function, "its input is not text in UTF-8"),
        },
        _ => refuse(function, "its input must be a string or null"),
    }
}

/// An argument that must be text.
fn argument<'v>(function: &'static str, values: &'v [Value], index: usize) -> Result<&'v str, jaq_core::Error<Value>> {
    match values.get(index).and_then(Value::as_text) {
        Some(text) => Ok(text.trim()),
        None => refuse(function, "an argument must be a string"),
    }
}

/// The names of our own functions.
#[cfg(test)]
pub(super) fn names_of_ours() -> impl Iterator<Item = &'static str> {
    ours::<Data>().into_iter().map(|(name, ..)| name)
}
