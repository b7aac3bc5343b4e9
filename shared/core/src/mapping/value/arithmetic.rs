//! `+ - * / %` on values: as jaq does them, paid for before they are done.

use super::{ITEM_BYTES, Value, bounded, kind, weight};
use crate::mapping::budget;
use crate::mapping::reason::{Failure, fail};
use jaq_core::ValR;
use jaq_core::ops::Math;
use jaq_json::{Num, Rc, Val};

fn calculate(left: Value, operation: Math, right: Value) -> ValR<Value> {
    budget::steps(1);
    pay(&left.val, operation, &right.val);
    let kinds = (kind(&left.val), kind(&right.val));
    let depth = left.depth.max(right.depth).max(1);
    let result =
        operation.run(left.val, right.val).map_err(|_| fail(Failure::Calculate(operation, kinds.0, kinds.1)))?;
    Ok(Value::new(bounded(result)?, depth))
}

fn pay(left: &Val, operation: Math, right: &Val) {
    match (left, operation, right) {
        (Val::Num(_), _, Val::Num(_)) => budget::steps(1),
        (Val::TStr(l) | Val::BStr(l), Math::Add, Val::TStr(r) | Val::BStr(r)) => {
            // A text that nobody else holds grows in place.
            let copied = if l.is_unique() { 0 } else { l.len() };
            if l.len() + r.len() > budget::LONGEST_TEXT_BYTES {
                budget::text(l.len() + r.len());
            }
            budget::bytes(copied + r.len());
        }
        (Val::Arr(l), Math::Add, Val::Arr(r)) => {
            let copied = if Rc::strong_count(l) > 1 { l.len() } else { 0 };
            budget::steps(copied + r.len());
            budget::bytes((copied + r.len()) * 32);
        }
        (Val::Obj(l), Math::Add, Val::Obj(r)) => {
            let copied = if Rc::strong_count(l) > 1 { l.len() } else { 0 };
            budget::steps(2 * (copied + r.len()));
            budget::bytes((copied + r.len()) * 2 * ITEM_BYTES);
        }
        (Val::Arr(l), Math::Sub, Val::Arr(r)) => {
            // Each of the left is looked for among the right, which are sorted before.
            let comparisons = usize::BITS - r.len().leading_zeros() + 1;
            let size = weight(left).saturating_add(weight(right));
            budget::steps(size.saturating_mul(comparisons as usize));
            budget::bytes(l.len().saturating_add(r.len()) * 32);
        }
        (Val::TStr(text) | Val::BStr(text), Math::Mul, Val::Num(count))
        | (Val::Num(count), Math::Mul, Val::TStr(text) | Val::BStr(text)) => budget::text(repeated(text.len(), count)),
        (Val::Obj(_), Math::Mul, Val::Obj(_)) => {
            let size = weight(left).saturating_add(weight(right));
            budget::bytes(size.saturating_mul(2 * ITEM_BYTES));
        }
        (Val::TStr(text) | Val::BStr(text), Math::Div, Val::TStr(separator) | Val::BStr(separator)) => {
            budget::touch(text.len());
            budget::bytes(parts(text, separator).saturating_mul(2 * ITEM_BYTES));
        }
        _ => {}
    }
}

fn repeated(length: usize, count: &Num) -> usize {
    match count {
        Num::BigInt(_) => usize::MAX,
        count => length.saturating_mul(count.as_isize().and_then(|count| usize::try_from(count).ok()).unwrap_or(0)),
    }
}

/// How many parts a split gives, at most.
fn parts(text: &[u8], separator: &[u8]) -> usize {
    match separator {
        [] => text.len(),
        [one] => 1 + text.iter().filter(|byte| *byte == one).count(),
        [first, ..] => 1 + (text.iter().filter(|byte| *byte == first).count()).min(text.len() / separator.len()),
    }
}

impl std::ops::Add for Value {
    type Output = ValR<Self>;
    fn add(self, right: Self) -> Self::Output {
        calculate(self, Math::Add, right)
    }
}

impl std::ops::Sub for Value {
    type Output = ValR<Self>;
    fn sub(self, right: Self) -> Self::Output {
        calculate(self, Math::Sub, right)
    }
}

impl std::ops::Mul for Value {
    type Output = ValR<Self>;
    fn mul(self, right: Self) -> Self::Output {
        calculate(self, Math::Mul, right)
    }
}

impl std::ops::Div for Value {
    type Output = ValR<Self>;
    fn div(self, right: Self) -> Self::Output {
        calculate(self, Math::Div, right)
    }
}

impl std::ops::Rem for Value {
    type Output = ValR<Self>;
    fn rem(self, right: Self) -> Self::Output {
        calculate(self, Math::Rem, right)
    }
}

impl std::ops::Neg for Value {
    type Output = ValR<Self>;
    fn neg(self) -> Self::Output {
        budget::steps(1);
        let what = kind(&self.val);
        (-self.val).map(|val| Self::new(val, 0)).map_err(|_| fail(Failure::Negate(what)))
    }
}
