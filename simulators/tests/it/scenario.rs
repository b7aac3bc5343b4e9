//! The scenario: what is sent, how often, and that the checker agrees with a right and with a
//! wrong replay of it at the target.

use std::collections::{BTreeMap, HashMap, HashSet};

use fluxnex_simulators::clock::version_order;
use fluxnex_simulators::commands::{Counts, ScenarioState};
use fluxnex_simulators::journal::{Journal, SentWebhook, WebhookKind};
use fluxnex_simulators::reconcile::{FailedEvent, ViolationKind, reconcile};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{Simulation, until};

async fn finished(simulation: &Simulation) -> Counts {
    until("the scenario's end", async || {
        let counts: Counts = serde_json::from_value(simulation.get("/counts").await.body).unwrap();
        (!matches!(counts.scenario, ScenarioState::Running)).then_some(counts)
    })
    .await
}

#[tokio::test]
async fn every_webhook_arrives_signed() {
    let simulation = Simulation::start().await;
    let scenario = json!({"customers": 5, "invoices": 40, "poison": 2, "resends_share": 0.2, "seed": 9});
    let planned = simulation.post("/revenova/scenario", scenario).await;
    assert_eq!(planned.status, 202, "{}", planned.body);
    let counts = finished(&simulation).await;
    assert_eq!(counts.scenario, ScenarioState::Finished);
    assert_eq!(counts.acknowledged, counts.planned.webhooks);

    let journal = simulation.journal().await;
    assert_eq!(journal.receipts.len(), journal.sent.len());
    let mut expected: Vec<(&str, &str)> =
        journal.sent.iter().map(|sent| (sent.delivery_id.as_str(), sent.version.as_str())).collect();
    let bodies: Vec<Value> =
        journal.receipts.iter().map(|receipt| serde_json::from_str(&receipt.body).unwrap()).collect();
    let mut received: Vec<(&str, &str)> = journal
        .receipts
        .iter()
        .zip(&bodies)
        .map(|(receipt, body)| {
            (receipt.headers["x-revenova-delivery"].as_str(), body["record"]["SystemModstamp"].as_str().unwrap())
        })
        .collect();
    expected.sort_unstable();
    received.sort_unstable();
    assert_eq!(received, expected);
    for (receipt, body) in journal.receipts.iter().zip(&bodies) {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"shared").unwrap();
        mac.update(format!("{}.{}", receipt.headers["x-revenova-timestamp"], receipt.body).as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        assert_eq!(receipt.headers["x-revenova-signature"], signature);
        assert_eq!(body["organizationId"].as_str().unwrap().len(), 18);
        assert!(matches!(body["event"].as_str(), Some("created" | "updated")));
    }
}

#[tokio::test]
async fn a_refused_webhook_is_sent_again_under_its_delivery_id() {
    let simulation = Simulation::start().await;
    let refuse = |fault: Value| json!({"app": "receiver", "entity": "revenova", "count": 5, "fault": fault});
    simulation.fault(refuse(json!({"kind": "status", "status": 500}))).await;
    simulation.fault(refuse(json!({"kind": "reset"}))).await;
    let scenario = json!({"customers": 10, "invoices": 20, "retry_base_ms": 5, "retry_max_ms": 20});
    simulation.post("/revenova/scenario", scenario).await;
    let counts = finished(&simulation).await;
    assert_eq!(counts.scenario, ScenarioState::Finished);
    assert_eq!(counts.attempts, counts.planned.webhooks + 10);
    let journal = simulation.journal().await;
    let received: HashSet<&str> =
        journal.receipts.iter().map(|receipt| receipt.headers["x-revenova-delivery"].as_str()).collect();
    for sent in &journal.sent {
        assert!(received.contains(sent.delivery_id.as_str()));
        assert!(sent.acknowledged_at.unwrap() >= sent.first_attempt_at.unwrap());
        assert_eq!((sent.last_status, sent.last_error.as_deref()), (Some(200), None));
    }
    assert!(journal.sent.iter().any(|sent| sent.attempts > 1));
}

