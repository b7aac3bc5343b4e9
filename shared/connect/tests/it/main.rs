//! The engine and its client against real sockets; the connectors against their own tests.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "in a test a panic is the report")]

mod cases;
mod catalog;
mod client;
mod engine;
mod hostile;
mod outcome_text;
mod server;
mod tokens;
