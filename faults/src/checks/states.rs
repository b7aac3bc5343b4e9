//! Where each accepted event stands at the end, and whether people were told of what failed.

use super::open::EXPLAINED;
use super::{Kind, Problem};
use crate::simulation::{Applications, EMPTIED, MARK, Observer, Scenario, TENANTS, Told};
use anyhow::Result;
use std::collections::BTreeSet;

/// States that are not final, save where a failure is their visible reason.
const OPEN: &str = "('processing', 'waiting', 'pending', 'sending', 'held')";

/// One event as its tenant sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) tenant: String,
    pub(super) event: String,
    pub(super) sender: String,
    pub(super) source_id: String,
    /// Nothing: no state at all.
    pub(super) state: Option<String>,
    pub(super) reason: String,
    /// Of the failed delivery, if it is one.
    pub(super) delivery: Option<String>,
    /// Not final, and nothing explains it.
    pub(super) is_open: bool,
}

/// Asks what each event's states are, and judges them.
pub(super) async fn check(
    observer: &Observer,
    scenario: &Scenario,
    applications: &Applications,
    accepted: &BTreeSet<(String, String)>,
) -> Result<Vec<Problem>> {
    let each = TENANTS.map(|tenant| {
        let schema = format!("tenant_{tenant}");
        format!(
            "SELECT '{tenant}', e.event::text, e.sender_event_id, coalesce(e.source_id, ''), s.state,
                    coalesce(s.reason, ''), d.delivery::text, coalesce(s.state IN {OPEN} AND NOT {EXPLAINED}, false)
             FROM {schema}.events e LEFT JOIN {schema}.event_states s ON s.event = e.event
             LEFT JOIN {schema}.deliveries d ON d.event = s.event AND d.target = s.target AND d.state = 'failed'"
        )
    });
    let mut seen = Vec::new();
    for row in observer.ask(&format!("{} ORDER BY 1, 2, 5, 6, 7", each.join(" UNION ALL "))).await? {
        seen.push(Seen {
            tenant: row.try_get(0)?,
            event: row.try_get(1)?,
            sender: row.try_get(2)?,
            source_id: row.try_get(3)?,
            state: row.try_get(4)?,
            reason: row.try_get(5)?,
            delivery: row.try_get(6)?,
            is_open: row.try_get(7)?,
        });
    }
    Ok(judge(&seen, scenario, &applications.told, accepted))
}

pub(super) fn judge(
    seen: &[Seen],
    scenario: &Scenario,
    told: &BTreeSet<Told>,
    accepted: &BTreeSet<(String, String)>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |kind: Kind, words: String| problems.push(Problem { kind, words });
    let registered: BTreeSet<(&str, &str)> =
        seen.iter().map(|seen| (seen.tenant.as_str(), seen.sender.as_str())).collect();
    for (tenant, sender) in accepted {
        if !registered.contains(&(tenant.as_str(), sender.as_str())) {
            problem(Kind::Lost, format!("{sender} of {tenant} was accepted and never registered"));
        }
    }
    for (subject, _) in scenario.newest() {
        if !seen.iter().any(|seen| seen.tenant == subject.tenant && seen.source_id == subject.id) {
            problem(Kind::Lost, format!("{} of {} was never registered", subject.id, subject.tenant));
        }
    }
    for event in seen {
        let Seen { tenant, source_id, reason, .. } = event;
        let Some(state) = &event.state else {
            problem(Kind::Lost, format!("{source_id} of {tenant}: event {} has no state", event.event));
            continue;
        };
        if event.is_open {
            problem(Kind::Stuck, format!("{source_id} of {tenant} is {state}: {reason}"));
        }
        if state != "failed" {
            continue;
        }
        let is_explained = scenario
            .known
            .keys()
            .any(|subject| subject.id == *source_id && subject.tenant == *tenant && scenario.may_fail(subject));
        if !is_explained {
            problem(Kind::Other, format!("{source_id} of {tenant} failed: {reason}"));
        }
        let is_told = told.iter().any(|told| {
            let is_same = match &event.delivery {
                Some(delivery) => told.delivery.as_ref() == Some(delivery),
                None => told.event.as_ref() == Some(&event.event),
            };
            told.tenant == *tenant && is_same
        });
        if !is_told {
            problem(Kind::Untold, format!("{source_id} of {tenant} failed, and nobody was told: {reason}"));
        }
    }
    problems
}

/// Looks for the mark of secrets in everything that is stored.
pub(super) async fn secrets(observer: &Observer) -> Result<Vec<Problem>> {
    let tables = TENANTS.iter().flat_map(|tenant| EMPTIED.map(|table| format!("tenant_{tenant}.{table}")));
    let tables = tables.chain(std::iter::once("fluxnex_master.dead_letters".to_owned()));
    let each: Vec<String> =
        tables.map(|table| format!("SELECT '{table}' FROM {table} t WHERE t::text LIKE '%{MARK}%'")).collect();
    let rows = observer.ask(&each.join(" UNION ALL ")).await?;
    let found = |row: &tokio_postgres::Row| -> Result<Problem> {
        Ok(Problem { kind: Kind::Secret, words: format!("a secret is in {}", row.try_get::<_, &str>(0)?) })
    };
    rows.iter().map(found).collect()
}
