//! PostgreSQL: the catalog, the tenant schemas, their migrations and every query.
//!
//! All statements are unnamed, typed and schema-qualified, and bind the tenant: nothing here pins
//! a session of RDS Proxy (no `SET`, no prepared statements, no sequences, no session locks, no
//! text over 16 KB). A method issues one transaction per tenant and batch, and in it one statement
//! per table, with arrays through `unnest`. What is decided comes from `fluxnex-core`; what is
//! written, and in which order locks are taken, is decided here.

mod canonical;
mod catalog;
mod claims;
mod connection;
mod dead_letters;
mod error;
mod fetches;
mod gate;
mod json;
mod ledger;
mod management;
mod migrations;
mod removed;
mod replica;
mod sample;
mod sweep;
mod tenant;
mod waiting;

pub use canonical::{CanonicalRow, Normalised, NormalisedBatch, NormalisedWork, Stored};
pub use catalog::AppliedConfiguration;
pub use claims::{Attempt, Claim, Claimed, Finish, Finished};
pub use connection::{Database, DatabaseOptions, SecretSource};
pub use dead_letters::{DeadLetter, DeadLetterReason};
pub use error::StoreError;
pub use fetches::{DueFetch, FetchEnd, OpenFetch};
pub use gate::{StatementGate, Step};
pub use ledger::{NewDelivery, Routed};
pub use management::{AuditEntry, BundleVersion};
pub use migrations::{MigrationReport, newest_catalog_migration, newest_tenant_migration};
pub use removed::Removed;
pub use replica::{Incoming, IncomingRecord, Registered, SourceRecord, SourceRecordKey};
pub use sweep::{Stranded, UntoldFailure};
pub use tenant::{Tenant, Tenants};
pub use waiting::{HopelessWait, MissingParent};
