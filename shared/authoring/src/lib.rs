//! What authors of connectors and of bundles work with: a folder is checked, its cases are run, and one operation is
//! tried.
//!
//! [`check`] is what `fluxnex connector check` and the tests of the built-in connectors run; a fault is a
//! [`Finding`] with its file, line and, where one can be given, a hint. For development and for people's
//! machines: no function of the pipeline uses this.

pub mod bundle;
pub mod cases;
pub mod check;
pub mod finding;
pub mod manifest;
pub mod places;
pub mod schema;
pub mod server;
pub mod skeleton;
pub mod trial;

pub use check::{Checked, check};
pub use finding::Finding;
