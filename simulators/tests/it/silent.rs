//! Changes that nobody is told of, and how a caller finds them by a keyset.

use std::collections::{BTreeMap, BTreeSet};

use fluxnex_simulators::clock::{now_microseconds, version_order};
use fluxnex_simulators::journal::{App, Channel, WebhookKind};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::harness::Simulation;

const INVOICE: &str = "rtms__CustomerInvoice__c";

/// A scenario whose webhooks reach nobody, a day ago.
async fn with_scenario() -> Simulation {
    let simulation = Simulation::start().await;
    let nowhere = json!({"revenova": {"webhook": {"url": "http://127.0.0.1:1/", "secret": ""}}});
    assert_eq!(simulation.put("/configuration", nowhere).await.status, 204);
    let start = Timestamp::now() - 24.hours();
    let scenario = json!({"customers": 5, "invoices": 60, "poison": 3, "silent_customers": 2, "silent_share": 0.1,
        "deadline_seconds": 0, "start": start});
    assert_eq!(simulation.post("/revenova/scenario", scenario).await.status, 202);
    simulation
}

#[tokio::test]
async fn good_invoices_change_and_nobody_is_told() {
    let simulation = with_scenario().await;
    let before = simulation.journal().await;
    let began = now_microseconds();
    let made = simulation.post("/revenova/silent-changes", json!({"count": 20, "seed": 4})).await;
    assert_eq!((made.status, &made.body), (201, &json!({"versions": 20, "by_object": {INVOICE: 20}})));
    assert_eq!(simulation.get("/counts").await.body["silent_versions"], json!({"revenova": 20}));

    let journal = simulation.journal().await;
    assert_eq!(journal.sent.len(), before.sent.len(), "no webhook");
    let silent: Vec<_> = journal.versions.iter().filter(|version| version.channel == Channel::Poll).collect();
    let records: BTreeSet<&str> = silent.iter().map(|version| version.record_id.as_str()).collect();
    assert_eq!(records.len(), 20, "each record once");
    let poison: BTreeSet<&str> = journal
        .sent
        .iter()
        .filter(|webhook| webhook.kind == WebhookKind::Poison)
        .map(|webhook| webhook.record_id.as_str())
        .collect();
    assert!(records.is_disjoint(&poison));
    let needed = journal.versions.iter().filter(|version| version.channel == Channel::Need).count();
    assert_eq!(needed, 2, "silent customers come only if an invoice needs them");
    for version in silent {
        assert_eq!((version.app, version.object.as_str()), (App::Revenova, INVOICE));
        let (stamp, _) = version_order(&version.version);
        assert!((began - 1_000..=now_microseconds()).contains(&stamp), "as of this moment: {}", version.version);
        let older = before.versions.iter().filter(|older| older.record_id == version.record_id);
        for older in older {
            assert!(version_order(&older.version) < version_order(&version.version));
            assert_ne!(older.content, version.content);
            assert_eq!(older.content["Name"], version.content["Name"]);
        }
    }
    // Again at once: later all the same.
    simulation.post("/revenova/silent-changes", json!({"count": 60, "seed": 5})).await;
    let mut stamps: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    for version in simulation.journal().await.versions {
        stamps.entry(version.record_id).or_default().push(version_order(&version.version));
    }
    assert!(stamps.values().all(|stamps| stamps.is_sorted_by(|left, right| left < right)));
    assert_eq!(simulation.post("/revenova/silent-changes", json!({"count": 61})).await.status, 400);
}

#[tokio::test]
async fn a_keyset_finds_every_silent_change() {
    let simulation = with_scenario().await;
    // Stamps have milliseconds: one of this moment may be before it by less.
    let since = Timestamp::now() - 1.millisecond();
    simulation.post("/revenova/silent-changes", json!({"count": 45})).await;
    let session = simulation.session().await;
    let (mut stamp, mut after) = (since.to_string(), "000000000000000".to_owned());
    let mut found = BTreeSet::new();
    let mut pages = 0;
    loop {
        let query = format!(
            "SELECT Id, SystemModstamp FROM {INVOICE} WHERE SystemModstamp > {stamp} OR \
             (SystemModstamp = {stamp} AND Id > '{after}') ORDER BY SystemModstamp, Id LIMIT 10"
        );
        let page = simulation.salesforce(&session, "/services/data/v62.0/queryAll", &[("q", &query)]).await;
        assert_eq!((page.status, &page.body["done"]), (200, &json!(true)), "{}", page.body);
        let records = page.body["records"].as_array().unwrap();
        let text = |record: &Value, name: &str| record[name].as_str().unwrap().to_owned();
        found.extend(records.iter().map(|record| text(record, "Id")));
        pages += 1;
        let Some(last) = records.last().filter(|_| records.len() == 10) else { break };
        // As RFC 3339 has it; Salesforce itself writes +0000.
        (stamp, after) = (text(last, "SystemModstamp").replace("+0000", "Z"), text(last, "Id"));
    }
    assert_eq!((found.len(), pages), (45, 5));
}
