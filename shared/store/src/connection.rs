//! One connection per execution environment, made when it is first needed and again when it broke.

use crate::error::StoreError;
use crate::gate::{self, Gate, StatementGate, Step, Transaction, through};
use futures::future::BoxFuture;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How often a transaction that lost a race is run again before the batch is given back.
const MOST_RACES: u32 = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Gives the database secret, as JSON of the shape that RDS makes (`host`, `port`, `username`,
/// `password`, `dbname`). It is asked for each new connection, so that a rotated password or a
/// fresh token is used.
pub type SecretSource =
    Arc<dyn Fn() -> BoxFuture<'static, Result<String, Box<dyn std::error::Error + Send + Sync>>> + Send + Sync>;

/// How to connect, beside the secret.
#[derive(Debug, Clone, Default)]
pub struct DatabaseOptions {
    /// Host that wins over the secret's: the endpoint of RDS Proxy.
    pub host: Option<String>,
    /// PEM certificates trusted besides the public roots.
    pub extra_roots_pem: Option<Vec<u8>>,
    /// Name shown in `pg_stat_activity`.
    pub application_name: String,
}

#[derive(Deserialize)]
struct DatabaseSecret {
    host: String,
    port: u16,
    username: String,
    password: String,
    #[serde(default)]
    dbname: Option<String>,
}

/// The database. Cheap to make: nothing connects before the first call.
pub struct Database {
    options: DatabaseOptions,
    secret: SecretSource,
    tls: MakeRustlsConnect,
    client: Mutex<Option<Client>>,
    gate: Gate,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Database").field("options", &self.options.application_name).finish_non_exhaustive()
    }
}

impl Database {
    /// A database that connects when it is first used.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if the extra certificates are not PEM.
    pub fn new(options: DatabaseOptions, secret: SecretSource) -> Result<Self, StoreError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(pem) = &options.extra_roots_pem {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                certificate
                    .ok()
                    .and_then(|certificate| roots.add(certificate).ok())
                    .ok_or_else(|| StoreError::Unreadable("the extra certificates are not PEM".to_owned()))?;
            }
        }
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| StoreError::Unreachable(Box::new(error)))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { options, secret, tls: MakeRustlsConnect::new(tls), client: Mutex::new(None), gate: None })
    }

    /// The same database with a gate before and after everything that is done on its connection.
    #[must_use]
    pub fn with_gate(self, gate: Arc<dyn StatementGate>) -> Self {
        Self { gate: Some(gate), ..self }
    }

    async fn connect(&self) -> Result<Client, StoreError> {
        let secret = (self.secret)().await.map_err(StoreError::Unreachable)?;
        let secret: DatabaseSecret = serde_json::from_str(&secret).map_err(|_| {
            StoreError::Unreadable("the database secret needs host, port, username, password and dbname".to_owned())
        })?;
        let mut config = tokio_postgres::Config::new();
        config
            .host(self.options.host.as_deref().unwrap_or(&secret.host))
            .port(secret.port)
            .user(&secret.username)
            .password(&secret.password)
            .dbname(secret.dbname.as_deref().unwrap_or("fluxnex"))
            .application_name(&self.options.application_name)
            .ssl_mode(tokio_postgres::config::SslMode::Require)
            .connect_timeout(CONNECT_TIMEOUT);
        let (client, connection) = config.connect(self.tls.clone()).await.map_err(StoreError::from)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = %error, "the database connection ended");
            }
        });
        Ok(client)
    }

    /// The open connection; a new one if there is none or it broke.
    pub(crate) async fn client(&self) -> Result<ClientGuard<'_>, StoreError> {
        let mut guard = self.client.lock().await;
        if guard.as_ref().is_none_or(Client::is_closed) {
            *guard = None;
            *guard = Some(through(&self.gate, Step::Connect, self.connect()).await?);
        }
        Ok(ClientGuard(guard))
    }

    /// Runs `work` in one transaction, and again from its start when it lost a race.
    pub(crate) async fn transaction<T, W>(&self, mut work: W) -> Result<T, StoreError>
    where
        W: AsyncFnMut(&Transaction<'_>) -> Result<T, StoreError>,
    {
        let mut races = 0;
        loop {
            let mut guard = self.client().await?;
            let client = guard.get()?;
            let inner = through(&self.gate, Step::Begin, client.transaction()).await?;
            let transaction = Transaction { inner, gate: &self.gate };
            let result = match work(&transaction).await {
                Ok(value) => transaction.commit().await.map(|()| value).map_err(StoreError::from),
                Err(error) => {
                    // Rolling back explicitly keeps the connection usable; if that fails too, it is broken.
                    let _ = transaction.rollback().await;
                    Err(error)
                }
            };
            match result {
                Err(error) if error.lost_a_race() && races < MOST_RACES => races += 1,
                Err(error) if error.lost_a_race() => return Err(StoreError::Conflict),
                result => return result,
            }
        }
    }

    /// Runs one statement outside a transaction, in a snapshot of its own.
    pub(crate) async fn query(
        &self,
        sql: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, StoreError> {
        let mut guard = self.client().await?;
        let client = guard.get()?;
        Ok(gate::query(&self.gate, client, sql, parameters).await?)
    }

    /// Whether the connection ended, or was never made; nothing while it is in use.
    #[must_use]
    pub fn is_closed(&self) -> Option<bool> {
        let client = self.client.try_lock().ok()?;
        Some(client.as_ref().is_none_or(Client::is_closed))
    }

    /// Commits the transaction that a gate left open ([`StatementGate::withholds_commit`]).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn commit_withheld(&self) -> Result<(), StoreError> {
        Ok(self.client().await?.get()?.batch_execute("COMMIT").await?)
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// [`StoreError`] if it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.query("SELECT 1", &[]).await.map(drop)
    }
}

/// Exclusive use of the connection.
pub(crate) struct ClientGuard<'a>(MutexGuard<'a, Option<Client>>);

impl ClientGuard<'_> {
    pub(crate) fn get(&mut self) -> Result<&mut Client, StoreError> {
        self.0.as_mut().ok_or_else(|| StoreError::Unreachable("no connection".into()))
    }
}
