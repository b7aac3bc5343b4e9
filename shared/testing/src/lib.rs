//! What the tests of the functions share: a tenant of their own, twins, a target, and captured logs.
//!
//! For tests only. It knows no function: each function's tests make their stages themselves, of the
//! parts of a [`Setting`], and move messages with [`run`].

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test ends at the first difference"
)]

pub mod captured;
mod database;
mod queue;
mod records;
mod setting;
mod stored;
mod target;
mod webhook;

pub use database::TestDatabase;
pub use queue::{decoded, event, messages, run};
pub use records::{ACCOUNT, INVOICE, account, invoice, notice, stamp};
pub use setting::{ALERTS_SECRET, QUICKBOOKS_SECRET, REVENOVA_SECRET, Setting, bundle, queue};
pub use target::{Issued, Received, Reply, Target};
pub use webhook::{signed, webhook_request};
