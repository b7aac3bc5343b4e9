//! What one run of a program may use. jaq itself stops nothing, so every operation on a value pays here.
//!
//! Whoever cannot pay is stopped by unwinding (without a panic's message), which no `try`, `//` or `?` of the
//! program can catch; [`within`] catches it. The amounts are counts, not times: a run that is stopped is stopped
//! at the same place on every machine.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Most steps of one run. A step is an operation on one value; the example's invoice of 1.5 KB takes some 550.
pub const MOST_STEPS: u64 = 1_000_000;
/// Steps that each byte of the input's text adds: a page of records is larger than a record.
pub const STEPS_PER_BYTE: u64 = 2;
/// Most bytes that one run may make, whether or not they are still used.
pub const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes that each byte of the input's text adds.
pub const BYTES_PER_BYTE: u64 = 32;
/// The longest text that a program may make, in bytes.
pub const LONGEST_TEXT_BYTES: usize = 8 * 1024 * 1024;
/// How deeply the arrays and objects that a program makes may nest.
pub const DEEPEST_VALUE: u8 = 128;

/// Why a run was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// It took too many steps.
    #[error("stopped after {0} steps")]
    Steps(u64),
    /// It made too many bytes.
    #[error("made more than {0} bytes")]
    Bytes(u64),
    /// It made one text that is too long.
    #[error("made a text of more than {LONGEST_TEXT_BYTES} bytes")]
    Text,
    /// It nested arrays or objects too deeply.
    #[error("nested more than {DEEPEST_VALUE} levels")]
    Depth,
}

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(u64::MAX) };
    static BYTES: Cell<u64> = const { Cell::new(u64::MAX) };
    static MOST: Cell<(u64, u64)> = const { Cell::new((u64::MAX, u64::MAX)) };
}

/// Pays for `count` steps, or ends the run.
#[inline]
pub(super) fn steps(count: usize) {
    STEPS.with(|left| match left.get().checked_sub(count as u64) {
        Some(rest) => left.set(rest),
        None => stop(Limit::Steps(MOST.get().0)),
    });
}

/// Pays for work that touches so many bytes but makes none: copying and comparing are fast.
#[inline]
pub(super) fn touch(bytes: usize) {
    steps(1 + bytes / 32);
}

/// Pays for so many bytes that are made, or ends the run.
#[inline]
pub(super) fn bytes(count: usize) {
    steps(1 + count / 256);
    BYTES.with(|left| match left.get().checked_sub(count as u64) {
        Some(rest) => left.set(rest),
        None => stop(Limit::Bytes(MOST.get().1)),
    });
}

/// Pays for a text, or ends the run.
pub(super) fn text(length: usize) {
    if length > LONGEST_TEXT_BYTES {
        stop(Limit::Text);
    }
    bytes(length);
}

/// Ends the run.
#[cold]
pub(super) fn stop(limit: Limit) -> ! {
    resume_unwind(Box::new(Stopped(limit)))
}

struct Stopped(Limit);

/// Runs something with a budget of its own, for an input whose text has so many bytes. Whatever it shares with the outside must be sound if it ends early;
/// jaq's values are, for they are only counted references to what nobody changes.
pub(super) fn within<T>(input_bytes: usize, work: impl FnOnce() -> T) -> Result<T, Limit> {
    let input = input_bytes as u64;
    let most = (
        MOST_STEPS.saturating_add(input.saturating_mul(STEPS_PER_BYTE)),
        MOST_BYTES.saturating_add(input.saturating_mul(BYTES_PER_BYTE)),
    );
    let before = (STEPS.replace(most.0), BYTES.replace(most.1), MOST.replace(most));
    let outcome = catch_unwind(AssertUnwindSafe(work));
    STEPS.set(before.0);
    BYTES.set(before.1);
    MOST.set(before.2);
    outcome.map_err(|cause| match cause.downcast::<Stopped>() {
        Ok(stopped) => stopped.0,
        Err(other) => resume_unwind(other),
    })
}

/// The steps that the present run has left, for measurements.
#[cfg(test)]
pub(super) fn steps_left() -> u64 {
    STEPS.get()
}
