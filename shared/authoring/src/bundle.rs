//! A tenant's bundle on a person's machine: its folder is checked without any network, its golden cases are run, and
//! it is compared with the one that runs.

pub mod cases;
mod check;
mod folder;
pub mod plan;
pub mod run;
pub mod skeleton;
mod variables;

pub use check::{Checked, Values, check};
pub use folder::{FILE, Folder};
pub use variables::Variables;
