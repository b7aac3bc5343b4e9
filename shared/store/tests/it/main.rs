//! The store against a real PostgreSQL.
//!
//! `cargo xtask test` starts one and says where it is: `FLUXNEX_TEST_POSTGRES` is its URL,
//! `FLUXNEX_TEST_CA` the certificate to trust.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at what it did not expect"
)]

mod deliveries;
mod migrations;
mod normalising;
mod releases;
mod replica;
mod support;
