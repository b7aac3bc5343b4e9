//! Plants one violation of each kind into a journal, and expects the checker to find it and
//! nothing else.

mod polled;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::journal::{Action, App, Channel, Effect, SentWebhook, SourceReference, WebhookKind};

const FIRST: &str = "2026-11-20T12:00:00.000+0000";
const SECOND: &str = "2026-11-20T12:00:01.000+0000";
const INVOICE: &str = "rtms__CustomerInvoice__c";

fn account(version: &str) -> Value {
    json!({"Id": "001A", "Name": "Acme", "Phone": null, "Email__c": "pay@acme.example",
        "BillingCity": "Austin", "CurrencyIsoCode": "USD", "SystemModstamp": version})
}

fn invoice(version: &str) -> Value {
    json!({"Id": "a0XA", "Name": "INV-1", "rtms__Customer__c": "001A", "CurrencyIsoCode": "USD",
        "rtms__Invoice_Date__c": "2026-11-01", "rtms__Due_Date__c": "2026-12-01",
        "rtms__Invoice_Line_Items__r": {"records": [
            {"rtms__Description__c": "Line haul", "rtms__Quantity__c": 1.0,
             "rtms__Unit_Price__c": 1000.25, "rtms__Amount__c": 1000.25}]},
        "SystemModstamp": version})
}

fn customer_at_target(version: &str) -> Value {
    json!({"Id": "1", "SyncToken": "0", "DisplayName": "Acme", "CompanyName": "Acme",
        "PrimaryEmailAddr": {"Address": "pay@acme.example"}, "BillAddr": {"Id": "9", "City": "Austin"},
        "CurrencyRef": {"value": "USD", "name": "United States Dollar"},
        "Notes": format!("Revenova 001A @ {version}")})
}

fn invoice_at_target(version: &str) -> Value {
    json!({"Id": "2", "DocNumber": "INV-1", "TxnDate": "2026-11-01", "DueDate": "2026-12-01",
        "CurrencyRef": {"value": "USD"}, "CustomerRef": {"value": "1", "name": "Acme"},
        "Line": [
            {"Id": "1", "DetailType": "SalesItemLineDetail", "Amount": "1000.250", "Description": "Line haul",
             "SalesItemLineDetail": {"ItemRef": {"value": "1"}, "Qty": 1, "UnitPrice": 1000.25}},
            {"DetailType": "SubTotalLineDetail", "Amount": 1000.25, "SubTotalLineDetail": {}}],
        "PrivateNote": format!("Revenova a0XA @ {version}")})
}

/// A journal under construction. Each call is a millisecond later than the one before.
#[derive(Default)]
struct Story {
    journal: Journal,
}

impl Story {
    fn now(&self) -> i64 {
        1_000 * (self.journal.sent.len() + self.journal.effects.len()) as i64
    }

    fn sent(mut self, delivery_id: &str, object: &str, content: Value) -> Self {
        let text = |name: &str| content[name].as_str().unwrap().to_owned();
        self.journal.sent.push(SentWebhook {
            sequence: self.journal.sent.len() as u64,
            delivery_id: delivery_id.to_owned(),
            event: "updated".to_owned(),
            object: object.to_owned(),
            record_id: text("Id"),
            version: text("SystemModstamp"),
            content: Arc::new(content),
            kind: WebhookKind::First,
            attempts: 1,
            first_attempt_at: Some(self.now()),
            acknowledged_at: Some(self.now()),
            last_status: Some(202),
            last_error: None,
        });
        self
    }

    fn effect(mut self, entity: &str, target_id: &str, record: Value) -> Self {
        let note = record["Notes"].as_str().or(record["PrivateNote"].as_str()).unwrap_or_default();
        self.journal.effects.push(Effect {
            sequence: self.journal.effects.len() as u64,
            app: App::Quickbooks,
            entity: entity.to_owned(),
            target_id: target_id.to_owned(),
            source: SourceReference::parse(note),
            request_id: Some(format!("request-{}", self.now())),
            action: Action::Created,
            payload: Arc::new(json!({})),
            record: Arc::new(record),
            at: self.now(),
        });
        self
    }

    /// A customer and its invoice, both delivered.
    fn clean() -> Self {
        Self::default()
            .sent("d-1", "Account", account(FIRST))
            .sent("d-2", INVOICE, invoice(FIRST))
            .effect("Customer", "1", customer_at_target(FIRST))
            .effect("Invoice", "2", invoice_at_target(FIRST))
    }

