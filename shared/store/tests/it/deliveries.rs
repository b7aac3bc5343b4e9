//! L4 and L5: places in the ordering key, claims, fences, parents and what is next.

use crate::normalising::{customer, stored};
use crate::support::{ACCOUNT, Fixture, INVOICE, event, now};
use fluxnex_core::flow::Parent;
use fluxnex_core::ids::{ConnectionId, DeliveryId, EntityName, FlowId, ObjectName};
use fluxnex_core::ledger::{DeliveryOperation, DeliveryState, Turn};
use fluxnex_core::message::Wake;
use fluxnex_store::{Claim, Claimed, Finish, Finished, Incoming, NewDelivery};
use jiff::SignedDuration;
use std::time::Duration;
use uuid::Uuid;

/// Takes a record up to L4 and gives its wake.
/// The delivery of a record's canonical version as it is now.
async fn newest(fixture: &Fixture, incoming: &Incoming, object: &str, id: &str) -> NewDelivery {
    let (entity, flow, target) =
        if object == ACCOUNT { ("customer", "customers", "Customer") } else { ("invoice", "invoices", "Invoice") };
    let entity = EntityName::parse(entity).unwrap();
    let source = fluxnex_core::ids::SourceId::parse(id).unwrap();
    let object = ObjectName::parse(object).unwrap();
    let canonical_id = fluxnex_core::canonical::canonical_id(&incoming.connection, &object, &source);
    let row =
        fixture.database.canonical_records(&fixture.tenant, &[(entity.clone(), canonical_id)]).await.unwrap().remove(0);
    let flow = FlowId::parse(flow).unwrap();
    NewDelivery {
        delivery: DeliveryId(Uuid::now_v7()),
        target: ConnectionId::parse("quickbooks").unwrap(),
        object: ObjectName::parse(target).unwrap(),
        ordering_key: fixture.tenant.configuration().flows[&flow].ordering_key(&object, &source),
        flow,
        entity,
        canonical_id,
        version: row.version,
        revision: 1,
        event: row.event,
        arrived_at: row.arrived_at,
        settle: SignedDuration::ZERO,
        state: DeliveryState::Pending,
        reason: None,
        operation: DeliveryOperation::Write,
        payload: Some(row.data),
        parent_names: row.parent_names,
        parent_entities: row.parent_entities,
        parent_ids: row.parent_ids,
    }
}

async fn deliver(
    fixture: &Fixture,
    incoming: &Incoming,
    object: &str,
    id: &str,
    content: &str,
    parents: Vec<Parent>,
) -> Wake {
    fixture.database.replicate(&fixture.tenant, now(), std::slice::from_ref(incoming)).await.unwrap();
    stored(fixture, incoming, object, id, content, parents).await;
    let delivery = newest(fixture, incoming, object, id).await;
    let routed = fixture.database.store_deliveries(&fixture.tenant, now(), &[delivery], &[]).await.unwrap();
    assert_eq!(routed.wakes.len(), 1);
    routed.wakes.into_iter().next().unwrap()
}

async fn claim(fixture: &Fixture, wake: &Wake) -> Claimed {
    claim_at(fixture, wake, now()).await
}

async fn claim_at(fixture: &Fixture, wake: &Wake, at: jiff::Timestamp) -> Claimed {
    let until = at + SignedDuration::from_secs(30);
    fixture.database.claim(&fixture.tenant, at, until, &[wake], &Uuid::now_v7).await.unwrap().remove(0)
}

fn sent(claimed: Claimed) -> Claim {
    match claimed {
        Claimed::Send(claim) => *claim,
        other => panic!("not sent: {other:?}"),
    }
}

async fn finish(fixture: &Fixture, claim: &Claim, finish: Finish) -> Vec<Wake> {
    let finished =
        Finished { delivery: claim.delivery, fence: claim.fence, attempt_number: claim.attempt, attempt: None, finish };
    fixture.database.finish(&fixture.tenant, now(), &[finished]).await.unwrap().into_iter().collect()
}

fn delivered(id: &str) -> Finish {
    Finish::Delivered { target_id: Some(id.to_owned()), target_version: Some("0".to_owned()), payload: None }
}

async fn states(fixture: &Fixture) -> Vec<String> {
    fixture.texts("SELECT state FROM {schema}.deliveries ORDER BY created_at, version").await
}

#[tokio::test]
async fn one_claim_at_a_time_and_a_lost_claim_changes_nothing() {
    let fixture = Fixture::new().await;
    let wake = deliver(&fixture, &event(ACCOUNT, "c", Some(1), "A", 1), ACCOUNT, "c", "A", vec![]).await;
    let first = sent(claim(&fixture, &wake).await);
    assert!(matches!(claim(&fixture, &wake).await, Claimed::NotBefore(_)));
    // The claim runs out: its outcome is unknown, and the next one settles it under the same key.
    let second = sent(claim_at(&fixture, &wake, now() + SignedDuration::from_secs(31)).await);
    assert!(second.settles && second.delivery == first.delivery && second.fence != first.fence && second.attempt == 2);
    finish(&fixture, &first, Finish::Failed { reason: "late".into(), fingerprint: "f".into() }).await;
    assert_eq!(states(&fixture).await, ["sending"], "who lost the claim may not say how it ended");
    finish(&fixture, &second, delivered("58")).await;
    assert_eq!(states(&fixture).await, ["delivered"]);
    assert!(matches!(claim(&fixture, &wake).await, Claimed::Nothing));
}

