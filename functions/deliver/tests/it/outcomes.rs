//! What the target's answers do to a delivery.

use crate::pipeline::Pipeline;
use fluxnex_core::message::{Notification, NotificationKind};
use fluxnex_testing::{Reply, decoded};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_record_is_sent_once_with_its_key_and_what_came_of_it_is_kept() {
    let pipeline = Pipeline::new().await;
    let wakes = pipeline.customer("Ada", 1).await;
    pipeline.setting.target.reply(Reply::json(200, &json!({"Customer": {"Id": "58", "SyncToken": "0"}})));
    pipeline.delivered(&wakes).await;
    let requests = pipeline.setting.target.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, "/v3/company/4620816365/customer");
    let delivery = pipeline.setting.texts("SELECT replace(delivery::text, '-', '') FROM {schema}.deliveries").await;
    assert_eq!(requests[0].query["requestid"], format!("{}-1", delivery[0]));
    assert_eq!(requests[0].headers["authorization"], "Bearer access");
    assert_eq!(requests[0].json()["DisplayName"], "Ada");
    assert_eq!(pipeline.deliveries().await, ["delivered 1"]);
    assert_eq!(pipeline.attempts().await, ["1 delivered 200"]);
    let known = "SELECT concat_ws(' ', connection, entity, target_id, target_version) FROM {schema}.cross_references";
    assert_eq!(pipeline.setting.texts(known).await, ["quickbooks customer 58 0"]);
    for silent in ["delayed-wakes", "notification-delivery", "outbound-quickbooks-online.fifo"] {
        assert_eq!(pipeline.setting.count(silent), 0, "{silent}");
    }
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.setting.target.requests().len(), 1, "the same wake again sends nothing");
}

#[tokio::test]
async fn a_newer_version_updates_what_the_first_one_made() {
    let pipeline = Pipeline::new().await;
    let wakes = pipeline.customer("Ada", 1).await;
    pipeline.setting.target.reply(Reply::json(200, &json!({"Customer": {"Id": "58", "SyncToken": "3"}})));
    pipeline.delivered(&wakes).await;
    let wakes = pipeline.customer("Ada King", 2).await;
    pipeline.delivered(&wakes).await;
    let requests = pipeline.setting.target.requests();
    assert_eq!(requests.len(), 2);
    let update = requests[1].json();
    assert_eq!((&update["Id"], &update["SyncToken"], &update["sparse"]), (&json!("58"), &json!("3"), &json!(true)));
    assert_eq!(update["DisplayName"], "Ada King");
    assert_ne!(requests[0].query["requestid"], requests[1].query["requestid"]);
    assert_eq!(pipeline.deliveries().await, ["delivered 1", "delivered 1"]);
}

#[tokio::test]
async fn a_target_that_is_busy_burns_no_attempt() {
    let pipeline = Pipeline::new().await;
    let wakes = pipeline.customer("Ada", 1).await;
    for _ in 0..3 {
        let busy = Reply::Answer(429, vec![("retry-after".to_owned(), "30".to_owned())], "{}".to_owned());
        pipeline.setting.target.reply(busy);
        pipeline.delivered(&wakes).await;
        assert_eq!(pipeline.deliveries().await, ["pending 0"]);
        let (_, delay) = pipeline.alarm();
        assert!((30..=36).contains(&delay.as_secs()), "{delay:?}");
        let sent = pipeline.setting.target.requests().len();
        pipeline.delivered(&wakes).await;
        assert_eq!(pipeline.setting.target.requests().len(), sent, "it is left in peace");
        let (alarm, early) = pipeline.alarm();
        // PostgreSQL keeps microseconds.
        assert!(early.abs_diff(delay) < Duration::from_millis(1), "it comes back at its time: {early:?}");
        pipeline.setting.clock.advance(delay + Duration::from_millis(1));
        assert_eq!(alarm.body, wakes[0].body);
    }
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.deliveries().await, ["delivered 1"]);
    assert_eq!(pipeline.attempts().await, ["1 throttled 429", "1 throttled 429", "1 throttled 429", "1 delivered 200"]);
}

