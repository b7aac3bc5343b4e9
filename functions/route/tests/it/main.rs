//! The stage, after real stages before it, against a real PostgreSQL and in-memory queues.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends at the first difference")]

mod routing;
mod support;
