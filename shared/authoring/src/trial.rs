//! Tries one operation of a connector, and shows each request and answer without secrets.

mod act;
mod recorder;
mod secrets;

pub use recorder::Shown;
pub use secrets::{LocalSecrets, LocalSecretsError};

use act::act;
use fluxnex_connect::client::{ClientError, ClientOptions, GuardedClient};
use fluxnex_connect::connection::Reach;
use fluxnex_connect::{Connection, Engine, TargetRecord};
use fluxnex_core::connector::CompiledManifest;
use fluxnex_core::ids::{ConnectionId, InvalidId, ObjectName, SourceId, TenantId};
use fluxnex_core::poll::{Listing, Position};
use recorder::Recorder;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long one operation may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What is tried, and as whom.
pub struct Trial {
    /// The connector.
    pub manifest: Arc<CompiledManifest>,
    /// Where the application is, if not where the manifest says.
    pub base_url: Option<String>,
    /// The connection's settings.
    pub settings: BTreeMap<String, String>,
    /// The fields of its secret.
    pub secrets: Arc<LocalSecrets>,
    /// What may be reached.
    pub reach: Reach,
    /// PEM certificates that are trusted besides the public roots.
    pub extra_ca_pem: Option<Vec<u8>>,
}

/// One operation.
#[derive(Debug)]
pub enum Action {
    /// Reads a record of a source object.
    ReadOne {
        /// The object.
        object: ObjectName,
        /// The record's id.
        id: SourceId,
    },
    /// Reads several records of a source object.
    ReadMany {
        /// The object.
        object: ObjectName,
        /// The records' ids.
        ids: Vec<SourceId>,
    },
    /// Lists a page of what changed, or was deleted, of a source object.
    List {
        /// Which of the two.
        list: Listing,
        /// The object.
        object: ObjectName,
        /// The place after which it begins.
        position: Option<Position>,
    },
    /// Writes a record to a target object.
    Send {
        /// The object.
        object: ObjectName,
        /// The record in the target's shape.
        payload: Box<RawValue>,
        /// The idempotency key.
        key: String,
        /// Our own id of the record.
        external_id: Option<String>,
        /// The record at the target, if it is there already.
        target: Option<TargetRecord>,
    },
    /// Writes several records to a target object.
    Batch {
        /// The object.
        object: ObjectName,
        /// The records.
        items: Vec<Item>,
    },
    /// Deletes a record at a target object.
    Delete {
        /// The object.
        object: ObjectName,
        /// The idempotency key.
        key: String,
        /// Our own id of the record.
        external_id: Option<String>,
        /// The record at the target.
        target: Option<TargetRecord>,
    },
}

/// One record of a batch.
#[derive(Debug)]
pub struct Item {
    /// The record in the target's shape.
    pub payload: Box<RawValue>,
    /// The idempotency key.
    pub key: String,
    /// Our own id of the record.
    pub external_id: Option<String>,
    /// The record at the target, if it is there already.
    pub target: Option<TargetRecord>,
}

/// What came of it.
#[derive(Debug)]
pub struct Tried {
    /// The requests and answers, in order.
    pub exchanges: Vec<Shown>,
    /// What the engine made of it, as cases write it; a list has its records besides.
    pub outcome: Value,
    /// Whether it was done.
    pub ok: bool,
}

/// Why nothing could be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The HTTP client cannot be made.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// A name of ours is none: a fault in the program.
    #[error("{0}")]
    Name(#[from] InvalidId),
}

impl Trial {
    /// Does it once.
    ///
    /// # Errors
    /// [`TrialError`], before any request is made. What the application refuses is an outcome.
    pub async fn run(&self, action: &Action) -> Result<Tried, TrialError> {
        let options = ClientOptions { extra_ca_pem: self.extra_ca_pem.clone(), ..ClientOptions::default() };
        let recorder = Arc::new(Recorder::new(GuardedClient::new(&options)?, self.reach, &self.secrets));
        let engine = Engine::new(GuardedClient::carried_by(recorder.clone()), self.secrets.clone());
        let connection = self.connection()?;
        let (outcome, ok) = act(&engine, &connection, action).await;
        Ok(Tried { exchanges: recorder.take(), outcome: recorder.clean_json(outcome), ok })
    }

    fn connection(&self) -> Result<Connection, InvalidId> {
        Ok(Connection {
            tenant: TenantId::parse("trial")?,
            id: ConnectionId::parse("trial")?,
            manifest: self.manifest.clone(),
            base_url: self.base_url.clone(),
            settings: self.settings.clone(),
            secret_name: "trial".to_owned(),
            reach: self.reach,
        })
    }
}
