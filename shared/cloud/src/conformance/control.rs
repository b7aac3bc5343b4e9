//! What every control table does.

use crate::control::{
    Begun, BusyRevision, BusyTenant, Control, ControlError, Facet, KeyedCall, MAX_DOCUMENT_BYTES, Published, Saved,
};
use fluxnex_core::ids::{ConnectionId, ObjectName, TenantId};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

/// Runs the suite on an empty table.
pub async fn suite(control: &dyn Control) {
    publishing(control).await;
    withdrawing(control).await;
    facets(control).await;
    saving_progress(control).await;
    losing_a_race(control).await;
    marking(control).await;
    clearing(control).await;
    leasing(control).await;
    racing_for_a_lease(control).await;
    answering_calls(control).await;
    giving_calls_up(control).await;
    racing_for_a_call(control).await;
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("a tenant")
}

fn connection(name: &str) -> ConnectionId {
    ConnectionId::parse(name).expect("a connection")
}

/// The webhook settings that are published of a connection.
async fn published(control: &dyn Control, tenant: &TenantId, connection: &ConnectionId) -> Option<(u64, Value)> {
    let found = control.published(tenant, connection, Facet::Webhook).await.expect("read");
    found.map(|document| (document.version, document.body))
}

async fn publish(
    control: &dyn Control,
    connection: &ConnectionId,
    version: u64,
    body: &Value,
) -> Result<Published, ControlError> {
    control.publish(&tenant("acme"), connection, Facet::Webhook, version, body).await
}

async fn publishing(control: &dyn Control) {
    let (acme, globex, revenova) = (tenant("acme"), tenant("globex"), connection("revenova"));
    assert_eq!(published(control, &acme, &revenova).await, None);

    let first = json!({"secret": "name-of-a-secret", "n": 12_345_678_901_234_567_u64, "text": "é\u{1}\"", "list": []});
    assert_eq!(publish(control, &revenova, 2, &first).await.expect("publish"), Published::Current);
    assert_eq!(published(control, &acme, &revenova).await, Some((2, first.clone())));
    assert_eq!(published(control, &globex, &revenova).await, None, "another tenant's");
    assert_eq!(published(control, &acme, &connection("other")).await, None);

    assert_eq!(publish(control, &revenova, 1, &json!({})).await.expect("publish"), Published::Outdated);
    assert_eq!(published(control, &acme, &revenova).await, Some((2, first)));

    for (version, text) in [(2, "same"), (10, "newer")] {
        let body = json!({ "text": text });
        assert_eq!(publish(control, &revenova, version, &body).await.expect("publish"), Published::Current, "{text}");
        assert_eq!(published(control, &acme, &revenova).await, Some((version, body)));
    }

    let large = json!({ "text": "x".repeat(MAX_DOCUMENT_BYTES) });
    let refused = publish(control, &revenova, 11, &large).await;
    assert!(matches!(refused, Err(ControlError::TooLarge { .. })), "{refused:?}");
}

async fn withdrawing(control: &dyn Control) {
    let (acme, hub) = (tenant("acme"), connection("hub"));
    let withdraw = |version| control.withdraw(&acme, &hub, Facet::Webhook, version);
    publish(control, &hub, 3, &json!({})).await.expect("publish");
    assert_eq!(withdraw(2).await.expect("withdraw"), Published::Outdated);
    assert!(published(control, &acme, &hub).await.is_some());
    assert_eq!(withdraw(4).await.expect("withdraw"), Published::Current);
    assert_eq!(published(control, &acme, &hub).await, None);
    let late = publish(control, &hub, 3, &json!({})).await.expect("publish");
    assert_eq!(late, Published::Outdated, "a late publication does not bring it back");
    assert_eq!(published(control, &acme, &hub).await, None);
    publish(control, &hub, 5, &json!({})).await.expect("publish");
    assert!(published(control, &acme, &hub).await.is_some(), "a newer one does");
}

