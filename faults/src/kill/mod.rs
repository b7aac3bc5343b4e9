//! Violence: the main job on the Lambda host, while function processes get SIGKILL many times a second and
//! PostgreSQL is restarted.
//!
//! - `job.rs`, `applications.rs`, `database.rs`: the main job, and when it is done
//! - `violence.rs`: what is done to it, while new webhooks come in
//! - `command.rs`: the command `kill`

mod applications;
mod command;
mod database;
mod job;
mod violence;

pub use applications::Applications;
pub use command::Kill;
pub use database::Database;
pub use job::{Job, JobOptions, Settled, short_timeouts};
pub use violence::{Figures, Violence};
