//! What a regular expression costs. jaq's engine takes time in proportion to the pattern and the text, but builds a
//! pattern's counted repetitions in full, and looks anew behind every match.

use super::{argument, input, refuse};
use crate::mapping::budget;
use crate::mapping::value::Value;
use jaq_core::ValR;

/// The longest pattern, in bytes, and the largest with its repetitions written out.
const LONGEST_PATTERN: usize = 1000;
const LARGEST_PATTERN: usize = 20_000;

/// Pays for a search, and gives its input on.
pub(super) fn pay(value: Value, arguments: Vec<Value>) -> ValR<Value> {
    let (pattern, flags) = (argument("test", &arguments, 0)?, argument("test", &arguments, 1)?);
    let length = input("test", &value)?.map_or(0, str::len);
    let size = pattern.len().saturating_mul(repetitions(pattern)).max(1);
    if pattern.len() > LONGEST_PATTERN || size > LARGEST_PATTERN {
        return refuse("test", "the pattern is too large");
    }
    budget::steps(size / 4);
    budget::steps(length.saturating_mul(size) / 4);
    if flags.contains('g') && looks_ahead(pattern) {
        // Each match may have been looked for up to the end of the text.
        budget::steps(length.saturating_mul(length).saturating_mul(size) / 16);
    }
    Ok(value)
}

/// How often a pattern's largest part may stand in it when counted repetitions are written out, at most.
fn repetitions(pattern: &str) -> usize {
    let counted = pattern.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    let highest =
        counted.filter_map(|(counts, _)| counts.split(',').filter_map(|count| count.trim().parse().ok()).max());
    highest.fold(1, |product: usize, count: usize| product.saturating_mul(count.max(1)))
}

/// Whether a search may have to read on behind its match: not if all that repeats without end is the pattern's end.
fn looks_ahead(pattern: &str) -> bool {
    let unbounded = |part: &str| part.contains(['*', '+']) || part.contains(",}");
    let head = pattern.strip_suffix(['*', '+']).unwrap_or(pattern);
    pattern.contains('|') && unbounded(pattern) || unbounded(head)
}
