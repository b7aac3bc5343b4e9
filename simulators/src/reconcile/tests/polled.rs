//! What nobody announces: silent changes at Revenova, everything at the ERP, and parents that were fetched.

use super::*;
use crate::journal::{RequestEntry, SourceVersion};

const LATER: &str = "2026-11-21T10:00:01.123Z";

fn erp_customer(version: &str) -> Value {
    json!({"ID": "C-1", "Name": "Adler GmbH", "Email": null, "Phone": "+49 40 555", "Street": "Hafenstrasse 1",
        "City": "Hamburg", "Region": "HH", "PostalCode": "20457", "Country": "DE", "Currency": "EUR",
        "CreditLimit": 5000.0, "Blocked": false, "CreatedAt": FIRST_AT_ERP, "ModifiedAt": version})
}

const FIRST_AT_ERP: &str = "2026-11-21T10:00:00.123Z";

fn erp_invoice(version: &str) -> Value {
    json!({"ID": "INV-1", "CustomerID": "C-1", "InvoiceDate": "2026-11-01", "DueDate": "2026-12-01", "Status": "Posted",
        "Currency": "EUR", "TotalAmount": 25.5, "CreatedAt": FIRST_AT_ERP, "ModifiedAt": version,
        "Lines": [{"LineNumber": 1, "Description": "Fuse", "Quantity": 3, "UnitPrice": 8.5, "Amount": 25.5}]})
}

/// What the partner is sent; numbers as decimal texts.
fn customer_at_partner(version: &str) -> Value {
    json!({"id": "0193-c", "version": 1, "number": "C-1", "name": "Adler GmbH", "phone": "+49 40 555", "currency": "EUR",
        "address": {"street": "Hafenstrasse 1", "city": "Hamburg", "region": "HH", "postal_code": "20457", "country": "DE"},
        "source": format!("ERP C-1 @ {version}")})
}

fn invoice_at_partner(version: &str) -> Value {
    json!({"id": "0193-i", "version": 1, "number": "INV-1", "customer": "0193-c", "date": "2026-11-01",
        "due_date": "2026-12-01", "status": "Posted", "currency": "EUR", "total": "25.50",
        "lines": [{"description": "Fuse", "quantity": "3", "unit_price": "8.5", "amount": "25.5"}],
        "source": format!("ERP INV-1 @ {version}")})
}

impl Story {
    /// A version that nobody announces, at the source where its id belongs.
    fn version(mut self, channel: Channel, object: &str, content: Value) -> Self {
        let text = |name: &str| content[name].as_str().map(str::to_owned);
        let app = if text("ID").is_some() { App::Erp } else { App::Revenova };
        self.journal.versions.push(SourceVersion {
            app,
            object: object.to_owned(),
            record_id: text("ID").or(text("Id")).unwrap(),
            version: text("ModifiedAt").or(text("SystemModstamp")).unwrap(),
            channel,
            content: Arc::new(content),
            at: 0,
        });
        self
    }

    fn unannounced(self, object: &str, content: Value) -> Self {
        self.version(Channel::Poll, object, content)
    }

    fn at_partner(mut self, entity: &str, record: Value) -> Self {
        self.journal.effects.push(Effect {
            sequence: self.journal.effects.len() as u64,
            app: App::Receiver,
            entity: entity.to_owned(),
            target_id: record["id"].as_str().unwrap().to_owned(),
            source: SourceReference::parse(record["source"].as_str().unwrap()),
            request_id: Some(format!("request-{}", self.now())),
            action: Action::Created,
            payload: Arc::new(json!({})),
            record: Arc::new(record),
            at: self.now(),
        });
        self
    }

    /// A request about one record, and the status of its answer.
    fn read(mut self, app: App, entity: &str, id: &str, status: Option<u16>) -> Self {
        self.journal.requests.push(RequestEntry {
            app,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            entity: Some(entity.to_owned()),
            target_id: Some(id.to_owned()),
            request_id: None,
            statement: None,
            status,
            fault: None,
            at: 0,
            duration: 0,
        });
        self
    }

