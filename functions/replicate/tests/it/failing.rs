//! What fails alone, what fails visibly, and what comes back.

use crate::support::Stage;
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_core::ids::TenantId;
use fluxnex_core::message::{ClaimCheck, Deletion, Notification, NotificationKind};
use fluxnex_testing::{ACCOUNT, account, decoded, messages, notice, queue};
use serde_json::json;

#[tokio::test]
async fn a_garbage_message_in_a_batch_fails_alone() {
    let stage = Stage::new().await;
    let events = [stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 1)))];
    let mut batch = messages(&events);
    let mut newer = serde_json::to_value(&events[0]).unwrap();
    newer["v"] = json!(2);
    for garbage in ["", "x", "{}", "[]", "\u{0}", &newer.to_string()] {
        batch.push(OutgoingMessage::new(garbage));
    }
    batch.extend(messages(&[stage.setting.inbound(notice(ACCOUNT, &account("001B", "Bob", 1)))]));
    assert_eq!(stage.run(&batch).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(stage.changed().len(), 2);
}

#[tokio::test]
async fn a_record_that_cannot_be_understood_fails_visibly() {
    let stage = Stage::new().await;
    let mut no_id = account("001A", "marked-payload", 1);
    no_id.as_object_mut().unwrap().remove("Id");
    let bodies = [
        notice(ACCOUNT, &no_id),
        notice("NoSuchObject", &account("001A", "marked-payload", 1)),
        notice(ACCOUNT, &json!("marked-payload")),
        json!({"nothing": "marked-payload"}).to_string(),
        "\"marked-payload\"".to_owned(),
    ];
    let mut events: Vec<_> = bodies.into_iter().map(|body| stage.setting.inbound(body)).collect();
    let mut elsewhere = stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 1)));
    elsewhere.connection = "gone".parse().unwrap();
    let mut empty = stage.setting.inbound("null".to_owned());
    empty.inline = None;
    let mut lost = empty.clone();
    lost.event.0 = uuid::Uuid::now_v7();
    lost.sender_event_id = "lost".parse().unwrap();
    lost.claim_check = Some(ClaimCheck { key: "payloads/lost.json".to_owned(), bytes: 1 });
    events.extend([elsewhere, empty, lost]);
    assert!(stage.events(&events).await.is_empty(), "nothing here gets better by coming again");
    let states = stage.states().await;
    assert_eq!(states.len(), events.len());
    assert!(states.iter().all(|state| state.starts_with("failed: ") && !state.contains("marked")), "{states:?}");
    assert!(stage.changed().is_empty());
    let told: Vec<Notification> = decoded(&stage.setting.take("notification-delivery"));
    assert_eq!(told.len(), events.len());
    for (notification, event) in told.iter().zip(&events) {
        assert_eq!((notification.kind, notification.event), (NotificationKind::EventFailed, Some(event.event)));
        assert_eq!(notification.id, event.event.0, "the same whenever it is told");
        assert!(!notification.reason.is_empty() && !notification.reason.contains("marked"), "{}", notification.reason);
    }
}

#[tokio::test]
async fn a_tenant_that_is_unknown_comes_back_and_the_others_do_not() {
    let stage = Stage::new().await;
    let mut stranger = stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 1)));
    stranger.tenant = TenantId::parse("nobody_knows_me").unwrap();
    let known = stage.setting.inbound(notice(ACCOUNT, &account("001B", "Bob", 1)));
    assert_eq!(stage.events(&[stranger, known]).await, [0]);
    assert_eq!(stage.changed().len(), 1);
}

#[tokio::test]
async fn a_queue_that_is_silent_after_the_commit_brings_the_batch_back_and_the_repetition_sends() {
    let stage = Stage::new().await;
    for silent in ["source-replica", "notification-delivery"] {
        let id = silent.replace('-', "");
        let events = [
            stage.setting.inbound(notice(ACCOUNT, &account(&id, "Ada", 1))),
            stage.setting.inbound(json!({"nothing": silent}).to_string()),
        ];
        stage.setting.queues.set_silent(&queue(silent), true);
        assert_eq!(stage.events(&events).await, [0, 1], "{silent}");
        stage.setting.queues.set_silent(&queue(silent), false);
        let _ = (stage.changed(), stage.setting.take("notification-delivery"));
        assert!(stage.events(&events).await.is_empty());
        assert_eq!(stage.changed()[0].source_id.as_str(), id);
        assert_eq!(stage.setting.count("notification-delivery"), 1);
        let _ = stage.setting.take("notification-delivery");
    }
    assert_eq!(stage.states().await.len(), 4);
}

#[tokio::test]
async fn a_silent_control_table_brings_the_batch_back_before_anything_is_written() {
    let stage = Stage::new().await;
    stage.setting.control.set_silent(true);
    let events = [stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 1)))];
    assert_eq!(stage.events(&events).await, [0]);
    assert_eq!(stage.states().await, Vec::<String>::new(), "nobody would find it after a crash");
    stage.setting.control.set_silent(false);
    assert!(stage.events(&events).await.is_empty());
    assert_eq!(stage.changed().len(), 1);
}

#[tokio::test]
async fn a_deletion_that_cannot_be_read_fails_visibly_and_is_no_live_record() {
    let stage = Stage::new().await;
    let mut event = stage.setting.inbound(account("001A", "Ada", 1).to_string());
    event.object = Some(ACCOUNT.parse().unwrap());
    event.deletion = Some(Deletion { of: None });
    assert!(stage.events(&[event]).await.is_empty());
    assert_eq!(stage.states().await, ["failed: what the source's list of deletions says cannot be read"]);
    assert!(stage.changed().is_empty());
}