async fn facets(control: &dyn Control) {
    let (acme, erp) = (tenant("acme"), connection("erp"));
    publish(control, &erp, 7, &json!({"facet": "webhook"})).await.expect("publish");
    assert_eq!(control.published(&acme, &erp, Facet::Polls).await.expect("read"), None);
    let polls = json!({"facet": "polls"});
    let answer = control.publish(&acme, &erp, Facet::Polls, 3, &polls).await.expect("publish");
    assert_eq!(answer, Published::Current, "each facet has a version of its own");
    control.withdraw(&acme, &erp, Facet::Webhook, 8).await.expect("withdraw");
    let found = control.published(&acme, &erp, Facet::Polls).await.expect("read").expect("published");
    assert_eq!((found.version, found.body), (3, polls));
}

async fn saving_progress(control: &dyn Control) {
    let (acme, erp) = (tenant("acme"), connection("erp"));
    // Any text without control characters is a name of an object.
    let (invoices, other) = (object("Invoices #1 / é"), object("Customers"));
    let read = || control.poll_progress(&acme, &erp, &invoices);
    assert_eq!(read().await.expect("read"), None);
    let body = json!({"watermark": "2026-01-01T00:00:00.123456Z", "n": 12_345_678_901_234_567_u64, "lease": null});
    let save = |expected, body: &Value| {
        let (body, path) = (body.clone(), (&acme, &erp, &invoices));
        async move { control.save_poll_progress(path.0, path.1, path.2, expected, &body).await }
    };
    assert!(!save(Some(1), &body).await.expect("save"), "there is nothing to replace");
    assert_eq!(read().await.expect("read"), None);
    assert!(save(None, &body).await.expect("save"));
    assert_eq!(read().await.expect("read"), Some(Saved { revision: 1, body }));
    assert!(!save(None, &json!({})).await.expect("save"), "it is there already");

    let next = json!({"watermark": 2});
    assert!(save(Some(1), &next).await.expect("save"));
    assert_eq!(read().await.expect("read"), Some(Saved { revision: 2, body: next.clone() }));
    for outdated in [0, 1, 3] {
        assert!(!save(Some(outdated), &json!({})).await.expect("save"), "{outdated} is not there");
    }
    assert_eq!(read().await.expect("read"), Some(Saved { revision: 2, body: next }));

    assert_eq!(control.poll_progress(&acme, &erp, &other).await.expect("read"), None, "another object's");
    assert_eq!(control.poll_progress(&tenant("globex"), &erp, &invoices).await.expect("read"), None);
    assert_eq!(control.poll_progress(&acme, &connection("hub"), &invoices).await.expect("read"), None);

    let large = json!({ "text": "x".repeat(MAX_DOCUMENT_BYTES) });
    let refused = save(Some(2), &large).await;
    assert!(matches!(refused, Err(ControlError::TooLarge { .. })), "{refused:?}");
}

/// Of many who read the same revision one saves, and what it saved stays.
async fn losing_a_race(control: &dyn Control) {
    let (acme, erp, orders) = (tenant("acme"), connection("erp"), object("Orders"));
    for expected in [None, Some(1), Some(2)] {
        let bodies: Vec<Value> = (0..8).map(|writer| json!({"writer": writer, "after": expected})).collect();
        let saves = bodies.iter().map(|body| control.save_poll_progress(&acme, &erp, &orders, expected, body));
        let saved = futures::future::try_join_all(saves).await.expect("save");
        let winners: Vec<&Value> =
            bodies.iter().zip(&saved).filter(|(_, saved)| **saved).map(|(body, _)| body).collect();
        assert_eq!(winners.len(), 1, "{saved:?}");
        let found = control.poll_progress(&acme, &erp, &orders).await.expect("read").expect("saved");
        assert_eq!((found.revision, &found.body), (expected.unwrap_or(0) + 1, winners[0]));
    }
}

fn object(name: &str) -> ObjectName {
    ObjectName::parse(name).expect("an object")
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a moment")
}

async fn busy(control: &dyn Control, limit: usize) -> Vec<BusyTenant> {
    control.busy_tenants(limit).await.expect("list")
}

