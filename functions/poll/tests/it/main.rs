//! The stage against a source over TLS, with everything else in memory: it needs no database.

mod crashing;
mod reading;
mod refused;
mod support;
