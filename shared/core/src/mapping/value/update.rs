//! Updating a part of a value (`|=` and its kin): as jaq does it, and paid for.

use super::{ITEM_BYTES, Range, Value, kind};
use crate::mapping::budget;
use crate::mapping::reason::{Failure, fail};
use jaq_core::path::Opt;
use jaq_core::{Exn, ValT as _, ValX};
use jaq_json::{Rc, Val};

fn refuse<'a>(value: Value, opt: Opt, failure: Failure) -> ValX<'a, Value> {
    opt.fail(value, |_| Exn::from(fail(failure)))
}

/// `.[] |= f`
pub(super) fn values<'a, I: Iterator<Item = ValX<'a, Value>>>(
    value: Value,
    opt: Opt,
    f: impl Fn(Value) -> I,
) -> ValX<'a, Value> {
    value.pay_for_own();
    let depth = value.depth;
    match value.val {
        Val::Arr(items) => {
            let items = Rc::try_unwrap(items).unwrap_or_else(|shared| (*shared).clone());
            items.into_iter().flat_map(|item| f(Value::part(item, depth))).collect()
        }
        Val::Obj(members) => {
            let members = Rc::try_unwrap(members).unwrap_or_else(|shared| (*shared).clone());
            let mut made = jaq_json::Map::default();
            let mut deepest = 0;
            for (key, value) in members {
                budget::bytes(ITEM_BYTES);
                if let Some(value) = f(Value::part(value, depth)).next().transpose()? {
                    deepest = deepest.max(value.depth);
                    made.insert(key, value.val);
                }
            }
            Ok(Value::new(Val::obj(made), deepest + 1))
        }
        other => {
            let failure = Failure::Iterate(kind(&other));
            refuse(Value { val: other, depth }, opt, failure)
        }
    }
}

/// `.[k] |= f`
pub(super) fn index<'a, I: Iterator<Item = ValX<'a, Value>>>(
    value: Value,
    index: &Value,
    opt: Opt,
    f: impl Fn(Value) -> I,
) -> ValX<'a, Value> {
    if let (Val::BStr(_) | Val::TStr(_) | Val::Arr(_), Val::Obj(bounds)) = (&value.val, &index.val) {
        let bound =
            |name: &str| bounds.get(&Val::utf8_str(name.to_owned())).map(|val| Value { val: val.clone(), depth: 0 });
        let (start, end) = (bound("start"), bound("end"));
        return range(value, start.as_ref()..end.as_ref(), opt, f);
    }
    value.pay_for_own();
    let depth = value.depth;
    match (value.val, &index.val) {
        // jq and jaq make an object of null that is given a key.
        (Val::Null, Val::TStr(_)) => member(Rc::default(), depth, index, f),
        (Val::Obj(members), Val::TStr(_)) => member(members, depth, index, f),
        (Val::Arr(items), Val::Num(_)) => item(items, depth, index, opt, f),
        (other, at) => {
            let failure = Failure::Index(kind(&other), kind(at));
            refuse(Value { val: other, depth }, opt, failure)
        }
    }
}

fn member<'a, I: Iterator<Item = ValX<'a, Value>>>(
    mut members: Rc<jaq_json::Map>,
    depth: u8,
    index: &Value,
    f: impl Fn(Value) -> I,
) -> ValX<'a, Value> {
    budget::bytes(ITEM_BYTES);
    let own = Rc::make_mut(&mut members);
    let mut deepest = depth;
    match own.get_mut(&index.val) {
        Some(present) => {
            let old = std::mem::take(present);
            match f(Value::part(old, depth)).next().transpose()? {
                Some(new) => {
                    deepest = deepest.max(new.depth.saturating_add(1));
                    *present = new.val;
                }
                None => {
                    budget::steps(own.len());
                    own.shift_remove(&index.val);
                }
            }
        }
        None => {
            if let Some(new) = f(Value { val: Val::Null, depth: 0 }).next().transpose()? {
                deepest = deepest.max(new.depth.saturating_add(1));
                own.insert(index.val.clone(), new.val);
            }
        }
    }
    Ok(Value::new(Val::Obj(members), deepest))
}

fn item<'a, I: Iterator<Item = ValX<'a, Value>>>(
    mut items: Rc<Vec<Val>>,
    depth: u8,
    index: &Value,
    opt: Opt,
    f: impl Fn(Value) -> I,
) -> ValX<'a, Value> {
    use jaq_std::ValT as _;
    let place = index.val.as_isize().and_then(|at| {
        let from_end = at.checked_neg().and_then(|back| usize::try_from(back).ok());
        usize::try_from(at).ok().or_else(|| items.len().checked_sub(from_end?))
    });
    let Some(place) = place.filter(|place| *place < items.len()) else {
        return refuse(Value { val: Val::Arr(items), depth }, opt, Failure::OutOfBounds);
    };
    let own = Rc::make_mut(&mut items);
    let mut deepest = depth;
    if let Some(slot) = own.get_mut(place) {
        let old = std::mem::take(slot);
        match f(Value::part(old, depth)).next().transpose()? {
            Some(new) => {
                deepest = deepest.max(new.depth.saturating_add(1));
                *slot = new.val;
            }
            None => {
                budget::touch(own.len() * 16);
                own.remove(place);
            }
        }
    }
    Ok(Value::new(Val::Arr(items), deepest))
}

/// `.[s:e] |= f`
pub(super) fn range<'a, I: Iterator<Item = ValX<'a, Value>>>(
    value: Value,
    range: Range<'_>,
    opt: Opt,
    f: impl Fn(Value) -> I,
) -> ValX<'a, Value> {
    let failure = Failure::Slice(kind(&value.val));
    let Val::Arr(items) = &value.val else { return refuse(value, opt, failure) };
    budget::bytes(items.len() * 16);
    let before = Value { val: Val::Num(jaq_json::Num::Int(0)), depth: 0 };
    // The slice, and what stands before and behind it.
    let slice = match value.clone().range(range.clone()) {
        Ok(slice) => slice,
        Err(error) => return opt.fail(value, |_| Exn::from(error)),
    };
    let (length, taken) = (items.len(), length(&slice));
    let start = match range.start {
        Some(start) if !matches!(start.val, Val::Null) => {
            let head = value.clone().range(Some(&before)..Some(start))?;
            self::length(&head).min(length)
        }
        _ => 0,
    };
    let Some(new) = f(slice).next().transpose()? else {
        return Ok(splice(value, start, taken, &[], 0));
    };
    match &new.val {
        Val::Arr(replacement) => Ok(splice(value, start, taken, replacement, new.depth)),
        other => Err(Exn::from(fail(Failure::Replacement(kind(other))))),
    }
}

fn length(value: &Value) -> usize {
    match &value.val {
        Val::Arr(items) => items.len(),
        _ => 0,
    }
}

fn splice(value: Value, start: usize, taken: usize, replacement: &[Val], depth: u8) -> Value {
    budget::bytes((replacement.len() + length(&value)) * 16);
    let deepest = value.depth.max(depth);
    match value.val {
        Val::Arr(mut items) => {
            let own = Rc::make_mut(&mut items);
            let end = (start + taken).min(own.len());
            own.splice(start.min(end)..end, replacement.iter().cloned());
            Value::new(Val::Arr(items), deepest)
        }
        other => Value::new(other, deepest),
    }
}
