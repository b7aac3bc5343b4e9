//! jq's functions that jaq has only for values without a budget.

use super::refuse;
use crate::mapping::budget;
use crate::mapping::reason::{Failure, fail};
use crate::mapping::value::{Value, kind, weight};
use jaq_core::{ValR, ValT as _};
use jaq_json::{Num, Val};

/// `tojson`
pub(super) fn to_json(value: Value, _: Vec<Value>) -> ValR<Value> {
    Ok(Value::text(value.json()))
}

/// `fromjson`: of real JSON only, and nested no deeper than a record may be.
pub(super) fn from_json(value: Value, _: Vec<Value>) -> ValR<Value> {
    let Some(text) = value.as_text() else { return refuse("fromjson", "its input must be a string") };
    // A value takes more memory than its text.
    budget::bytes(text.len().saturating_mul(16));
    match crate::mapping::parsed(text) {
        Some(val) => Ok(Value::new(val, crate::mapping::INPUT_DEPTH)),
        None => refuse("fromjson", "its input is not JSON"),
    }
}

/// `length`
pub(super) fn length(value: Value, _: Vec<Value>) -> ValR<Value> {
    Ok(match value.val() {
        Val::Null => Value::from(0_usize),
        Val::Num(number) => Value::new(absolute(number), 0),
        Val::TStr(text) => {
            budget::touch(text.len() * 2);
            Value::from(String::from_utf8_lossy(text).chars().count())
        }
        Val::BStr(bytes) => Value::from(bytes.len()),
        Val::Arr(items) => Value::from(items.len()),
        Val::Obj(members) => Value::from(members.len()),
        Val::Bool(_) => return refuse("length", "a boolean has no length"),
    })
}

fn absolute(number: &Num) -> Val {
    let val = Val::Num(number.clone());
    let is_negative = val < Val::from(0_isize);
    if is_negative { (-val).unwrap_or(Val::Null) } else { val }
}

/// `contains`
pub(super) fn contains(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    let Some(other) = arguments.first() else { return refuse("contains", "an argument is missing") };
    Ok(Value::from(holds(value.val(), other.val())))
}

fn holds(whole: &Val, part: &Val) -> bool {
    budget::steps(1);
    match (whole, part) {
        (Val::TStr(whole), Val::TStr(part)) => {
            budget::touch((whole.len() + part.len()) * 4);
            String::from_utf8_lossy(whole).contains(String::from_utf8_lossy(part).as_ref())
        }
        (Val::Arr(whole), Val::Arr(part)) => part.iter().all(|part| whole.iter().any(|item| holds(item, part))),
        (Val::Obj(whole), Val::Obj(part)) => {
            part.iter().all(|(key, part)| whole.get(key).is_some_and(|value| holds(value, part)))
        }
        _ => {
            budget::steps(weight(part));
            whole == part
        }
    }
}

/// `has`
pub(super) fn has(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    let Some(key) = arguments.first() else { return refuse("has", "an argument is missing") };
    let present = match (value.val(), key.val()) {
        (Val::Obj(members), Val::TStr(name)) => {
            budget::touch(name.len());
            members.contains_key(key.val())
        }
        (Val::Arr(items), Val::Num(Num::Int(index))) => usize::try_from(*index).is_ok_and(|index| index < items.len()),
        (whole, key) => return Err(fail(Failure::Index(kind(whole), kind(key)))),
    };
    Ok(Value::from(present))
}

/// `indices`: where a text or a list stands in another.
pub(super) fn indices(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    let Some(part) = arguments.into_iter().next() else { return refuse("indices", "an argument is missing") };
    match (value.val(), part.val()) {
        (Val::Null, _) => Ok(Value::new(Val::Null, 0)),
        (Val::TStr(text), Val::TStr(part)) => {
            // Each place is compared with the whole part.
            budget::steps(text.len().saturating_mul(1 + part.len() / 32));
            let (text, part) = (String::from_utf8_lossy(text), String::from_utf8_lossy(part));
            if part.is_empty() {
                return Ok(std::iter::empty().collect());
            }
            let starts = text.char_indices().enumerate();
            let found =
                starts.filter(|(_, (start, _))| text.get(*start..).is_some_and(|rest| rest.starts_with(&*part)));
            Ok(found.map(|(place, _)| Value::from(place)).collect())
        }
        (Val::Arr(_), Val::Arr(_)) => value.index(&part),
        (Val::Arr(items), part) => {
            let items = items.clone();
            let part = part.clone();
            let found = items.iter().enumerate().filter(|(_, item)| {
                budget::steps(weight(&part));
                **item == part
            });
            Ok(found.map(|(place, _)| Value::from(place)).collect())
        }
        (whole, part) => Err(fail(Failure::Index(kind(whole), kind(part)))),
    }
}
