//! The authorisation code flow, with a token endpoint over TLS.

use crate::support::Stage;
use fluxnex_cloud::secrets::Secrets;
use fluxnex_testing::Reply;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const REDIRECT: &str = "http://127.0.0.1:49152/callback";

async fn stage() -> Stage {
    let stage = Stage::applied().await;
    let secret = json!({"client_id": "client", "client_secret": "marked-client-secret", "fluxnex_token": {"access_token": "old", "expires_at": "2026-11-20T12:00:00Z"}});
    stage.setting.secrets.create(&stage.secret("quickbooks"), secret);
    stage
}

fn asked() -> Value {
    json!({"redirect_uri": REDIRECT, "state": "state-1", "code_challenge": CHALLENGE})
}

fn brought(code: &str) -> Value {
    json!({"redirect_uri": REDIRECT, "code": code, "code_verifier": VERIFIER})
}

#[tokio::test]
async fn a_person_is_led_to_the_application_with_pkce_and_state() {
    let stage = stage().await;
    let answer = stage.call("POST", "quickbooks", "consent", Some(asked())).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let url = answer.body["url"].as_str().unwrap();
    let (address, query) = url.split_once('?').unwrap();
    assert_eq!(address, "https://appcenter.intuit.com/connect/oauth2");
    let query: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "client"),
        ("state", "state-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("scope", "com.intuit.quickbooks.accounting"),
        ("redirect_uri", "http%3A%2F%2F127.0.0.1%3A49152%2Fcallback"),
    ] {
        assert_eq!(query.get(name), Some(&value), "{name} in {url}");
    }
    assert!(!url.contains("marked-client-secret"));
}

#[tokio::test]
async fn a_code_becomes_a_refresh_token_in_the_secret_and_nowhere_else() {
    let stage = stage().await;
    let granted = json!({"access_token": "marked-access", "refresh_token": "marked-refresh", "expires_in": 3600});
    stage.setting.target.reply_below("/oauth2", Reply::json(200, &granted));
    let answer = stage.call("POST", "quickbooks", "consent/code", Some(brought("code-1"))).await;
    assert_eq!((answer.status, &answer.body), (200, &json!({"authorised": true})));
    let request = stage.setting.target.all_requests().pop().unwrap();
    let form: BTreeMap<&str, &str> = request.body.split('&').filter_map(|pair| pair.split_once('=')).collect();
    assert_eq!((form["grant_type"], form["code"], form["code_verifier"]), ("authorization_code", "code-1", VERIFIER));
    assert!(request.headers["authorization"].starts_with("Basic "));
    let secret = stage.setting.secrets.get(&stage.secret("quickbooks")).await.unwrap().to_json();
    let expected =
        json!({"client_id": "client", "client_secret": "marked-client-secret", "refresh_token": "marked-refresh"});
    assert_eq!(secret, expected, "the token of the consent before is gone");
    let log = stage.log().await;
    assert!(log.last().unwrap().starts_with("connection.authorise"), "{log:?}");
    assert!(!log.join(" ").contains("marked"), "{log:?}");
}

#[tokio::test]
async fn a_refusal_is_in_the_applications_words_and_changes_nothing() {
    let stage = stage().await;
    let name = stage.secret("quickbooks");
    let before = stage.setting.secrets.get(&name).await.unwrap();
    let refusal =
        json!({"error": "invalid_grant", "error_description": "The code code-1 of marked-client-secret is used up"});
    for (reply, status, kind, says) in [
        (Reply::json(400, &refusal), 502, "/problems/consent-refused", "invalid_grant"),
        (Reply::json(200, &json!({"access_token": "a"})), 502, "/problems/consent-refused", "no refresh token"),
        (Reply::Answer(200, vec![], "<html>".to_owned()), 502, "/problems/consent-refused", "no refresh token"),
        (Reply::json(503, &json!({})), 503, "about:blank", "503"),
        (Reply::Reset, 503, "about:blank", "the token endpoint"),
    ] {
        stage.setting.target.reply_below("/oauth2", reply);
        let answer = stage.call("POST", "quickbooks", "consent/code", Some(brought("code-1"))).await;
        answer.assert_problem(status, kind, says);
        assert!(!answer.body.to_string().contains("marked-client-secret"), "{}", answer.body);
    }
    assert_eq!(stage.setting.secrets.get(&name).await.unwrap(), before);
}

#[tokio::test]
async fn garbage_is_refused() {
    let stage = stage().await;
    let change = |base: Value, name: &str, value: Value| {
        let mut body = base;
        body[name] = value;
        body
    };
    for (body, says) in [
        (json!({}), "redirect_uri: it is missing"),
        (change(asked(), "redirect_uri", json!("http://evil.example/callback")), "redirect_uri:"),
        (change(asked(), "redirect_uri", json!("javascript:alert(1)")), "redirect_uri:"),
        (change(asked(), "redirect_uri", json!("https://x.example/\n")), "redirect_uri:"),
        (change(asked(), "state", json!("")), "state:"),
        (change(asked(), "state", json!("x".repeat(500))), "state:"),
        (change(asked(), "code_challenge", json!("short")), "code_challenge:"),
        (change(asked(), "code_challenge", json!(format!("{}!", &CHALLENGE[..42]))), "code_challenge:"),
        (change(asked(), "scope", json!("everything")), "scope: there is no such field"),
    ] {
        let answer = stage.call("POST", "quickbooks", "consent", Some(body)).await;
        answer.assert_problem(422, "/problems/invalid-request", says);
    }
    let long = stage.call("POST", "quickbooks", "consent/code", Some(brought(&"c".repeat(20_000)))).await;
    assert_eq!(long.status, 413);
    let empty = stage.call("POST", "quickbooks", "consent/code", Some(brought(""))).await;
    empty.assert_problem(422, "/problems/invalid-request", "code:");
    for what in ["consent", "consent/code"] {
        let body = if what == "consent" { asked() } else { brought("c") };
        let other = stage.call("POST", "alerts", what, Some(body.clone())).await;
        other.assert_problem(409, "/problems/no-consent", "credentials of its own");
        stage.call("POST", "nosuch", what, Some(body)).await.assert_problem(404, "/problems/unknown-connection", "");
    }
    assert!(stage.setting.target.all_requests().is_empty());
}
