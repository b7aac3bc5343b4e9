//! The connector engine: one engine runs every manifest through one guarded HTTP client.
//!
//! [`catalog`] has the connectors that are built in, [`client`] is the only way out, [`engine`]
//! makes a request of a manifest, a connection and a payload, and says what came of it.

pub mod catalog;
pub mod client;
pub mod connection;
pub mod engine;
pub mod outcome;

pub use connection::{BatchEntry, BatchRequest, Connection, DeleteRequest, DeliveryRequest, ListRequest, TargetRecord};
pub use engine::Engine;
pub use engine::redact::Redactor;
pub use fluxnex_core::secret_source::{SecretSource, SecretSourceError};
pub use outcome::{
    BatchReport, Effort, Failure, FailureClass, ListOutcome, ListReport, ReadManyOutcome, ReadManyReport, ReadOutcome,
    ReadReport, SendOutcome, SendReport,
};
