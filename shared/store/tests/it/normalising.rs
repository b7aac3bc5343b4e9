//! L3: canonical versions, waiting for parents, and release.

use crate::support::{ACCOUNT, Fixture, INVOICE, connect, event, now};
use fluxnex_core::canonical::canonical_id;
use fluxnex_core::content::ContentHash;
use fluxnex_core::event::FlowOutcome;
use fluxnex_core::flow::Parent;
use fluxnex_core::ids::{EntityName, FlowId, ObjectName, SourceId};
use fluxnex_store::{Incoming, MissingParent, Normalised, NormalisedWork, SourceRecordKey, Stored};
use jiff::SignedDuration;
use serde_json::json;

fn key(incoming: &Incoming, object: &str, id: &str) -> SourceRecordKey {
    SourceRecordKey {
        connection: incoming.connection.clone(),
        object: ObjectName::parse(object).unwrap(),
        source_id: SourceId::parse(id).unwrap(),
    }
}

pub(crate) async fn stored(
    fixture: &Fixture,
    incoming: &Incoming,
    object: &str,
    id: &str,
    content: &str,
    parents: Vec<Parent>,
) -> Stored {
    let key = key(incoming, object, id);
    let record = fixture.database.source_records(&fixture.tenant, std::slice::from_ref(&key)).await.unwrap().remove(0);
    let data = json!({ "content": content }).to_string();
    let (entity, flow) = if object == ACCOUNT { ("customer", "customers") } else { ("invoice", "invoices") };
    let item = Normalised {
        event: incoming.event,
        flow: FlowId::parse(flow).unwrap(),
        record: key.clone(),
        work: NormalisedWork::Store {
            entity: EntityName::parse(entity).unwrap(),
            canonical_id: canonical_id(&key.connection, &key.object, &key.source_id),
            content: ContentHash::of_json(&data).unwrap(),
            data,
            parents,
            place: record.place,
        },
    };
    fixture.database.store_normalised(&fixture.tenant, now(), &[item]).await.unwrap().stored[0]
}

pub(crate) fn customer(incoming: &Incoming, id: &str) -> Parent {
    let key = key(incoming, ACCOUNT, id);
    Parent {
        name: "customer".to_owned(),
        entity: EntityName::parse("customer").unwrap(),
        canonical_id: canonical_id(&key.connection, &key.object, &key.source_id),
        object: key.object,
        source_id: key.source_id,
    }
}

async fn wait(fixture: &Fixture, incoming: &Incoming, id: &str, parent: &str) {
    assert_eq!(waited(fixture, incoming, id, parent).await, Stored::Waiting);
}

async fn waited(fixture: &Fixture, incoming: &Incoming, id: &str, parent: &str) -> Stored {
    let item = Normalised {
        event: incoming.event,
        flow: FlowId::parse("invoices").unwrap(),
        record: key(incoming, INVOICE, id),
        work: NormalisedWork::Wait {
            missing: vec![MissingParent { parent: customer(incoming, parent), fetch_at: None }],
            deadline: now() + SignedDuration::from_hours(1),
        },
    };
    fixture.database.store_normalised(&fixture.tenant, now(), &[item]).await.unwrap().stored[0]
}

