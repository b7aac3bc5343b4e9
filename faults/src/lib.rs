//! The proving ground: what FluxNex is tested and measured in. Development only.
//!
//! - [`simulation`]: all handlers in one process, one scheduler, real PostgreSQL; [`checks`]: what must hold.
//! - [`host`]: the real function programs, in surroundings that behave as AWS documents.
//! - [`kill`]: violence to these programs while the main job runs.
//! - [`queues`]: SQS and Lambda's event source as AWS documents them, pure and deterministic.

pub mod checks;
pub mod host;
pub mod kill;
pub mod postgres;
pub mod queues;
pub mod simulation;
