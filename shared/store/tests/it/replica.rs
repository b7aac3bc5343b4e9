//! L2: the final replica does not depend on order, repetition or batching, and no event is lost.

use crate::support::{ACCOUNT, Fixture, INVOICE, event, now};
use fluxnex_core::event::EventState;
use fluxnex_core::ids::EventId;
use fluxnex_store::{Incoming, IncomingRecord};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

async fn states(fixture: &Fixture, batch: &[Incoming]) -> Vec<EventState> {
    let registered = fixture.database.replicate(&fixture.tenant, now(), batch).await.unwrap();
    registered.into_iter().map(|registered| registered.state).collect()
}

#[tokio::test]
async fn each_event_gets_its_state() {
    let fixture = Fixture::new().await;
    let first = event(INVOICE, "1", Some(1), "A", 1);
    let again = Incoming { event: EventId(Uuid::now_v7()), ..first.clone() };
    assert_eq!(states(&fixture, &[first.clone(), again]).await, [EventState::Changed, EventState::Duplicate]);
    assert_eq!(states(&fixture, &[event(INVOICE, "1", Some(2), "B", 2)]).await, [EventState::Changed]);
    assert_eq!(states(&fixture, &[event(INVOICE, "1", Some(3), "B", 3)]).await, [EventState::Unchanged]);
    assert_eq!(states(&fixture, &[event(INVOICE, "1", Some(1), "C", 4)]).await, [EventState::Stale]);
    assert_eq!(states(&fixture, &[event("Load", "1", Some(1), "C", 4)]).await, [EventState::Filtered]);
    let unreadable = IncomingRecord::Unreadable { reason: "no id".to_owned() };
    let failed = Incoming { record: unreadable, ..event(INVOICE, "2", None, "", 5) };
    assert_eq!(states(&fixture, std::slice::from_ref(&failed)).await, [EventState::Failed]);
    // The same message again: the outcome that was committed, and nothing new.
    assert_eq!(states(&fixture, &[first, failed]).await, [EventState::Changed, EventState::Failed]);
    assert_eq!(fixture.texts("SELECT count(*)::text FROM {schema}.events").await, ["7"]);
}

#[tokio::test]
async fn a_derived_id_never_drops_content_that_differs() {
    let fixture = Fixture::new().await;
    let derived = |content: &str, arrived: i64| {
        let mut event = event(INVOICE, "1", None, content, arrived);
        event.sender_event_id = fluxnex_core::ids::SenderEventId::parse(format!("sha256:{content}")).unwrap();
        event.derived = true;
        event
    };
    assert_eq!(states(&fixture, &[derived("A", 1)]).await, [EventState::Changed]);
    assert_eq!(states(&fixture, &[derived("B", 2)]).await, [EventState::Changed]);
    assert_eq!(states(&fixture, &[derived("A", 3)]).await, [EventState::Changed], "back to A is a change");
    assert_eq!(states(&fixture, &[derived("A", 4)]).await, [EventState::Unchanged]);
}

#[tokio::test]
async fn a_newer_version_ends_the_older_event_visibly() {
    let fixture = Fixture::new().await;
    let old = event(INVOICE, "1", Some(1), "A", 1);
    states(&fixture, std::slice::from_ref(&old)).await;
    assert_eq!(fixture.texts("SELECT count(*)::text FROM {schema}.in_flight").await, ["1"]);
    states(&fixture, &[event(INVOICE, "1", Some(2), "B", 2), event(INVOICE, "1", Some(3), "C", 3)]).await;
    assert_eq!(fixture.texts("SELECT count(*)::text FROM {schema}.in_flight").await, ["1"]);
    let ended = "SELECT state || '/' || flow FROM {schema}.event_states WHERE state = 'superseded'";
    assert_eq!(fixture.texts(ended).await, ["superseded/invoices", "superseded/invoices"]);
    assert_eq!(fixture.texts("SELECT count(*)::text FROM {schema}.source_record_versions").await, ["3"]);
}

#[tokio::test]
async fn the_same_message_twice_in_one_batch_is_one_event() {
    let fixture = Fixture::new().await;
    let one = event(ACCOUNT, "1", Some(1), "A", 1);
    assert_eq!(states(&fixture, &[one.clone(), one]).await, [EventState::Changed, EventState::Changed]);
    assert_eq!(fixture.texts("SELECT count(*)::text FROM {schema}.events").await, ["1"]);
}

#[tokio::test]
async fn batches_side_by_side_agree() {
    let fixture = Fixture::new().await;
    let other = crate::support::database();
    for round in 0..10_i64 {
        let batch = |version: i64| -> Vec<Incoming> {
            (0..20)
                .map(|record| {
                    event(
                        INVOICE,
                        &record.to_string(),
                        Some(round * 10 + version),
                        &format!("{round}-{version}"),
                        version,
                    )
                })
                .collect()
        };
        let (mut low, high) = (batch(1), batch(2));
        low.reverse();
        let (one, two) = futures::join!(
            fixture.database.replicate(&fixture.tenant, now(), &low),
            other.replicate(&fixture.tenant, now(), &high)
        );
        one.unwrap();
        two.unwrap();
        let wrong =
            format!("SELECT source_id FROM {{schema}}.source_records WHERE source_version <> {}", round * 10 + 2);
        assert_eq!(fixture.texts(&wrong).await, Vec::<String>::new(), "round {round}");
    }
}

#[test]
fn any_order_repetition_and_batching_gives_the_same_replica() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fixture = runtime.block_on(Fixture::new());
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let plan = prop::collection::vec((prop::option::of(0_i64..3), 0_i64..3, 0_u8..2, any::<u64>(), 1_usize..4), 1..7);
    runner
        .run(&plan, |plan| {
            let suffix = Uuid::new_v4();
            let make = |name: &str| -> Vec<(Incoming, u64, usize)> {
                plan.iter()
                    .enumerate()
                    .map(|(index, (version, arrived, content, order, size))| {
                        let mut event =
                            event(INVOICE, &format!("{name}-{suffix}"), *version, &content.to_string(), *arrived);
                        // Ids decide between equal stamps, so both plays need the same ones in the same order.
                        event.event = EventId(Uuid::from_u128(
                            (suffix.as_u128() & !0xffff) | (index as u128 * 2) | u128::from(name == "b"),
                        ));
                        (event, *order, *size)
                    })
                    .collect()
            };
            let straight: Vec<Incoming> = make("a").into_iter().map(|(event, _, _)| event).collect();
            let mut shuffled = make("b");
            shuffled.sort_by_key(|(_, order, _)| *order);
            let repeated = shuffled.first().cloned();
            shuffled.extend(repeated);
            let registered = runtime.block_on(async {
                let result = fixture.database.replicate(&fixture.tenant, now(), &straight).await;
                let mut rest = shuffled.as_slice();
                while let Some((_, _, size)) = rest.first() {
                    let (batch, more) = rest.split_at((*size).min(rest.len()));
                    let batch: Vec<Incoming> = batch.iter().map(|(event, _, _)| event.clone()).collect();
                    fixture.database.replicate(&fixture.tenant, now(), &batch).await.unwrap();
                    rest = more;
                }
                result
            });
            prop_assert!(registered.is_ok());
            let state = |name: &str| {
                runtime.block_on(fixture.texts(&format!(
                    "SELECT json_build_array(source_version, arrived_at, payload)::text FROM {{schema}}.source_records
                     WHERE source_id = '{name}-{suffix}'"
                )))
            };
            prop_assert_eq!(state("a"), state("b"));
            Ok(())
        })
        .unwrap();
}