async fn marking(control: &dyn Control) {
    assert!(busy(control, 10).await.is_empty());
    let names: Vec<String> = (0..20).map(|number| format!("t{number}")).collect();
    for (name, at) in names.iter().rev().zip(1..) {
        control.mark_busy(&tenant(name), second(at)).await.expect("mark");
    }
    let found = busy(control, 100).await;
    let expected: Vec<TenantId> = names.iter().rev().map(|name| tenant(name)).collect();
    assert_eq!(found.iter().map(|busy| busy.tenant.clone()).collect::<Vec<_>>(), expected, "by their end");
    assert_eq!(found[0].until, second(1));
    assert_eq!(busy(control, 3).await, found[..3], "the limit keeps the first");

    control.mark_busy(&tenant("t19"), second(-5)).await.expect("mark earlier");
    assert_eq!(busy(control, 100).await, found, "an earlier mark changes nothing");
    for busy in found {
        assert!(control.clear_busy(&busy.tenant, busy.revision, second(100)).await.expect("clear"));
    }
    assert!(busy(control, 100).await.is_empty());
}

async fn clearing(control: &dyn Control) {
    let acme = tenant("acme");
    control.mark_busy(&acme, second(10)).await.expect("mark");
    let seen = busy(control, 10).await[0].revision;
    let travelled: BusyRevision = seen.to_string().parse().expect("a revision as text");
    assert_eq!(travelled, seen);

    assert!(!control.clear_busy(&acme, seen, second(9)).await.expect("clear"), "it still stands");
    control.mark_busy(&acme, second(20)).await.expect("mark later");
    assert!(!control.clear_busy(&acme, seen, second(30)).await.expect("clear"), "it was set since");
    let seen = busy(control, 10).await[0].revision;
    assert!(!control.clear_busy(&tenant("globex"), seen, second(30)).await.expect("clear"), "another tenant's");
    assert!(control.clear_busy(&acme, seen, second(20)).await.expect("clear"));
    assert!(!control.clear_busy(&acme, seen, second(20)).await.expect("clear"), "it is gone");
    assert!(busy(control, 10).await.is_empty());
}

async fn leasing(control: &dyn Control) {
    let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let name = "fluxnex/local/connections/acme/quickbooks";
    let take = |holder, now, until| control.take_lease(name, holder, second(now), second(until));
    assert!(!control.release_lease(name, one).await.expect("release"), "nobody has it");
    assert!(take(one, 0, 60).await.expect("take"));
    assert!(!take(other, 1, 61).await.expect("take"), "it is taken");
    assert!(!take(other, 59, 119).await.expect("take"), "until its end");
    assert!(control.take_lease("another", other, second(1), second(61)).await.expect("take"), "another lease");
    assert!(take(one, 59, 90).await.expect("take"), "its holder has it longer");
    assert!(!take(other, 60, 120).await.expect("take"));
    assert!(!control.release_lease(name, other).await.expect("release"), "it is not theirs");
    assert!(!take(other, 60, 120).await.expect("take"), "so nothing changed");
    assert!(take(other, 90, 150).await.expect("take"), "it ended by itself");
    assert!(!control.release_lease(name, one).await.expect("release"), "whoever was too slow has lost it");
    assert!(!take(one, 91, 151).await.expect("take"));
    assert!(control.release_lease(name, other).await.expect("release"));
    assert!(!control.release_lease(name, other).await.expect("release"), "it is released");
    assert!(take(one, 92, 152).await.expect("take"), "at once");
}

/// Of many who take a lease at the same time one gets it.
async fn racing_for_a_lease(control: &dyn Control) {
    for round in 0..3 {
        let now = second(1_000 + 100 * round);
        let holders: Vec<Uuid> = (0..8).map(|holder| Uuid::from_u128(10 + holder)).collect();
        let takes = holders.iter().map(|holder| control.take_lease("raced", *holder, now, second(1_060 + 100 * round)));
        let taken = futures::future::try_join_all(takes).await.expect("take");
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{taken:?}");
    }
}

const NAME: &str = "0f";

