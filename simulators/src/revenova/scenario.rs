//! Runs a scenario: stores its records, then sends its webhooks from several senders at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::generate::{self, ACCOUNT, INVOICE};
use super::sender::Patience;
use crate::clock::now_microseconds;
use crate::commands::{Planned, Scenario, ScenarioState, WebhookTarget};
use crate::journal::{SentWebhook, WebhookKind};
use crate::random::Random;
use crate::recorder::lock;
use crate::world::World;

const MOST_RECORDS: u64 = 200_000;
const MOST_SENDERS: usize = 256;

/// The scenario that runs or ran last.
#[derive(Default)]
pub struct Scenarios {
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    state: ScenarioState,
    planned: Planned,
    /// The ids of its invoices, without the poisoned ones.
    good_invoices: Vec<String>,
    task: Option<AbortHandle>,
}

/// Why a scenario does not start.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its parameters are out of range.
    Invalid(String),
    /// Another one runs, or there is nowhere to send to.
    NotNow(String),
}

impl Scenarios {
    pub fn progress(&self) -> (ScenarioState, Planned) {
        let last = lock(&self.last);
        (last.state, last.planned.clone())
    }

    /// The ids of the last scenario's invoices, without the poisoned ones.
    pub fn invoices(&self) -> Vec<String> {
        lock(&self.last).good_invoices.clone()
    }

    /// Ends the sending, if a scenario runs.
    pub fn cancel(&self) {
        let mut last = lock(&self.last);
        if let Some(task) = last.task.take() {
            task.abort();
            last.state = ScenarioState::Incomplete;
        }
    }

    /// Ends the sending, and forgets that there was a scenario.
    pub fn forget(&self) {
        self.cancel();
        *lock(&self.last) = Last::default();
    }
}

/// Checks and starts a scenario; it then runs in the background.
///
/// # Errors
/// If it cannot start; then nothing has changed.
pub fn start(world: &Arc<World>, scenario: &Scenario) -> Result<Planned, Refused> {
    check(scenario).map_err(Refused::Invalid)?;
    let settings = world.revenova.settings();
    let target = settings
        .webhook
        .clone()
        .ok_or_else(|| Refused::NotNow("configure revenova.webhook first: there is nowhere to send to".to_owned()))?;
    {
        let mut last = lock(&world.revenova.scenarios.last);
        if last.state == ScenarioState::Running {
            return Err(Refused::NotNow("a scenario runs already".to_owned()));
        }
        last.state = ScenarioState::Running;
    }
    let mut plan = generate::plan(scenario);
    let now = now_microseconds();
    for version in &mut plan.versions {
        version.at = now;
    }
    // Versions of a record come in their order: the last one stays.
    let stored = plan.versions.iter().map(|version| {
        let object = if version.object == ACCOUNT { ACCOUNT } else { INVOICE };
        (object, version.record_id.clone(), version.content.clone())
    });
    world.revenova.records.put(stored);
    world.recorder.versions(plan.versions);
    let good = plan.webhooks.iter().filter(|webhook| webhook.object == INVOICE && webhook.kind == WebhookKind::First);
    let good_invoices: Vec<String> = good.map(|webhook| webhook.record_id.clone()).collect();
    let sequences = world.recorder.plan(plan.webhooks.clone());
    let queue = sequences.into_iter().zip(plan.webhooks).collect();

    let run = send_all(world.clone(), target, settings.organization_id, scenario.clone(), queue);
    let task = tokio::spawn(run).abort_handle();
    let mut last = lock(&world.revenova.scenarios.last);
    last.planned = plan.planned.clone();
    last.good_invoices = good_invoices;
    // With nothing to send the task may have ended before it was known.
    last.task = (last.state == ScenarioState::Running).then_some(task);
    Ok(plan.planned)
}