    fn report(&self, failed: &[(&str, &str)]) -> Report {
        let failed: Vec<FailedEvent> =
            failed.iter().map(|(id, reason)| FailedEvent::of_delivery(*id, *reason)).collect();
        self.judged(&failed)
    }

    fn judged(&self, failed: &[FailedEvent]) -> Report {
        let report = reconcile(&self.journal, failed);
        let lost = report.lost - report.polled_lost;
        assert_eq!(
            report.events,
            report.delivered + report.unchanged + report.superseded + report.failed_visible + lost,
            "each accepted event is in one class:\n{report}"
        );
        report
    }

    /// Expects these violations, each once, and no other.
    fn finds(&self, expected: &[ViolationKind]) -> Report {
        let report = self.report(&[]);
        let found: Vec<_> = report.violations.iter().map(|violation| violation.kind).collect();
        assert_eq!(found, expected, "\n{report}");
        assert!(!report.is_clean());
        report
    }
}

#[test]
fn a_clean_journal_reports_nothing() {
    let report = Story::clean().report(&[]);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.events, report.delivered, report.unchanged), (2, 2, 0));
    assert_eq!((report.effects, report.target_records), (2, 2));
    assert_eq!((report.p50_ms, report.p99_ms), (Some(2.0), Some(2.0)));
    assert!(Story::default().report(&[]).is_clean());
}

#[test]
fn duplicates_resends_and_superseded_versions_are_clean() {
    let story = Story::clean()
        .sent("d-1", "Account", account(FIRST))
        .sent("d-3", "Account", account(FIRST))
        .sent("d-4", INVOICE, invoice(SECOND))
        .sent("d-5", INVOICE, invoice("2026-11-20T12:00:02.000+0000"))
        .effect("Invoice", "2", invoice_at_target("2026-11-20T12:00:02.000+0000"));
    let report = story.report(&[]);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.events, report.delivered, report.unchanged, report.superseded), (6, 3, 2, 1));
}

#[test]
fn a_lost_event_is_found() {
    let report = Story::clean().sent("d-9", INVOICE, invoice(SECOND)).finds(&[ViolationKind::Lost]);
    assert_eq!(report.lost, 1);
    assert!(report.violations[0].explanation.contains("d-9"), "{report}");
}

#[test]
fn an_event_that_was_never_acknowledged_is_not_lost() {
    let mut story = Story::clean().sent("d-9", INVOICE, invoice(SECOND));
    story.journal.sent[2].acknowledged_at = None;
    let report = story.report(&[]);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.events, report.unacknowledged), (2, 1));
}

#[test]
fn a_visible_failure_is_no_loss_and_shows_its_reason() {
    let story = Story::clean().sent("d-9", INVOICE, invoice(SECOND)).sent("d-9", INVOICE, invoice(SECOND));
    let report = story.report(&[("d-9", "schema: no date"), ("stranger", "unknown")]);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.failed_visible, report.unchanged, report.lost), (1, 1, 0));
    assert_eq!(report.failures.len(), 1);
    assert!(report.to_string().contains("1 × schema: no date"), "{report}");
}

#[test]
fn a_second_effect_of_one_version_is_found() {
    let report = Story::clean().effect("Invoice", "2", invoice_at_target(FIRST)).finds(&[ViolationKind::Duplicated]);
    assert_eq!(report.duplicated, 1);
}

#[test]
fn a_second_target_record_is_found() {
    let report = Story::clean()
        .sent("d-3", INVOICE, invoice(SECOND))
        .effect("Invoice", "3", invoice_at_target(SECOND))
        .finds(&[ViolationKind::Duplicated]);
    assert!(report.violations[0].explanation.contains("already is 2"), "{report}");
}

#[test]
fn an_earlier_version_after_a_later_one_is_found() {
    let report = Story::clean()
        .sent("d-3", "Account", account(SECOND))
        .sent("d-4", "Account", account("2026-11-20T12:00:02.000+0000"))
        .effect("Customer", "1", customer_at_target("2026-11-20T12:00:02.000+0000"))
        .effect("Customer", "1", customer_at_target(SECOND))
        .finds(&[ViolationKind::OutOfOrder]);
    assert_eq!(report.out_of_order, 1);
}

#[test]
fn a_child_before_its_parent_is_found() {
    let mut story = Story::clean();
    story.journal.effects[0].sequence = 9;
    let report = story.finds(&[ViolationKind::ChildBeforeParent]);
    assert_eq!(report.child_before_parent, 1);
}

