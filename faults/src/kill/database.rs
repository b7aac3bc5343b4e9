//! The job's database, on the PostgreSQL that the environment names; and what is not done yet there.

use super::applications::TENANT;
use anyhow::{Context, Result, bail};
use fluxnex_simulators::reconcile::FailedEvent;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config};

/// An empty database of its own.
pub struct Database {
    server: Config,
    own: Config,
    authority: PathBuf,
}

impl Database {
    /// Makes it. The server is the one that tests use: `FLUXNEX_TEST_POSTGRES` and `FLUXNEX_TEST_CA`.
    ///
    /// # Errors
    /// The variables are missing, or the server refuses.
    pub async fn create() -> Result<Self> {
        let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
        let server: Config = variable("FLUXNEX_TEST_POSTGRES")?.parse()?;
        let mut own = server.clone();
        let name = format!("job_{}", uuid::Uuid::now_v7().simple());
        own.dbname(&name);
        let database = Self { server, own, authority: variable("FLUXNEX_TEST_CA")?.into() };
        let client = connect(&database.server, &database.authority).await?;
        client.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        // The server may be restarted, and what was committed must be there then.
        client.batch_execute(&format!("ALTER DATABASE {name} SET synchronous_commit = on")).await?;
        Ok(database)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.own.get_dbname().unwrap_or_default()
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
        let Some(Host::Tcp(host)) = self.own.get_hosts().first() else { bail!("the server has no TCP address") };
        Ok(json!({
            "engine": "postgres",
            "host": host,
            "port": self.own.get_ports().first().copied().unwrap_or(5432),
            "username": self.own.get_user().unwrap_or_default(),
            "password": std::str::from_utf8(self.own.get_password().unwrap_or_default())?,
            "dbname": self.name(),
        }))
    }

    /// What FluxNex has not brought to an end, and how many of each; empty if there is nothing.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn open(&self) -> Result<BTreeMap<String, u64>> {
        let query = format!(
            "SELECT 'events ' || state, count(*) FROM tenant_{TENANT}.event_states \
                 WHERE state IN ('received', 'processing', 'waiting', 'pending', 'sending') GROUP BY 1 \
             UNION ALL SELECT 'deliveries ' || state, count(*) FROM tenant_{TENANT}.deliveries \
                 WHERE state IN ('pending', 'sending') GROUP BY 1 \
             UNION ALL SELECT 'waiting records', count(*) FROM tenant_{TENANT}.waiting_records HAVING count(*) > 0 \
             UNION ALL SELECT 'fetches ' || state, count(*) FROM tenant_{TENANT}.dependency_fetches \
                 WHERE state NOT IN ('stored', 'failed') GROUP BY 1 \
             UNION ALL SELECT 'dead letters of ' || queue, count(*) FROM fluxnex_master.dead_letters \
                 WHERE state = 'waiting' GROUP BY 1"
        );
        let rows = connect(&self.own, &self.authority).await?.query(&query, &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get::<_, i64>(1).unsigned_abs())).collect())
    }

    /// The events that FluxNex shows as failed or held.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn failed_events(&self) -> Result<Vec<FailedEvent>> {
        let query = format!(
            "SELECT source = 'webhook', sender_event_id, coalesce(object, ''), coalesce(source_id, ''), \
             coalesce(reason, '') FROM tenant_{TENANT}.event_states WHERE state IN ('failed', 'held')"
        );
        let rows = connect(&self.own, &self.authority).await?.query(&query, &[]).await?;
        let failed = rows.iter().map(|row| {
            let (event, object, record, reason): (String, String, String, String) =
                (row.get(1), row.get(2), row.get(3), row.get(4));
            if row.get(0) {
                FailedEvent::of_delivery(event, reason)
            } else {
                FailedEvent::of_record(object, record, reason)
            }
        });
        Ok(failed.collect())
    }

    /// Removes it.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn remove(self) -> Result<()> {
        let name = self.name();
        let client = connect(&self.server, &self.authority).await?;
        Ok(client.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await?)
    }
}

async fn connect(config: &Config, authority: &Path) -> Result<Client> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    let (client, connection) = config.connect(tokio_postgres_rustls::MakeRustlsConnect::new(tls)).await?;
    // Its error reaches the client's next query.
    tokio::spawn(connection);
    Ok(client)
}
