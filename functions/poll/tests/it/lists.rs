//! Lists that go on with what the source says, lists without order, bounds, and deletions.

use crate::support::{Stage, settings, thing};
use fluxnex_core::message::Deletion;
use fluxnex_core::poll::Listing;
use fluxnex_testing::{Reply, queue};
use serde_json::{Value, json};

impl Stage {
    /// A stage whose source lists as these fields say.
    async fn listing(fields: Value, deletions: Option<Value>) -> Self {
        let stage = Self::new().await;
        let mut said = settings(&stage.source.url);
        let object = said.pointer_mut("/manifest/objects/Things").unwrap();
        let list = object["list_changed"].as_object_mut().unwrap();
        list.remove("more");
        list.extend(fields.as_object().unwrap().clone());
        if let Some(deletions) = deletions {
            object["list_deleted"] = deletions;
        }
        stage.publish(2, &said).await;
        stage
    }

    async fn cursors(more: Value) -> Self {
        let query = json!({"since": "{since}", "after": "{cursor}"});
        let mut fields = json!({"pages": {"cursor": ".next"}, "query": query, "overlap_seconds": 0});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Self::listing(fields, None).await
    }

    fn gives(&self, records: &[(&str, u32)], next: Option<&str>) {
        let records: Vec<Value> = records.iter().map(|(id, second)| thing(id, *second)).collect();
        self.source.reply(Reply::json(200, &json!({"value": records, "next": next})));
    }

    /// What each request so far asked to go on with.
    fn cursors_asked(&self) -> Vec<Option<String>> {
        self.source.requests().iter().map(|request| request.query.get("after").cloned()).collect()
    }

    fn asked_since(&self) -> Vec<String> {
        self.source.requests().iter().map(|request| request.query["since"].clone()).collect()
    }

    async fn watermark(&self) -> Option<String> {
        self.progress().await.changed.watermark.and_then(|watermark| watermark.id).map(|id| id.to_string())
    }
}

#[tokio::test]
async fn a_run_goes_on_with_the_sources_cursor_and_after_a_death_at_its_page() {
    let stage = Stage::cursors(json!({})).await;
    let tick = stage.tick();
    stage.gives(&[("a", 1), ("b", 2)], Some("c1"));
    stage.queues.set_silent(&queue("inbound-gateway"), true);
    assert!(!stage.run(&tick).await, "the page is not durable");
    assert_eq!(stage.progress().await.run.unwrap().query.continuation, None);
    stage.queues.set_silent(&queue("inbound-gateway"), false);
    stage.gives(&[("a", 1), ("b", 2)], Some("c1"));
    stage.queues.set_silent(&queue("fetch-request"), true);
    assert!(!stage.run(&tick).await, "the next page could not be asked for");
    stage.queues.set_silent(&queue("fetch-request"), false);
    stage.gives(&[("c", 3)], None);
    stage.run_all(tick).await;
    assert_eq!(stage.ids(), ["a", "b", "c"]);
    assert_eq!(stage.cursors_asked(), [None, None, Some("c1".to_owned())], "the first page is not read again");
    assert_eq!(stage.watermark().await.as_deref(), Some("c"));
}

#[tokio::test]
async fn without_order_the_watermark_waits_for_the_end() {
    let stage = Stage::cursors(json!({"ordered": false})).await;
    stage.gives(&[("z", 9), ("a", 1)], Some("c1"));
    assert!(stage.run(&stage.tick()).await);
    assert_eq!((stage.watermark().await, stage.ids().len()), (None, 2));
    stage.gives(&[("b", 2)], None);
    for message in stage.next() {
        stage.run_all(message).await;
    }
    assert_eq!(stage.watermark().await.as_deref(), Some("z"));
}

#[tokio::test]
async fn a_bound_is_gone_past_by_a_new_query_and_one_that_cannot_be_is_told() {
    let stage = Stage::cursors(json!({"bound": 4})).await;
    stage.gives(&[("a", 1), ("b", 2)], Some("c2"));
    stage.gives(&[("c", 3), ("d", 3)], Some("c4"));
    stage.gives(&[("c", 3), ("d", 3)], Some("c2"));
    stage.gives(&[("e", 4)], None);
    stage.run_all(stage.tick()).await;
    assert_eq!(stage.asked_since()[1..], ["1970-01-01T00:00:00Z", "2026-11-21T11:00:03Z", "2026-11-21T11:00:03Z"]);
    assert_eq!(stage.cursors_asked(), [None, Some("c2".to_owned()), None, Some("c2".to_owned())]);
    assert!(stage.told().is_empty() && stage.progress().await.completed.is_some());

    let stage = Stage::cursors(json!({"bound": 4})).await;
    for _ in 0..2 {
        stage.gives(&[("a", 1), ("b", 1)], Some("c2"));
        stage.gives(&[("c", 1), ("d", 1)], Some("c4"));
    }
    stage.run_all(stage.tick()).await;
    assert!(stage.told()[0]["reason"].as_str().unwrap().contains("more than 4 records have one version"));
    assert_eq!(stage.source.left_over(), 0);
}

#[tokio::test]
async fn circles_and_pages_elsewhere_are_told_and_lose_no_record() {
    let stage = Stage::cursors(json!({})).await;
    for _ in 0..2 {
        stage.gives(&[("a", 1), ("b", 2)], Some("c1"));
    }
    stage.run_all(stage.tick()).await;
    assert!(stage.told()[0]["reason"].as_str().unwrap().contains("circles"));
    assert_eq!((stage.ids().len(), stage.source.requests().len()), (4, 2));
    assert!(stage.progress().await.run.is_none());

    let urls = json!({"pages": {"next_url": ".next"}, "query": {"since": "{since}"}});
    let stage = Stage::listing(urls, None).await;
    stage.gives(&[("a", 1)], Some("https://elsewhere.example/things"));
    stage.run_all(stage.tick()).await;
    assert!(stage.told()[0]["reason"].as_str().unwrap().contains("another origin"), "{:?}", stage.told());
    assert_eq!(stage.source.requests().len(), 1);
}