#[tokio::test]
async fn the_deadline_ends_a_scenario_that_cannot_be_sent() {
    let simulation = Simulation::start().await;
    simulation.fault(json!({"app": "receiver", "fault": {"kind": "status", "status": 503}})).await;
    let scenario = json!({"customers": 3, "invoices": 5, "deadline_seconds": 1, "retry_base_ms": 10});
    simulation.post("/revenova/scenario", scenario.clone()).await;
    let again = simulation.post("/revenova/scenario", scenario.clone()).await;
    assert_eq!(again.status, 409, "{}", again.body);
    let counts = finished(&simulation).await;
    assert_eq!((counts.scenario, counts.acknowledged), (ScenarioState::Incomplete, 0));
    let report = reconcile(&simulation.journal().await, &[]);
    assert_eq!((report.events, report.lost, report.unacknowledged), (0, 0, counts.planned.webhooks));

    simulation.post("/revenova/scenario", json!({"deadline_seconds": 600, "seed": 2})).await;
    assert_eq!(simulation.delete("/revenova/scenario").await.status, 204);
    assert_eq!(finished(&simulation).await.scenario, ScenarioState::Incomplete);
    simulation.post("/reset", json!({})).await;
    assert_eq!(finished(&simulation).await.scenario, ScenarioState::None);
}

#[tokio::test]
async fn single_records_and_webhooks_are_sent_on_command() {
    let simulation = Simulation::start().await;
    let store = async |record: Value| {
        simulation.post("/revenova/records", json!({"object": "Account", "record": record})).await.body
    };
    let first = store(json!({"Name": "Acme"})).await;
    let id = first["record_id"].as_str().unwrap().to_owned();
    assert_eq!(simulation.journal().await.receipts.len(), 0, "stored silently");
    let tell = async |more: Value| {
        let mut command = json!({"object": "account", "record_id": id});
        command.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = simulation.post("/revenova/webhooks", command).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_value::<SentWebhook>(answer.body).unwrap()
    };
    let sent = tell(json!({"event": "created"})).await;
    assert_eq!((sent.kind, sent.attempts, sent.last_status), (WebhookKind::First, 1, Some(200)));
    assert_eq!((sent.object.as_str(), sent.version.as_str()), ("Account", first["version"].as_str().unwrap()));
    assert_eq!(tell(json!({"delivery_id": sent.delivery_id})).await.kind, WebhookKind::Duplicate);
    assert_eq!(tell(json!({})).await.kind, WebhookKind::Resend);
    let second = store(json!({"Id": id, "Phone": "1"})).await;
    assert!(version_order(second["version"].as_str().unwrap()) > version_order(first["version"].as_str().unwrap()));
    assert_eq!(tell(json!({})).await.kind, WebhookKind::Update);
    assert_eq!(simulation.journal().await.versions.len(), 2);
}

/// What a right pipeline would do: the newest version of each record, customers first.
fn newest(journal: &Journal, object: &str) -> Vec<SentWebhook> {
    let mut newest: BTreeMap<&str, &SentWebhook> = BTreeMap::new();
    let good = journal.sent.iter().filter(|sent| sent.object == object && sent.kind != WebhookKind::Poison);
    for sent in good {
        let known = newest.entry(&sent.record_id).or_insert(sent);
        if version_order(&sent.version) > version_order(&known.version) {
            *known = sent;
        }
    }
    newest.into_values().cloned().collect()
}

fn note(sent: &SentWebhook) -> String {
    format!("Revenova {} @ {}", sent.record_id, sent.version)
}

/// Removes what is null, at any depth.
fn compact(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name, compact(value))).collect::<serde_json::Map<_, _>>().into()
        }
        other => other,
    }
}

