//! The stage, after real stages before it, against a real PostgreSQL and a target over TLS.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends at the first difference")]

mod batches;
mod deletions;
mod marked;
mod ordering;
mod outcomes;
mod parents;
mod paused;
mod pipeline;
mod settling;
mod shadow;
mod upserts;
