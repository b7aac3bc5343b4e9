//! The main job on the real programs: a bundle is applied, webhooks come in, and what takes effect at the
//! simulated QuickBooks is what was sent.

use crate::programs::{built, folder, repository};
use fluxnex_faults::kill::{Job, JobOptions, Settled, Violence, short_timeouts};
use fluxnex_faults::queues::Quirks;
use fluxnex_simulators::commands::Scenario;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longer than everything takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(180);

async fn job(name: &str, quirks: Quirks, timeouts: BTreeMap<String, Duration>) -> Job {
    let options = JobOptions {
        repository: repository(),
        programs: built(),
        folder: folder(name),
        quirks,
        timeouts,
        seed: 1,
        is_told: false,
    };
    Job::start(&options).await.unwrap()
}

/// Waits for the end of everything, and looks whether it is what was sent.
async fn reconciled(job: Job, least_events: u64) {
    let settled = job.settle(PATIENCE).await.unwrap();
    let report = job.report().await.unwrap();
    println!("{report}");
    let figures = job.host.figures();
    for (name, figures) in figures.iter().filter(|(_, figures)| figures.invocations > 0) {
        println!("{name}: {}", serde_json::to_string(figures).unwrap());
    }
    assert_eq!(settled, Settled::Quiet, "{:#?}", job.host.workflows().executions());
    assert!(report.is_clean(), "{:#?}", report.violations);
    assert_eq!((report.unacknowledged, &report.failures[..]), (0, &[][..]));
    assert!(report.events > least_events && report.silent_parents_fetched > 0, "{report:#?}");
    assert!(job.host.workflows().transitions() > 0);
    assert!(figures["ingest"].calls["sqs.SendMessageBatch"] >= report.events);
    assert!(figures["deliver"].peak_memory_bytes > 1_000_000 && figures["deliver"].billed_milliseconds > 0);
    job.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_takes_effect() {
    let job = job("calm", Quirks::NONE, BTreeMap::new()).await;
    assert_eq!(job.host.schedules().all().len(), 2, "one for each object that is polled");
    let scenario = Scenario {
        customers: 5,
        invoices: 40,
        silent_customers: 2,
        silent_share: 0.2,
        poison: 0,
        seed: 7,
        ..Scenario::default()
    };
    job.applications.begin(&scenario).await.unwrap();
    reconciled(job, 40).await;
}

/// Messages come twice, late and in any order, some records change in silence, and processes are killed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_takes_effect_in_spite_of_kills_and_tricks() {
    let job = job("hard", Quirks::OFTEN, short_timeouts()).await;
    let violence =
        Violence { duration: Duration::from_secs(8), kill_every: Duration::from_millis(100), restart: None, seed: 1 };
    let done = violence.run(&job).await.unwrap();
    assert!(done.kills.get() > 10, "{done:?}");
    let crashed: u64 = job.host.figures().values().map(|figures| figures.crashed).sum();
    assert!(crashed > 0, "some were at work");
    reconciled(job, 20).await;
}
