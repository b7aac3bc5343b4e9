//! Judges a run: the checker's reconciliation, and what must be visible of the poisoned records.

use std::time::Duration;

use anyhow::{Context, Result};
use fluxnex_simulators::{
    journal::{Journal, Receipt, SentWebhook, WebhookKind},
    reconcile::{FailedEvent, Report, reconcile},
};
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::{fetches::Fetches, setup::TENANTS, watch::End};

/// What was seen while the job ran.
#[derive(Clone, Debug)]
pub struct Run {
    /// How it ended.
    pub end: End,
    /// Pages that polls read.
    pub pages: u32,
    /// The blocking fetches.
    pub fetches: Fetches,
    /// Customers that nobody told of and that some invoice needs.
    pub silent_customers: u64,
}

/// The result of a run.
pub struct Outcome {
    /// Whether everything is as it must be.
    pub ok: bool,
    /// The checker's figures.
    pub report: Report,
    /// What is wrong besides the checker's findings.
    pub faults: Vec<String>,
    /// Pages that polls read.
    pub pages: u32,
    /// The blocking fetches.
    pub fetches: Fetches,
    /// From the first webhook until all was quiet.
    pub elapsed: Duration,
}

/// Judges what the applications recorded.
pub fn judge(journal: &Journal, failed: &[FailedEvent], run: Run, elapsed: Duration) -> Outcome {
    let report = reconcile(journal, failed);
    let mut faults = fetch_faults(&report, &run);
    if run.end == End::Stuck {
        faults.push("nothing moved any more, though something was left to do".to_owned());
    }
    if report.unacknowledged > 0 {
        faults.push(format!("{} webhooks were never acknowledged", report.unacknowledged));
    }
    let poisons: Vec<&SentWebhook> =
        journal.sent.iter().filter(|webhook| webhook.kind == WebhookKind::Poison).collect();
    for poison in &poisons {
        faults.extend(poison_fault(poison, failed, &journal.receipts));
    }
    for failure in &report.failures {
        let is_poison = |poison: &&SentWebhook| failure.delivery_id.as_deref() == Some(poison.delivery_id.as_str());
        if !poisons.iter().any(is_poison) {
            faults.push(format!("{} failed, and is no poison: {}", named(failure), failure.reason));
        }
    }
    let Run { pages, fetches, .. } = run;
    Outcome { ok: report.is_clean() && faults.is_empty(), report, faults, pages, fetches, elapsed }
}

fn named(failure: &FailedEvent) -> String {
    match (&failure.delivery_id, &failure.record) {
        (Some(delivery), _) => format!("event {delivery}"),
        (None, Some(record)) => format!("{} {}", record.object, record.record_id),
        (None, None) => "an event".to_owned(),
    }
}

/// Each missing parent must have been fetched by one execution and one read of its source.
fn fetch_faults(report: &Report, run: &Run) -> Vec<String> {
    let Fetches { executions, succeeded, parents } = run.fetches;
    let mut faults = Vec::new();
    if succeeded < executions {
        faults.push(format!("{} blocking fetches did not succeed", executions - succeeded));
    }
    if executions != parents {
        faults.push(format!("{executions} blocking fetches for {parents} missing parents"));
    }
    // A read that was cut short by a kill has no answer, and does not count.
    if report.parent_reads != report.parents_fetched {
        faults.push(format!("{} reads of {} missing parents", report.parent_reads, report.parents_fetched));
    }
    if report.silent_parents != run.silent_customers || report.silent_parents_fetched != run.silent_customers {
        let fetched = report.silent_parents_fetched;
        faults.push(format!("{fetched} of {} customers that nobody told of were fetched", run.silent_customers));
    }
    faults
}

/// A poisoned record must be visible as failed, with its reason, and people must have been told.
fn poison_fault(poison: &SentWebhook, failed: &[FailedEvent], receipts: &[Receipt]) -> Option<String> {
    let named = format!("the poisoned record {}", poison.record_id);
    let is_its = |failure: &&FailedEvent| failure.delivery_id.as_deref() == Some(poison.delivery_id.as_str());
    match failed.iter().find(is_its) {
        None => return Some(format!("{named} is not visible as failed")),
        Some(failure) if failure.reason.trim().is_empty() => return Some(format!("{named} failed without a reason")),
        Some(_) => {}
    }
    let about: Vec<&Receipt> = receipts.iter().filter(|receipt| receipt.body.contains(&poison.record_id)).collect();
    match about.iter().find(|receipt| receipt.verified == Some(true)) {
        Some(_) => None,
        None if about.is_empty() => Some(format!("no notification of {named} arrived")),
        None => Some(format!("the notification of {named} is not rightly signed")),
    }
}

/// The events that FluxNex shows as failed or held.
pub async fn failed_events(database: &Client) -> Result<Vec<FailedEvent>> {
    let mut failed = Vec::new();
    for tenant in TENANTS {
        let query = format!(
            "SELECT source = 'webhook', sender_event_id, coalesce(object, ''), coalesce(source_id, ''), coalesce(reason, '') \
             FROM tenant_{tenant}.event_states WHERE state IN ('failed', 'held')"
        );
        let rows = database.query(&query, &[]).await.context("cannot read the failed events")?;
        failed.extend(rows.into_iter().map(|row| {
            let (event, object, record, reason): (String, String, String, String) =
                (row.get(1), row.get(2), row.get(3), row.get(4));
            if row.get(0) {
                FailedEvent::of_delivery(event, reason)
            } else {
                FailedEvent::of_record(object, record, reason)
            }
        }));
    }
    Ok(failed)
}

