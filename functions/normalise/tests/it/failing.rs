//! What fails alone, what fails visibly, and what comes back.

use crate::support::Stage;
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_core::message::{Notification, NotificationKind};
use fluxnex_testing::{ACCOUNT, INVOICE, account, decoded, invoice, notice, queue};
use fluxnex_testing::{Setting, bundle};
use serde_json::{Value, json};

#[tokio::test]
async fn a_garbage_message_in_a_batch_fails_alone() {
    let stage = Stage::new().await;
    let mut batch = stage.replicated(&[notice(ACCOUNT, &account("001A", "Ada", 1))]).await;
    batch.insert(0, OutgoingMessage::new("{\"v\":1}"));
    batch.push(OutgoingMessage::new("garbage"));
    assert_eq!(stage.run(&batch).await, [0, 2]);
    assert_eq!(stage.normalised().len(), 1);
}

#[tokio::test]
async fn a_poisoned_record_fails_visibly_and_alone() {
    let stage = Stage::new().await;
    let mut poison = invoice("a0XP", "INV-P", "001A", 1);
    poison["rtms__Invoice_Date__c"] = json!("marked-no-date");
    let batch = stage
        .replicated(&[
            notice(ACCOUNT, &account("001A", "Ada", 1)),
            notice(INVOICE, &poison),
            notice(INVOICE, &invoice("a0XA", "INV-1", "001A", 1)),
        ])
        .await;
    assert!(stage.run(&batch).await.is_empty(), "it does not get better by coming again");
    let released = stage.setting.take("source-replica");
    assert!(stage.run(&released).await.is_empty());
    let states = stage.states().await;
    assert!(states[1].starts_with("failed: ") && states[1].contains("/date"), "{states:?}");
    assert_eq!((states[0].as_str(), states[2].as_str()), ("processing", "processing"));
    let told: Vec<Notification> = decoded(&stage.setting.take("notification-delivery"));
    assert!(!told.is_empty() && told.iter().all(|notification| notification.id == told[0].id));
    assert_eq!(
        (told[0].kind, told[0].record.as_deref()),
        (NotificationKind::EventFailed, Some("rtms__CustomerInvoice__c a0XP"))
    );
    assert!(told[0].reason.contains("/date") && !told[0].reason.contains("marked"), "{}", told[0].reason);
    assert!(states.iter().all(|state| !state.contains("marked")), "{states:?}");
}

#[tokio::test]
async fn a_tenant_that_is_unknown_comes_back_and_the_others_do_not() {
    let stage = Stage::new().await;
    let mut batch = stage.replicated(&[notice(ACCOUNT, &account("001A", "Ada", 1))]).await;
    let mut stranger: Value = serde_json::from_str(&batch[0].body).unwrap();
    stranger["tenant"] = json!("nobody_knows_me");
    batch.push(OutgoingMessage::new(stranger.to_string()));
    assert_eq!(stage.run(&batch).await, [1]);
    assert_eq!(stage.normalised().len(), 1);
}

#[tokio::test]
async fn a_queue_that_is_silent_after_the_commit_brings_the_batch_back_and_the_repetition_sends() {
    let stage = Stage::new().await;
    let mut poison = account("001P", "Poison", 1);
    poison["Name"] = json!(["no text"]);
    let batch = stage.replicated(&[notice(ACCOUNT, &account("001A", "Ada", 1)), notice(ACCOUNT, &poison)]).await;
    for silent in ["normalised", "notification-delivery"] {
        stage.setting.queues.set_silent(&queue(silent), true);
        assert_eq!(stage.run(&batch).await, [0, 1], "{silent}");
        stage.setting.queues.set_silent(&queue(silent), false);
        let _ = (stage.normalised(), stage.setting.take("notification-delivery"));
        assert!(stage.run(&batch).await.is_empty());
        assert_eq!((stage.normalised().len(), stage.setting.take("notification-delivery").len()), (1, 1), "{silent}");
    }
    assert_eq!(stage.setting.texts("SELECT version::text FROM {schema}.canonical_records").await, ["1"]);
}

#[tokio::test]
async fn a_tenants_own_fields_are_checked_by_its_own_schema() {
    let setting = Setting::new().await;
    let mut own = serde_json::to_value(bundle(&setting.tenant, &setting.target.url)).unwrap();
    let text = own.pointer_mut("/flows/customers/to_entity").unwrap();
    *text = json!(format!("({}) + {{extensions: {{tier: .Tier__c}}}}", text.as_str().unwrap()));
    own["entities"] = json!({"customer": {"extensions": {"properties": {"tier": {"enum": ["gold", "silver"]}}}}});
    setting.apply(&serde_json::from_value(own).unwrap()).await;
    let stage = Stage::of(setting);
    let customer = |id: &str, tier: &str| {
        let mut record = account(id, "Ada", 1);
        record["Tier__c"] = json!(tier);
        notice(ACCOUNT, &record)
    };
    let batch = stage.replicated(&[customer("001A", "gold"), customer("001B", "marked-lead")]).await;
    assert!(stage.run(&batch).await.is_empty());
    let states = stage.states().await;
    assert!(states[1].starts_with("failed: ") && states[1].contains("/extensions/tier"), "{states:?}");
    assert!(!states[1].contains("marked-lead"), "{states:?}");
    assert_eq!(stage.normalised().len(), 1);
}
