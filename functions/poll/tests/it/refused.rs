//! Sources that refuse, garbage, and what people are told.

use crate::support::Stage;
use fluxnex_cloud::queue::OutgoingMessage;
use fluxnex_testing::{Reply, queue};
use serde_json::json;
use std::time::Duration;

fn down() -> Reply {
    Reply::json(503, &json!({"error": "down"}))
}

#[tokio::test]
async fn a_source_that_is_down_is_asked_again_with_growing_pauses_and_then_given_up_and_told_once() {
    let stage = Stage::new().await;
    let (mut message, mut pauses) = (stage.tick(), Vec::new());
    for _ in 0..4 {
        stage.source.reply(down());
        assert!(stage.run(&message).await);
        let mut next = stage.next();
        assert_eq!(next.len(), 1);
        message = next.remove(0);
        pauses.push(message.message.delay.as_secs());
        stage.clock.advance(message.message.delay);
    }
    assert_eq!(pauses, [30, 120, 480, 900]);
    stage.source.reply(down());
    assert!(stage.run(&message).await);
    assert!(stage.next().is_empty());
    let told = stage.told();
    assert_eq!(
        (told.len(), &told[0]["kind"], &told[0]["connection"], &told[0]["record"]),
        (1, &json!("poll.failed"), &json!("erp"), &json!("Things"))
    );
    let progress = stage.progress().await;
    assert!(progress.run.is_none() && progress.failing.is_some());
    // The next tick tries anew; people know already, until a run is complete.
    stage.source.reply(Reply::json(400, &json!({})));
    stage.run_all(stage.tick()).await;
    assert_eq!(stage.told().len(), 1);
    stage.page(&[("a", 1)], false);
    stage.run_all(stage.tick()).await;
    assert_eq!((stage.progress().await.failing, stage.ids()), (None, vec!["a".to_owned()]));
}

#[tokio::test]
async fn a_source_that_throttles_is_waited_for_and_burns_no_attempt() {
    let stage = Stage::new().await;
    let mut message = stage.tick();
    for _ in 0..8 {
        stage.source.reply(Reply::Answer(429, vec![("retry-after".to_owned(), "40".to_owned())], String::new()));
        assert!(stage.run(&message).await);
        message = stage.next().remove(0);
        assert_eq!(message.message.delay, Duration::from_secs(40));
        stage.clock.advance(message.message.delay);
        assert!(stage.run(&stage.tick()).await, "other ticks find the run under way");
        assert!(stage.next().is_empty());
    }
    assert_eq!(stage.progress().await.run.unwrap().failures, 0);
    stage.page(&[("a", 1)], false);
    stage.run_all(message).await;
    assert_eq!(stage.ids(), ["a"]);
}

#[tokio::test]
async fn credentials_that_are_refused_are_told_at_once() {
    let stage = Stage::new().await;
    stage.source.reply(Reply::json(401, &json!({})));
    stage.run_all(stage.tick()).await;
    assert_eq!(stage.told().len(), 1);
    assert!(stage.progress().await.run.is_none());
}

#[tokio::test]
async fn a_source_that_goes_in_circles_is_given_up() {
    let stage = Stage::new().await;
    for _ in 0..2 {
        stage.page(&[("a", 1), ("b", 2)], true);
    }
    stage.run_all(stage.tick()).await;
    assert_eq!(stage.source.requests().len(), 2, "it would give the same page for ever");
    assert!(stage.told()[0]["reason"].as_str().unwrap().contains("read before"));
    let stage = Stage::new().await;
    stage.source.reply(Reply::json(200, &json!({"value": [{"id": 1.5}], "more": true})));
    stage.run_all(stage.tick()).await;
    assert_eq!((stage.source.requests().len(), stage.events().len()), (1, 1));
    assert!(stage.told()[0]["reason"].as_str().unwrap().contains("identified"));
}

#[tokio::test]
async fn answers_that_are_something_else_are_no_pages() {
    for body in ["", "garbage", "[]", "{\"value\": 1}", "{\"value\": [1], \"more\": 3}"] {
        let stage = Stage::new().await;
        stage.source.reply(Reply::Answer(200, vec![], body.to_owned()));
        assert!(stage.run(&stage.tick()).await, "{body}");
        assert_eq!((stage.events().len(), stage.next().len()), (0, 1), "{body}");
    }
}

#[tokio::test]
async fn garbage_comes_back_to_become_a_dead_letter() {
    let stage = Stage::new().await;
    for body in ["garbage", "{}", r#"{"v":2,"tenant":"acme","connection":"erp","object":"Things"}"#] {
        let mut message = stage.tick();
        message.message = OutgoingMessage::new(body);
        assert!(!stage.run(&message).await, "{body}");
    }
    assert!(stage.queues.messages(&queue("inbound-gateway")).is_empty());
}