impl Outcome {
    /// What the checker cannot know, for people.
    pub fn lines(&self) -> Vec<String> {
        let Fetches { executions, parents, .. } = self.fetches;
        vec![
            format!("blocking fetches         {executions:>10}  for {parents} missing parents"),
            format!("pages polled             {:>10}", self.pages),
        ]
    }

    /// The line for programs.
    pub fn json(&self) -> Value {
        let report = &self.report;
        json!({
            "ok": self.ok,
            "events": report.events,
            "delivered": report.delivered,
            "unchanged": report.unchanged,
            "superseded": report.superseded,
            "blocking_fetches": self.fetches.executions,
            "missing_parents": self.fetches.parents,
            "polled": report.polled,
            "poll_pages": self.pages,
            "lost": report.lost,
            "duplicated": report.duplicated,
            "out_of_order": report.out_of_order,
            "child_before_parent": report.child_before_parent,
            "mismatched": report.mismatched,
            "failed_visible": report.failed_visible,
            "p50_ms": report.p50_ms,
            "p99_ms": report.p99_ms,
            "seconds": self.elapsed.as_millis() as f64 / 1000.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn run(end: End) -> Run {
        Run { end, pages: 0, fetches: Fetches::default(), silent_customers: 0 }
    }

    #[test]
    fn each_missing_parent_is_fetched_once() {
        let fine = Report {
            parents_fetched: 3,
            parent_reads: 3,
            silent_parents: 2,
            silent_parents_fetched: 2,
            ..Report::default()
        };
        let fetches = Fetches { executions: 3, succeeded: 3, parents: 3 };
        let good = Run { fetches, silent_customers: 2, ..run(End::Quiet) };
        assert!(fetch_faults(&fine, &good).is_empty());
        let twice = Run { fetches: Fetches { executions: 4, succeeded: 4, parents: 3 }, ..good.clone() };
        let failed = Run { fetches: Fetches { succeeded: 2, ..good.fetches.clone() }, ..good.clone() };
        for bad in [twice, failed, Run { silent_customers: 3, ..good.clone() }] {
            assert_eq!(fetch_faults(&fine, &bad).len(), 1);
        }
        assert_eq!(fetch_faults(&Report { parent_reads: 4, ..fine }, &good).len(), 1);
    }

    fn poison() -> SentWebhook {
        SentWebhook {
            sequence: 0,
            delivery_id: "d1".to_owned(),
            event: "created".to_owned(),
            object: "rtms__CustomerInvoice__c".to_owned(),
            record_id: "a0X1".to_owned(),
            version: "2026-11-20T12:00:00.000+0000".to_owned(),
            content: Arc::new(Value::Null),
            kind: WebhookKind::Poison,
            attempts: 1,
            first_attempt_at: Some(1),
            acknowledged_at: Some(2),
            last_status: Some(202),
            last_error: None,
        }
    }

    fn receipt(verified: Option<bool>) -> Receipt {
        Receipt {
            name: "operations".to_owned(),
            headers: Default::default(),
            body: r#"{"type":"event.failed","data":{"record":"rtms__CustomerInvoice__c a0X1"}}"#.to_owned(),
            verified,
            reason: None,
            at: 3,
        }
    }

    #[test]
    fn a_poison_must_be_visible_and_told() {
        let failed = [FailedEvent::of_delivery("d1", "invoice_date: not a date")];
        assert_eq!(poison_fault(&poison(), &failed, &[receipt(Some(true))]), None);
        let silent = [FailedEvent { reason: " ".to_owned(), ..failed[0].clone() }];
        assert!(poison_fault(&poison(), &[], &[]).unwrap().contains("not visible"));
        assert!(poison_fault(&poison(), &silent, &[]).unwrap().contains("without a reason"));
        assert!(poison_fault(&poison(), &failed, &[]).unwrap().contains("no notification"));
        assert!(poison_fault(&poison(), &failed, &[receipt(Some(false))]).unwrap().contains("signed"));
    }

    #[test]
    fn the_line_for_programs_has_every_promised_figure() {
        let outcome = judge(&Journal::default(), &[], run(End::Quiet), Duration::from_millis(1500));
        let line = outcome.json();
        for name in [
            "ok",
            "events",
            "delivered",
            "unchanged",
            "blocking_fetches",
            "polled",
            "lost",
            "duplicated",
            "out_of_order",
            "failed_visible",
            "p50_ms",
            "p99_ms",
            "seconds",
        ] {
            assert!(line.get(name).is_some(), "{name} is missing");
        }
        assert_eq!(line["seconds"], 1.5);
    }

    #[test]
    fn a_run_that_got_stuck_is_not_fine() {
        assert!(!judge(&Journal::default(), &[], run(End::Stuck), Duration::ZERO).ok);
    }
}
