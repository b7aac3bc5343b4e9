//! Revenova's token endpoint and sessions.

use serde_json::json;

use crate::harness::{Simulation, send};

#[tokio::test]
async fn every_grant_gives_a_session() {
    let simulation = Simulation::start().await;
    let url = simulation.revenova("/services/oauth2/token");
    let client = [("client_id", "key"), ("client_secret", "hush")];
    for grant in [
        vec![("grant_type", "client_credentials")],
        vec![("grant_type", "refresh_token"), ("refresh_token", "again")],
        vec![("grant_type", "password"), ("username", "user"), ("password", "word")],
    ] {
        let form: Vec<_> = client.into_iter().chain(grant.clone()).collect();
        let answer = send(simulation.client.post(&url).form(&form)).await;
        assert_eq!(answer.status, 200, "{grant:?}: {}", answer.body);
        assert_eq!(answer.body["instance_url"], simulation.revenova(""));
        assert_eq!(answer.body["token_type"], "Bearer");
        let session = answer.body["access_token"].as_str().unwrap();
        assert_eq!(simulation.salesforce(session, "/services/data/v62.0/limits", &[]).await.status, 200);

        let basic = send(simulation.client.post(&url).basic_auth("key", Some("hush")).form(&grant)).await;
        assert_eq!(basic.status, 200, "{grant:?} with Basic: {}", basic.body);
    }
}

#[tokio::test]
async fn bad_grants_are_refused_as_salesforce_does() {
    let simulation = Simulation::start().await;
    let url = simulation.revenova("/services/oauth2/token");
    for (form, error) in [
        (vec![], "invalid_client_id"),
        (vec![("client_id", "stranger"), ("grant_type", "client_credentials")], "invalid_client_id"),
        (vec![("client_id", "key"), ("client_secret", "x"), ("grant_type", "client_credentials")], "invalid_client"),
        (vec![("client_id", "key"), ("client_secret", "hush"), ("grant_type", "magic")], "unsupported_grant_type"),
        (vec![("client_id", "key"), ("client_secret", "hush"), ("grant_type", "refresh_token")], "invalid_grant"),
        (
            vec![("client_id", "key"), ("client_secret", "hush"), ("grant_type", "password"), ("username", "user")],
            "invalid_grant",
        ),
    ] {
        let answer = send(simulation.client.post(&url).form(&form)).await;
        assert_eq!((answer.status, &answer.body["error"]), (400, &json!(error)), "{form:?}");
    }
    let wrong = simulation.client.post(&url).basic_auth("key", Some("x")).form(&[("grant_type", "client_credentials")]);
    assert_eq!(send(wrong).await.status, 401);
    let garbage = send(simulation.client.post(&url).body("\u{0}{]")).await;
    assert_eq!((garbage.status, &garbage.body["error"]), (400, &json!("invalid_request")));
    let large = send(simulation.client.post(&url).form(&[("client_id", "x".repeat(70_000))])).await;
    assert_eq!(large.status, 400);
}

#[tokio::test]
async fn without_a_session_nothing_is_shown() {
    let simulation = Simulation::start().await;
    let url = simulation.revenova("/services/data/v62.0/query?q=SELECT+Id+FROM+Account");
    let refused = json!([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]);
    for value in ["", "Bearer", "Bearer ", "Bearer nonsense", "Basic a2V5Omh1c2g=", "OAuth x"] {
        let answer = send(simulation.client.get(&url).header("authorization", value)).await;
        assert_eq!((answer.status, &answer.body), (401, &refused), "{value:?}");
    }
    let session = simulation.session().await;
    let older = simulation.client.get(&url).header("authorization", format!("OAuth {session}"));
    assert_eq!(send(older).await.status, 200);

    simulation.put("/configuration", json!({"revenova": {"access_token_seconds": 0}})).await;
    let expired = simulation.session().await;
    assert_eq!(send(simulation.client.get(&url).bearer_auth(expired)).await.status, 401);
}
