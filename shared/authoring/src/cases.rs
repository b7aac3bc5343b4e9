//! A connector's own tests: what it promises, over the engine and a real connection to a small server.

mod act;
mod compare;
mod format;
pub mod outcome;
mod run;

pub use format::{Case, CaseFile};
pub use run::{Ran, run_file};
