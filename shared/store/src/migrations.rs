//! Schema migrations: plain SQL files, first the catalog's, then the same ones in every tenant
//! schema. Each schema has its own list of what was applied, and each migration is one transaction
//! under a transaction-scoped lock, so that two runs at once do no harm and a killed run resumes.

use crate::connection::Database;
use crate::error::StoreError;
use fluxnex_core::ids::TenantId;
use serde::Serialize;
use tokio_postgres::types::Type;

/// Schema of the catalog.
pub(crate) const CATALOG: &str = "fluxnex_master";

struct Migration {
    number: i32,
    name: &'static str,
    sql: &'static str,
}

macro_rules! migration {
    ($number:literal, $folder:literal, $name:literal) => {
        Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../migrations/", $folder, "/", $name, ".sql")),
        }
    };
}

const CATALOG_MIGRATIONS: &[Migration] = &[
    migration!(1, "catalog", "0001_catalog"),
    migration!(2, "catalog", "0002_bundle_versions"),
    migration!(3, "catalog", "0003_paused"),
];
const TENANT_MIGRATIONS: &[Migration] = &[
    migration!(1, "tenant", "0001_pipeline"),
    migration!(2, "tenant", "0002_blocking_fetches"),
    migration!(3, "tenant", "0003_deletions"),
    migration!(4, "tenant", "0004_acknowledged"),
];

/// What a run of the migrations did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MigrationReport {
    /// Schemas that were looked at.
    pub schemas: usize,
    /// Migrations that were applied, as `schema: name`.
    pub applied: Vec<String>,
}

/// Number of the newest catalog migration that this program knows.
#[must_use]
pub fn newest_catalog_migration() -> i32 {
    CATALOG_MIGRATIONS.last().map_or(0, |migration| migration.number)
}

/// Number of the newest tenant migration that this program knows.
#[must_use]
pub fn newest_tenant_migration() -> i32 {
    TENANT_MIGRATIONS.last().map_or(0, |migration| migration.number)
}

impl Database {
    /// Brings the catalog and every tenant schema to the newest migration.
    ///
    /// # Errors
    /// [`StoreError`]; what was applied before it stays, and the next run goes on from there.
    pub async fn migrate(&self) -> Result<MigrationReport, StoreError> {
        let mut report = MigrationReport::default();
        self.migrate_schema(CATALOG, "", CATALOG_MIGRATIONS, &mut report).await?;
        let sql = format!("SELECT tenant FROM {CATALOG}.tenants ORDER BY tenant");
        for row in self.query(&sql, &[]).await? {
            let tenant = TenantId::parse(row.try_get::<_, String>(0)?)
                .map_err(|error| StoreError::Unreadable(error.to_string()))?;
            self.migrate_schema(&tenant.schema_name(), tenant.as_str(), TENANT_MIGRATIONS, &mut report).await?;
        }
        Ok(report)
    }

    /// Makes the schema of a tenant, or brings it to the newest migration.
    ///
    /// # Errors
    /// [`StoreError`]; the next run goes on from there.
    pub async fn migrate_tenant(&self, tenant: &TenantId) -> Result<MigrationReport, StoreError> {
        let mut report = MigrationReport::default();
        self.migrate_schema(&tenant.schema_name(), tenant.as_str(), TENANT_MIGRATIONS, &mut report).await?;
        Ok(report)
    }

    async fn migrate_schema(
        &self,
        schema: &str,
        tenant: &str,
        migrations: &'static [Migration],
        report: &mut MigrationReport,
    ) -> Result<(), StoreError> {
        report.schemas += 1;
        let at = self.schema_version(schema).await?;
        for migration in migrations.iter().filter(|migration| migration.number > at) {
            if self.apply(schema, tenant, migration).await? {
                report.applied.push(format!("{schema}: {}", migration.name));
            }
        }
        Ok(())
    }

    /// Newest migration that a schema has; 0 if the schema is not there.
    pub(crate) async fn schema_version(&self, schema: &str) -> Result<i32, StoreError> {
        let there = self.query("SELECT to_regclass($1 || '.migrations') IS NOT NULL", &[(&schema, Type::TEXT)]).await?;
        if !there.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(false) {
            return Ok(0);
        }
        let rows = self.query(&format!("SELECT coalesce(max(number), 0) FROM {schema}.migrations"), &[]).await?;
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
    }

    /// Applies one migration, unless another run did meanwhile.
    async fn apply(&self, schema: &str, tenant: &str, migration: &'static Migration) -> Result<bool, StoreError> {
        self.transaction(async |transaction| {
                transaction
                    .query_typed("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[(&schema, Type::TEXT)])
                    .await?;
                transaction
                    .batch_execute(&format!(
                        "CREATE SCHEMA IF NOT EXISTS {schema};
                         CREATE TABLE IF NOT EXISTS {schema}.migrations
                             (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());"
                    ))
                    .await?;
                let insert = format!(
                    "INSERT INTO {schema}.migrations (number, name) VALUES ($1, $2) ON CONFLICT (number) DO NOTHING"
                );
                let ours = transaction
                    .execute_typed(&insert, &[(&migration.number, Type::INT4), (&migration.name, Type::TEXT)])
                    .await?;
                if ours == 0 {
                    return Ok(false);
                }
                // Both are checked identifiers (`TenantId`), so they need no quoting.
                let sql = migration.sql.replace("{schema}", schema).replace("{tenant}", tenant);
                transaction.batch_execute(&sql).await?;
            Ok(true)
        })
        .await
    }
}
