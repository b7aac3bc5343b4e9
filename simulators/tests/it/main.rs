//! The simulated applications over their real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is not as it expects"
)]

mod binary;
mod control;
mod erp;
mod faults;
mod harness;
mod hubspot;
mod published;
mod quickbooks;
mod quickbooks_access;
mod receiver;
mod revenova;
mod revenova_sessions;
mod salesforce_client;
mod scenario;
mod silent;
