//! The engine and its client against real sockets; the connectors against their own tests.

mod cases;
mod catalog;
mod client;
mod engine;
mod outcome_text;
mod server;
mod tokens;
