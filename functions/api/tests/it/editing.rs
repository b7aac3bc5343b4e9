//! The running bundle is read, changed, and applied again, without undoing what somebody else applied meanwhile.

use crate::support::Stage;
use serde_json::{Value, json};

#[tokio::test]
async fn what_is_read_is_what_was_applied() {
    let stage = Stage::new().await;
    let tenant = stage.setting.tenant.as_str();
    stage.get_bundle(tenant).await.assert_problem(404, "/problems/unknown-tenant", "first bundle");
    let bundle = stage.bundle();
    assert_eq!(stage.put(&bundle).await.status, 200);
    let read = stage.get_bundle(tenant).await;
    assert_eq!((read.status, &read.headers["etag"], &read.body["version"]), (200, &json!("\"1\""), &json!(1)));
    assert_eq!(read.body["bundle"], bundle);
    let again = stage.put(&read.body["bundle"]).await;
    assert_eq!(again.body["changed"], false, "the same bundle, and not a new version of it");
    for malformed in ["", "Not A Tenant", "x; drop schema y"] {
        stage.get_bundle(malformed).await.assert_problem(422, "/problems/invalid-request", "not a valid tenant");
    }
}

#[tokio::test]
async fn of_two_who_change_the_same_version_the_second_is_told() {
    let stage = Stage::new().await;
    let tenant = stage.setting.tenant.as_str();
    let titled = |title: &str| {
        let mut bundle = stage.bundle();
        bundle["title"] = json!(title);
        bundle.to_string()
    };
    let put = async |title: &str, headers: Value| stage.put_if(tenant, &titled(title), headers).await;
    assert_eq!(put("first", json!({"if-none-match": "*"})).await.status, 200);
    put("other first", json!({"if-none-match": "*"})).await.assert_problem(
        412,
        "/problems/another-version",
        "meanwhile",
    );
    assert_eq!(put("second", json!({"if-match": "\"1\""})).await.body["version"], 2);
    put("other second", json!({"if-match": "\"1\""})).await.assert_problem(412, "/problems/another-version", "");
    let repeated = put("second", json!({"if-match": "\"1\""})).await;
    assert_eq!((repeated.status, &repeated.body["changed"]), (200, &json!(false)), "its answer may have been lost");
    assert_eq!(stage.get_bundle(tenant).await.body["bundle"]["title"], "second");
}

#[tokio::test]
async fn conditions_that_are_none_are_refused() {
    let stage = Stage::new().await;
    let bundle = stage.bundle().to_string();
    for garbage in [
        json!({"if-match": "1"}),
        json!({"if-match": "\"x\""}),
        json!({"if-match": "\"0\""}),
        json!({"if-match": "\"-1\""}),
        json!({"if-match": "*"}),
        json!({"if-none-match": "\"1\""}),
        json!({"if-match": "\"1\"", "if-none-match": "*"}),
    ] {
        let answer = stage.put_if(stage.setting.tenant.as_str(), &bundle, garbage).await;
        answer.assert_problem(400, "/problems/precondition", "ETag");
    }
    assert!(stage.setting.database.running_version(&stage.setting.tenant).await.is_err());
}

#[tokio::test]
async fn a_connector_says_what_a_connection_needs() {
    let stage = Stage::new().await;
    let answer = stage.get_connector("webhook").await;
    assert_eq!((answer.status, &answer.body["settings"]["url"]["required"]), (200, &json!(true)));
    for unknown in ["nosuch", "", "../revenova", "x; drop"] {
        stage.get_connector(unknown).await.assert_problem(404, "/problems/unknown-connector", "quickbooks-online");
    }
}
