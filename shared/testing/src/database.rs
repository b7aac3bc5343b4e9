//! The PostgreSQL that `cargo xtask test` starts: `FLUXNEX_TEST_POSTGRES` is its URL,
//! `FLUXNEX_TEST_CA` the certificate to trust.

use fluxnex_store::{Database, DatabaseOptions};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use std::sync::Arc;
use tokio_postgres::{Client, Config};
use uuid::Uuid;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests through `cargo xtask test`"))
}

/// Where a test's tables are.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    config: Config,
    own: bool,
}

impl TestDatabase {
    /// The database that all tests share: each has a tenant of its own there.
    #[must_use]
    pub fn shared() -> Self {
        Self { config: variable("FLUXNEX_TEST_POSTGRES").parse().unwrap(), own: false }
    }

    /// A new, empty database: for what is not of one tenant. [`remove`](Self::remove) it at the end.
    pub async fn own() -> Self {
        let name = format!("test_{}", Uuid::now_v7().simple());
        let mut database = Self::shared();
        database.client().await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        database.config.dbname(&name);
        database.own = true;
        database
    }

    /// Removes a database of its own; the shared one stays.
    pub async fn remove(self) {
        if self.own {
            let name = self.config.get_dbname().unwrap();
            let drop = format!("DROP DATABASE {name} WITH (FORCE)");
            Self::shared().client().await.batch_execute(&drop).await.unwrap();
        }
    }

    /// The store on this database, as a function has it.
    #[must_use]
    pub fn store(&self) -> Database {
        let tokio_postgres::config::Host::Tcp(host) = &self.config.get_hosts()[0] else { panic!("not a TCP address") };
        let secret = json!({
            "host": host,
            "port": self.config.get_ports()[0],
            "username": self.config.get_user().unwrap(),
            "password": String::from_utf8(self.config.get_password().unwrap().to_vec()).unwrap(),
            "dbname": self.config.get_dbname().unwrap(),
        });
        store(secret)
    }

    /// A store that finds nobody at its address.
    #[must_use]
    pub fn nobody() -> Database {
        store(json!({"host": "127.0.0.1", "port": 1, "username": "nobody", "password": "marked-password"}))
    }

    /// Runs a query and gives the first column, which is text, of each row.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.client().await.query_typed(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect()
    }

    /// Every row of every table of the schemas, as text.
    pub async fn dump(&self, schemas: &[&str]) -> Vec<String> {
        let names = schemas.join("', '");
        let tables =
            format!("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('{names}')");
        let mut rows = Vec::new();
        for table in self.texts(&tables).await {
            rows.extend(self.texts(&format!("SELECT '{table}: ' || t::text FROM {table} t")).await);
        }
        rows
    }

    async fn client(&self) -> Client {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&authority()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = tokio_postgres_rustls::MakeRustlsConnect::new(tls);
        let (client, connection) = self.config.connect(tls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

fn authority() -> Vec<u8> {
    std::fs::read(variable("FLUXNEX_TEST_CA")).unwrap()
}

fn store(secret: serde_json::Value) -> Database {
    let options =
        DatabaseOptions { host: None, extra_roots_pem: Some(authority()), application_name: "tests".to_owned() };
    let secret = secret.to_string();
    let source = Arc::new(move || {
        let secret = secret.clone();
        let answer: futures::future::BoxFuture<'static, Result<String, fluxnex_lambda::BoxError>> =
            Box::pin(async move { Ok(secret) });
        answer
    });
    Database::new(options, source).unwrap()
}
