//! The command line as people and programs use it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "in a test a panic is the report")]

mod bundle;
mod command;
mod connection;
mod connector;
mod consent;
mod gateway;
mod page;
mod switching;
mod trying;