#[tokio::test]
async fn versions_count_changes_and_a_repeated_event_repeats_its_version() {
    let fixture = Fixture::new().await;
    let first = event(ACCOUNT, "c", Some(1), "A", 1);
    fixture.database.replicate(&fixture.tenant, now(), std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(stored(&fixture, &first, ACCOUNT, "c", "A", vec![]).await, Stored::Version(1));
    assert_eq!(stored(&fixture, &first, ACCOUNT, "c", "A", vec![]).await, Stored::Version(1));
    let second = event(ACCOUNT, "c", Some(2), "B", 2);
    fixture.database.replicate(&fixture.tenant, now(), std::slice::from_ref(&second)).await.unwrap();
    assert_eq!(stored(&fixture, &second, ACCOUNT, "c", "A", vec![]).await, Stored::Ended(FlowOutcome::Unchanged));
    let third = event(ACCOUNT, "c", Some(3), "C", 3);
    fixture.database.replicate(&fixture.tenant, now(), std::slice::from_ref(&third)).await.unwrap();
    assert_eq!(stored(&fixture, &third, ACCOUNT, "c", "C", vec![]).await, Stored::Version(2));
    let states =
        fixture.texts("SELECT state FROM {schema}.event_states WHERE flow = 'customers' ORDER BY arrived_at").await;
    assert_eq!(states, ["superseded", "unchanged", "processing"]);
}

#[tokio::test]
async fn a_parent_releases_who_waits_for_it_and_a_superseded_event_does_not_end_the_wait() {
    let fixture = Fixture::new().await;
    let old = event(INVOICE, "i", Some(1), "A", 1);
    let new = event(INVOICE, "i", Some(2), "B", 2);
    for incoming in [&old, &new] {
        fixture.database.replicate(&fixture.tenant, now(), std::slice::from_ref(incoming)).await.unwrap();
        wait(&fixture, incoming, "i", "c").await;
    }
    let waiting = "SELECT reason FROM {schema}.event_states WHERE state = 'waiting'";
    assert_eq!(fixture.texts(waiting).await, ["waits for customer c of revenova"]);
    let superseded = Normalised {
        event: old.event,
        flow: FlowId::parse("invoices").unwrap(),
        record: key(&old, INVOICE, "i"),
        work: NormalisedWork::End { outcome: FlowOutcome::Superseded, reason: None },
    };
    fixture.database.store_normalised(&fixture.tenant, now(), &[superseded]).await.unwrap();
    let parent = customer(&old, "c").canonical_id;
    assert!(fixture.database.known_canonical(&fixture.tenant, &[parent]).await.unwrap().is_empty());
    let waiters = fixture.database.waiters(&fixture.tenant, &[parent]).await.unwrap();
    assert_eq!(waiters.len(), 1);
    assert_eq!(waiters[0].event, new.event);
    assert_eq!(stored(&fixture, &new, INVOICE, "i", "B", vec![customer(&new, "c")]).await, Stored::Version(1));
    assert!(fixture.database.waiters(&fixture.tenant, &[parent]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_wait_that_is_written_after_newer_content_came_is_not_one() {
    let fixture = Fixture::new().await;
    let old = event(INVOICE, "i", Some(1), "A", 1);
    let new = event(INVOICE, "i", Some(2), "B", 2);
    for incoming in [&old, &new] {
        fixture.database.replicate(&fixture.tenant, now(), std::slice::from_ref(incoming)).await.unwrap();
    }
    wait(&fixture, &new, "i", "c").await;
    // An invocation that read the record before the newer content came.
    assert_eq!(waited(&fixture, &old, "i", "c").await, Stored::Ended(FlowOutcome::Superseded));
    assert_eq!(waited(&fixture, &old, "i", "another").await, Stored::Ended(FlowOutcome::Superseded));
    let waiting = fixture.texts("SELECT event::text FROM {schema}.waiting_records").await;
    assert_eq!(waiting, [new.event.to_string()], "the newer event still waits, and the older one does not");
    // Both commit in either order, but never interleaved: the record is locked until the wait is there.
    let states = fixture.texts("SELECT state FROM {schema}.event_states ORDER BY arrived_at").await;
    assert_eq!(states, ["superseded", "waiting"]);
}

#[tokio::test]
async fn a_wait_is_not_written_while_newer_content_is() {
    let fixture = Fixture::new().await;
    let old = event(INVOICE, "i", Some(1), "A", 1);
    fixture.database.replicate(&fixture.tenant, now(), std::slice::from_ref(&old)).await.unwrap();
    let mut other = connect().await;
    let newer = other.transaction().await.unwrap();
    let sql = format!("UPDATE {}.source_records SET event = gen_random_uuid()", fixture.tenant.id().schema_name());
    newer.execute(&sql, &[]).await.unwrap();
    let look = connect().await;
    let waits = async {
        // The wait has come as far as the record; without the lock it would pass, and be written.
        let is_held = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                       WHERE NOT l.granted AND a.query LIKE $1";
        let pattern = format!("%{}.source_records%", fixture.tenant.id().schema_name());
        while look.query_one(is_held, &[&pattern]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
        newer.commit().await.unwrap();
    };
    let (waited, ()) = tokio::join!(waited(&fixture, &old, "i", "c"), async {
        tokio::time::timeout(std::time::Duration::from_secs(20), waits).await.expect("nothing holds the wait back");
    });
    assert_eq!(waited, Stored::Ended(FlowOutcome::Superseded));
}

#[tokio::test]
async fn a_wait_that_lasts_too_long_fails_visibly() {
    let fixture = Fixture::new().await;
    let incoming = event(INVOICE, "i", Some(1), "A", 1);
    fixture.database.replicate(&fixture.tenant, now(), std::slice::from_ref(&incoming)).await.unwrap();
    wait(&fixture, &incoming, "i", "c").await;
    let stranded =
        fixture.database.stranded(&fixture.tenant, now(), now() + SignedDuration::from_hours(1), 10).await.unwrap();
    assert!(stranded.records.is_empty() && stranded.has_work, "who waits for a missing parent is not stranded");
    assert!(fixture.database.expired_waits(&fixture.tenant, now(), 10).await.unwrap().is_empty());
    let later = now() + SignedDuration::from_hours(2);
    let expired = fixture.database.expired_waits(&fixture.tenant, later, 10).await.unwrap();
    assert_eq!(expired.len(), 1);
    fixture.database.end_waits(&fixture.tenant, &expired).await.unwrap();
    let failed = fixture.texts("SELECT reason FROM {schema}.event_states WHERE state = 'failed'").await;
    assert_eq!(failed, ["customer c of revenova: it did not arrive in time"]);
    let stranded = fixture.database.stranded(&fixture.tenant, now(), now(), 10).await.unwrap();
    assert!(!stranded.has_work);
}
