//! The stage, after a real `replicate`, against a real PostgreSQL and in-memory queues.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends at the first difference")]

mod failing;
mod fetching;
mod good;
mod parents;
mod support;
