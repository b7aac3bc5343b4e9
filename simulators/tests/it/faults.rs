//! Faults on command, as a caller meets them.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, REALM, Simulation, customer, read, send, until};

/// Writes a customer once, without a retry; an error is the transport's.
async fn write_once(simulation: &Simulation, access: &str, name: &str) -> Result<Answer, reqwest::Error> {
    write_within(simulation, access, name, Duration::from_secs(30)).await
}

async fn write_within(
    simulation: &Simulation,
    access: &str,
    name: &str,
    patience: Duration,
) -> Result<Answer, reqwest::Error> {
    let request = simulation.books(Method::POST, access, "customer").json(&customer(name));
    match request.timeout(patience).send().await {
        Ok(response) => Ok(read(response).await),
        Err(error) => Err(error),
    }
}

async fn prepared(fault: Value) -> (Simulation, String) {
    let simulation = Simulation::start().await;
    let access = simulation.access().await;
    simulation
        .fault(json!({"app": "quickbooks", "entity": "customer", "method": "POST", "count": 1, "fault": fault}))
        .await;
    (simulation, access)
}

async fn effects(simulation: &Simulation) -> usize {
    simulation.journal().await.effects.len()
}

#[tokio::test]
async fn refusals_have_no_effect() {
    for (fault, status) in
        [(json!({"kind": "throttle", "retry_after_seconds": 7}), 429), (json!({"kind": "status", "status": 503}), 503)]
    {
        let (simulation, access) = prepared(fault).await;
        let answer = write_once(&simulation, &access, "Acme").await.unwrap();
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(answer.retry_after.as_deref(), (status == 429).then_some("7"));
        assert_eq!(effects(&simulation).await, 0);
        assert_eq!(write_once(&simulation, &access, "Acme").await.unwrap().status, 200);
        let requests = simulation.journal().await.requests;
        assert_eq!((requests[1].fault, requests[1].status, requests[2].fault), (Some(1), Some(status), None));
        assert_eq!(simulation.get("/counts").await.body["faults"], json!({"quickbooks": 1}));
    }
}

#[tokio::test]
async fn a_timeout_takes_effect_or_not_as_commanded() {
    for (kind, expected) in [("timeout_before", 0), ("timeout_after", 1)] {
        let (simulation, access) = prepared(json!({"kind": kind})).await;
        let patience = Duration::from_millis(700);
        let error = write_within(&simulation, &access, "Acme", patience).await.err().unwrap();
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!(effects(&simulation).await, expected, "{kind}");
        // The request is recorded when its caller is gone.
        let request = until("the request in the journal", async || {
            simulation.journal().await.requests.into_iter().find(|request| request.fault.is_some())
        })
        .await;
        assert_eq!(request.status, None);
        assert!(request.duration >= 600_000, "{}", request.duration);
    }
}

#[tokio::test]
async fn a_held_connection_is_closed_in_the_end() {
    let (simulation, access) = prepared(json!({"kind": "timeout_after", "hold_ms": 100})).await;
    let error = write_once(&simulation, &access, "Acme").await.err().unwrap();
    assert!(!error.is_timeout(), "{error:?}");
    assert_eq!(effects(&simulation).await, 1);
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    for (after_effect, expected) in [(false, 0), (true, 1)] {
        let (simulation, access) = prepared(json!({"kind": "reset", "after_effect": after_effect})).await;
        let error = write_once(&simulation, &access, "Acme").await.err().unwrap();
        let mut causes = Vec::new();
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        assert!(causes.iter().any(|cause| cause.contains("reset by peer")), "{causes:?}");
        assert_eq!(effects(&simulation).await, expected);
    }
}

#[tokio::test]
async fn a_slow_answer_comes_late() {
    let (simulation, access) = prepared(json!({"kind": "slow", "milliseconds": 300})).await;
    let begin = Instant::now();
    assert_eq!(write_once(&simulation, &access, "Acme").await.unwrap().status, 200);
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert_eq!(write_once(&simulation, &access, "Bolt").await.unwrap().status, 200);
    let requests = simulation.journal().await.requests;
    let faults: Vec<Option<u64>> = requests.iter().map(|request| request.fault).collect();
    assert_eq!(faults, [None, Some(1), None]);
    assert!(requests[1].duration >= 300_000);
}

#[tokio::test]
async fn faults_match_paths_and_applications() {
    let simulation = Simulation::start().await;
    simulation
        .fault(json!({"app": "quickbooks", "path_prefix": "/oauth2", "fault": {"kind": "status", "status": 500}}))
        .await;
    simulation.fault(json!({"app": "revenova", "path_prefix": "/services/data", "fault": {"kind": "throttle"}})).await;
    simulation.fault(json!({"app": "receiver", "entity": "alerts", "fault": {"kind": "status", "status": 502}})).await;
    let token = simulation.client.post(simulation.quickbooks("/oauth2/v1/tokens/bearer"));
    assert_eq!(send(token).await.status, 500);
    let session = simulation.session().await;
    let limits = simulation.salesforce(&session, "/services/data/v62.0/limits", &[]).await;
    assert_eq!((limits.status, &limits.body[0]["errorCode"]), (429, &json!("REQUEST_LIMIT_EXCEEDED")));
    assert_eq!(send(simulation.client.post(simulation.receiver("/hooks/alerts"))).await.status, 502);
    assert_eq!(send(simulation.client.post(simulation.receiver("/hooks/other"))).await.status, 200);

    let listed = simulation.get("/faults").await.body;
    let played: Vec<u64> = listed.as_array().unwrap().iter().map(|fault| fault["played"].as_u64().unwrap()).collect();
    assert_eq!(played, [1, 1, 1]);
    assert_eq!(simulation.delete("/faults/3").await.status, 204);
    assert_eq!(simulation.delete("/faults/3").await.status, 404);
    assert_eq!(simulation.delete("/faults?app=revenova").await.body, json!({"removed": 1}));
    assert_eq!(simulation.delete("/faults").await.body, json!({"removed": 1}));
    assert_eq!(simulation.salesforce(&session, "/services/data/v62.0/limits", &[]).await.status, 200);
}

#[tokio::test]
async fn a_held_connection_delays_no_other() {
    let (simulation, access) = prepared(json!({"kind": "timeout_before", "hold_ms": 60_000})).await;
    let held = write_once(&simulation, &access, "Acme");
    let others = async {
        for number in 0..20 {
            let url = simulation.quickbooks(&format!("/v3/company/{REALM}/customer/{number}"));
            assert_eq!(send(simulation.client.get(url).bearer_auth(&access)).await.status, 400);
        }
    };
    tokio::select! {
        biased;
        _ = held => panic!("the held request ended before the others"),
        () = others => {}
    }
}
