//! Text, and what is left out.

use super::{input, null, refuse};
use crate::mapping::budget;
use crate::mapping::value::Value;
use jaq_core::ValR;
use jaq_json::{Rc, Val};

/// `trimmed`: text without white space around it; null if nothing is left.
pub(super) fn trimmed(value: Value, _: Vec<Value>) -> ValR<Value> {
    match input("trimmed", &value)? {
        Some(text) => Ok(Value::text(text.to_owned())),
        None => null(),
    }
}

/// `compact`: without nulls, and without the members whose objects are empty for it. An item of a list that becomes
/// empty stays: what a list counts must not vanish unseen.
pub(super) fn compact(value: Value, _: Vec<Value>) -> ValR<Value> {
    let depth = value.depth();
    Ok(Value::new(compacted(value.into_val()), depth))
}

fn compacted(val: Val) -> Val {
    budget::steps(1);
    match val {
        Val::Obj(members) => {
            budget::bytes(members.len() * 64);
            let members = Rc::try_unwrap(members).unwrap_or_else(|shared| (*shared).clone());
            let kept = members.into_iter().filter_map(|(key, val)| {
                let had_members = matches!(&val, Val::Obj(members) if !members.is_empty());
                let val = compacted(val);
                let is_emptied = had_members && matches!(&val, Val::Obj(members) if members.is_empty());
                (!matches!(val, Val::Null) && !is_emptied).then_some((key, val))
            });
            Val::obj(kept.collect())
        }
        Val::Arr(items) => {
            budget::bytes(items.len() * 16);
            let items = Rc::try_unwrap(items).unwrap_or_else(|shared| (*shared).clone());
            let kept: Vec<Val> = items.into_iter().filter(|item| !matches!(item, Val::Null)).map(compacted).collect();
            Val::Arr(Rc::new(kept))
        }
        other => other,
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
