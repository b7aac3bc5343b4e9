//! What a generated scenario promises.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::clock::version_order;

fn scenario() -> Scenario {
    Scenario { customers: 20, invoices: 200, poison: 3, silent_customers: 7, silent_share: 0.1, ..Scenario::default() }
}

#[test]
fn the_seed_decides_everything() {
    let one = plan(&scenario());
    let same = plan(&scenario());
    assert_eq!(one.webhooks, same.webhooks);
    assert_eq!(one.versions, same.versions);

    let other = plan(&Scenario { seed: 2, ..scenario() });
    let ids = |plan: &Plan| plan.versions.iter().map(|version| version.record_id.clone()).collect::<HashSet<_>>();
    let names = |plan: &Plan| {
        let accounts = plan.versions.iter().filter(|version| version.object == ACCOUNT);
        accounts.map(|version| version.content["Name"].to_string()).collect::<HashSet<_>>()
    };
    assert!(ids(&one).is_disjoint(&ids(&other)));
    assert!(names(&one).is_disjoint(&names(&other)));
}

#[test]
fn there_is_as_much_of_each_kind_as_was_asked_for() {
    let plan = plan(&scenario());
    let count = |kind| plan.planned.by_kind.get(&kind).copied().unwrap_or_default();
    assert_eq!(count(WebhookKind::First), 220);
    assert_eq!(count(WebhookKind::Poison), 3);
    let updates = count(WebhookKind::Update);
    assert!((44..=88).contains(&updates), "{updates}");
    let good = 220 + updates;
    assert_eq!(count(WebhookKind::Duplicate), (good as f64 * 0.1).round() as u64);
    assert_eq!(count(WebhookKind::Resend), (good as f64 * 0.05).round() as u64);
    assert_eq!(plan.planned.webhooks, plan.webhooks.len() as u64);
    assert_eq!(plan.planned.versions, good + 3 + 7);
    assert_eq!(plan.planned.silent_customers_used, 7);
}

#[test]
fn versions_of_a_record_are_later_and_later() {
    let mut last: HashMap<String, String> = HashMap::new();
    for version in plan(&scenario()).versions {
        if let Some(before) = last.insert(version.record_id, version.version.clone()) {
            assert!(version_order(&version.version) > version_order(&before));
        }
    }
}

/// Polls and webhooks meet in one run: what a scenario makes must be older than what changes after it.
#[test]
fn a_scenario_that_starts_a_day_ago_ends_in_the_past() {
    let start: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
    let large = Scenario { customers: 2_000, invoices: 20_000, updates_share: 1.0, start, ..scenario() };
    let stamps =
        plan(&large).versions.into_iter().map(|version| crate::clock::parse_instant(&version.version).unwrap());
    let (mut first, mut last) = (Timestamp::MAX, Timestamp::MIN);
    for stamp in stamps {
        (first, last) = (first.min(stamp), last.max(stamp));
    }
    assert!(first >= start);
    assert!(last < start + 24.hours(), "{last}");
}

#[test]
fn webhooks_are_truly_shuffled() {
    let plan = plan(&Scenario { updates_share: 1.0, ..scenario() });
    let mut seen: HashMap<&str, &str> = HashMap::new();
    let (mut earlier, mut later) = (0, 0);
    for webhook in plan.webhooks.iter().filter(|webhook| webhook.kind != WebhookKind::Duplicate) {
        if let Some(before) = seen.insert(&webhook.record_id, &webhook.version) {
            match version_order(before).cmp(&version_order(&webhook.version)) {
                std::cmp::Ordering::Less => earlier += 1,
                std::cmp::Ordering::Greater => later += 1,
                std::cmp::Ordering::Equal => {}
            }
        }
    }
    assert!(earlier > 50 && later > 50, "{earlier} in order, {later} not");
}

#[test]
fn duplicates_share_their_delivery_id_and_resends_do_not() {
    let plan = plan(&scenario());
    let mut by_id: HashMap<&str, Vec<&SentWebhook>> = HashMap::new();
    for webhook in &plan.webhooks {
        by_id.entry(&webhook.delivery_id).or_default().push(webhook);
    }
    for webhook in &plan.webhooks {
        let alike = &by_id[webhook.delivery_id.as_str()];
        match webhook.kind {
            WebhookKind::Duplicate => {
                assert_eq!(alike.len(), 2);
                assert_eq!((&alike[0].content, &alike[0].version), (&alike[1].content, &alike[1].version));
            }
            WebhookKind::Resend => assert_eq!(alike.len(), 1),
            _ => {}
        }
    }
}

#[test]
fn records_have_the_size_and_sense_of_real_ones() {
    let plan = plan(&Scenario {
        poison_kinds: vec![PoisonKind::Date, PoisonKind::NoLines, PoisonKind::QuantityText],
        ..scenario()
    });
    let invoices: Vec<&SourceVersion> = plan.versions.iter().filter(|version| version.object == INVOICE).collect();
    let bytes: usize = invoices.iter().map(|version| version.content.to_string().len()).sum();
    let average = bytes / invoices.len();
    assert!((1_300..1_900).contains(&average), "an invoice has {average} bytes");

    let accounts: HashSet<&str> = plan
        .versions
        .iter()
        .filter(|version| version.object == ACCOUNT)
        .map(|version| version.record_id.as_str())
        .collect();
    let poisoned: HashSet<&str> = plan
        .webhooks
        .iter()
        .filter(|webhook| webhook.kind == WebhookKind::Poison)
        .map(|webhook| webhook.record_id.as_str())
        .collect();
    assert_eq!(poisoned.len(), 3);
    for invoice in invoices {
        assert!(accounts.contains(invoice.content["rtms__Customer__c"].as_str().unwrap()));
        if poisoned.contains(invoice.record_id.as_str()) {
            continue;
        }
        let lines = invoice.content["rtms__Invoice_Line_Items__r"]["records"].as_array().unwrap();
        let total: f64 = lines.iter().map(|line| line["rtms__Amount__c"].as_f64().unwrap()).sum();
        assert!((total - invoice.content["rtms__Invoice_Total__c"].as_f64().unwrap()).abs() < 0.001);
        for line in lines {
            let amount = line["rtms__Quantity__c"].as_f64().unwrap() * line["rtms__Unit_Price__c"].as_f64().unwrap();
            assert!((amount - line["rtms__Amount__c"].as_f64().unwrap()).abs() < 0.001);
        }
    }
}

#[test]
fn the_smallest_scenarios_are_made() {
    let none = Scenario { customers: 0, invoices: 0, poison: 0, ..Scenario::default() };
    assert!(plan(&none).webhooks.is_empty());
    let lonely = Scenario {
        customers: 0,
        silent_customers: 1,
        silent_share: 1.0,
        invoices: 3,
        poison: 0,
        ..Scenario::default()
    };
    assert_eq!(plan(&lonely).planned.silent_customers_used, 1);
}
