//! What the twin and the adapter of each port have in common, as suites that both must pass.
//!
//! A suite gets a world: the port itself, and what it takes to look at it from outside. It panics at
//! the first difference.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a suite is a test: it ends at the first difference"
)]

pub mod clock;
pub mod control;
pub mod functions;
pub mod objects;
pub mod queues;
pub mod schedules;
pub mod secrets;
pub mod workflow;