fn call<'a>(tenant: &'a TenantId, name: &'a str, fingerprint: &'a str, holder: u128) -> KeyedCall<'a> {
    KeyedCall { tenant, name, fingerprint, holder: Uuid::from_u128(holder) }
}

async fn answering_calls(control: &dyn Control) {
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let begin =
        async |call: KeyedCall<'_>, now| control.begin_call(&call, second(now), second(now + 60)).await.expect("begin");
    let first = call(&acme, NAME, "asked", 1);
    assert_eq!(begin(first, 0).await, Begun::Yours);
    assert_eq!(begin(first, 1).await, Begun::Yours, "the answer of a begin may get lost");
    assert_eq!(begin(call(&acme, NAME, "asked", 2), 2).await, Begun::UnderWay);
    assert_eq!(begin(call(&acme, NAME, "other", 2), 2).await, Begun::UnderWay);
    assert_eq!(begin(call(&globex, NAME, "asked", 3), 2).await, Begun::Yours, "another tenant's");
    assert_eq!(begin(call(&acme, "1f", "asked", 4), 2).await, Begun::Yours, "another key");

    let answer = json!({"status": 200, "body": "é\u{1}\""});
    let end = async |call: KeyedCall<'_>, answer: Value, until| {
        control.end_call(&call, Some(&answer), second(until)).await.expect("end");
    };
    end(call(&acme, NAME, "asked", 2), json!({}), 1_000).await;
    assert_eq!(begin(call(&acme, NAME, "asked", 2), 3).await, Begun::UnderWay, "only its holder ends it");
    end(first, answer.clone(), 1_000).await;
    let answered = Begun::Answered { fingerprint: "asked".to_owned(), answer };
    assert_eq!(begin(call(&acme, NAME, "asked", 5), 4).await, answered);
    assert_eq!(begin(call(&acme, NAME, "other", 5), 500).await, answered, "with what was asked for then");
    end(first, json!({}), 2_000).await;
    assert_eq!(begin(first, 999).await, answered, "an answer stays the first one");
    assert_eq!(begin(call(&acme, NAME, "other", 6), 1_000).await, Begun::Yours, "it is forgotten");
}

async fn giving_calls_up(control: &dyn Control) {
    let acme = tenant("acme");
    let [one, other] = [7, 8].map(|holder| call(&acme, "2f", "asked", holder));
    let begin =
        async |call: KeyedCall<'_>, now| control.begin_call(&call, second(now), second(now + 60)).await.expect("begin");
    assert_eq!(begin(one, 0).await, Begun::Yours);
    let large = json!({ "text": "x".repeat(MAX_DOCUMENT_BYTES) });
    let refused = control.end_call(&one, Some(&large), second(1_000)).await;
    assert!(matches!(refused, Err(ControlError::TooLarge { .. })), "{refused:?}");
    control.end_call(&one, None, second(1_000)).await.expect("end");
    assert_eq!(begin(other, 1).await, Begun::Yours, "given up, it is free at once");
    assert_eq!(begin(one, 60).await, Begun::UnderWay);
    assert_eq!(begin(one, 61).await, Begun::Yours, "whoever does it died");
    control.end_call(&other, Some(&json!({})), second(1_000)).await.expect("end");
    assert_eq!(begin(other, 62).await, Begun::UnderWay, "whoever was too slow has lost it");
}

/// Of many who make the same call at the same time one does it.
async fn racing_for_a_call(control: &dyn Control) {
    let acme = tenant("acme");
    let calls: Vec<KeyedCall<'_>> = (0..8).map(|holder| call(&acme, "3f", "asked", 20 + holder)).collect();
    let begins = calls.iter().map(|call| control.begin_call(call, second(0), second(60)));
    let begun = futures::future::try_join_all(begins).await.expect("begin");
    assert_eq!(begun.iter().filter(|begun| **begun == Begun::Yours).count(), 1, "{begun:?}");
    assert!(begun.iter().all(|begun| matches!(begun, Begun::Yours | Begun::UnderWay)), "{begun:?}");
}
