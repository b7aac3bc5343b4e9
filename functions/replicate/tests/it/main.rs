//! The stage against a real PostgreSQL (see `fluxnex-testing`) and in-memory queues.

mod failing;
mod good;
mod support;
