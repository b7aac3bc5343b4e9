//! The deterministic simulator: all handlers in one process, one scheduler, real PostgreSQL underneath.
//!
//! A seed decides everything: the scenario, who goes on at each gate, who dies there, what the queues do
//! that they may, and what goes wrong at applications. So a seed that fails fails again, in the same way.
//!
//! - `gates.rs`: where invocations stop: each call of a port, each statement, each commit
//! - `scheduler.rs`: who goes on, what begins, how time goes on; `running.rs`: one invocation
//! - `database.rs`, `ground.rs`: PostgreSQL, and who waits there for a lock
//! - `world.rs`, `ports.rs`, `clocks.rs`, `workflows.rs`, `applications/`: everything else that is outside
//! - `scenario/`, `plan.rs`: what a seed is; `bundles.rs`: what the tenants run

mod applications;
mod bundles;
mod clocks;
mod command;
mod corpus;
mod database;
mod functions;
mod gates;
mod ground;
mod held_back;
mod hunt;
mod mutants;
mod plan;
mod ports;
mod running;
mod scenario;
mod scheduler;
mod seed;
mod shrink;
mod story;
mod workers;
mod workflows;
mod world;

pub use applications::{Access, Applications, Effect, Told};
pub use command::Simulate;
pub use database::Observer;
pub use ground::{EMPTIED, Ground};
pub use hunt::Mutants;
pub use mutants::{Mutant, Planted};
pub use scenario::{ACCOUNTING, DELETED, INVOICE, Known, MARK, PARTNER, Scenario, Subject, TENANTS, WIDE};
pub use seed::{Case, Outcome, run};
pub use shrink::{Less, shrink};
pub use story::Counted;
