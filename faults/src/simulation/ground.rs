//! What all seeds of a run share: the database, its tenants, and connections that are still good.

use super::bundles::Bundles;
use super::database::{Link, Observer, store};
use super::scenario::TENANTS;
use crate::postgres::Server;
use anyhow::{Context as _, Result};
use fluxnex_store::Database;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

/// The tables of a tenant, and the one of the catalog, that a seed fills.
pub const EMPTIED: [&str; 11] = [
    "event_ids",
    "events",
    "in_flight",
    "source_records",
    "source_record_versions",
    "canonical_records",
    "cross_references",
    "waiting_records",
    "dependency_fetches",
    "deliveries",
    "delivery_attempts",
];

/// Tables are truncated before each seed of so many.
const TRUNCATED_EACH: u64 = 200;

/// The ground that seeds are run on, one after the other.
pub struct Ground {
    server: Server,
    /// Nobody listens: whoever connects is refused.
    is_away: Arc<AtomicBool>,
    database: String,
    /// Looks at the server from outside.
    pub observer: Observer,
    idle: Vec<Link>,
    links: u64,
    bundles: Vec<Bundles>,
    /// The first of all configurations may not be what runs.
    is_configured: bool,
    store: Database,
    emptied: u64,
}

/// The beginning of every seed's time.
#[must_use]
pub fn beginning() -> Timestamp {
    Timestamp::constant(1_795_176_000, 0)
}

impl Ground {
    /// A database of its own, with the tenants.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn new(number: usize) -> Result<Self> {
        let server = Server::from_environment()?;
        let is_away = Arc::default();
        let database = format!("simulation_{}_{number}", std::process::id());
        let admin = server.connect().await?;
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await?;
        admin.batch_execute(&format!("CREATE DATABASE {database}")).await?;
        // Whoever closes a circle of waits finds it, not whoever waited longest; and nothing is left to chance
        // that a planner or a second process could decide otherwise in another run.
        for setting in [
            "deadlock_timeout = '1ms'",
            "jit = off",
            "synchronous_commit = off",
            "max_parallel_workers_per_gather = 0",
            "plan_cache_mode = force_generic_plan",
        ] {
            admin.batch_execute(&format!("ALTER DATABASE {database} SET {setting}")).await?;
        }
        let server = server.at(&database);
        let store = store(&server, "setup", &is_away)?;
        store.migrate().await?;
        let mut all = Vec::new();
        for tenant in TENANTS {
            let bundles = Bundles::of(tenant)?;
            store.register_tenant(&bundles.tenant, beginning()).await?;
            store.migrate_tenant(&bundles.tenant).await?;
            let (first, manifests) = (&bundles.first, &bundles.manifests);
            store.apply_bundle(first, manifests, "simulation", Uuid::now_v7(), beginning()).await?;
            all.push(bundles);
        }
        let observer = Observer::new(&server).await?;
        for table in tables() {
            observer.client().batch_execute(&format!("ALTER TABLE {table} SET (autovacuum_enabled = off)")).await?;
        }
        Ok(Self {
            server,
            is_away,
            database,
            observer,
            idle: Vec::new(),
            links: 0,
            bundles: all,
            is_configured: false,
            store,
            emptied: 0,
        })
    }

    /// Empties the tables.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn empty(&mut self) -> Result<()> {
        self.comes_back();
        if std::mem::take(&mut self.is_configured) {
            let later: String = ["connections", "flows", "configurations"]
                .map(|table| format!("DELETE FROM fluxnex_master.{table} WHERE version > 1;"))
                .concat();
            let sql = format!("UPDATE fluxnex_master.tenants SET running_version = 1; {later}");
            self.observer.client().batch_execute(&sql).await?;
        }
        // Truncating makes new files, which takes longer than a whole seed; deleting leaves dead rows behind.
        let is_due = self.emptied.is_multiple_of(TRUNCATED_EACH);
        self.emptied += 1;
        let statement = match is_due {
            true => format!("TRUNCATE {}", tables().join(", ")),
            false => tables().iter().map(|table| format!("DELETE FROM {table};")).collect(),
        };
        Ok(self.observer.client().batch_execute(&statement).await?)
    }

    /// The bundles of a tenant.
    ///
    /// # Errors
    /// If there is no such tenant.
    pub fn bundles(&self, tenant: &str) -> Result<&Bundles> {
        self.bundles.iter().find(|bundles| bundles.tenant.as_str() == tenant).context("no such tenant")
    }

    /// Applies the tenant's other configuration, as `api` does; gives its version.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn configure(&mut self, tenant: &str, now: Timestamp) -> Result<u64> {
        self.is_configured = true;
        let Bundles { changed, manifests, .. } = self.bundles(tenant)?;
        let applied = self.store.apply_bundle(changed, manifests, "simulation", Uuid::now_v7(), now).await?;
        Ok(u64::try_from(applied.version)?)
    }

    /// The server restarts: every connection of environments ends, and none can be made until it is back.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn goes_away(&mut self) -> Result<()> {
        self.is_away.store(true, Ordering::SeqCst);
        self.idle.clear();
        self.observer.end_all().await
    }

    /// The server is back.
    pub fn comes_back(&mut self) {
        self.is_away.store(false, Ordering::SeqCst);
    }

    /// A connection that nothing is open on.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn link(&mut self) -> Result<Link> {
        if let Some(link) = self.idle.pop() {
            return Ok(link);
        }
        self.links += 1;
        Link::new(&self.server, format!("simulated-{}-{}", self.database, self.links), &self.is_away)
    }

    /// Takes back the connection of an environment that is gone: kept if nothing was open on it, as
    /// nobody could tell it from a new one; else ended as a kill ends it.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn give_back(&mut self, link: Link) -> Result<()> {
        if link.is_idle() {
            self.idle.push(link);
            return Ok(());
        }
        self.observer.kill(link.name()).await
    }

    /// Removes the database.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn remove(self) -> Result<()> {
        let admin = Server::from_environment()?.connect().await?;
        Ok(admin.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database)).await?)
    }
}

fn tables() -> Vec<String> {
    let of = |tenant: &&str| EMPTIED.map(|table| format!("tenant_{tenant}.{table}"));
    let mut tables: Vec<String> = TENANTS.iter().flat_map(of).collect();
    tables.push("fluxnex_master.dead_letters".to_owned());
    tables
}
