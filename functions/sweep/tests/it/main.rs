//! The stage against a PostgreSQL database of its own for each test (dead letters are of no tenant)
//! and in-memory queues.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends at the first difference")]

mod dead_letters;
mod fetches;
mod removed;
mod support;
mod tenants;
