//! Judges a run: the checker's reconciliation, and what must be visible of the poisoned records.

use std::time::Duration;

use anyhow::{Context, Result};
use fluxnex_simulators::{
    journal::{Journal, Receipt, SentWebhook, WebhookKind},
    reconcile::{FailedEvent, Report, reconcile},
};
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::{setup::TENANT, watch::End};

/// The result of a run.
pub struct Outcome {
    /// Whether everything is as it must be.
    pub ok: bool,
    /// The checker's figures.
    pub report: Report,
    /// What is wrong besides the checker's findings.
    pub faults: Vec<String>,
    /// From the first webhook until all was quiet.
    pub elapsed: Duration,
}

/// Judges what the applications recorded.
pub fn judge(journal: &Journal, failed: &[FailedEvent], end: End, elapsed: Duration) -> Outcome {
    let report = reconcile(journal, failed);
    let mut faults = Vec::new();
    if end == End::Stuck {
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
        if !poisons.iter().any(|poison| poison.delivery_id == failure.delivery_id) {
            faults.push(format!("event {} failed, and is no poison: {}", failure.delivery_id, failure.reason));
        }
    }
    Outcome { ok: report.is_clean() && faults.is_empty(), report, faults, elapsed }
}

/// A poisoned record must be visible as failed, with its reason, and people must have been told.
fn poison_fault(poison: &SentWebhook, failed: &[FailedEvent], receipts: &[Receipt]) -> Option<String> {
    let named = format!("the poisoned record {}", poison.record_id);
    match failed.iter().find(|failure| failure.delivery_id == poison.delivery_id) {
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
    let query = format!(
        "SELECT sender_event_id, coalesce(reason, '') FROM tenant_{TENANT}.event_states \
         WHERE state IN ('failed', 'held') AND source = 'webhook'"
    );
    let rows = database.query(&query, &[]).await.context("cannot read the failed events")?;
    Ok(rows.into_iter().map(|row| FailedEvent { delivery_id: row.get(0), reason: row.get(1) }).collect())
}

impl Outcome {
    /// The line for programs.
    pub fn json(&self) -> Value {
        let report = &self.report;
        json!({
            "ok": self.ok,
            "events": report.events,
            "delivered": report.delivered,
            "unchanged": report.unchanged,
            "superseded": report.superseded,
            "blocking_fetches": 0,
            "polled": 0,
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
        let failed = [FailedEvent { delivery_id: "d1".to_owned(), reason: "invoice_date: not a date".to_owned() }];
        assert_eq!(poison_fault(&poison(), &failed, &[receipt(Some(true))]), None);
        let silent = [FailedEvent { reason: " ".to_owned(), ..failed[0].clone() }];
        assert!(poison_fault(&poison(), &[], &[]).unwrap().contains("not visible"));
        assert!(poison_fault(&poison(), &silent, &[]).unwrap().contains("without a reason"));
        assert!(poison_fault(&poison(), &failed, &[]).unwrap().contains("no notification"));
        assert!(poison_fault(&poison(), &failed, &[receipt(Some(false))]).unwrap().contains("signed"));
    }

    #[test]
    fn the_line_for_programs_has_every_promised_figure() {
        let outcome = judge(&Journal::default(), &[], End::Quiet, Duration::from_millis(1500));
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
        assert!(!judge(&Journal::default(), &[], End::Stuck, Duration::ZERO).ok);
    }
}
