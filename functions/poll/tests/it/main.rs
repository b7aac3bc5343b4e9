//! The stage against a source over TLS, with everything else in memory: it needs no database.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends at the first difference")]

mod crashing;
mod lists;
mod odata_service;
#[expect(dead_code, reason = "others run scripts with it")]
#[path = "../../../../simulators/tests/it/published.rs"]
mod published;
mod reading;
mod refused;
#[path = "../../../../shared/connect/tests/it/sales_service.rs"]
mod sales_service;
mod support;
