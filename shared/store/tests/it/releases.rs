//! What a tenant had stored under an earlier release is carried on by this one.
//!
//! `tests/releases/<migration>.sql` keeps such rows. Each test makes a schema as it was, puts them in, brings it to the
//! newest migration, and goes on from there.

use crate::support::{ACCOUNT, Fixture, INVOICE, connect, database, event, now};
use fluxnex_core::canonical::canonical_id;
use fluxnex_core::event::EventState;
use fluxnex_core::ids::{ConnectionId, ObjectName, SourceId, TenantId};
use fluxnex_core::message::Wake;
use fluxnex_store::{Claim, Claimed};
use jiff::SignedDuration;
use uuid::Uuid;

const FIRST_MIGRATION: &str = include_str!("../../migrations/tenant/0001_pipeline.sql");
const FIRST_ROWS: &str = include_str!("../releases/0001.sql");

/// A tenant that was at the first migration, with its rows, until now.
async fn of_the_first_migration() -> Fixture {
    let database = database();
    database.migrate().await.unwrap();
    let id = TenantId::parse(format!("t{}", Uuid::now_v7().simple())).unwrap();
    let schema = id.schema_name();
    let client = connect().await;
    let as_it_was = format!(
        "CREATE SCHEMA {schema};
         CREATE TABLE {schema}.migrations
             (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
         INSERT INTO {schema}.migrations (number, name) VALUES (1, 'pipeline');
         {FIRST_MIGRATION}
         {FIRST_ROWS}"
    );
    let as_it_was = as_it_was.replace("{schema}", &schema).replace("{tenant}", id.as_str());
    client.batch_execute(&as_it_was).await.unwrap();
    Fixture::of(database, id).await
}

fn wake(fixture: &Fixture, object: &str, id: &str) -> Wake {
    let connection = ConnectionId::parse("revenova").unwrap();
    let id = canonical_id(&connection, &ObjectName::parse(object).unwrap(), &SourceId::parse(id).unwrap());
    let entity = if object == ACCOUNT { "customer" } else { "invoice" };
    Wake {
        tenant: fixture.tenant.id().clone(),
        target: ConnectionId::parse("quickbooks").unwrap(),
        ordering_key: format!("{entity}/{id}"),
    }
}

async fn claim(fixture: &Fixture, id: &str) -> Claimed {
    let wake = wake(fixture, INVOICE, id);
    let until = now() + SignedDuration::from_secs(30);
    fixture.database.claim(&fixture.tenant, now(), until, &[&wake], &Uuid::now_v7).await.unwrap().remove(0)
}

fn sent(claimed: Claimed) -> Claim {
    match claimed {
        Claimed::Send(claim) => *claim,
        other => panic!("not sent: {other:?}"),
    }
}

#[tokio::test]
async fn deliveries_of_the_first_migration_go_on() {
    let fixture = of_the_first_migration().await;
    let pending = sent(claim(&fixture, "i1").await);
    assert_eq!((pending.attempt, pending.settles), (1, false));
    assert_eq!(pending.payload, r#"{"DocNumber": "I1"}"#);
    let in_doubt = sent(claim(&fixture, "i2").await);
    assert_eq!((in_doubt.attempt, in_doubt.settles), (2, true), "what nobody knows is settled first");
    assert!(matches!(claim(&fixture, "i3").await, Claimed::Waits(_)), "a failed one holds its key");
}

#[tokio::test]
async fn events_of_the_first_migration_keep_their_states() {
    let fixture = of_the_first_migration().await;
    let states =
        "SELECT coalesce(source_id, '') || ' ' || state || coalesce(': ' || reason, '') FROM {schema}.event_states
                  ORDER BY arrived_at";
    let expected = [
        "c1 delivered",
        "i1 pending",
        "i2 sending",
        "i3 failed: 6240: name in use",
        "i4 waiting: waits for customer c2 of revenova",
        "c1 unchanged",
    ];
    assert_eq!(fixture.texts(states).await, expected);
}

#[tokio::test]
async fn the_replica_and_waits_of_the_first_migration_are_known() {
    let fixture = of_the_first_migration().await;
    let (first, second) = (event(ACCOUNT, "c1", Some(9), "older", 9), event(ACCOUNT, "c2", Some(1), "parent", 9));
    let replicated = fixture.database.replicate(&fixture.tenant, now(), &[first, second]).await.unwrap();
    let states: Vec<EventState> = replicated.into_iter().map(|registered| registered.state).collect();
    assert_eq!(states, [EventState::Stale, EventState::Changed]);
    let connection = ConnectionId::parse("revenova").unwrap();
    let parent = canonical_id(&connection, &ObjectName::parse(ACCOUNT).unwrap(), &SourceId::parse("c2").unwrap());
    let waiters = fixture.database.waiters(&fixture.tenant, &[parent]).await.unwrap();
    assert_eq!(waiters.iter().map(|waiter| waiter.source_id.as_str()).collect::<Vec<_>>(), ["i4"]);
}