fn customer_of(sent: &SentWebhook) -> Value {
    let account = &sent.content;
    compact(json!({
        "DisplayName": account["Name"], "CompanyName": account["Name"], "Notes": note(sent),
        "PrimaryEmailAddr": {"Address": account["Email__c"]}, "PrimaryPhone": {"FreeFormNumber": account["Phone"]},
        "BillAddr": {"Line1": account["BillingStreet"], "City": account["BillingCity"], "CountrySubDivisionCode": account["BillingStateCode"],
            "PostalCode": account["BillingPostalCode"], "Country": account["BillingCountryCode"]},
        "CurrencyRef": {"value": account["CurrencyIsoCode"]},
    }))
}

fn invoice_of(sent: &SentWebhook, customers: &HashMap<String, String>) -> Value {
    let invoice = &sent.content;
    let line = |line: &Value| {
        json!({"DetailType": "SalesItemLineDetail", "Amount": line["rtms__Amount__c"], "Description": line["rtms__Description__c"],
            "SalesItemLineDetail": {"ItemRef": {"value": "1"}, "Qty": line["rtms__Quantity__c"], "UnitPrice": line["rtms__Unit_Price__c"]}})
    };
    let lines = invoice["rtms__Invoice_Line_Items__r"]["records"].as_array().unwrap();
    json!({
        "DocNumber": invoice["Name"], "TxnDate": invoice["rtms__Invoice_Date__c"], "DueDate": invoice["rtms__Due_Date__c"],
        "CurrencyRef": {"value": invoice["CurrencyIsoCode"]}, "PrivateNote": note(sent),
        "CustomerRef": {"value": customers[invoice["rtms__Customer__c"].as_str().unwrap()]},
        "Line": lines.iter().map(line).collect::<Vec<_>>(),
    })
}

#[tokio::test]
async fn the_checker_is_content_with_a_right_pipeline_and_not_with_a_wrong_one() {
    let simulation = Simulation::start().await;
    let scenario = json!({"customers": 8, "invoices": 60, "poison": 2, "updates_share": 0.5, "seed": 4});
    simulation.post("/revenova/scenario", scenario).await;
    finished(&simulation).await;
    let access = simulation.access().await;
    let sent = simulation.journal().await;
    let mut customers = HashMap::new();
    for webhook in newest(&sent, "Account") {
        let answer = simulation.write(&access, "customer", &webhook.delivery_id, &customer_of(&webhook)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        customers.insert(webhook.record_id, answer.body["Customer"]["Id"].as_str().unwrap().to_owned());
    }
    let invoices = newest(&sent, "rtms__CustomerInvoice__c");
    for webhook in &invoices {
        let answer = simulation.write(&access, "invoice", &webhook.delivery_id, &invoice_of(webhook, &customers)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let poison: Vec<FailedEvent> = sent
        .sent
        .iter()
        .filter(|webhook| webhook.kind == WebhookKind::Poison)
        .map(|webhook| FailedEvent::of_delivery(webhook.delivery_id.clone(), "no date"))
        .collect();
    let report = reconcile(&simulation.journal().await, &poison);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.delivered, report.failed_visible, report.target_records), (68, 2, 68));
    assert_eq!(report.events, sent.sent.len() as u64);
    assert!(report.unchanged > 0 && report.superseded > 0 && report.p99_ms.unwrap() > 0.0);

    // An invoice goes out a second time under a new key, without its second line.
    let two_lines = |invoice: &Value| invoice["Line"].as_array().unwrap().len() > 1;
    let mut again = invoices.iter().map(|invoice| invoice_of(invoice, &customers)).find(two_lines).unwrap();
    again["Line"].as_array_mut().unwrap().truncate(1);
    simulation.write(&access, "invoice", "another-key", &again).await;
    let report = reconcile(&simulation.journal().await, &[]);
    let mut kinds: Vec<ViolationKind> = report.violations.iter().map(|violation| violation.kind).collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [ViolationKind::Lost, ViolationKind::Lost, ViolationKind::Duplicated, ViolationKind::Mismatched],
        "{report}"
    );
}
