//! Folders are made, checked and found wanting.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod broken;
mod bundle;
mod check;
mod schema;
mod skeleton;
