//! The stage against a source over TLS, with everything else in memory: it needs no database.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends at the first difference")]

mod crashing;
mod reading;
mod refused;
mod support;