    /// A customer and its invoice at the ERP, both at the partner.
    fn globex() -> Self {
        Self::default()
            .unannounced("Invoices", erp_invoice(FIRST_AT_ERP))
            .unannounced("Customers", erp_customer(FIRST_AT_ERP))
            .at_partner("customer", customer_at_partner(FIRST_AT_ERP))
            .at_partner("invoice", invoice_at_partner(FIRST_AT_ERP))
    }
}

#[test]
fn what_was_polled_and_took_effect_is_clean() {
    let report = Story::globex().report(&[]);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.events, report.to_poll, report.polled, report.delivered_unannounced), (0, 2, 2, 2));

    // A poll sees the newest version only: the ones before it are passed over.
    let report = Story::globex()
        .unannounced("Invoices", erp_invoice("2026-11-21T10:00:00.500Z"))
        .unannounced("Invoices", erp_invoice(LATER))
        .at_partner("invoice", invoice_at_partner(LATER))
        .report(&[]);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.to_poll, report.polled, report.polled_lost), (2, 3, 0));
}

#[test]
fn a_record_that_no_poll_brought_is_lost() {
    for story in [
        Story::default().unannounced("Customers", erp_customer(FIRST_AT_ERP)),
        Story::globex().unannounced("Customers", erp_customer(LATER)),
        // Two versions of one record are one loss.
        Story::default()
            .unannounced("Customers", erp_customer(FIRST_AT_ERP))
            .unannounced("Customers", erp_customer(LATER)),
    ] {
        let report = story.finds(&[ViolationKind::Lost]);
        assert_eq!((report.lost, report.polled_lost), (1, 1));
        assert!(report.violations[0].subject.starts_with("Customers C-1 @ "), "{report}");
    }
}

#[test]
fn a_silent_change_that_no_poll_brought_is_lost() {
    let silent = Story::clean().unannounced(INVOICE, invoice(SECOND));
    let report = silent.finds(&[ViolationKind::Lost]);
    assert_eq!((report.events, report.delivered, report.lost, report.polled_lost), (2, 2, 1, 1));

    let silent = || Story::clean().unannounced(INVOICE, invoice(SECOND));
    let report = silent().effect("Invoice", "2", invoice_at_target(SECOND)).report(&[]);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.polled, report.delivered_unannounced), (1, 1));

    // A webhook told of a later version, and that one took effect.
    let third = "2026-11-20T12:00:02.000+0000";
    let report =
        silent().sent("d-3", INVOICE, invoice(third)).effect("Invoice", "2", invoice_at_target(third)).report(&[]);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.to_poll, report.polled, report.delivered), (1, 0, 3));

    // It failed, and shows so.
    let report = silent().sent("d-3", INVOICE, invoice(third)).report(&[("d-3", "refused")]);
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.failed_visible, report.polled_failed, report.failures.len()), (1, 1, 1));
}

#[test]
fn a_polled_record_that_failed_visibly_is_not_lost() {
    let mut poison = erp_invoice(LATER);
    poison["Lines"] = json!([]);
    let story = Story::globex().unannounced("Invoices", poison);
    let failed = FailedEvent::of_record("Invoices", "INV-1", "lines: too few");
    let report = story.judged(std::slice::from_ref(&failed));
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.polled, report.polled_failed, report.failed_visible), (2, 1, 0));
    assert_eq!(report.failures, [failed]);
    for stranger in
        [FailedEvent::of_record("Customers", "INV-1", "x"), FailedEvent::of_record("Invoices", "INV-2", "x")]
    {
        let report = story.judged(&[stranger]);
        assert_eq!((report.polled_lost, report.failures.len()), (1, 0), "{report}");
    }
}

