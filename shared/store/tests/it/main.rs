//! The store against a real PostgreSQL.
//!
//! `cargo xtask test` starts one and says where it is: `FLUXNEX_TEST_POSTGRES` is its URL,
//! `FLUXNEX_TEST_CA` the certificate to trust.

mod deliveries;
mod migrations;
mod normalising;
mod replica;
mod support;
