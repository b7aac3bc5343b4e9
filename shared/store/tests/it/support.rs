//! A tenant of its own for each test, running the example bundle's shape of flows.

use fluxnex_core::bundle::Bundle;
use fluxnex_core::connector::Manifest;
use fluxnex_core::content::ContentHash;
use fluxnex_core::ids::{ConnectionId, EventId, ObjectName, SenderEventId, SourceId, TenantId};
use fluxnex_core::message::EventSource;
use fluxnex_store::{Database, DatabaseOptions, Incoming, IncomingRecord, Tenant};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

pub(crate) const INVOICE: &str = "rtms__CustomerInvoice__c";
pub(crate) const ACCOUNT: &str = "Account";

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests through `cargo xtask test`"))
}

/// A database as a function has it.
pub(crate) fn database() -> Database {
    let url: tokio_postgres::Config = variable("FLUXNEX_TEST_POSTGRES").parse().unwrap();
    let tokio_postgres::config::Host::Tcp(host) = &url.get_hosts()[0] else { panic!("not a TCP address") };
    let secret = json!({
        "host": host,
        "port": url.get_ports()[0],
        "username": url.get_user().unwrap(),
        "password": String::from_utf8(url.get_password().unwrap().to_vec()).unwrap(),
        "dbname": url.get_dbname().unwrap(),
    })
    .to_string();
    let options = DatabaseOptions {
        host: None,
        extra_roots_pem: Some(std::fs::read(variable("FLUXNEX_TEST_CA")).unwrap()),
        application_name: "tests".to_owned(),
    };
    let source = Arc::new(move || {
        let secret = secret.clone();
        let answer: futures::future::BoxFuture<'static, Result<String, Box<dyn std::error::Error + Send + Sync>>> =
            Box::pin(async move { Ok(secret) });
        answer
    });
    Database::new(options, source).unwrap()
}

/// A fresh tenant with flows of customers and invoices, and a way to look at its tables.
pub(crate) struct Fixture {
    pub(crate) database: Database,
    pub(crate) tenant: Tenant,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let database = database();
        database.migrate().await.unwrap();
        let id = TenantId::parse(format!("t{}", Uuid::now_v7().simple())).unwrap();
        Self::of(database, id).await
    }

    /// A tenant whose schema may be there already, as an earlier release left it.
    pub(crate) async fn of(database: Database, id: TenantId) -> Self {
        database.register_tenant(&id, now()).await.unwrap();
        database.migrate_tenant(&id).await.unwrap();
        let bundle: Bundle = serde_json::from_value(json!({
            "tenant": id,
            "connections": {
                "revenova": {"connector": "revenova", "settings": {"instance": "x"}, "secret": "s"},
                "quickbooks": {"connector": "quickbooks-online", "settings": {"realm": "1"}, "secret": "s"},
            },
            "flows": {
                "customers": {
                    "source": {"connection": "revenova", "object": ACCOUNT}, "entity": "customer", "to_entity": ".",
                    "targets": [{"connection": "quickbooks", "object": "Customer", "to_target": "."}],
                },
                "invoices": {
                    "source": {"connection": "revenova", "object": INVOICE}, "entity": "invoice", "to_entity": ".",
                    "requires": [{"name": "customer", "entity": "customer", "by": ".customer"}],
                    "targets": [{"connection": "quickbooks", "object": "Invoice", "to_target": "."}],
                },
            },
        }))
        .unwrap();
        let manifests: BTreeMap<ConnectionId, Manifest> = bundle
            .connections
            .iter()
            .map(|(id, definition)| (id.clone(), manifest(definition.connector.as_str())))
            .collect();
        let applied = database.apply_bundle(&bundle, &manifests, "tests", Uuid::now_v7(), now()).await.unwrap();
        assert!(applied.changed && applied.version == 1);
        let again = database.apply_bundle(&bundle, &manifests, "tests", Uuid::now_v7(), now()).await.unwrap();
        assert!(!again.changed && again.version == 1, "the same bundle changes nothing");
        let tenant = database.tenant(&id).await.unwrap();
        Self { database, tenant }
    }

    /// Runs a query on the tenant's schema, which it names `{schema}`, and gives one text per row.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let client = connect().await;
        let sql = sql.replace("{schema}", &self.tenant.id().schema_name());
        let rows = client.query_typed(&sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()).collect()
    }
}

pub(crate) fn manifest(connector: &str) -> Manifest {
    let path = format!("{}/../../connectors/{connector}/connector.yaml", env!("CARGO_MANIFEST_DIR"));
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn now() -> Timestamp {
    Timestamp::now().round(jiff::Unit::Microsecond).unwrap()
}

/// An event of a record with a version and some content.
pub(crate) fn event(object: &str, id: &str, version: Option<i64>, content: &str, arrived_microsecond: i64) -> Incoming {
    let payload = json!({ "content": content }).to_string();
    Incoming {
        event: EventId(Uuid::now_v7()),
        connection: revenova(),
        sender_event_id: SenderEventId::parse(Uuid::new_v4().to_string()).unwrap(),
        derived: false,
        source: EventSource::Webhook,
        arrived_at: Timestamp::from_microsecond(1_760_000_000_000_000 + arrived_microsecond).unwrap(),
        record: IncomingRecord::State {
            object: ObjectName::parse(object).unwrap(),
            source_id: SourceId::parse(id).unwrap(),
            source_version: version,
            deleted: false,
            content: ContentHash::of_json(&payload).unwrap(),
            payload,
        },
    }
}

pub(crate) fn revenova() -> ConnectionId {
    ConnectionId::parse("revenova").unwrap()
}

/// A connection past the store, to look and to interfere.
pub(crate) async fn connect() -> tokio_postgres::Client {
    let url = variable("FLUXNEX_TEST_POSTGRES");
    let config: tokio_postgres::Config = url.parse().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read(variable("FLUXNEX_TEST_CA")).unwrap();
    for certificate in
        <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::pem_slice_iter(&pem)
    {
        roots.add(certificate.unwrap()).unwrap();
    }
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (client, connection) = config.connect(tokio_postgres_rustls::MakeRustlsConnect::new(tls)).await.unwrap();
    tokio::spawn(connection);
    client
}
