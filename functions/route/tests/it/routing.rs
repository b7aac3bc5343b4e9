//! From canonical records to deliveries and wakes.

use crate::support::Stage;
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_core::message::{Notification, NotificationKind, WakeMessage};
use fluxnex_testing::{ACCOUNT, INVOICE, Setting, TestDatabase, account, bundle, decoded, invoice, notice, queue};
use serde_json::{Value, json};

fn ada(version: u32, name: &str) -> String {
    notice(ACCOUNT, &account("001A", name, version))
}

#[tokio::test]
async fn a_record_becomes_a_delivery_and_wakes_its_key() {
    let stage = Stage::new().await;
    let batch = stage.normalised(&[ada(1, "Ada"), notice(INVOICE, &invoice("a0XA", "INV-1", "001A", 1))]).await;
    assert!(stage.run(&batch).await.is_empty());
    assert_eq!(stage.deliveries().await, ["pending", "pending"]);
    let wakes = stage.wakes();
    let decoded: Vec<WakeMessage> = decoded(&wakes);
    assert_eq!(decoded.len(), 2);
    assert_ne!(decoded[0].wake.ordering_key, decoded[1].wake.ordering_key);
    assert_ne!(wakes[0].deduplication, wakes[1].deduplication);
    for (message, decoded) in wakes.iter().zip(&decoded) {
        assert_eq!((&decoded.wake.tenant, decoded.wake.target.as_str()), (&stage.setting.tenant, "quickbooks"));
        assert_eq!(message.group, Some(decoded.wake.group()), "wakes of one key never run at once");
    }
    let payload =
        "SELECT payload #>> '{CustomerRef,value,$reference}' FROM {schema}.deliveries WHERE flow = 'invoices'";
    assert_eq!(stage.setting.texts(payload).await, ["customer"]);
    assert_eq!(stage.setting.texts("SELECT flow FROM {schema}.in_flight").await, Vec::<String>::new());
    assert_eq!(stage.setting.count("notification-delivery"), 0);
}

#[tokio::test]
async fn the_same_message_again_repeats_its_wake_and_makes_nothing_new() {
    let stage = Stage::new().await;
    let batch = stage.normalised(&[ada(1, "Ada")]).await;
    let mut wakes = Vec::new();
    for _ in 0..3 {
        assert!(stage.run(&batch).await.is_empty());
        wakes.extend(stage.wakes());
    }
    assert_eq!(wakes.len(), 3, "the queue must not swallow what is sent again");
    assert_eq!(stage.deliveries().await, ["pending"]);
}

#[tokio::test]
async fn a_newer_version_takes_the_place_and_the_older_message_is_superseded() {
    let stage = Stage::new().await;
    let old = stage.normalised(&[ada(1, "Old")]).await;
    assert!(stage.run(&old).await.is_empty());
    let late = stage.normalised(&[ada(2, "Newer")]).await;
    let new = stage.normalised(&[ada(3, "Newest")]).await;
    assert!(stage.run(&new).await.is_empty());
    assert!(stage.run(&late).await.is_empty());
    assert_eq!(stage.deliveries().await, ["superseded", "pending"]);
    let name = "SELECT payload ->> 'DisplayName' FROM {schema}.deliveries WHERE state = 'pending'";
    assert_eq!(stage.setting.texts(name).await, ["Newest"]);
    let states = "SELECT state FROM {schema}.event_states ORDER BY arrived_at";
    assert_eq!(stage.setting.texts(states).await, ["superseded", "superseded", "pending"]);
}

/// A stage whose customers go through another mapping, and only where a filter lets them.
async fn with_target(target: Value) -> Stage {
    let setting = Setting::bare(TestDatabase::shared()).await;
    setting.database.migrate().await.unwrap();
    let mut document = serde_json::to_value(bundle(&setting.tenant, &setting.target.url)).unwrap();
    for (name, value) in target.as_object().unwrap() {
        document["flows"]["customers"]["targets"][0][name] = value.clone();
    }
    setting.apply(&serde_json::from_value(document).unwrap()).await;
    Stage::of(setting)
}

#[tokio::test]
async fn a_mapping_that_fails_is_a_failed_delivery_that_is_told() {
    let stage = with_target(json!({"to_target": "error(\"no \" + .name)"})).await;
    let batch = stage.normalised(&[ada(1, "marked")]).await;
    for _ in 0..2 {
        assert!(stage.run(&batch).await.is_empty());
    }
    let deliveries = stage.deliveries().await;
    assert!(deliveries.len() == 1 && deliveries[0].starts_with("failed: "), "{deliveries:?}");
    assert!(!deliveries[0].contains("marked"), "{deliveries:?}");
    assert!(stage.wakes().is_empty());
    let told: Vec<Notification> = decoded(&stage.setting.take("notification-delivery"));
    assert_eq!((told.len(), told[0].kind), (2, NotificationKind::DeliveryFailed));
    assert_eq!(told[0].id, told[1].id, "a repetition is recognisable");
    assert!(!told[0].reason.is_empty() && !told[0].reason.contains("marked"), "{}", told[0].reason);
}

#[tokio::test]
async fn a_garbage_message_in_a_batch_fails_alone_and_an_unknown_tenant_comes_back() {
    let stage = Stage::new().await;
    let mut batch = stage.normalised(&[ada(1, "Ada")]).await;
    let mut stranger: Value = serde_json::from_str(&batch[0].body).unwrap();
    stranger["tenant"] = json!("nobody_knows_me");
    let mut not_stored: Value = serde_json::from_str(&batch[0].body).unwrap();
    not_stored["canonical_id"] = json!(uuid::Uuid::nil());
    for garbage in ["garbage".to_owned(), stranger.to_string(), not_stored.to_string()] {
        batch.insert(0, OutgoingMessage::new(garbage));
    }
    assert_eq!(stage.run(&batch).await, [0, 1, 2]);
    assert_eq!((stage.wakes().len(), stage.deliveries().await.len()), (1, 1));
}

#[tokio::test]
async fn what_is_of_a_flow_that_is_not_known_here_is_left_to_sweep() {
    let stage = Stage::new().await;
    let batch = stage.normalised(&[ada(1, "Ada")]).await;
    let mut bundle = bundle(&stage.setting.tenant, &stage.setting.target.url);
    bundle.flows.clear();
    stage.setting.apply(&bundle).await;
    stage.setting.clock.advance(std::time::Duration::from_secs(30));
    assert!(stage.run(&batch).await.is_empty());
    assert_eq!(stage.deliveries().await, Vec::<String>::new());
    // The flow may be gone, or be newer than what is remembered here.
    assert_eq!(stage.setting.texts("SELECT state FROM {schema}.event_states").await, ["processing"]);
    assert_eq!(stage.setting.texts("SELECT flow FROM {schema}.in_flight").await, ["customers"]);
}

#[tokio::test]
async fn a_queue_that_is_silent_after_the_commit_brings_the_batch_back_and_the_repetition_sends() {
    let stage = Stage::new().await;
    let batch = stage.normalised(&[ada(1, "Ada")]).await;
    let outbound = queue("outbound-quickbooks-online.fifo");
    stage.setting.queues.set_silent(&outbound, true);
    assert_eq!(stage.run(&batch).await, [0]);
    assert_eq!(stage.deliveries().await, ["pending"], "it was committed");
    stage.setting.queues.set_silent(&outbound, false);
    assert!(stage.run(&batch).await.is_empty());
    assert_eq!((stage.wakes().len(), stage.deliveries().await.len()), (1, 1));
}
