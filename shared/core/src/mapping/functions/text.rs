//! Text, and what is left out.

use super::{input, null, refuse};
use crate::mapping::budget;
use crate::mapping::value::Value;
use jaq_core::ValR;
use jaq_json::{Map, Rc, Val};

/// `trimmed`: text without white space around it; null if nothing is left.
pub(super) fn trimmed(value: Value, _: Vec<Value>) -> ValR<Value> {
    match input("trimmed", &value)? {
        Some(text) => Ok(Value::text(text.to_owned())),
        None => null(),
    }
}

/// `compact`: without nulls, and without the objects and lists that are empty for it.
pub(super) fn compact(value: Value, _: Vec<Value>) -> ValR<Value> {
    let depth = value.depth();
    let val = value.into_val();
    let empty = match &val {
        Val::Obj(_) => Val::obj(Map::default()),
        Val::Arr(_) => Val::Arr(Rc::default()),
        _ => Val::Null,
    };
    Ok(Value::new(without_nulls(val).unwrap_or(empty), depth))
}

fn without_nulls(val: Val) -> Option<Val> {
    budget::steps(1);
    match val {
        Val::Null => None,
        Val::Obj(members) if !members.is_empty() => {
            budget::bytes(members.len() * 64);
            let members = Rc::try_unwrap(members).unwrap_or_else(|shared| (*shared).clone());
            let kept: Map = members.into_iter().filter_map(|(key, val)| Some((key, without_nulls(val)?))).collect();
            (!kept.is_empty()).then(|| Val::obj(kept))
        }
        Val::Arr(items) if !items.is_empty() => {
            budget::bytes(items.len() * 16);
            let items = Rc::try_unwrap(items).unwrap_or_else(|shared| (*shared).clone());
            let kept: Vec<Val> = items.into_iter().filter_map(without_nulls).collect();
            (!kept.is_empty()).then(|| Val::Arr(Rc::new(kept)))
        }
        other => Some(other),
    }
}

/// `lookup($table)`, `lookup($table; $default)`: what a table of codes has for a text, number or boolean.
pub(super) fn lookup(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    let mut arguments = arguments.into_iter();
    let Some(table) = arguments.next() else { return refuse("lookup", "an argument is missing") };
    let Val::Obj(members) = table.val() else { return refuse("lookup", "the table must be an object") };
    let key = match value.val() {
        Val::Null => return null(),
        Val::Arr(_) | Val::Obj(_) | Val::BStr(_) => {
            return refuse("lookup", "its input must be a string, a number, a boolean or null");
        }
        Val::TStr(text) => {
            budget::touch(text.len());
            value.val().clone()
        }
        _ => Val::from(value.json()),
    };
    match (members.get(&key), arguments.next()) {
        (Some(found), _) => Ok(Value::part(found.clone(), table.depth())),
        (None, Some(default)) => Ok(default),
        (None, None) => refuse("lookup", "the table has no such code"),
    }
}
