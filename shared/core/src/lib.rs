//! The vocabulary of FluxNex and its decisions: pure, without IO, clock or randomness.
//!
//! Everything here is a function of its arguments. Time is a [`jiff::Timestamp`] given by the
//! caller, ids are made by the caller, and what is decided is written down by `fluxnex-store`.

pub mod bundle;
pub mod canonical;
pub mod connector;
pub mod content;
pub mod difference;
pub mod entity;
pub mod event;
pub mod fetch;
pub mod flow;
pub mod ids;
pub mod ledger;
pub mod mapping;
pub mod message;
pub mod poll;
pub mod replica;
pub mod retry;
pub mod secret_source;
pub mod signature;
pub mod xml;
