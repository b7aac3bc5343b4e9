//! Comparing values, paid for by how much there is to compare.

use super::{Value, weight};
use crate::mapping::budget;
use jaq_json::Val;
use std::cmp::Ordering;

fn pay(left: &Val, right: &Val) {
    match (left, right) {
        (Val::TStr(l) | Val::BStr(l), Val::TStr(r) | Val::BStr(r)) => budget::touch(l.len().min(r.len())),
        (Val::Arr(_), Val::Arr(_)) | (Val::Obj(_), Val::Obj(_)) => {
            let size = weight(left).saturating_add(weight(right));
            budget::steps(size);
        }
        _ => budget::steps(1),
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        pay(&self.val, &other.val);
        self.val == other.val
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        pay(&self.val, &other.val);
        self.val.cmp(&other.val)
    }
}
