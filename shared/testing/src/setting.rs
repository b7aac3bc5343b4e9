//! A tenant that runs the example bundle, with everything around it in memory but the database.

use crate::database::TestDatabase;
use crate::target::Target;
use fluxnex_cloud::busy::BusyMarker;
use fluxnex_cloud::cached_secrets::CachedSecrets;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::queue::{OutgoingMessage, QueueUrl};
use fluxnex_cloud::secret_source::ConnectionSecrets;
use fluxnex_cloud::twin::{
    InMemoryControl, InMemoryObjects, InMemoryQueues, InMemorySchedules, InMemorySecrets, InMemoryWorkflows,
    ManualClock,
};
use fluxnex_connect::{Engine, catalog};
use fluxnex_core::bundle::{Bundle, inline};
use fluxnex_core::ids::{ConnectionId, EventId, SenderEventId, TenantId};
use fluxnex_core::message::{EventSource, InboundEvent, V1};
use fluxnex_store::{Database, Tenants};
use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Name of the secret of the example's source.
pub const REVENOVA_SECRET: &str = "fluxnex/local/connections/acme/revenova";
/// Name of the secret of the example's target.
pub const QUICKBOOKS_SECRET: &str = "fluxnex/local/connections/acme/quickbooks";
/// Name of the secret of the example's receiver of notifications.
pub const ALERTS_SECRET: &str = "fluxnex/local/connections/acme/alerts";

/// The queue of that name, without its prefix.
#[must_use]
pub fn queue(name: &str) -> QueueUrl {
    QueueUrl::new(format!("http://queues/000000000000/fluxnex-local-{name}"))
}

