//! The control API with good and with broken input.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{REALM, Simulation, customer, send};

#[tokio::test]
async fn broken_commands_are_refused_with_a_reason() {
    let simulation = Simulation::start().await;
    for (method, path, body) in [
        (Method::PUT, "/configuration", "{"),
        (Method::PUT, "/configuration", r#"{"revenova":{"page_size":0}}"#),
        (Method::PUT, "/configuration", r#"{"revenova":{"page_size":5000}}"#),
        (Method::PUT, "/configuration", r#"{"revenova":{"webhook":{"url":"ftp://x","secret":"s"}}}"#),
        (Method::PUT, "/configuration", r#"{"revenova":{"unknown":1}}"#),
        (Method::PUT, "/configuration", r#"{"salesforce":{}}"#),
        (Method::POST, "/faults", "{}"),
        (Method::POST, "/faults", r#"{"app":"netsuite","fault":{"kind":"reset"}}"#),
        (Method::POST, "/faults", r#"{"app":"quickbooks","fault":{"kind":"status","status":200}}"#),
        (Method::POST, "/faults", r#"{"app":"quickbooks","fault":{"kind":"reset"},"probability":2}"#),
        (Method::POST, "/revenova/scenario", r#"{"invoices":-1}"#),
        (Method::POST, "/revenova/scenario", r#"{"updates_share":7}"#),
        (Method::POST, "/revenova/scenario", r#"{"start":"yesterday"}"#),
        (Method::POST, "/revenova/records", "{}"),
        (Method::POST, "/revenova/records", r#"{"object":"Lead","record":{}}"#),
        (Method::POST, "/revenova/records", r#"{"object":"Account","record":5}"#),
        (Method::POST, "/revenova/webhooks", r#"{"object":"Account","record_id":"001"}"#),
        (Method::POST, "/revenova/webhooks", r#"{"object":"Account","record_id":"001","event":"exploded"}"#),
        (Method::POST, "/revenova/webhooks", r#"{"object":"Account","record_id":"001","delivery_id":"no-uuid"}"#),
        (Method::PUT, "/configuration", r#"{"erp":{"page_size":0}}"#),
        (Method::PUT, "/configuration", r#"{"erp":{"largest_page_size":1001}}"#),
        (Method::PUT, "/configuration", r#"{"receiver":{"targets":["nobody"]}}"#),
        (Method::POST, "/revenova/silent-changes", "{}"),
        (Method::POST, "/revenova/silent-changes", r#"{"count":1}"#),
        (Method::POST, "/erp/scenario", r#"{"customers":0}"#),
        (Method::POST, "/erp/scenario", r#"{"invoices":4000000000}"#),
        (Method::POST, "/erp/scenario", r#"{"start":"2026-11-20T12:00:00Z"}"#),
        (Method::POST, "/erp/changes", "{}"),
        (Method::POST, "/erp/changes", r#"{"count":1}"#),
        (Method::POST, "/erp/changes", r#"{"share":0.5,"count":1}"#),
        (Method::POST, "/erp/changes", r#"{"share":1.5}"#),
        (Method::GET, "/erp/records?set=Orders", ""),
        (Method::POST, "/quickbooks/records", r#"{"realm_id":"1","entity":"Vendor","records":[]}"#),
        (Method::POST, "/quickbooks/records", r#"{"realm_id":"1","entity":"Customer","records":[{}]}"#),
        (Method::POST, "/reset", r#"{"everything":true}"#),
        (Method::GET, "/journal?after=-1", ""),
        (Method::GET, "/quickbooks/records?realm_id=1", ""),
        (Method::DELETE, "/faults?app=netsuite", ""),
        (Method::DELETE, "/faults/nonsense", ""),
    ] {
        let request = simulation.client.request(method.clone(), simulation.control(path)).body(body);
        let answer = send(request).await;
        assert_eq!(answer.status, 400, "{method} {path} {body}: {}", answer.body);
        assert!(!answer.body.to_string().is_empty());
    }
    assert_eq!(simulation.get("/journal?section=secrets").await.status, 404);
    assert_eq!(simulation.get("/nonsense").await.status, 404);
    let large = vec![b' '; 33 * 1024 * 1024];
    let large = simulation.client.post(simulation.control("/reset")).body(large).send().await;
    assert!(large.is_err() || large.unwrap().status() == 413);
    assert_eq!(simulation.get("/health").await.body, json!({"status": "ok"}));
}

#[tokio::test]
async fn the_journal_is_read_whole_or_page_by_page() {
    let simulation = Simulation::start().await;
    let access = simulation.access().await;
    for number in 0..5 {
        let name = format!("Acme {number}");
        simulation.write(&access, "customer", &name.replace(' ', "-"), &customer(&name)).await;
    }
    let mut names = Vec::new();
    let mut after = 0;
    loop {
        let page = simulation.get(&format!("/journal?section=effects&after={after}&limit=2")).await.body;
        let items = page["items"].as_array().unwrap();
        names.extend(items.iter().map(|effect| effect["record"]["DisplayName"].as_str().unwrap().to_owned()));
        assert_eq!(page["total"], 5);
        after = page["next"].as_u64().unwrap();
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(names, ["Acme 0", "Acme 1", "Acme 2", "Acme 3", "Acme 4"]);
    assert_eq!(simulation.journal().await.effects.len(), 5);
    let beyond = simulation.get("/journal?section=effects&after=999999999999").await.body;
    assert_eq!((beyond["items"].clone(), &beyond["more"]), (json!([]), &json!(false)));
}

#[tokio::test]
async fn a_reset_forgets_and_keeps_settings() {
    let simulation = Simulation::start().await;
    let access = simulation.access().await;
    simulation.write(&access, "customer", "r", &customer("Acme")).await;
    simulation.post("/revenova/records", json!({"object": "Account", "record": {"Name": "Acme"}})).await;
    simulation.fault(json!({"app": "quickbooks", "fault": {"kind": "reset"}})).await;

    assert_eq!(simulation.post("/reset", json!({"keep_records": true})).await.status, 204);
    let counts = simulation.get("/counts").await.body;
    assert_eq!(counts["records"], json!({"revenova.Account": 1, "quickbooks.Customer": 1, "quickbooks.Invoice": 0}));
    assert_eq!(counts["effects"], json!({}));

    assert_eq!(send(simulation.client.post(simulation.control("/reset"))).await.status, 204);
    let journal = simulation.journal().await;
    assert!(journal.effects.is_empty() && journal.versions.is_empty() && journal.requests.is_empty());
    let records = simulation.get(&format!("/quickbooks/records?realm_id={REALM}&entity=Customer")).await;
    assert_eq!(records.body, Value::Array(Vec::new()));
    assert_eq!(simulation.write(&access, "customer", "r", &customer("Acme")).await.status, 200);
}
