//! QuickBooks Online's tokens and its limit.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::harness::{Simulation, send};

#[tokio::test]
async fn tokens_expire_rotate_and_belong_to_a_company() {
    let simulation = Simulation::start().await;
    let url = simulation.quickbooks("/oauth2/v1/tokens/bearer");
    let refresh = async |token: &str, secret: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        send(simulation.client.post(&url).basic_auth("id", Some(secret)).form(&form)).await
    };
    let wrong = refresh("refresh", "wrong").await;
    assert_eq!((wrong.status, &wrong.body["error"]), (401, &json!("invalid_client")));
    let stale = refresh("nonsense", "secret").await;
    assert_eq!((stale.status, &stale.body["error"]), (400, &json!("invalid_grant")));
    let other =
        send(simulation.client.post(&url).basic_auth("id", Some("secret")).form(&[("grant_type", "password")])).await;
    assert_eq!((other.status, &other.body["error"]), (400, &json!("unsupported_grant_type")));
    assert_eq!(send(simulation.client.post(&url)).await.status, 400);

    let rotating = json!({"quickbooks": {"rotate_refresh_tokens": true, "replaced_refresh_token_seconds": 0}});
    simulation.put("/configuration", rotating).await;
    let rotated = refresh("refresh", "secret").await.body["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(refresh("refresh", "secret").await.status, 400);
    let access = refresh(&rotated, "secret").await.body["access_token"].as_str().unwrap().to_owned();

    let foreign = simulation.client.get(simulation.quickbooks("/v3/company/1/invoice/1")).bearer_auth(&access);
    let foreign = send(foreign).await;
    assert_eq!((foreign.status, &foreign.body["fault"]["error"][0]["code"]), (403, &json!("3100")));
    let stranger = send(simulation.books(Method::GET, "nonsense", "invoice/1")).await;
    assert_eq!(stranger.status, 401);
    let fault = &stranger.body["fault"];
    assert_eq!((&fault["type"], &fault["error"][0]["code"]), (&json!("AUTHENTICATION"), &json!("3200")));
}

#[tokio::test]
async fn the_limit_holds_in_every_second() {
    let simulation = Simulation::start().await;
    let access = simulation.access().await;
    simulation.put("/configuration", json!({"quickbooks": {"limit_per_second": 5}})).await;
    let begin = Instant::now();
    let mut refused = 0;
    while begin.elapsed() < Duration::from_millis(1_500) {
        let answer = send(simulation.books(Method::GET, &access, "customer/1")).await;
        if answer.status == 429 {
            refused += 1;
            assert_eq!(answer.retry_after.as_deref(), Some("1"));
            assert_eq!(answer.body["fault"]["error"][0]["code"], "003001");
            assert!(answer.body["fault"]["error"][0]["message"].as_str().unwrap().contains("ThrottleExceeded"));
        }
    }
    assert!(refused > 0);
    let journal = simulation.journal().await;
    let admitted: Vec<i64> =
        journal.requests.iter().filter(|request| request.status == Some(400)).map(|request| request.at).collect();
    assert!((5..=15).contains(&admitted.len()), "{}", admitted.len());
}
