//! Batches under every kind of failure, and a whole function against a stand-in for the Runtime API.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends at the first difference")]

mod batches;
mod captured;
mod function;
mod properties;
mod sample;
