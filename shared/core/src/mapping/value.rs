//! jaq's values, in a cover that pays for every operation and keeps nesting bounded.
//!
//! jaq is generic over its values, so all that a program does passes through here: its operators, and the functions
//! of its library. The cover also knows how deeply a value nests at most, since whatever walks a value (dropping it,
//! too) takes stack for each level.

mod arithmetic;
mod compare;
mod standard;
mod update;

use super::budget::{self, DEEPEST_VALUE, Limit};
use super::reason::{Failure, fail};
use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::{ValR, ValT, ValX};
use jaq_json::{Map, Num, Rc, Val};
use std::fmt;

/// What an item of an array or an entry of an object takes, in bytes, roughly.
const ITEM_BYTES: usize = 40;
/// The longest number that may be written, in characters, and the largest whole number, in bits.
pub(super) const LONGEST_NUMBER: usize = 1000;
const LARGEST_BITS: u64 = 4096;

/// A value and a bound of its nesting: 0 for what is neither array nor object.
pub(super) struct Value {
    val: Val,
    depth: u8,
}

type Result1 = ValR<Value>;
type Range<'a> = jaq_core::val::Range<&'a Value>;

/// What a value is, for messages.
pub(super) fn kind(val: &Val) -> &'static str {
    match val {
        Val::Null => "null",
        Val::Bool(_) => "a boolean",
        Val::Num(_) => "a number",
        Val::BStr(_) => "bytes",
        Val::TStr(_) => "a string",
        Val::Arr(_) => "an array",
        Val::Obj(_) => "an object",
    }
}

/// How much there is of a value: its parts, and its text in units of 16 bytes. Paid for as it is counted.
pub(super) fn weight(val: &Val) -> usize {
    budget::steps(1);
    match val {
        Val::BStr(text) | Val::TStr(text) => 1 + text.len() / 16,
        Val::Arr(items) => items.iter().fold(1, |sum, item| sum + weight(item)),
        Val::Obj(members) => members.iter().fold(1, |sum, (key, value)| sum + weight(key) + weight(value)),
        _ => 1,
    }
}

fn measured(val: &Val) -> u8 {
    budget::steps(1);
    let deepest = match val {
        Val::Arr(items) => items.iter().map(measured).max(),
        Val::Obj(members) => members.values().map(measured).max(),
        _ => return 0,
    };
    deepest.unwrap_or(0).saturating_add(1)
}

impl Value {
    /// A value that nests at most so deeply.
    pub(super) fn new(val: Val, bound: u8) -> Self {
        let depth = match val {
            Val::Arr(_) | Val::Obj(_) => bound.max(1),
            _ => 0,
        };
        if depth <= DEEPEST_VALUE {
            return Self { val, depth };
        }
        // The bound may be too high: a part counts as nested like the whole that it came from.
        let depth = measured(&val);
        if depth > DEEPEST_VALUE {
            // The parts are within the limit, so dropping them is safe.
            budget::stop(Limit::Depth);
        }
        Self { val, depth }
    }

    pub(super) fn val(&self) -> &Val {
        &self.val
    }

    pub(super) fn into_val(self) -> Val {
        self.val
    }

    pub(super) fn depth(&self) -> u8 {
        self.depth
    }

    /// A part of this value.
    pub(super) fn part(val: Val, whole: u8) -> Self {
        Self::new(val, whole.saturating_sub(1))
    }

    pub(super) fn text(text: String) -> Self {
        Self::from(text)
    }

    /// The text, if it is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.val {
            Val::TStr(bytes) => {
                budget::touch(bytes.len());
                std::str::from_utf8(bytes).ok()
            }
            _ => None,
        }
    }

    /// The value as JSON text, paid for while it is written.
    pub(super) fn json(&self) -> String {
        struct Paying(String);
        impl fmt::Write for Paying {
            fn write_str(&mut self, part: &str) -> fmt::Result {
                budget::bytes(part.len());
                if self.0.len() + part.len() > budget::LONGEST_TEXT_BYTES {
                    budget::stop(Limit::Text);
                }
                self.0.push_str(part);
                Ok(())
            }
        }
        let mut text = Paying(String::new());
        // Writing to memory does not fail.
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{}", self.val));
        text.0
    }

    /// Pays for writing the value down. Parts that are shared in memory are written as often as they occur, so this
    /// also ends a run that made little of much.
    pub(super) fn pay_for_text(&self) {
        fn pay(val: &Val) {
            match val {
                Val::TStr(text) | Val::BStr(text) => budget::bytes(text.len() + 2),
                Val::Arr(items) => {
                    budget::bytes(items.len() + 2);
                    items.iter().for_each(pay);
                }
                Val::Obj(members) => {
                    budget::bytes(members.len() * 2 + 2);
                    members.iter().for_each(|(key, value)| {
                        pay(key);
                        pay(value);
                    });
                }
                _ => budget::bytes(8),
            }
        }
        pay(&self.val);
    }

    /// Pays for the copy that is made of an array or object which others hold, too.
    fn pay_for_own(&self) {
        match &self.val {
            Val::Arr(items) if Rc::strong_count(items) > 1 => budget::bytes(items.len() * 16),
            Val::Obj(members) if Rc::strong_count(members) > 1 => budget::bytes(members.len() * ITEM_BYTES),
            _ => {}
        }
        let count = match &self.val {
            Val::Arr(items) if Rc::strong_count(items) > 1 => items.len(),
            Val::Obj(members) if Rc::strong_count(members) > 1 => members.len() * 2,
            _ => 0,
        };
        budget::steps(count);
    }
}

