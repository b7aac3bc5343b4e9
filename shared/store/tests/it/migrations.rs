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
    let applied = first.unwrap().applied.len() + second.unwrap().applied.len();
    assert_eq!(applied, usize::try_from(newest_tenant_migration()).unwrap(), "each migration is applied once");
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