#[tokio::test]
async fn a_newer_version_takes_the_place_of_a_waiting_one_but_never_of_one_in_doubt() {
    let fixture = Fixture::new().await;
    deliver(&fixture, &event(ACCOUNT, "c", Some(1), "A", 1), ACCOUNT, "c", "A", vec![]).await;
    let wake = deliver(&fixture, &event(ACCOUNT, "c", Some(2), "B", 2), ACCOUNT, "c", "B", vec![]).await;
    assert_eq!(states(&fixture).await, ["superseded", "pending"]);
    let flying = sent(claim(&fixture, &wake).await);
    deliver(&fixture, &event(ACCOUNT, "c", Some(3), "C", 3), ACCOUNT, "c", "C", vec![]).await;
    assert_eq!(states(&fixture).await, ["superseded", "sending", "pending"]);
    assert!(matches!(claim(&fixture, &wake).await, Claimed::NotBefore(_)), "the third waits for the second's outcome");
    assert_eq!(
        finish(&fixture, &flying, delivered("58")).await,
        std::slice::from_ref(&wake),
        "who finishes wakes the next"
    );
    let last = sent(claim(&fixture, &wake).await);
    assert_eq!(last.target_record, Some(("58".to_owned(), Some("0".to_owned()))), "it updates what it made");
}

#[tokio::test]
async fn a_failed_head_holds_its_key_until_a_newer_version_comes() {
    let fixture = Fixture::new().await;
    let wake = deliver(&fixture, &event(ACCOUNT, "c", Some(1), "A", 1), ACCOUNT, "c", "A", vec![]).await;
    let head = sent(claim(&fixture, &wake).await);
    finish(&fixture, &head, Finish::Failed { reason: "6240: name in use".into(), fingerprint: "6240".into() }).await;
    assert!(matches!(claim(&fixture, &wake).await, Claimed::Waits(Turn::Held)));
    let states_of_events = "SELECT state || ': ' || reason FROM {schema}.event_states WHERE state = 'failed'";
    assert_eq!(fixture.texts(states_of_events).await, ["failed: 6240: name in use"]);
    let soon = now() + SignedDuration::from_secs(1);
    let untold = fixture.database.untold_failures(&fixture.tenant, soon, 10).await.unwrap();
    assert_eq!((untold.len(), untold[0].attempt, untold[0].reason.as_str()), (1, 1, "6240: name in use"));
    fixture.database.told(&fixture.tenant, &[untold[0].delivery]).await.unwrap();
    assert!(fixture.database.untold_failures(&fixture.tenant, soon, 10).await.unwrap().is_empty());
    deliver(&fixture, &event(ACCOUNT, "c", Some(2), "B", 2), ACCOUNT, "c", "B", vec![]).await;
    assert_eq!(states(&fixture).await, ["superseded", "pending"]);
    sent(claim(&fixture, &wake).await);
}

#[tokio::test]
async fn an_older_version_that_is_routed_late_is_not_written() {
    let fixture = Fixture::new().await;
    let first = event(ACCOUNT, "c", Some(1), "A", 1);
    fixture.database.replicate(&fixture.tenant, now(), std::slice::from_ref(&first)).await.unwrap();
    stored(&fixture, &first, ACCOUNT, "c", "A", vec![]).await;
    let late = newest(&fixture, &first, ACCOUNT, "c").await;
    deliver(&fixture, &event(ACCOUNT, "c", Some(2), "B", 2), ACCOUNT, "c", "B", vec![]).await;
    let routed = fixture.database.store_deliveries(&fixture.tenant, now(), &[late], &[]).await.unwrap();
    assert!(routed.wakes.is_empty(), "whoever routed the newer one was faster");
    assert_eq!(states(&fixture).await, ["pending"]);
    let of_first = "SELECT DISTINCT state FROM {schema}.event_states ORDER BY 1";
    assert_eq!(fixture.texts(of_first).await, ["pending", "superseded"]);
}