#[test]
fn the_rules_of_effects_hold_at_the_partner_too() {
    let story = Story::globex;
    story().at_partner("invoice", invoice_at_partner(FIRST_AT_ERP)).finds(&[ViolationKind::Duplicated]);

    let mut second = invoice_at_partner(LATER);
    second["id"] = json!("0193-other");
    let twice = story().unannounced("Invoices", erp_invoice(LATER)).at_partner("invoice", second);
    twice.finds(&[ViolationKind::Duplicated]);

    let late = story()
        .unannounced("Customers", erp_customer(LATER))
        .unannounced("Customers", erp_customer("2026-11-21T10:00:02.000Z"))
        .at_partner("customer", customer_at_partner("2026-11-21T10:00:02.000Z"))
        .at_partner("customer", customer_at_partner(LATER));
    late.finds(&[ViolationKind::OutOfOrder]);

    let mut early = story();
    early.journal.effects[0].sequence = 9;
    early.finds(&[ViolationKind::ChildBeforeParent]);

    // The same id at the other source is another record.
    let mut elsewhere = customer_at_partner(FIRST_AT_ERP);
    elsewhere["source"] = json!(format!("Revenova C-1 @ {FIRST_AT_ERP}"));
    elsewhere["id"] = json!("0193-x");
    story().at_partner("customer", elsewhere).finds(&[ViolationKind::Mismatched]);
}

#[test]
fn what_the_partner_was_sent_wrongly_is_found() {
    for (pointer, value) in [
        ("/customer", json!("0193-z")),
        ("/total", json!("25.51")),
        ("/lines/0/quantity", json!("4")),
        ("/lines/0/description", Value::Null),
        ("/lines", json!([])),
        ("/due_date", json!("2026-12-02")),
    ] {
        let mut wrong = invoice_at_partner(FIRST_AT_ERP);
        *wrong.pointer_mut(pointer).unwrap() = value;
        let mut story = Story::globex();
        story.journal.effects[1].record = Arc::new(wrong);
        assert_eq!(story.finds(&[ViolationKind::Mismatched]).mismatched, 1, "{pointer}");
    }
    let mut wrong = customer_at_partner(FIRST_AT_ERP);
    wrong["email"] = json!("nobody@adler.example");
    let mut story = Story::globex();
    story.journal.effects[0].record = Arc::new(wrong);
    story.finds(&[ViolationKind::Mismatched]);
}

#[test]
fn parents_that_were_read_are_counted_once_and_their_reads_each_time() {
    let clean = Story::clean().version(Channel::Need, "Account", json!({"Id": "001S", "SystemModstamp": FIRST}));
    assert_eq!(clean.report(&[]).silent_parents, 0, "nobody needs it");

    let mut child = invoice(FIRST);
    child["Id"] = json!("a0XB");
    child["rtms__Customer__c"] = json!("001S");
    let story = clean
        .sent("d-9", INVOICE, child)
        .read(App::Revenova, "Account", "001S", Some(503))
        .read(App::Revenova, "Account", "001S", None)
        .read(App::Revenova, "Account", "001X", Some(200))
        .read(App::Revenova, INVOICE, "a0XA", Some(200))
        .read(App::Quickbooks, "Customer", "1", Some(200));
    let report = story.finds(&[ViolationKind::Lost]);
    assert_eq!((report.parents_fetched, report.parent_reads), (0, 0), "{report}");
    assert_eq!((report.silent_parents, report.silent_parents_fetched), (1, 0), "{report}");

    let story =
        story.read(App::Revenova, "Account", "001S", Some(200)).read(App::Revenova, "Account", "001A", Some(200));
    let report = story.finds(&[ViolationKind::Lost]);
    assert_eq!((report.parents_fetched, report.parent_reads), (2, 2), "{report}");
    assert_eq!((report.silent_parents, report.silent_parents_fetched), (1, 1), "{report}");

    let report = story.read(App::Revenova, "Account", "001S", Some(200)).finds(&[ViolationKind::Lost]);
    assert_eq!((report.parents_fetched, report.parent_reads), (2, 3), "read again: {report}");

    let report = Story::globex().read(App::Erp, "Customers", "C-1", Some(200)).report(&[]);
    assert_eq!((report.parents_fetched, report.parent_reads, report.silent_parents), (1, 1, 0), "{report}");
}
