//! What goes on to L3, and what does not.

use crate::support::Stage;
use fluxnex_cloud::control::Control;
use fluxnex_cloud::objects::Objects;
use fluxnex_core::message::{ClaimCheck, DeletedRecord, Deletion};
use fluxnex_testing::{ACCOUNT, INVOICE, account, invoice, notice};

#[tokio::test]
async fn a_changed_record_goes_on() {
    let stage = Stage::new().await;
    let events = [
        stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 1))),
        stage.setting.inbound(notice(INVOICE, &invoice("a0XA", "INV-1", "001A", 1))),
    ];
    assert!(stage.events(&events).await.is_empty());
    let changed = stage.changed();
    assert_eq!(changed.len(), 2);
    for (message, (event, (object, id))) in
        changed.iter().zip(events.iter().zip([(ACCOUNT, "001A"), (INVOICE, "a0XA")]))
    {
        assert_eq!(message.event, event.event);
        assert_eq!((&message.tenant, message.connection.as_str()), (&stage.setting.tenant, "revenova"));
        assert_eq!((message.object.as_str(), message.source_id.as_str()), (object, id));
    }
    assert_eq!(stage.setting.count("notification-delivery"), 0);
    let name = "SELECT payload ->> 'Name' FROM {schema}.source_records WHERE object = 'Account'";
    assert_eq!(stage.setting.texts(name).await, ["Ada"]);
    let busy = stage.setting.control.busy_tenants(10).await.unwrap();
    assert_eq!(busy.iter().map(|busy| &busy.tenant).collect::<Vec<_>>(), [&stage.setting.tenant]);
}

#[tokio::test]
async fn the_same_message_again_repeats_its_sends_and_makes_nothing_new() {
    let stage = Stage::new().await;
    let event = stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 1)));
    for _ in 0..3 {
        assert!(stage.events(std::slice::from_ref(&event)).await.is_empty());
        assert_eq!(stage.changed().len(), 1, "the first one may have been lost");
    }
    assert_eq!(stage.states().await, ["changed"]);
    let versions = stage.setting.texts("SELECT event::text FROM {schema}.source_record_versions").await;
    assert_eq!(versions, [event.event.to_string()]);
}

#[tokio::test]
async fn what_brings_nothing_new_goes_no_further() {
    let stage = Stage::new().await;
    let first = stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 5)));
    let mut sent_twice = stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 5)));
    sent_twice.sender_event_id = first.sender_event_id.clone();
    let confirmed = stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 5)));
    let late = stage.setting.inbound(notice(ACCOUNT, &account("001A", "Old name", 4)));
    assert!(stage.events(&[first.clone(), sent_twice, confirmed]).await.is_empty());
    let changed: Vec<_> = stage.changed().iter().map(|message| message.event).collect();
    assert_eq!(changed, [first.event]);
    assert!(stage.events(&[late]).await.is_empty());
    assert!(stage.changed().is_empty());
    let states = stage.states().await;
    assert_eq!((states[0].as_str(), states.len()), ("changed", 4));
    assert!(states[1..].iter().all(|state| state != "changed" && !state.starts_with("failed")), "{states:?}");
    let name = "SELECT payload ->> 'Name' FROM {schema}.source_records";
    assert_eq!(stage.setting.texts(name).await, ["Ada"]);
    assert_eq!(stage.setting.count("notification-delivery"), 0);
}

#[tokio::test]
async fn in_one_batch_the_newest_state_of_a_record_wins_in_any_order() {
    let stage = Stage::new().await;
    let [old, new] = [(1, "Old"), (2, "New")]
        .map(|(version, name)| stage.setting.inbound(notice(ACCOUNT, &account("001A", name, version))));
    assert!(stage.events(&[new.clone(), old]).await.is_empty());
    let name = "SELECT payload ->> 'Name' FROM {schema}.source_records";
    assert_eq!(stage.setting.texts(name).await, ["New"]);
    assert!(stage.changed().iter().any(|message| message.event == new.event));
}

#[tokio::test]
async fn a_large_payload_is_read_from_the_bucket() {
    let stage = Stage::new().await;
    let body = notice(ACCOUNT, &account("001A", &"Ada".repeat(30_000), 1));
    let mut event = stage.setting.inbound("null".to_owned());
    event.inline = None;
    event.claim_check = Some(ClaimCheck { key: "payloads/1.json".to_owned(), bytes: body.len() as u64 });
    stage.setting.objects.put("payloads/1.json", body.into_bytes(), "application/json").await.unwrap();
    assert!(stage.events(&[event]).await.is_empty());
    assert_eq!(stage.changed()[0].source_id.as_str(), "001A");
}

#[tokio::test]
async fn a_deletion_that_the_source_lists_deletes_the_record_and_an_older_one_does_not() {
    let stage = Stage::new().await;
    let live = stage.setting.inbound(notice(ACCOUNT, &account("001A", "Ada", 5)));
    assert!(stage.events(&[live]).await.is_empty());
    let version_of = |number: u32| {
        let stamp = account("001A", "Ada", number)["SystemModstamp"].as_str().unwrap().to_owned();
        stamp.parse::<jiff::Timestamp>().unwrap().as_microsecond()
    };
    let deleted = |number: u32, body: &str| {
        let mut event = stage.setting.inbound(body.to_owned());
        event.object = Some(ACCOUNT.parse().unwrap());
        event.derived = true;
        let record = DeletedRecord { source_id: "001A".parse().unwrap(), version: version_of(number) };
        event.deletion = Some(Deletion { of: Some(record) });
        event
    };
    let is_deleted = async || stage.setting.texts("SELECT deleted::text FROM {schema}.source_records").await;
    // Of an earlier state than the one that is known: the record came back since.
    assert!(stage.events(&[deleted(4, r#"{"id": "001A"}"#)]).await.is_empty());
    assert_eq!(is_deleted().await, ["false"]);
    let (once, twice) = (deleted(6, r#"{"id": "001A"}"#), deleted(6, r#"{"id": "001A"}"#));
    assert!(stage.events(&[once, twice]).await.is_empty());
    assert_eq!(is_deleted().await, ["true"]);
    let states = stage.states().await;
    assert_eq!(states[1..], ["stale", "changed", "unchanged"], "{states:?}");
}
