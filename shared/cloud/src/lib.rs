//! The ports to AWS (queues, objects, secrets, control table, functions, workflows, schedules) with their adapters and in-memory twins.
//!
//! A port is an object-safe trait, used as `Arc<dyn …>`. It has one adapter for AWS ([`aws`]), one
//! in-memory twin ([`twin`]), and one conformance suite that both pass (feature `conformance`).
//! Only a function's `main.rs` names an adapter. Every error answers [`Disposition`].

pub mod aws;
pub mod busy;
pub mod cached_secrets;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod control;
pub mod disposition;
pub mod functions;
pub mod objects;
pub mod queue;
pub mod schedules;
pub mod secret_source;
pub mod secret_store;
pub mod secrets;
pub mod twin;
pub mod workflow;

pub use disposition::Disposition;

/// The cause of an error, of whatever type the adapter has.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;
