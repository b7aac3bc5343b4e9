//! The stage against a real PostgreSQL (see `fluxnex-testing`) and in-memory queues.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends at the first difference")]

mod failing;
mod good;
mod support;
