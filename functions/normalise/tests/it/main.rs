//! The stage, after a real `replicate`, against a real PostgreSQL and in-memory queues.

mod failing;
mod fetching;
mod good;
mod parents;
mod support;
