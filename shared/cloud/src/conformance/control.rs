//! What every control table does.

use crate::control::{BusyRevision, BusyTenant, Control, ControlError, MAX_DOCUMENT_BYTES, Published};
use fluxnex_core::ids::{ConnectionId, TenantId};
use jiff::Timestamp;
use serde_json::json;

/// Runs the suite on an empty table.
pub async fn suite(control: &dyn Control) {
    publishing(control).await;
    removing(control).await;
    marking(control).await;
    clearing(control).await;
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("a tenant")
}

fn connection(name: &str) -> ConnectionId {
    ConnectionId::parse(name).expect("a connection")
}

async fn publishing(control: &dyn Control) {
    let (acme, globex, revenova) = (tenant("acme"), tenant("globex"), connection("revenova"));
    assert_eq!(control.connection(&acme, &revenova).await.expect("read"), None);

    let first = json!({"secret": "name-of-a-secret", "n": 12_345_678_901_234_567_u64, "text": "é\u{1}\"", "list": []});
    let published = control.publish_connection(&acme, &revenova, 2, &first).await.expect("publish");
    assert_eq!(published, Published::Current);
    let found = control.connection(&acme, &revenova).await.expect("read").expect("published");
    assert_eq!((found.version, &found.body), (2, &first));
    assert_eq!(control.connection(&globex, &revenova).await.expect("read"), None, "another tenant's");
    assert_eq!(control.connection(&acme, &connection("other")).await.expect("read"), None);

    let older = control.publish_connection(&acme, &revenova, 1, &json!({})).await.expect("publish");
    assert_eq!(older, Published::Outdated);
    assert_eq!(control.connection(&acme, &revenova).await.expect("read").expect("kept").body, first);

    for (version, text) in [(2, "same"), (10, "newer")] {
        let body = json!({ "text": text });
        let published = control.publish_connection(&acme, &revenova, version, &body).await.expect("publish");
        assert_eq!(published, Published::Current, "{text}");
        assert_eq!(control.connection(&acme, &revenova).await.expect("read").expect("replaced").body, body);
    }

    let large = json!({ "text": "x".repeat(MAX_DOCUMENT_BYTES) });
    let refused = control.publish_connection(&acme, &revenova, 11, &large).await;
    assert!(matches!(refused, Err(ControlError::TooLarge { .. })), "{refused:?}");
}

async fn removing(control: &dyn Control) {
    let (acme, hub) = (tenant("acme"), connection("hub"));
    control.publish_connection(&acme, &hub, 3, &json!({})).await.expect("publish");
    assert_eq!(control.remove_connection(&acme, &hub, 2).await.expect("remove"), Published::Outdated);
    assert!(control.connection(&acme, &hub).await.expect("read").is_some());
    assert_eq!(control.remove_connection(&acme, &hub, 4).await.expect("remove"), Published::Current);
    assert_eq!(control.connection(&acme, &hub).await.expect("read"), None);
    let late = control.publish_connection(&acme, &hub, 3, &json!({})).await.expect("publish");
    assert_eq!(late, Published::Outdated, "a late publication does not bring it back");
    assert_eq!(control.connection(&acme, &hub).await.expect("read"), None);
    control.publish_connection(&acme, &hub, 5, &json!({})).await.expect("publish");
    assert!(control.connection(&acme, &hub).await.expect("read").is_some(), "a newer one does");
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