/// The example bundle for a tenant whose target is at `url`.
#[must_use]
pub fn bundle(tenant: &TenantId, url: &str) -> Bundle {
    let folder = format!("{}/../../examples/acme", env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(format!("{folder}/{path}")).map_err(|error| error.to_string());
    let document: Value = serde_saphyr::from_str(&read("fluxnex.yaml").unwrap()).unwrap();
    let variables = BTreeMap::from(
        [
            ("REVENOVA_URL", url.to_owned()),
            ("QUICKBOOKS_URL", url.to_owned()),
            ("QUICKBOOKS_REALM", "4620816365".to_owned()),
            ("RECEIVER_URL", format!("{url}/hooks/alerts")),
            ("POLL_SINCE", "2026-11-20T12:00:00Z".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let mut document = inline(document, &variables, &mut |path| read(path)).unwrap();
    document["tenant"] = json!(tenant);
    serde_json::from_value(document).unwrap()
}

/// A tenant of its own for each test.
pub struct Setting {
    /// Where its tables are.
    pub tables: TestDatabase,
    /// The store, as a function has it.
    pub database: Arc<Database>,
    /// The tenant.
    pub tenant: TenantId,
    /// Stands still until it is told to move.
    pub clock: Arc<ManualClock>,
    /// The queues.
    pub queues: Arc<InMemoryQueues>,
    /// The control table.
    pub control: Arc<InMemoryControl>,
    /// The payload bucket.
    pub objects: Arc<InMemoryObjects>,
    /// The secrets service.
    pub secrets: Arc<InMemorySecrets>,
    /// The state machine that fetches missing parents.
    pub workflows: Arc<InMemoryWorkflows>,
    /// The schedules of polls.
    pub schedules: Arc<InMemorySchedules>,
    /// The target, and the receiver of notifications.
    pub target: Target,
}

impl Setting {
    /// A tenant in the shared database that runs the example bundle.
    pub async fn new() -> Self {
        static MIGRATED: OnceCell<()> = OnceCell::const_new();
        let tables = TestDatabase::shared();
        let setting = Self::bare(tables).await;
        MIGRATED.get_or_init(async || setting.database.migrate().await.map(drop).unwrap()).await;
        setting.apply(&bundle(&setting.tenant, &setting.target.url)).await;
        setting
    }

    /// The same in a database of its own: for what is not of one tenant. [`TestDatabase::remove`]
    /// it at the end.
    pub async fn alone() -> Self {
        let setting = Self::bare(TestDatabase::own().await).await;
        setting.database.migrate().await.unwrap();
        setting.apply(&bundle(&setting.tenant, &setting.target.url)).await;
        setting
    }

    /// A tenant that nothing is known of yet.
    pub async fn bare(tables: TestDatabase) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::now().round(jiff::Unit::Millisecond).unwrap()));
        let secrets = Arc::new(InMemorySecrets::default());
        secrets.create(REVENOVA_SECRET, json!({"client_id": "i", "client_secret": "s", "webhook_secret": "w"}));
        secrets.create(QUICKBOOKS_SECRET, json!({"client_id": "i", "client_secret": "s", "refresh_token": "refresh"}));
        secrets.create(ALERTS_SECRET, json!({"signing_secret": "whsec_bWFya2VkLXNpZ25pbmctc2VjcmV0LWtleQ=="}));
        Self {
            database: Arc::new(tables.store()),
            tables,
            tenant: TenantId::parse(format!("t{}", Uuid::now_v7().simple())).unwrap(),
            queues: Arc::new(InMemoryQueues::new(clock.clone())),
            clock,
            control: Arc::new(InMemoryControl::default()),
            objects: Arc::new(InMemoryObjects::default()),
            workflows: Arc::new(InMemoryWorkflows::default()),
            schedules: Arc::new(InMemorySchedules::default()),
            secrets,
            target: Target::start().await,
        }
    }

    /// Lets the tenant run a bundle.
    pub async fn apply(&self, bundle: &Bundle) {
        self.database.register_tenant(&self.tenant, self.clock.now()).await.unwrap();
        self.database.migrate_tenant(&self.tenant).await.unwrap();
        let manifest = |connector: &str| catalog::manifest(connector).unwrap();
        let manifests = bundle
            .connections
            .iter()
            .map(|(id, definition)| (id.clone(), manifest(definition.connector.as_str())))
            .collect();
        self.database.apply_bundle(bundle, &manifests, "tests", Uuid::now_v7(), self.clock.now()).await.unwrap();
    }

    /// The tenants, nothing remembered.
    #[must_use]
    pub fn tenants(&self) -> Tenants {
        Tenants::new(self.database.clone())
    }

    /// The marker "work waiting", nothing remembered.
    #[must_use]
    pub fn busy(&self) -> BusyMarker {
        BusyMarker::new(self.control.clone(), self.clock.clone())
    }

    /// The secrets, nothing remembered.
    #[must_use]
    pub fn cached_secrets(&self) -> Arc<CachedSecrets> {
        Arc::new(CachedSecrets::new(self.secrets.clone(), self.clock.clone()))
    }

    /// The same as the engine asks for them.
    #[must_use]
    pub fn connection_secrets(&self) -> Arc<ConnectionSecrets> {
        Arc::new(ConnectionSecrets::new(self.cached_secrets(), self.control.clone(), self.clock.clone()))
    }

    /// An engine that reaches the target.
    #[must_use]
    pub fn engine(&self) -> Engine {
        let clock = self.clock.clone();
        Engine::new(self.target.client(), self.connection_secrets()).with_clock(move || clock.now())
    }

    /// The queue of each connector's wakes.
    #[must_use]
    pub fn outbound(&self) -> BTreeMap<String, QueueUrl> {
        ["quickbooks-online", "salesforce", "webhook"]
            .map(|connector| (connector.to_owned(), queue(&format!("outbound-{connector}.fifo"))))
            .into()
    }

    /// The message that a webhook of Revenova becomes; a millisecond later than the one before.
    #[must_use]
    pub fn inbound(&self, body: String) -> InboundEvent {
        self.clock.advance(Duration::from_millis(1));
        InboundEvent {
            v: V1,
            tenant: self.tenant.clone(),
            connection: ConnectionId::parse("revenova").unwrap(),
            event: EventId(self.clock.new_id()),
            arrived_at: self.clock.now(),
            source: EventSource::Webhook,
            sender_event_id: SenderEventId::parse(Uuid::new_v4().to_string()).unwrap(),
            derived: false,
            object: None,
            deletion: None,
            inline: Some(RawValue::from_string(body).unwrap()),
            claim_check: None,
        }
    }

    /// Takes all messages out of the queue of that name.
    #[must_use]
    pub fn take(&self, name: &str) -> Vec<OutgoingMessage> {
        self.queues.drain(&queue(name))
    }

    /// How many messages the queue of that name has.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.queues.messages(&queue(name)).len()
    }

    /// Runs a query on the tenant's schema, which it names `{schema}`, and gives one text per row.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        self.tables.texts(&sql.replace("{schema}", &self.tenant.schema_name())).await
    }
}
