//! Migrations: idempotent, safe side by side, and complete.

use crate::support::{Fixture, database, now};
use fluxnex_core::ids::TenantId;
use fluxnex_store::{StoreError, newest_tenant_migration};
use uuid::Uuid;

#[tokio::test]
async fn runs_side_by_side_do_no_harm() {
    let (one, two) = (database(), database());
    let (first, second) = futures::join!(one.migrate(), two.migrate());
    first.unwrap();
    second.unwrap();
    let id = TenantId::parse(format!("t{}", Uuid::now_v7().simple())).unwrap();
    one.register_tenant(&id, now()).await.unwrap();
    let (first, second) = futures::join!(one.migrate_tenant(&id), two.migrate_tenant(&id));
    let mut applied = [first.unwrap().applied, second.unwrap().applied].concat();
    applied.sort();
    let newest = applied.last().unwrap().rsplit(": ").next().unwrap().to_owned();
    assert!(newest.starts_with(&format!("{:04}_", newest_tenant_migration())), "{applied:?}");
    let all = applied.len();
    applied.dedup();
    assert_eq!(applied.len(), all, "each migration is applied once");
    assert!(one.migrate_tenant(&id).await.unwrap().applied.is_empty());
}

#[tokio::test]
async fn a_tenant_without_configuration_is_unknown() {
    let database = database();
    database.migrate().await.unwrap();
    let id = TenantId::parse(format!("t{}", Uuid::now_v7().simple())).unwrap();
    assert!(matches!(database.tenant(&id).await, Err(StoreError::UnknownTenant(_))));
    database.register_tenant(&id, now()).await.unwrap();
    assert!(matches!(database.tenant(&id).await, Err(StoreError::UnknownTenant(_))));
}

#[tokio::test]
async fn every_table_refuses_the_rows_of_another_tenant() {
    let fixture = Fixture::new().await;
    let unchecked = fixture
        .texts(
            "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = '{schema}' AND c.relkind = 'r' AND c.relname <> 'migrations' AND NOT EXISTS (
                 SELECT 1 FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c'
                     AND pg_get_constraintdef(k.oid) LIKE '%tenant = ''' || substr('{schema}', 8) || '''%')",
        )
        .await;
    assert_eq!(unchecked, Vec::<String>::new());
}
