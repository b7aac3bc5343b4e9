//! Changing calls under an `Idempotency-Key`.

use crate::support::{Answer, Stage};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;

const KEY: &str = "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"";

async fn put(stage: &Stage, bundle: &Value, key: &str) -> Answer {
    stage.put_if(stage.setting.tenant.as_str(), &bundle.to_string(), json!({"idempotency-key": key})).await
}

async fn applied(stage: &Stage) -> usize {
    stage.log().await.iter().filter(|entry| entry.starts_with("bundle.apply")).count()
}

#[tokio::test]
async fn a_repeated_key_gives_the_first_answer_again() {
    let stage = Stage::new().await;
    let bundle = stage.bundle();
    let first = put(&stage, &bundle, KEY).await;
    assert_eq!((first.status, &first.body["changed"]), (200, &json!(true)), "{}", first.body);
    for _ in 0..2 {
        let again = put(&stage, &bundle, KEY).await;
        assert_eq!((again.status, &again.headers, &again.body), (first.status, &first.headers, &first.body));
    }
    assert_eq!(applied(&stage).await, 1);
    assert_eq!(stage.put(&bundle).await.body["changed"], false, "without a key it is done anew");
    assert_eq!(put(&stage, &bundle, "\"another\"").await.body["changed"], false);
    stage.setting.clock.advance(Duration::from_secs(24 * 60 * 60 + 1));
    assert_eq!(put(&stage, &bundle, KEY).await.body["changed"], false, "after a day it is forgotten");
}

#[tokio::test]
async fn a_refusal_is_an_answer_too() {
    let stage = Stage::new().await;
    let (tenant, bundle) = (stage.setting.tenant.as_str(), stage.bundle().to_string());
    let headers = json!({"idempotency-key": KEY, "if-match": "\"7\""});
    let first = stage.put_if(tenant, &bundle, headers.clone()).await;
    first.assert_problem(412, "/problems/another-version", "");
    assert_eq!(stage.put(&stage.bundle()).await.status, 200);
    let again = stage.put_if(tenant, &bundle, headers).await;
    assert_eq!((again.status, &again.headers, &again.body), (412, &first.headers, &first.body));
}

#[tokio::test]
async fn a_key_stands_for_one_request() {
    let stage = Stage::new().await;
    let bundle = stage.bundle();
    assert_eq!(put(&stage, &bundle, KEY).await.status, 200);
    let mut other = bundle.clone();
    other["title"] = json!("Another title");
    put(&stage, &other, KEY).await.assert_problem(422, "/problems/idempotency-key-reused", "a key of its own");
    let conditional = json!({"idempotency-key": KEY, "if-match": "\"1\""});
    let conditional = stage.put_if(stage.setting.tenant.as_str(), &bundle.to_string(), conditional).await;
    conditional.assert_problem(422, "/problems/idempotency-key-reused", "");
    let secret = json!({"connector": "webhook", "fields": {"signing_secret": "whsec_c2VjcmV0"}});
    let elsewhere = stage.call_keyed("PUT", "alerts", "secret", &secret, KEY).await;
    elsewhere.assert_problem(422, "/problems/idempotency-key-reused", "");
    assert_eq!((applied(&stage).await, stage.log().await.len()), (1, 1), "nothing else was done");
}

#[tokio::test]
async fn each_caller_has_keys_of_their_own() {
    let mut stage = Stage::new().await;
    let bundle = stage.bundle();
    assert_eq!(put(&stage, &bundle, KEY).await.body["changed"], true);
    stage.caller = "arn:aws:iam::000000000000:user/other";
    assert_eq!(put(&stage, &bundle, KEY).await.body["changed"], false, "it is a call of its own");
}

#[tokio::test]
async fn a_call_that_is_under_way_is_not_done_twice_and_one_that_died_is_done_again() {
    let stage = Stage::new().await;
    let bundle = stage.bundle();
    // It dies after its work: nothing of it can be remembered.
    stage.functions.ends.store(true, Ordering::SeqCst);
    assert_eq!(put(&stage, &bundle, KEY).await.status, 503);
    stage.setting.control.set_silent(false);
    stage.functions.ends.store(false, Ordering::SeqCst);
    let early = put(&stage, &bundle, KEY).await;
    early.assert_problem(409, "/problems/request-under-way", "again");
    assert_eq!(early.headers["retry-after"], "2");
    stage.setting.clock.advance(Duration::from_secs(61));
    let late = put(&stage, &bundle, KEY).await;
    assert_eq!((late.status, &late.body["version"]), (200, &json!(1)), "{}", late.body);
    assert_eq!(put(&stage, &bundle, KEY).await.body, late.body);
}

#[tokio::test]
async fn what_is_our_fault_is_tried_anew() {
    let stage = Stage::new().await;
    let bundle = stage.bundle();
    stage.functions.silent.store(true, Ordering::SeqCst);
    assert_eq!(put(&stage, &bundle, KEY).await.status, 503);
    stage.functions.silent.store(false, Ordering::SeqCst);
    assert_eq!(put(&stage, &bundle, KEY).await.body["changed"], true);
    stage.setting.control.set_silent(true);
    put(&stage, &bundle, KEY).await.assert_problem(503, "about:blank", "idempotency keys");
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_and_nothing_is_done() {
    let stage = Stage::new().await;
    let bundle = stage.bundle();
    let long = format!("\"{}\"", "k".repeat(256));
    for garbage in ["", "bare", "\"\"", "\"a\",\"b\"", "\"a\\b\"", "; DROP TABLE", &long] {
        put(&stage, &bundle, garbage).await.assert_problem(400, "/problems/idempotency-key", "quotation marks");
    }
    assert!(stage.setting.database.running_version(&stage.setting.tenant).await.is_err());
    let read = stage.get("/v1/health/live").await;
    assert_eq!(read.status, 200);
}
