//! A connection's life on the command line, against the real API and an application over TLS.

use crate::command::{Said, fluxnex};
use crate::gateway::Gateway;
use fluxnex_cloud::secrets::Secrets;
use fluxnex_testing::Reply;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn answer(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

fn salesforce(gateway: &Gateway, records: &Value) {
    let token = json!({"access_token": "marked-access", "instance_url": gateway.setting.target.url});
    gateway.setting.target.reply_below("/services/oauth2/token", Reply::json(200, &token));
    gateway.setting.target.reply_below("/services/data", Reply::json(200, &json!({"done": true, "records": records})));
}

fn account() -> Value {
    let stamp = "2026-11-20T12:00:00.000+0000";
    json!([{"Id": "001000000000001AAA", "Name": "marked-name", "LastModifiedDate": stamp, "SystemModstamp": stamp, "IsDeleted": false}])
}

fn secrets_file(folder: &Path) -> String {
    let path = folder.join("secrets.yaml");
    fs::write(&path, "client_id: i\nclient_secret: marked-secret\nwebhook_secret: marked-webhook\n").unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn a_connection_is_added_tested_paused_rotated_and_removed() {
    let mut gateway = Gateway::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (secrets, url) = (secrets_file(folder.path()), gateway.setting.target.url.clone());
    let add = [
        "add",
        "crm",
        "--connector",
        "revenova",
        "--setting",
        "instance=x.my.salesforce.com",
        "--base-url",
        &url,
        "--allow-private-addresses",
        "--secrets",
        &secrets,
    ];
    for _ in 0..2 {
        salesforce(&gateway, &account());
        let said = gateway.run(&add).await;
        assert_eq!(said.code, 0, "{said:?}");
        for expected in [
            "crm works",
            "001000000000001AAA",
            &format!("{}/v1/webhooks/", gateway.url),
            "openssl dgst",
            "  crm:\n",
            "    connector: revenova\n",
        ] {
            assert!(said.out.contains(expected), "{expected}: {}", said.out);
        }
        assert!(!said.out.contains("marked") && !said.err.contains("marked"), "{said:?}");
    }
    let stored = gateway.setting.secrets.get(&gateway.secret("crm")).await.unwrap();
    assert_eq!(stored.field("client_secret"), Some("marked-secret"));
    let other = gateway.run(&["add", "crm", "--connector", "webhook", "--setting", "url=https://x.example"]).await;
    assert!(other.code == 2 && other.err.contains("already"), "{other:?}");

    let listed = gateway.run(&["list", "--json"]).await;
    assert_eq!(answer(&listed)["crm"]["connector"], "revenova");
    assert_eq!(gateway.run_in(Path::new("/"), &["pause", "connection", "crm"]).await.code, 0);
    assert!(gateway.run(&["list"]).await.out.contains("PAUSED"));
    assert_eq!(gateway.run_in(Path::new("/"), &["resume", "connection", "crm"]).await.code, 0);
    assert!(!gateway.run(&["list"]).await.out.contains("PAUSED"));

    let rotated = gateway.run(&["rotate", "crm", "--generate", "webhook_secret", "--overlap", "1h", "--json"]).await;
    let generated = answer(&rotated)["generated"]["webhook_secret"].as_str().unwrap().to_owned();
    let stored = gateway.setting.secrets.get(&gateway.secret("crm")).await.unwrap().to_json();
    assert_eq!(stored["webhook_secret"], json!([generated, "marked-webhook"]));
    let early = gateway.run(&["rotate", "crm", "--finish"]).await;
    assert!(early.code == 1 && early.err.contains("stay active until"), "{early:?}");
    let shown = gateway.run(&["show", "crm"]).await;
    assert!(shown.out.contains("webhook_secret: 2 active") && !shown.out.contains(&generated), "{shown:?}");
    gateway.setting.clock.advance(std::time::Duration::from_secs(3601));
    assert_eq!(gateway.run(&["rotate", "crm", "--finish"]).await.code, 0);

    let refused = gateway.run(&["remove", "crm"]).await;
    assert!(refused.code == 2 && refused.err.contains("--yes"), "{refused:?}");
    assert_eq!(gateway.run(&["remove", "crm", "--yes"]).await.code, 0);
    assert!(gateway.setting.secrets.get(&gateway.secret("crm")).await.is_err());
    let again = gateway.run(&["remove", "crm", "--yes"]).await;
    assert!(again.code == 2 && again.err.contains("has no connection crm"), "{again:?}");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_vendors_words() {
    let mut gateway = Gateway::start().await;
    let secret = json!({"client_id": "i", "client_secret": "s", "webhook_secret": "w"});
    gateway.setting.secrets.create(&gateway.secret("revenova"), secret);
    let refusal = json!({"error": "invalid_client", "error_description": "The app is blocked."});
    gateway.setting.target.reply_below("/services/oauth2/token", Reply::json(400, &refusal));
    gateway.setting.target.reply_below("/services/oauth2/token", Reply::json(400, &refusal));
    let said = gateway.run(&["test", "revenova"]).await;
    assert!(said.code == 1 && said.out.contains("The app is blocked."), "{said:?}");
    let unknown = gateway.run(&["test", "nosuch"]).await;
    assert!(unknown.code == 1 && unknown.err.contains("no connection nosuch"), "{unknown:?}");
}

#[tokio::test]
async fn what_is_in_use_is_not_removed() {
    let mut gateway = Gateway::start().await;
    let said = gateway.run(&["remove", "quickbooks", "--yes", "--json"]).await;
    assert_eq!((said.code, answer(&said)["removed"].clone()), (1, json!(false)), "{said:?}");
    assert!(said.out.contains("flow invoices"), "{said:?}");
}

#[tokio::test]
async fn a_connection_that_only_sends_is_tried_by_a_message_when_that_is_asked_for() {
    let mut gateway = Gateway::start().await;
    let secret = json!({"signing_secret": "whsec_bWFya2VkLXNpZ25pbmctc2VjcmV0LWtleQ=="});
    gateway.setting.secrets.create(&gateway.secret("alerts"), secret);
    let unasked = gateway.run(&["test", "alerts"]).await;
    assert!(unasked.code == 1 && unasked.err.contains("--send"), "{unasked:?}");
    assert!(gateway.setting.target.all_requests().is_empty());
    gateway.setting.target.reply(Reply::json(200, &json!({})));
    let sent = gateway.run(&["test", "alerts", "--send"]).await;
    assert!(sent.code == 0 && sent.out.contains("alerts works: fluxnex.test was taken"), "{sent:?}");
    let request = gateway.setting.target.requests().remove(0);
    assert!(request.body.contains("fluxnex.test") && request.headers.contains_key("webhook-signature"), "{request:?}");
    gateway.setting.target.reply(Reply::json(410, &json!({})));
    let refused = gateway.run(&["test", "alerts", "--send", "--json"]).await;
    assert_eq!((refused.code, &answer(&refused)["failure"]["status"]), (1, &json!(410)), "{refused:?}");
    let both = gateway.run(&["test", "alerts", "--send", "--object", "x"]).await;
    assert!(both.code == 2 && both.err.contains("cannot be used with"), "{both:?}");
}

#[test]
fn what_is_missing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (&["connection", "list"][..], "which tenant?"),
        (&["connection", "list", "--tenant", "Not A Tenant"], "--tenant: not a valid tenant"),
        (&["connection", "list", "--tenant", "acme"], "where is the API?"),
        (&["connection", "list", "--tenant", "acme", "--api", "http://example.com"], "is not https"),
        (&["connection", "list", "--tenant", "acme", "--api", "http://127.0.0.1:1"], "cargo xtask up"),
        (&["connection", "test", "../x", "--tenant", "acme", "--api", "http://127.0.0.1:1"], "not a valid connection"),
    ] {
        let said = fluxnex(folder.path(), arguments);
        assert!(said.code == 2 && said.err.contains(expected), "{arguments:?}: {said:?}");
    }
    let json = fluxnex(folder.path(), &["--json", "connection", "list"]);
    assert!(answer(&json)["error"].as_str().unwrap().contains("which tenant?"));
}
