//! Who is looked after, and what of their work goes in again.

use crate::support::Stage;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::control::Control;
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_core::ids::TenantId;
use fluxnex_core::message::{Notification, NotificationKind, SweepTenant};
use fluxnex_testing::{ACCOUNT, INVOICE, account, decoded, invoice, notice, queue};
use serde_json::json;

fn ada() -> String {
    notice(ACCOUNT, &account("001A", "Ada", 1))
}

fn bodies(messages: &[OutgoingMessage]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

#[tokio::test]
async fn each_minute_only_marked_tenants_are_looked_after_and_each_hour_all() {
    let stage = Stage::new().await;
    assert_eq!(stage.minute().await, json!({"tenants": 0, "reentered": 0}));
    let other = TenantId::parse("other").unwrap();
    stage.setting.control.mark_busy(&other, stage.setting.clock.now()).await.unwrap();
    assert_eq!(stage.minute().await["tenants"], 1);
    let sent = stage.setting.take("sweep-tenant");
    assert_eq!(sent[0].group.as_deref(), Some("other"));
    assert_eq!(decoded::<SweepTenant>(&sent)[0].tenant, other);
    stage.wait(17 * 60 + 30);
    assert_eq!(stage.minute().await["tenants"], 2);
    let mut tenants: Vec<TenantId> =
        decoded::<SweepTenant>(&stage.setting.take("sweep-tenant")).into_iter().map(|message| message.tenant).collect();
    tenants.sort();
    assert_eq!(tenants, [other, stage.setting.tenant.clone()]);
    stage.end().await;
}

#[tokio::test]
async fn a_record_whose_message_was_lost_goes_in_again_once() {
    let stage = Stage::new().await;
    let lost = stage.replicated(ada()).await;
    stage.wait(59);
    assert!(stage.tenant().await);
    assert_eq!(stage.setting.count("source-replica"), 0, "it may still be on its way");
    stage.wait(2);
    assert!(stage.tenant().await && stage.tenant().await);
    let again = stage.setting.take("source-replica");
    assert_eq!(bodies(&again), bodies(&lost));
    assert_eq!(again[0].group.as_deref(), Some(stage.setting.tenant.as_str()));
    stage.wait(61);
    assert!(stage.tenant().await);
    assert_eq!(stage.setting.count("source-replica"), 1, "and again, as long as nothing comes of it");
    stage.end().await;
}

#[tokio::test]
async fn a_version_whose_message_was_lost_is_found_by_its_record() {
    let stage = Stage::new().await;
    let replicated = stage.replicated(ada()).await;
    let lost = stage.normalised(&replicated).await;
    stage.wait(61);
    assert!(stage.tenant().await);
    let again = stage.setting.take("source-replica");
    assert_eq!(bodies(&stage.normalised(&again).await), bodies(&lost));
    stage.end().await;
}

#[tokio::test]
async fn a_delivery_whose_wake_was_lost_is_woken() {
    let stage = Stage::new().await;
    let replicated = stage.replicated(ada()).await;
    let normalised = stage.normalised(&replicated).await;
    let lost = stage.routed(&normalised).await;
    stage.wait(61);
    assert!(stage.tenant().await);
    let again = stage.setting.take("outbound-quickbooks-online.fifo");
    assert_eq!(bodies(&again), bodies(&lost));
    assert_eq!(again[0].group, lost[0].group);
    assert_ne!(again[0].deduplication, lost[0].deduplication, "the queue must not swallow it");
    assert_eq!(stage.setting.count("source-replica"), 0);
    stage.end().await;
}

#[tokio::test]
async fn what_a_silent_queue_did_not_take_is_found_again() {
    let stage = Stage::new().await;
    stage.replicated(ada()).await;
    stage.wait(61);
    stage.setting.queues.set_silent(&queue("source-replica"), true);
    assert!(!stage.tenant().await, "the message comes back");
    stage.setting.queues.set_silent(&queue("source-replica"), false);
    stage.wait(61);
    assert!(stage.tenant().await);
    assert_eq!(stage.setting.count("source-replica"), 1);
    stage.end().await;
}

#[tokio::test]
async fn the_marker_stands_as_long_as_there_is_work_and_goes_when_there_is_none() {
    let stage = Stage::new().await;
    let replicated = stage.replicated(ada()).await;
    assert!(stage.is_marked().await);
    stage.wait(16 * 60);
    assert!(stage.tenant().await);
    assert!(stage.is_marked().await, "a record is on its way");
    let normalised = stage.normalised(&replicated).await;
    stage.routed(&normalised).await;
    stage.wait(16 * 60);
    assert!(stage.tenant().await);
    assert!(stage.is_marked().await, "a delivery waits for its wake");
    let schema = stage.setting.tenant.schema_name();
    let done = format!("UPDATE {schema}.deliveries SET state = 'delivered' RETURNING state");
    assert_eq!(stage.setting.texts(&done).await, ["delivered"]);
    stage.wait(16 * 60);
    assert!(stage.tenant().await);
    assert!(!stage.is_marked().await);
    stage.end().await;
}

#[tokio::test]
async fn a_marker_that_is_not_past_stays() {
    let stage = Stage::new().await;
    let later = stage.setting.clock.now() + jiff::SignedDuration::from_secs(60);
    stage.setting.control.mark_busy(&stage.setting.tenant, later).await.unwrap();
    assert!(stage.tenant().await);
    assert!(stage.is_marked().await, "somebody may commit work under it");
    stage.wait(61);
    assert!(stage.tenant().await);
    assert!(!stage.is_marked().await);
    stage.end().await;
}

#[tokio::test]
async fn a_wait_for_a_parent_is_left_in_peace_and_ends_visibly() {
    let stage = Stage::new().await;
    let child = stage.replicated(notice(INVOICE, &invoice("a0XA", "INV-1", "001A", 1))).await;
    assert!(stage.normalised(&child).await.is_empty());
    // After its grace the parent is asked for, and the state machine does the waiting.
    stage.wait(6);
    assert!(stage.normalised(&stage.setting.take("source-replica")).await.is_empty());
    assert_eq!(stage.setting.workflows.executions().len(), 1);
    stage.wait(23 * 3600);
    assert!(stage.tenant().await);
    assert_eq!((stage.setting.count("source-replica"), stage.setting.count("notification-delivery")), (0, 0));
    stage.wait(3600);
    stage.setting.queues.set_silent(&queue("notification-delivery"), true);
    assert!(!stage.tenant().await);
    stage.setting.queues.set_silent(&queue("notification-delivery"), false);
    assert!(stage.tenant().await && stage.tenant().await);
    let told: Vec<Notification> = decoded(&stage.setting.take("notification-delivery"));
    assert_eq!((told.len(), told[0].kind), (1, NotificationKind::EventFailed), "told once, silence or not");
    assert!(told[0].reason.contains("001A"), "{}", told[0].reason);
    let states = stage.setting.texts("SELECT state || ': ' || reason FROM {schema}.event_states").await;
    assert_eq!(states, [format!("failed: {}", told[0].reason)]);
    assert_eq!(stage.setting.texts("SELECT flow FROM {schema}.in_flight").await, Vec::<String>::new());
    stage.end().await;
}

#[tokio::test]
async fn a_garbage_message_fails_alone_and_a_tenant_that_is_gone_is_left_alone() {
    let stage = Stage::new().await;
    stage.replicated(ada()).await;
    stage.wait(61);
    let message = |tenant: &str| OutgoingMessage::new(json!({"v": 1, "tenant": tenant}).to_string());
    let batch = [
        OutgoingMessage::new("garbage"),
        message("gone"),
        message(stage.setting.tenant.as_str()),
        message("Not a tenant"),
    ];
    let mut failed = stage.batch(&queue("sweep-tenant"), &batch).await;
    failed.sort();
    assert_eq!(failed, ["0", "3"]);
    assert_eq!(stage.setting.count("source-replica"), 1);
    stage.end().await;
}
