//! The stage with the ones before and after it, against a real PostgreSQL and a source over TLS.

mod fetching;
mod giving_up;
mod support;
