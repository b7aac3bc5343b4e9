//! Webhooks as API Gateway hands them over, against the in-memory twins.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends at the first difference")]

mod accepted;
mod addressed;
mod outages;
mod outbound_messages;
mod refused;
mod support;
