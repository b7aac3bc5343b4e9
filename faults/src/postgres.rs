//! The PostgreSQL that tests and runs use: where it is, whom to trust, and how to connect.

use anyhow::{Context, Result, bail};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config};

/// A database on the server, and which certificate to trust.
#[derive(Debug, Clone)]
pub struct Server {
    config: Config,
    authority: PathBuf,
}

impl Server {
    /// The server that the environment names, as for the tests (`FLUXNEX_TEST_POSTGRES`,
    /// `FLUXNEX_TEST_CA`).
    ///
    /// # Errors
    /// If they are missing or cannot be read.
    pub fn from_environment() -> Result<Self> {
        let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
        let config = variable("FLUXNEX_TEST_POSTGRES")?.parse()?;
        Ok(Self { config, authority: variable("FLUXNEX_TEST_CA")?.into() })
    }

    /// The same server with another database.
    #[must_use]
    pub fn at(&self, database: &str) -> Self {
        let mut server = self.clone();
        server.config.dbname(database);
        server
    }

    /// The name of the database.
    #[must_use]
    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }

    /// Whom to trust, a PEM file.
    #[must_use]
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// The login, of the shape that RDS makes.
    ///
    /// # Errors
    /// The server's address is no TCP address.
    pub fn login(&self) -> Result<Value> {
        let Some(Host::Tcp(host)) = self.config.get_hosts().first() else { bail!("the server has no TCP address") };
        Ok(json!({
            "engine": "postgres",
            "host": host,
            "port": self.config.get_ports().first().copied().unwrap_or(5432),
            "username": self.config.get_user().unwrap_or_default(),
            "password": std::str::from_utf8(self.config.get_password().unwrap_or_default())?,
            "dbname": self.database(),
        }))
    }

    /// Connects; the connection is served by the runtime.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn connect(&self) -> Result<Client> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.authority)? {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = tls.with_root_certificates(roots).with_no_client_auth();
        let (client, connection) = self.config.connect(tokio_postgres_rustls::MakeRustlsConnect::new(tls)).await?;
        // Its error reaches the client's next query.
        tokio::spawn(connection);
        Ok(client)
    }
}
