//! The engine and its client against real sockets; the connectors against their own tests.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "in a test a panic is the report")]

mod authentication;
mod cases;
mod catalog;
mod client;
mod engine;
mod hostile;
mod lists;
mod odata_service;
#[path = "../../../../simulators/tests/it/published.rs"]
mod published;
mod sales_service;
mod server;
mod simulated;
mod tokens;
mod tokens_shared;
mod webhook_libraries;
mod writing;
