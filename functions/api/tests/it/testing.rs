//! A connection is tested by one real read.

use crate::support::Stage;
use fluxnex_testing::Reply;
use serde_json::{Value, json};

const SIGNING_SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

async fn stage() -> Stage {
    let stage = Stage::applied().await;
    stage
        .setting
        .secrets
        .create(&stage.secret("revenova"), json!({"client_id": "i", "client_secret": "s", "webhook_secret": "w"}));
    let token = json!({"access_token": "marked-access", "instance_url": stage.setting.target.url});
    stage.setting.target.reply_below("/services/oauth2/token", Reply::json(200, &token));
    stage
}

fn account() -> Value {
    json!({"attributes": {"type": "Account"}, "Id": "001000000000001AAA", "Name": "marked-name", "LastModifiedDate": "2026-11-20T12:00:00.000+0000", "SystemModstamp": "2026-11-20T12:00:00.000+0000", "IsDeleted": false})
}

#[tokio::test]
async fn one_record_is_read_and_only_its_id_is_told() {
    let stage = stage().await;
    let page = json!({"totalSize": 1, "done": true, "records": [account()]});
    stage.setting.target.reply(Reply::json(200, &page));
    let answer = stage.call("POST", "revenova", "test", None).await;
    assert_eq!((answer.status, &answer.body["ok"]), (200, &json!(true)), "{}", answer.body);
    assert_eq!(answer.body["ids"], json!(["001000000000001AAA"]));
    assert!(!answer.body.to_string().contains("marked"), "{}", answer.body);
    let request = stage.setting.target.requests().pop().unwrap();
    assert!(
        request.query.values().any(|value| value.contains("LIMIT 1") && !value.contains("LIMIT 10")),
        "{request:?}"
    );
}

#[tokio::test]
async fn a_refusal_is_the_answer_in_the_vendors_words() {
    let stage = stage().await;
    let refusal = json!([{"errorCode": "INSUFFICIENT_ACCESS", "message": "This user may not read accounts."}]);
    stage.setting.target.reply(Reply::json(403, &refusal));
    let answer = stage.call("POST", "revenova", "test", Some(json!({"object": "Account"}))).await;
    assert_eq!((answer.status, &answer.body["ok"]), (200, &json!(false)), "{}", answer.body);
    let failure = &answer.body["failure"];
    assert!(failure["reason"].as_str().unwrap().contains("This user may not read accounts."), "{failure}");
    assert!(failure["advice"].is_string() && failure["class"].is_string(), "{failure}");
}

#[tokio::test]
async fn a_single_record_is_read_by_its_id() {
    let stage = stage().await;
    stage.setting.target.reply(Reply::json(200, &json!({"totalSize": 0, "done": true, "records": []})));
    let body = json!({"object": "Account", "id": "001000000000001AAA"});
    let answer = stage.call("POST", "revenova", "test", Some(body)).await;
    let told = (answer.status, answer.body["ok"].clone(), answer.body["records"].clone());
    assert_eq!(told, (200, json!(true), json!(0)), "it was asked, and it is not there: {}", answer.body);
}

#[tokio::test]
async fn a_connection_that_only_sends_is_tested_by_a_signed_message_when_that_is_asked_for() {
    let stage = stage().await;
    stage.setting.secrets.create(&stage.secret("alerts"), json!({"signing_secret": SIGNING_SECRET}));
    stage.call("POST", "alerts", "test", None).await.assert_problem(422, "/problems/nothing-to-read", "--send");
    assert!(stage.setting.target.all_requests().is_empty(), "nothing is sent unasked");
    stage.setting.target.reply(Reply::json(200, &json!({})));
    let answer = stage.call("POST", "alerts", "test", Some(json!({"send": true}))).await;
    assert_eq!((answer.status, &answer.body["ok"]), (200, &json!(true)), "{}", answer.body);
    assert_eq!((&answer.body["operation"], &answer.body["object"]), (&json!("send"), &json!("fluxnex.test")));
    let request = stage.setting.target.requests().pop().unwrap();
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["type"], "fluxnex.test");
    assert!(request.headers["webhook-id"].starts_with("test-") && request.headers.contains_key("webhook-signature"));
    // The receiver's refusal is the answer.
    stage.setting.target.reply(Reply::json(401, &json!({"message": "unknown"})));
    let answer = stage.call("POST", "alerts", "test", Some(json!({"send": true}))).await;
    assert_eq!(
        (&answer.body["ok"], &answer.body["failure"]["status"]),
        (&json!(false), &json!(401)),
        "{}",
        answer.body
    );
    // What would have an effect has none.
    let quickbooks = stage.call("POST", "quickbooks", "test", Some(json!({"send": true}))).await;
    quickbooks.assert_problem(422, "/problems/nothing-to-send", "without harm");
    for (garbage, says) in [
        (json!({"send": "yes"}), "send: true or false"),
        (json!({"send": true, "object": "invoice.updated"}), "send: the connector says what is sent"),
    ] {
        stage.call("POST", "alerts", "test", Some(garbage)).await.assert_problem(
            422,
            "/problems/invalid-request",
            says,
        );
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_said() {
    let stage = stage().await;
    stage.call("POST", "alerts", "test", None).await.assert_problem(
        422,
        "/problems/nothing-to-read",
        "name an `object`",
    );
    let body = Some(json!({"object": "NoSuchObject"}));
    stage.call("POST", "revenova", "test", body).await.assert_problem(422, "/problems/nothing-to-read", "NoSuchObject");
    stage.call("POST", "nosuch", "test", None).await.assert_problem(404, "/problems/unknown-connection", "nosuch");
    for (garbage, says) in [
        (json!({"object": 7}), "object:"),
        (json!({"object": "a\nb"}), "object: not a valid object"),
        (json!({"id": "x".repeat(256)}), "id:"),
        (json!({"query": "SELECT *"}), "query: there is no such field"),
    ] {
        let answer = stage.call("POST", "revenova", "test", Some(garbage)).await;
        answer.assert_problem(422, "/problems/invalid-request", says);
    }
    let large = json!({"object": "x".repeat(10_000)});
    assert_eq!(stage.call("POST", "revenova", "test", Some(large)).await.status, 413);
    assert!(stage.setting.target.all_requests().is_empty());
}

#[tokio::test]
async fn a_missing_secret_is_a_failure_that_says_so() {
    let stage = Stage::applied().await;
    let answer = stage.call("POST", "revenova", "test", Some(json!({"object": "Account"}))).await;
    assert_eq!((answer.status, &answer.body["failure"]["class"]), (200, &json!("reauthenticate")), "{}", answer.body);
}