/// The cover shows what kind of value it is, never the value: errors of jaq are made of this.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(kind(&self.val))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(kind(&self.val))
    }
}

impl Clone for Value {
    #[inline]
    fn clone(&self) -> Self {
        budget::steps(1);
        Self { val: self.val.clone(), depth: self.depth }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        budget::steps(1);
        Self { val: Val::Bool(value), depth: 0 }
    }
}

impl From<isize> for Value {
    fn from(value: isize) -> Self {
        budget::steps(1);
        Self { val: Val::from(value), depth: 0 }
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        budget::steps(1);
        Self { val: Val::from(value), depth: 0 }
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        budget::steps(1);
        Self { val: Val::from(value), depth: 0 }
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        budget::text(text.len());
        Self { val: Val::from(text), depth: 0 }
    }
}

impl From<jaq_core::val::Range<Self>> for Value {
    fn from(range: jaq_core::val::Range<Self>) -> Self {
        budget::bytes(2 * ITEM_BYTES);
        let (start, end) = (range.start.map(Self::into_val), range.end.map(Self::into_val));
        Self::new(Val::from(start..end), 1)
    }
}

impl FromIterator<Self> for Value {
    fn from_iter<T: IntoIterator<Item = Self>>(values: T) -> Self {
        let (mut items, mut deepest) = (Vec::new(), 0);
        for value in values {
            budget::bytes(ITEM_BYTES);
            deepest = deepest.max(value.depth);
            items.push(value.val);
        }
        Self::new(Val::Arr(Rc::new(items)), deepest + 1)
    }
}

impl ValT for Value {
    fn from_num(digits: &str) -> Result1 {
        budget::touch(digits.len());
        if digits.len() > LONGEST_NUMBER {
            return Err(fail(Failure::LongNumber));
        }
        Val::from_num(digits).map(|val| Self { val, depth: 0 }).map_err(|_| fail(Failure::NotANumber))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(entries: I) -> Result1 {
        let (mut members, mut deepest) = (Map::default(), 0);
        for (key, value) in entries {
            budget::bytes(2 * ITEM_BYTES);
            let Val::TStr(name) = &key.val else { return Err(fail(Failure::Key(kind(&key.val)))) };
            budget::touch(name.len());
            deepest = deepest.max(value.depth);
            members.insert(key.val, value.val);
        }
        Ok(Self::new(Val::obj(members), deepest + 1))
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        self.pay_for_own();
        let depth = self.depth;
        match self.val {
            Val::Arr(_) | Val::Obj(_) => {
                Box::new(self.val.key_values().filter_map(Result::ok).map(move |(key, value)| {
                    budget::steps(1);
                    Ok((Self { val: key, depth: 0 }, Self::part(value, depth)))
                }))
            }
            other => box_once(Err(fail(Failure::Iterate(kind(&other))))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = Result1>> {
        self.pay_for_own();
        let depth = self.depth;
        match self.val {
            Val::Arr(_) | Val::Obj(_) => Box::new(self.val.values().filter_map(Result::ok).map(move |value| {
                budget::steps(1);
                Ok(Self::part(value, depth))
            })),
            other => box_once(Err(fail(Failure::Iterate(kind(&other))))),
        }
    }

    fn index(self, index: &Self) -> Result1 {
        budget::steps(1);
        match (&self.val, &index.val) {
            // The places of one array in another: each place of the first is compared with the whole of the second.
            (Val::Arr(items), Val::Arr(_)) => budget::steps(items.len().saturating_mul(weight(&index.val))),
            (Val::BStr(text) | Val::TStr(text), _) => budget::touch(text.len()),
            (Val::Arr(items), Val::Obj(_)) => budget::bytes(items.len() * 16),
            (Val::Obj(_), Val::TStr(name)) => budget::touch(name.len()),
            (Val::Obj(_), other) => budget::steps(weight(other)),
            _ => {}
        }
        let kinds = (kind(&self.val), kind(&index.val));
        let depth = self.depth;
        let found = self.val.index(&index.val).map_err(|_| fail(Failure::Index(kinds.0, kinds.1)))?;
        // A slice nests like the whole.
        Ok(if matches!(index.val, Val::Obj(_)) { Self::new(found, depth) } else { Self::part(found, depth) })
    }

    fn range(self, range: Range<'_>) -> Result1 {
        match &self.val {
            Val::Arr(items) => budget::bytes(items.len() * 16),
            Val::BStr(text) | Val::TStr(text) => budget::touch(text.len() * 4),
            _ => budget::steps(1),
        }
        let (from, depth) = (kind(&self.val), self.depth);
        let bounds = range.start.map(|value| &value.val)..range.end.map(|value| &value.val);
        self.val.range(bounds).map(|val| Self::new(val, depth)).map_err(|_| fail(Failure::Slice(from)))
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(self, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        update::values(self, opt, f)
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        update::index(self, index, opt, f)
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Range<'_>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        update::range(self, range, opt, f)
    }

    fn as_bool(&self) -> bool {
        budget::steps(1);
        self.val.as_bool()
    }

    fn into_string(self) -> Self {
        match self.val {
            Val::TStr(_) => self,
            _ => Self::text(self.json()),
        }
    }
}

/// Refuses whole numbers that grew without bound.
pub(super) fn bounded(val: Val) -> ValR<Val, Value> {
    match &val {
        Val::Num(Num::BigInt(number)) if number.bits() > LARGEST_BITS => Err(fail(Failure::LongNumber)),
        _ => Ok(val),
    }
}
