//! What goes on to L4, and what ends here.

use crate::support::Stage;
use fluxnex_testing::{ACCOUNT, account, notice, queue};
use serde_json::{Value, json};

#[tokio::test]
async fn a_mapped_record_goes_on_as_a_version() {
    let stage = Stage::new().await;
    let batch = stage.replicated(&[notice(ACCOUNT, &account("001A", "Ada", 1))]).await;
    assert!(stage.run(&batch).await.is_empty());
    let sent = stage.normalised();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].flow.as_str(), sent[0].entity.as_str(), sent[0].version), ("customers", "customer", 1));
    let event: Value = serde_json::from_str(&batch[0].body).unwrap();
    assert_eq!(json!(sent[0].event), event["event"]);
    let stored =
        stage.setting.texts("SELECT canonical_id || ' ' || (data ->> 'name') FROM {schema}.canonical_records").await;
    assert_eq!(stored, [format!("{} Ada", sent[0].canonical_id)]);
    assert_eq!((stage.setting.count("source-replica"), stage.setting.count("notification-delivery")), (0, 0));
}

#[tokio::test]
async fn the_same_message_again_repeats_its_sends_and_makes_nothing_new() {
    let stage = Stage::new().await;
    let batch = stage.replicated(&[notice(ACCOUNT, &account("001A", "Ada", 1))]).await;
    let mut sent = Vec::new();
    for _ in 0..3 {
        assert!(stage.run(&batch).await.is_empty());
        sent.extend(stage.normalised());
    }
    assert_eq!(sent.len(), 3, "the first one may have been lost");
    assert!(sent.iter().all(|message| message == &sent[0]));
    assert_eq!(stage.setting.texts("SELECT version::text FROM {schema}.canonical_records").await, ["1"]);
}

#[tokio::test]
async fn what_the_mapping_leaves_out_makes_no_version() {
    let stage = Stage::new().await;
    let mut record = account("001A", "Ada", 1);
    let first = stage.replicated(&[notice(ACCOUNT, &record)]).await;
    assert!(stage.run(&first).await.is_empty());
    record["LastModifiedDate"] = json!("2026-11-20T13:00:00.000+0000");
    let second = stage.replicated(&[notice(ACCOUNT, &record)]).await;
    assert_eq!(second.len(), 1, "the replica did change");
    assert!(stage.run(&second).await.is_empty());
    assert!(stage.normalised().iter().all(|message| message.version == 1));
    assert_eq!(stage.states().await, ["superseded", "unchanged"]);
    assert_eq!(stage.setting.texts("SELECT version::text FROM {schema}.canonical_records").await, ["1"]);
}

#[tokio::test]
async fn a_version_that_never_went_on_is_carried_on_by_an_event_that_changes_nothing() {
    let stage = Stage::new().await;
    let mut record = account("001A", "Ada", 1);
    let first = stage.replicated(&[notice(ACCOUNT, &record)]).await;
    stage.setting.queues.set_silent(&queue("normalised"), true);
    assert_eq!(stage.run(&first).await, [0], "the version is committed, its message is not sent");
    stage.setting.queues.set_silent(&queue("normalised"), false);
    // Before the message comes again, the source changes what the mapping leaves out.
    record["LastModifiedDate"] = json!("2026-11-20T13:00:00.000+0000");
    let second = stage.replicated(&[notice(ACCOUNT, &record)]).await;
    assert!(stage.run(&[first.clone(), second].concat()).await.is_empty());
    let sent = stage.normalised();
    let event: Value = serde_json::from_str(&first[0].body).unwrap();
    assert_eq!((sent.len(), sent[0].version, json!(sent[0].event)), (1, 1, event["event"].clone()));
}

#[tokio::test]
async fn a_message_that_was_overtaken_is_superseded() {
    let stage = Stage::new().await;
    let old = stage.replicated(&[notice(ACCOUNT, &account("001A", "Old", 1))]).await;
    let new = stage.replicated(&[notice(ACCOUNT, &account("001A", "New", 2))]).await;
    assert!(stage.run(&[old, new].concat()).await.is_empty());
    assert_eq!(stage.normalised().len(), 1);
    assert_eq!(stage.states().await, ["superseded", "processing"]);
    assert_eq!(stage.setting.texts("SELECT data ->> 'name' FROM {schema}.canonical_records").await, ["New"]);
}

#[tokio::test]
async fn a_record_that_was_deleted_is_not_sent_on() {
    let stage = Stage::new().await;
    let mut record = account("001A", "Ada", 1);
    record["IsDeleted"] = json!(true);
    let batch = stage.replicated(&[notice(ACCOUNT, &record)]).await;
    assert!(stage.run(&batch).await.is_empty());
    assert!(stage.normalised().is_empty());
    assert_eq!(stage.states().await, ["filtered: the record was deleted at the source"]);
}