#[test]
fn every_field_that_differs_is_found() {
    let changes = [
        ("/TxnDate", json!("2026-11-02")),
        ("/CustomerRef/value", json!("7")),
        ("/Line/0/Amount", json!("1000.26")),
        ("/Line/0/SalesItemLineDetail/Qty", json!(2)),
        ("/Line/0/Description", Value::Null),
        ("/Line/0/DetailType", json!("DescriptionOnly")),
        ("/CurrencyRef/value", json!("usd")),
    ];
    for (pointer, value) in changes {
        let mut wrong = invoice_at_target(FIRST);
        *wrong.pointer_mut(pointer).unwrap() = value;
        let story = Story::default()
            .sent("d-1", "Account", account(FIRST))
            .sent("d-2", INVOICE, invoice(FIRST))
            .effect("Customer", "1", customer_at_target(FIRST))
            .effect("Invoice", "2", wrong);
        assert_eq!(story.finds(&[ViolationKind::Mismatched]).mismatched, 1, "{pointer}");
    }
}

#[test]
fn what_the_source_does_not_have_must_not_be_at_the_target() {
    let mut story = Story::clean();
    let mut customer = customer_at_target(FIRST);
    customer["PrimaryPhone"] = json!({"FreeFormNumber": "+1 555 0100"});
    story.journal.effects[0].record = Arc::new(customer);
    let report = story.finds(&[ViolationKind::Mismatched]);
    assert!(report.violations[0].explanation.starts_with("/PrimaryPhone"), "{report}");
}

#[test]
fn extra_lines_and_poison_that_took_effect_are_found() {
    let mut story = Story::clean();
    let mut written = invoice_at_target(FIRST);
    let line = written["Line"][0].clone();
    written["Line"].as_array_mut().unwrap().push(line);
    story.journal.effects[1].record = Arc::new(written);
    story.finds(&[ViolationKind::Mismatched]);

    for (pointer, value) in [
        ("/rtms__Invoice_Date__c", json!("not-a-date")),
        ("/rtms__Invoice_Line_Items__r/records", json!([])),
        ("/rtms__Invoice_Line_Items__r/records/0/rtms__Quantity__c", json!("-1")),
    ] {
        let mut story = Story::clean();
        let mut poison = invoice(FIRST);
        *poison.pointer_mut(pointer).unwrap() = value;
        story.journal.sent[1].content = Arc::new(poison);
        let report = story.finds(&[ViolationKind::Mismatched]);
        assert!(report.violations[0].explanation.contains("must not take effect"), "{report}");
    }
}

#[test]
fn effects_from_nowhere_are_found() {
    let unsigned = json!({"Id": "5", "DisplayName": "Stranger"});
    Story::clean().effect("Customer", "5", unsigned).finds(&[ViolationKind::Mismatched]);

    let mut invented = customer_at_target(FIRST);
    invented["Notes"] = json!(format!("Revenova 001Z @ {FIRST}"));
    Story::clean().effect("Customer", "5", invented).finds(&[ViolationKind::Mismatched]);

    let mut misplaced = invoice_at_target(FIRST);
    misplaced["PrivateNote"] = json!(format!("Revenova 001A @ {FIRST}"));
    let report = Story::clean().effect("Invoice", "6", misplaced).finds(&[ViolationKind::Mismatched]);
    assert!(report.violations[0].explanation.contains("does not belong"), "{report}");
}

#[test]
fn a_version_that_nobody_announced_may_take_effect() {
    let mut story = Story::clean();
    story.journal.versions.push(crate::journal::SourceVersion {
        app: App::Revenova,
        object: INVOICE.to_owned(),
        record_id: "a0XA".to_owned(),
        version: SECOND.to_owned(),
        channel: Channel::Need,
        content: Arc::new(invoice(SECOND)),
        at: 0,
    });
    let report = story.effect("Invoice", "2", invoice_at_target(SECOND)).report(&[]);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.delivered, report.delivered_unannounced), (2, 1));
}

#[test]
fn the_report_survives_json_and_its_table_is_aligned() {
    let report = Story::clean()
        .sent("d-9", INVOICE, invoice(SECOND))
        .effect("Customer", "5", json!({"DisplayName": "Str\u{1b}[31manger"}))
        .report(&[]);
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);

    let table = report.to_string();
    let columns: Vec<&str> = table.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(columns.len(), 24, "{table}");
    for line in columns {
        let (value, _) = line.split_at(36);
        assert!(!value.ends_with(' '), "{line:?}");
    }
    let lost = table.lines().find(|line| line.starts_with("  lost")).unwrap();
    assert!(lost.ends_with(" 1  VIOLATION"), "{table}");
    assert!(!table.contains('\u{1b}'), "{table}");
}
