//! Simulated applications, and the checker that reconciles what they saw. Development only.
//!
//! Callers that only steer a running simulator (the developer commands) build this crate
//! without the `server` feature: [`commands`] are the control API's types, [`journal`] is
//! what the applications recorded, [`reconcile`] judges it, [`tls`] makes the certificates.

pub mod clock;
pub mod commands;
pub mod journal;
pub mod reconcile;
pub mod tls;

#[cfg(feature = "server")]
mod control;
#[cfg(feature = "server")]
mod erp;
#[cfg(feature = "server")]
mod faults;
#[cfg(feature = "server")]
mod hubspot;
#[cfg(feature = "server")]
mod observe;
#[cfg(feature = "server")]
mod query_text;
#[cfg(feature = "server")]
mod quickbooks;
#[cfg(feature = "server")]
mod random;
#[cfg(feature = "server")]
mod receiver;
#[cfg(feature = "server")]
mod recorder;
#[cfg(feature = "server")]
mod revenova;
#[cfg(feature = "server")]
mod serve;
#[cfg(feature = "server")]
mod world;

#[cfg(feature = "server")]
pub use world::{Options, Running, start};