async fn send_all(
    world: Arc<World>,
    target: Arc<WebhookTarget>,
    organization_id: String,
    scenario: Scenario,
    queue: Vec<(u64, SentWebhook)>,
) {
    let patience = Patience {
        deadline: Instant::now() + Duration::from_secs(scenario.deadline_seconds),
        request_timeout: Duration::from_millis(scenario.request_timeout_ms),
        retry_base: Duration::from_millis(scenario.retry_base_ms),
        retry_max: Duration::from_millis(scenario.retry_max_ms),
    };
    let queue = Arc::new(queue);
    let next = Arc::new(AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    for number in 0..scenario.concurrency {
        let (world, target, queue, next) = (world.clone(), target.clone(), queue.clone(), next.clone());
        let organization_id = organization_id.clone();
        let mut random = Random::new(scenario.seed.wrapping_add(number as u64));
        senders.spawn(async move {
            while let Some((sequence, webhook)) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
                let tools = (&world.recorder, &mut random);
                world.revenova.sender.deliver(&target, &organization_id, webhook, *sequence, patience, tools).await;
            }
        });
    }
    while senders.join_next().await.is_some() {}
    let acknowledged = |(sequence, _): &(u64, SentWebhook)| {
        world.recorder.sent(*sequence).is_some_and(|webhook| webhook.acknowledged_at.is_some())
    };
    let complete = queue.iter().all(acknowledged);
    let mut last = lock(&world.revenova.scenarios.last);
    last.state = if complete { ScenarioState::Finished } else { ScenarioState::Incomplete };
    last.task = None;
}

fn check(scenario: &Scenario) -> Result<(), String> {
    let records = [scenario.customers, scenario.silent_customers, scenario.invoices, scenario.poison];
    let records: u64 = records.into_iter().map(u64::from).sum();
    if records > MOST_RECORDS {
        return Err(format!("{records} records are more than {MOST_RECORDS}"));
    }
    let shares = [
        ("silent_share", scenario.silent_share),
        ("updates_share", scenario.updates_share),
        ("duplicates_share", scenario.duplicates_share),
        ("resends_share", scenario.resends_share),
    ];
    if let Some((name, share)) = shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
        return Err(format!("{name} {share} is not between 0 and 1"));
    }
    if scenario.customers == 0 && scenario.silent_customers == 0 && scenario.invoices > 0 {
        return Err("invoices need customers".to_owned());
    }
    if scenario.customers == 0 && scenario.poison > 0 {
        return Err("poisoned invoices need customers".to_owned());
    }
    if scenario.customers == 0 && scenario.invoices > 0 && scenario.silent_share < 1.0 {
        return Err("without customers every invoice must go to a silent one: silent_share 1".to_owned());
    }
    if !(1..=MOST_SENDERS).contains(&scenario.concurrency) {
        return Err(format!("concurrency is not between 1 and {MOST_SENDERS}"));
    }
    if scenario.poison_kinds.len() > 16 {
        return Err("poison_kinds has more than 16 entries".to_owned());
    }
    let milliseconds = [scenario.retry_base_ms, scenario.retry_max_ms, scenario.request_timeout_ms];
    let day = 86_400;
    if scenario.deadline_seconds > day || milliseconds.into_iter().any(|value| value > day * 1_000) {
        return Err("no time may be longer than a day".to_owned());
    }
    if scenario.request_timeout_ms == 0 {
        return Err("request_timeout_ms must not be 0".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_out_of_range_are_refused() {
        let default = Scenario::default;
        assert_eq!(check(&default()), Ok(()));
        for refused in [
            Scenario { invoices: u32::MAX, customers: u32::MAX, ..default() },
            Scenario { updates_share: 1.1, ..default() },
            Scenario { duplicates_share: f64::NAN, ..default() },
            Scenario { resends_share: -0.1, ..default() },
            Scenario { customers: 0, ..default() },
            Scenario { customers: 0, poison: 0, silent_customers: 1, ..default() },
            Scenario { concurrency: 0, ..default() },
            Scenario { concurrency: 100_000, ..default() },
            Scenario { deadline_seconds: u64::MAX, ..default() },
            Scenario { retry_max_ms: u64::MAX, ..default() },
            Scenario { request_timeout_ms: 0, ..default() },
        ] {
            assert!(check(&refused).is_err(), "{refused:?}");
        }
    }
}
