//! The stage with the ones before and after it, against a real PostgreSQL and a source over TLS.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first difference")]

mod fetching;
mod giving_up;
mod support;
