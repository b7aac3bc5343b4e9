//! The API against a real PostgreSQL, with the real `migrate` behind its port.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends at the first difference")]

mod applying;
mod consent;
mod documented;
mod editing;
mod keyed;
mod pausing;
mod polls;
mod refusing;
mod sampling;
mod secrets;
mod support;
mod testing;
mod versions;
