//! Pages, watermarks, and what is asked for next.

use crate::support::{Stage, settings, thing};
use fluxnex_core::message::EventSource;
use fluxnex_testing::{Reply, queue};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn every_page_is_durable_before_the_watermark_moves_and_the_next_begins_after_it() {
    let stage = Stage::new().await;
    stage.page(&[("a", 1), ("b", 2)], true);
    stage.page(&[("c", 2), ("d", 3)], true);
    stage.page(&[("e", 4)], false);
    stage.run_all(stage.tick()).await;
    assert_eq!(stage.ids(), ["a", "b", "c", "d", "e"]);
    assert_eq!(
        stage.asked(),
        [("1970-01-01T00:00:00Z", ""), ("2026-11-21T11:00:02Z", "b"), ("2026-11-21T11:00:03Z", "d")]
            .map(|(since, after)| (since.to_owned(), after.to_owned()))
    );
    let events = stage.events();
    assert!(events.iter().all(|event| event.source == EventSource::Poll && event.derived));
    assert!(events.iter().all(|event| event.object.as_ref().unwrap().as_str() == "Things"));
    let progress = stage.progress().await;
    assert_eq!(progress.changed.watermark.unwrap().id.unwrap().as_str(), "e");
    assert!(
        progress.run.is_none()
            && progress.changed.settled
            && progress.completed.is_some_and(|run| run.pages == 3 && run.ended_at == stage.now())
    );
}

#[tokio::test]
async fn an_idle_source_is_asked_and_nothing_else_happens() {
    let stage = Stage::new().await;
    stage.page(&[("a", 1)], false);
    stage.run_all(stage.tick()).await;
    let _ = stage.queues.drain(&queue("inbound-gateway"));
    stage.page(&[], false);
    stage.run_all(stage.tick()).await;
    assert!(stage.ids().is_empty() && stage.next().is_empty() && stage.told().is_empty());
    assert_eq!(stage.asked()[1], ("2026-11-21T11:00:01Z".to_owned(), "a".to_owned()));
}

#[tokio::test]
async fn while_records_may_still_become_visible_late_a_run_begins_a_little_earlier() {
    let stage = Stage::new().await;
    // The last record changed half a minute ago: the overlap is a minute.
    stage.clock.set("2026-11-21T11:00:31Z".parse().unwrap());
    stage.page(&[("a", 1)], false);
    stage.run_all(stage.tick()).await;
    stage.clock.advance(Duration::from_secs(300));
    stage.page(&[("a", 1)], false);
    stage.run_all(stage.tick()).await;
    stage.clock.advance(Duration::from_secs(300));
    stage.page(&[], false);
    stage.run_all(stage.tick()).await;
    let since: Vec<String> = stage.asked().into_iter().map(|(since, _)| since).collect();
    assert_eq!(since, ["1970-01-01T00:00:00Z", "2026-11-21T10:59:01Z", "2026-11-21T11:00:01Z"]);
    let events = stage.events();
    assert_eq!(events[0].sender_event_id, events[1].sender_event_id, "the same state is the same news");
}

#[tokio::test]
async fn records_from_before_the_floor_are_not_asked_for() {
    let stage = Stage::new().await;
    let mut said = settings(&stage.source.url);
    said["definition"]["polls"]["Things"]["since"] = json!("2026-11-21T10:30:00Z");
    stage.publish(2, &said).await;
    stage.page(&[], false);
    stage.run_all(stage.tick()).await;
    assert_eq!(stage.asked(), [("2026-11-21T10:30:00Z".to_owned(), String::new())]);
}

#[tokio::test]
async fn a_large_record_goes_by_claim_check() {
    let stage = Stage::new().await;
    let mut record = thing("a", 1);
    record["text"] = json!("x".repeat(70_000));
    stage.source.reply(Reply::json(200, &json!({"value": [record], "more": false})));
    stage.run_all(stage.tick()).await;
    let events = stage.events();
    let check = events[0].claim_check.as_ref().unwrap();
    assert!(check.bytes > 70_000 && check.key.starts_with("payloads/acme/erp/2026/11/21/"), "{}", check.key);
    assert_eq!(stage.objects.keys().len(), 1);
}

#[tokio::test]
async fn what_is_not_polled_any_more_is_left_alone() {
    let stage = Stage::new().await;
    let mut said = settings(&stage.source.url);
    said["definition"]["polls"] = json!({});
    stage.publish(2, &said).await;
    assert!(stage.run(&stage.tick()).await);
    assert!(stage.source.requests().is_empty() && stage.progress().await.run.is_none());
}

#[tokio::test]
async fn a_record_that_cannot_be_identified_goes_on_to_fail_visibly_and_hides_no_other() {
    let stage = Stage::new().await;
    let records = json!([thing("a", 1), {"id": "no version", "changed": "never"}, thing("b", 2)]);
    for _ in 0..2 {
        stage.source.reply(Reply::json(200, &json!({"value": records, "more": false})));
        stage.run_all(stage.tick()).await;
    }
    let events = stage.events();
    assert_eq!(events.len(), 6);
    assert_eq!(events[1].event, events[4].event, "the same failure is told once");
    assert_ne!(events[0].event, events[3].event);
}