#[tokio::test]
async fn a_newer_version_whose_event_came_first_stays_behind_one_in_doubt() {
    let fixture = Fixture::new().await;
    let first = event(ACCOUNT, "c", Some(1), "A", 2);
    let wake = deliver(&fixture, &first, ACCOUNT, "c", "A", vec![]).await;
    let flying = sent(claim(&fixture, &wake).await);
    // The event of the newer version arrived before, and was routed after.
    let newer = Incoming {
        arrived_at: first.arrived_at - SignedDuration::from_secs(1),
        ..event(ACCOUNT, "c", Some(2), "B", 1)
    };
    deliver(&fixture, &newer, ACCOUNT, "c", "B", vec![]).await;
    assert_eq!(states(&fixture).await, ["sending", "pending"]);
    assert!(matches!(claim(&fixture, &wake).await, Claimed::NotBefore(_)), "it waits for the older one's outcome");
    finish(&fixture, &flying, delivered("58")).await;
    sent(claim(&fixture, &wake).await);
}

#[tokio::test]
async fn what_failed_gives_way_to_a_newer_version_that_came_meanwhile() {
    let later = now() + SignedDuration::from_secs(60);
    let retry = Finish::Retry { at: later, reason: "busy".to_owned(), counts: true };
    let failed = Finish::Failed { reason: "6240: name in use".into(), fingerprint: "6240".into() };
    for (end, at) in [(failed, now()), (retry, later)] {
        let fixture = Fixture::new().await;
        let wake = deliver(&fixture, &event(ACCOUNT, "c", Some(1), "A", 1), ACCOUNT, "c", "A", vec![]).await;
        let flying = sent(claim(&fixture, &wake).await);
        deliver(&fixture, &event(ACCOUNT, "c", Some(2), "B", 2), ACCOUNT, "c", "B", vec![]).await;
        assert_eq!(finish(&fixture, &flying, end).await, std::slice::from_ref(&wake), "the newer one may go");
        assert_eq!(states(&fixture).await, ["superseded", "pending"]);
        let soon = now() + SignedDuration::from_secs(1);
        assert!(fixture.database.untold_failures(&fixture.tenant, soon, 10).await.unwrap().is_empty());
        if at > now() {
            assert!(
                matches!(claim(&fixture, &wake).await, Claimed::NotBefore(until) if until == at),
                "it waits as long"
            );
        }
        sent(claim_at(&fixture, &wake, at.max(now()) + SignedDuration::from_secs(1)).await);
    }
}

#[tokio::test]
async fn a_child_goes_after_its_parent_and_is_woken_by_it() {
    let fixture = Fixture::new().await;
    let (parent, child) = (event(ACCOUNT, "c", Some(1), "A", 1), event(INVOICE, "i", Some(1), "I", 2));
    let parent_wake = deliver(&fixture, &parent, ACCOUNT, "c", "A", vec![]).await;
    let child_wake = deliver(&fixture, &child, INVOICE, "i", "I", vec![customer(&child, "c")]).await;
    assert!(matches!(claim(&fixture, &child_wake).await, Claimed::Waits(Turn::AfterParent(_))));
    let shown =
        fixture.texts("SELECT state || ': ' || reason FROM {schema}.event_states WHERE flow = 'invoices'").await;
    assert_eq!(shown, ["waiting: waits for customer c, which at quickbooks is pending"]);
    let head = sent(claim(&fixture, &parent_wake).await);
    assert_eq!(finish(&fixture, &head, delivered("58")).await, std::slice::from_ref(&child_wake));
    let child = sent(claim(&fixture, &child_wake).await);
    assert_eq!(child.references.get("customer").map(String::as_str), Some("58"));
}

#[tokio::test]
async fn a_throttled_attempt_burns_nothing_and_a_retry_waits_for_its_time() {
    let fixture = Fixture::new().await;
    let wake = deliver(&fixture, &event(ACCOUNT, "c", Some(1), "A", 1), ACCOUNT, "c", "A", vec![]).await;
    let later = now() + SignedDuration::from_secs(60);
    for counts in [false, true] {
        let head = sent(claim_at(&fixture, &wake, later + SignedDuration::from_secs(1)).await);
        assert_eq!(head.attempt, 1);
        let reason = "busy".to_owned();
        finish(&fixture, &head, Finish::Retry { at: later, reason, counts }).await;
        assert!(matches!(claim(&fixture, &wake).await, Claimed::NotBefore(at) if at == later));
    }
    assert_eq!(sent(claim_at(&fixture, &wake, later).await).attempt, 2);
}

#[tokio::test]
async fn what_lost_its_wake_is_found_and_left_in_peace_afterwards() {
    let fixture = Fixture::new().await;
    let wake = deliver(&fixture, &event(ACCOUNT, "c", Some(1), "A", 1), ACCOUNT, "c", "A", vec![]).await;
    let soon = now() + SignedDuration::from_secs(120);
    let idle_since = now() + SignedDuration::try_from(Duration::from_secs(60)).unwrap();
    let found = fixture.database.stranded(&fixture.tenant, soon, idle_since, 10).await.unwrap();
    assert_eq!(found.wakes.into_iter().collect::<Vec<_>>(), [wake]);
    let found = fixture.database.stranded(&fixture.tenant, soon, idle_since, 10).await.unwrap();
    assert!(found.wakes.is_empty() && found.has_work);
}