#[tokio::test]
async fn what_is_in_doubt_stays_so_until_the_target_tells() {
    let busy = Reply::Answer(429, vec![("retry-after".to_owned(), "30".to_owned())], "{}".to_owned());
    let unreachable = Reply::json(503, &json!({}));
    let pipeline = Pipeline::new().await;
    let wakes = pipeline.customer("Ada", 1).await;
    pipeline.setting.target.reply(Reply::Reset);
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.deliveries().await, ["sending 1"]);
    for (answer, expected) in [(busy, "sending 1"), (unreachable, "sending 2")] {
        pipeline.setting.clock.advance(pipeline.alarm().1 + Duration::from_millis(1));
        pipeline.setting.target.reply(answer);
        pipeline.delivered(&wakes).await;
        assert_eq!(pipeline.deliveries().await, [expected], "a newer version must not take its place");
    }
    pipeline.setting.clock.advance(pipeline.alarm().1 + Duration::from_millis(1));
    pipeline.setting.target.reply(Reply::json(400, &json!({"Fault": {"Error": [{"code": "6240", "Message": "m"}]}})));
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.deliveries().await, ["failed 3"], "the target looked at it, so it had no effect before");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_settled_with_the_same_key() {
    for lost in [Reply::json(500, &json!({})), Reply::Reset, Reply::json(200, &json!({"unexpected": 1}))] {
        let pipeline = Pipeline::new().await;
        let wakes = pipeline.customer("Ada", 1).await;
        pipeline.setting.target.reply(lost.clone());
        pipeline.delivered(&wakes).await;
        assert_eq!(pipeline.deliveries().await, ["sending 1"], "{lost:?}: nobody may say yet how it ended");
        let (alarm, delay) = pipeline.alarm();
        assert!((2..=6).contains(&delay.as_secs()), "{delay:?}");
        pipeline.setting.clock.advance(delay + Duration::from_millis(1));
        pipeline.delivered(&[alarm]).await;
        let requests = pipeline.setting.target.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!((&requests[0].query, &requests[0].body), (&requests[1].query, &requests[1].body));
        assert_eq!(pipeline.deliveries().await, ["delivered 2"]);
    }
}

#[tokio::test]
async fn a_newer_version_does_not_overtake_one_in_doubt() {
    let pipeline = Pipeline::new().await;
    let wakes = pipeline.customer("Ada", 1).await;
    pipeline.setting.target.reply(Reply::Reset);
    pipeline.delivered(&wakes).await;
    let newer = pipeline.customer("Ada King", 2).await;
    pipeline.delivered(&newer).await;
    assert_eq!(pipeline.deliveries().await, ["sending 1", "pending 0"]);
    pipeline.setting.clock.advance(Duration::from_secs(6));
    pipeline.delivered(&wakes).await;
    let next = pipeline.wakes();
    assert_eq!(next.len(), 1, "who ends wakes the next");
    pipeline.delivered(&next).await;
    let names: Vec<_> =
        pipeline.setting.target.requests().iter().map(|request| request.json()["DisplayName"].clone()).collect();
    assert_eq!(names, ["Ada", "Ada", "Ada King"]);
    assert_eq!(pipeline.deliveries().await, ["delivered 2", "delivered 1"]);
}

#[tokio::test]
async fn what_is_refused_for_good_fails_visibly_and_holds_its_key_until_it_is_mended() {
    let pipeline = Pipeline::new().await;
    let wakes = pipeline.customer("Taken", 1).await;
    pipeline.setting.target.reply(Reply::fault(400, "6240", "Duplicate Name Exists Error"));
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.deliveries().await, ["failed 1"]);
    let reason = pipeline.setting.texts("SELECT reason FROM {schema}.event_states WHERE state = 'failed'").await;
    assert!(reason.len() == 1 && reason[0].contains("6240"), "{reason:?}");
    let told: Vec<Notification> = decoded(&pipeline.setting.take("notification-delivery"));
    assert_eq!((told.len(), told[0].kind, &told[0].reason), (1, NotificationKind::DeliveryFailed, &reason[0]));
    let delivery = pipeline.setting.texts("SELECT delivery::text FROM {schema}.deliveries").await;
    assert_eq!(told[0].delivery.unwrap().to_string(), delivery[0]);
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.setting.target.requests().len(), 1, "it is not tried again by itself");
    assert_eq!((pipeline.setting.count("delayed-wakes"), pipeline.setting.count("notification-delivery")), (0, 0));
    let mended = pipeline.customer("Free", 2).await;
    pipeline.delivered(&mended).await;
    assert_eq!(pipeline.deliveries().await, ["superseded 1", "delivered 1"]);
}