fn deletions(fields: &Value) -> Value {
    let mut list = json!({
        "method": "GET", "path": "/deleted", "query": {"since": "{since}", "after": "{cursor}"}, "records": ".gone",
        "pages": {"cursor": ".next"}, "id": ".key", "version": ".at",
    });
    list.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    list
}

#[tokio::test]
async fn what_was_deleted_is_read_after_what_changed() {
    let stage = Stage::listing(json!({"more": ".more // false"}), Some(deletions(&json!({})))).await;
    stage.page(&[("a", 1)], false);
    let gone = json!([{"key": "b", "at": "2026-11-21T11:00:05Z"}, {"key": "no version", "at": "never"}]);
    stage.source.reply(Reply::json(200, &json!({"gone": gone, "next": "d1"})));
    stage.source.reply(Reply::json(200, &json!({"gone": [{"key": "c", "at": "2026-11-21T11:00:06Z"}]})));
    let tick = stage.tick();
    assert!(stage.run(&tick).await);
    assert_eq!(stage.progress().await.run.unwrap().list, Listing::Deleted);
    assert!(stage.run(&tick).await, "the message again asks for the same next page");
    for message in stage.next() {
        stage.run_all(message).await;
    }
    let paths: Vec<String> = stage.source.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/things", "/deleted", "/deleted"]);
    let events = stage.events();
    let of = |index: usize| events[index].deletion.clone();
    let deleted = |index: usize| of(index).unwrap().of.map(|record| (record.source_id.to_string(), record.version));
    assert_eq!((of(0), of(2)), (None, Some(Deletion { of: None })));
    assert_eq!(deleted(1), Some(("b".to_owned(), 1_795_258_805_000_000)));
    assert_eq!(deleted(3).map(|(id, _)| id).as_deref(), Some("c"));
    let progress = stage.progress().await;
    assert_eq!(progress.deleted.watermark.unwrap().id.unwrap().as_str(), "c");
    assert_eq!(progress.changed.watermark.unwrap().id.unwrap().as_str(), "a");
    assert_eq!(progress.completed.unwrap().pages, 3);
}

#[tokio::test]
async fn a_deletion_without_a_moment_is_as_of_its_reading() {
    let undated = deletions(&json!({"version": null, "query": {"after": "{cursor}"}, "ordered": false}));
    let stage = Stage::listing(json!({"more": ".more // false"}), Some(undated)).await;
    stage.page(&[], false);
    stage.source.reply(Reply::json(200, &json!({"gone": [{"key": "b"}]})));
    stage.run_all(stage.tick()).await;
    let deleted = stage.events()[0].deletion.clone().unwrap().of.unwrap();
    assert_eq!((deleted.source_id.as_str(), deleted.version), ("b", stage.now().as_microsecond()));
}

#[tokio::test]
async fn a_list_of_deletions_that_is_garbage_is_tried_again_and_hides_no_change() {
    let stage = Stage::listing(json!({"more": ".more // false"}), Some(deletions(&json!({})))).await;
    stage.page(&[("a", 1)], false);
    assert!(stage.run(&stage.tick()).await);
    for body in ["garbage", "[]", r#"{"gone": 7}"#] {
        stage.source.reply(Reply::Answer(200, vec![], body.to_owned()));
        let message = stage.next().remove(0);
        assert!(stage.run(&message).await, "{body}");
    }
    let progress = stage.progress().await;
    assert_eq!((stage.ids(), progress.run.unwrap().failures), (vec!["a".to_owned()], 3));
    assert_eq!(progress.changed.watermark.unwrap().id.unwrap().as_str(), "a");
}

#[tokio::test]
async fn a_death_between_queueing_the_deletions_and_saving_progress_reads_the_page_again() {
    let stage = Stage::listing(json!({"more": ".more // false"}), Some(deletions(&json!({})))).await;
    stage.page(&[("a", 1)], false);
    assert!(stage.run(&stage.tick()).await);
    let message = stage.next().remove(0);
    let gone = json!([{"key": "b", "at": "2026-11-21T11:00:05Z"}]);
    let answer = || Reply::json(200, &json!({"gone": gone, "next": null}));
    stage.source.reply(answer());
    stage.source.reply(answer());
    // The deletions are in the queue; then nothing more can be written.
    let saved = stage.progress().await;
    stage.control.fail_saves(1);
    assert!(!stage.run(&message).await, "the message comes back");
    assert_eq!(stage.events().len(), 2, "the deletion is durable");
    assert_eq!(stage.progress().await.deleted.watermark, saved.deleted.watermark);
    stage.run_all(message).await;
    let deleted: Vec<String> =
        stage.events().into_iter().filter_map(|event| Some(event.deletion?.of?.source_id.to_string())).collect();
    assert_eq!(deleted, ["b", "b"], "read again; L2 knows the second one by its version");
    let paths: Vec<String> = stage.source.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/things", "/deleted", "/deleted"]);
    let progress = stage.progress().await;
    assert_eq!(progress.deleted.watermark.unwrap().id.unwrap().as_str(), "b");
    assert!(progress.completed.is_some() && progress.run.is_none());
}