#[tokio::test]
async fn what_is_refused_for_now_is_tried_for_days_and_then_fails() {
    let pipeline = Pipeline::new().await;
    let wakes = pipeline.customer("Ada", 1).await;
    let mut alarms = 0;
    for attempt in 1..=11 {
        pipeline.setting.target.reply(Reply::fault(400, "2500", "Invalid Reference Id"));
        pipeline.delivered(&wakes).await;
        let state = if attempt < 11 { "pending" } else { "failed" };
        assert_eq!(pipeline.deliveries().await, [format!("{state} {attempt}")]);
        alarms += pipeline.setting.take("delayed-wakes").len();
        pipeline.setting.clock.advance(Duration::from_secs(24 * 3600));
    }
    assert_eq!(alarms, 3, "the delay queue takes 15 minutes; `sweep` finds what is due later");
    let told: Vec<Notification> = decoded(&pipeline.setting.take("notification-delivery"));
    assert!(told.len() == 1 && told[0].reason.contains("gave up after 11 attempts"), "{told:?}");
}

#[tokio::test]
async fn a_token_that_was_rotated_is_kept_and_a_refused_one_is_renewed() {
    let pipeline = Pipeline::new().await;
    let wakes = pipeline.customer("Ada", 1).await;
    pipeline.setting.target.grant(json!({"access_token": "a{n}", "refresh_token": "rotated", "expires_in": 3600}));
    pipeline.setting.target.reply(Reply::fault(401, "3200", "AuthenticationFailed"));
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.deliveries().await, ["delivered 1"]);
    let secret =
        fluxnex_cloud::secrets::Secrets::get(pipeline.setting.secrets.as_ref(), fluxnex_testing::QUICKBOOKS_SECRET);
    assert_eq!(secret.await.unwrap().field("refresh_token"), Some("rotated"));
}

#[tokio::test]
async fn only_what_changed_is_sent_and_nothing_if_nothing_did() {
    let pipeline = Pipeline::new().await;
    let wakes = pipeline.customer("Ada", 1).await;
    pipeline.setting.target.reply(Reply::json(200, &json!({"Customer": {"Id": "58", "SyncToken": "0"}})));
    pipeline.delivered(&wakes).await;
    let whole = pipeline.setting.target.requests()[0].json();
    assert!(whole["BillAddr"].is_object(), "{whole}");
    let wakes = pipeline.customer("Ada King", 2).await;
    pipeline.setting.target.reply(Reply::json(200, &json!({"Customer": {"Id": "58", "SyncToken": "1"}})));
    pipeline.delivered(&wakes).await;
    let update = pipeline.setting.target.requests()[1].json();
    let names: Vec<&String> = update.as_object().unwrap().keys().collect();
    assert_eq!(names, ["CompanyName", "DisplayName", "Id", "Notes", "SyncToken", "sparse"]);

    // The target has this already: what was acknowledged last says so.
    let same = "UPDATE {schema}.deliveries SET payload = (SELECT acknowledged FROM {schema}.cross_references)
                WHERE state = 'pending' RETURNING state";
    let wakes = pipeline.customer("Ada Lovelace", 3).await;
    assert_eq!(pipeline.setting.texts(same).await, ["pending"]);
    pipeline.delivered(&wakes).await;
    assert_eq!(pipeline.setting.target.requests().len(), 2);
    assert_eq!(pipeline.deliveries().await, ["delivered 1", "delivered 1", "unchanged 1"]);
}

#[tokio::test]
async fn after_a_failure_everything_is_sent() {
    let pipeline = Pipeline::new().await;
    let wakes = pipeline.customer("Ada", 1).await;
    pipeline.setting.target.reply(Reply::json(200, &json!({"Customer": {"Id": "58", "SyncToken": "0"}})));
    pipeline.delivered(&wakes).await;
    let wakes = pipeline.customer("Ada King", 2).await;
    pipeline.setting.target.reply(Reply::fault(400, "6240", "Duplicate Name Exists Error"));
    pipeline.delivered(&wakes).await;
    let wakes = pipeline.customer("Ada", 3).await;
    pipeline.setting.target.reply(Reply::json(200, &json!({"Customer": {"Id": "58", "SyncToken": "1"}})));
    pipeline.delivered(&wakes).await;
    let last = pipeline.setting.target.requests()[2].json();
    assert!(last["BillAddr"].is_object() && last["DisplayName"] == "Ada", "{last}");
    assert_eq!(pipeline.deliveries().await, ["delivered 1", "superseded 1", "delivered 1"]);
}
