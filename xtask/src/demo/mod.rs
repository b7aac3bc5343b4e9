//! The main job: customers and invoices travel from a simulated Revenova to a simulated QuickBooks
//! Online, and from a simulated ERP to a receiver of signed webhooks, and the checker reconciles what
//! the applications recorded.

pub mod control;
mod fetches;
pub mod kills;
pub mod outcome;
pub mod polls;
pub mod setup;
pub mod watch;

use std::time::Instant;

use anyhow::{Result, anyhow};
use fluxnex_simulators::commands::{ErpScenario, Scenario, SilentChanges};
use jiff::{SignedDuration, Timestamp};

use crate::{
    aws::Aws,
    certificates, emulator,
    layout::Layout,
    postgres,
    progress::{Progress, seconds},
    state::StateFile,
};
use control::Control;
use kills::Place;
pub use outcome::Outcome;
use outcome::Run;
pub use setup::Credentials;
use setup::Job;
use watch::{Polling, Watcher};

/// One customer for so many invoices.
const INVOICES_PER_CUSTOMER: u32 = 10;
/// The share of the invoices whose customers nobody tells of: they have to be fetched.
const SILENT_SHARE: f64 = 0.1;
/// One such customer for so many invoices.
const INVOICES_PER_SILENT_CUSTOMER: u32 = 20;
/// The ERP has one invoice for so many of Revenova's.
const ERP_SHARE: u32 = 4;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many invoices, besides the poisoned one.
    pub invoices: u32,
    /// The seed of everything that is generated; by default another one for each run, since the records of
    /// an earlier run would be recognised as unchanged.
    pub seed: Option<u64>,
    /// Whether `poll` and `fetch` are killed while they wait for a source.
    pub kill: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { invoices: 100, seed: None, kill: false }
    }
}

/// Runs the main job on a platform that is up, and prints the reconciliation.
pub async fn run(layout: &Layout, options: &Options, progress: &Progress) -> Result<Outcome> {
    let state = StateFile::open(layout);
    let (emulator, _) = emulator::require(layout, &state)?;
    let remembered = state.get().clone();
    let missing = || anyhow!("the platform is not complete; run `cargo xtask up`");
    let database = remembered.database.ok_or_else(missing)?;
    let ports = remembered.simulators.ok_or_else(missing)?;
    let api_url = remembered.deployment.ok_or_else(missing)?.api_url(&emulator)?;
    let aws = Aws::new(emulator.endpoint())?;
    let control = Control::new(&ports)?;
    let database = postgres::connect(&database, &certificates::ensure(layout)?).await?;

    let step = progress.start("applying the tenants' configurations");
    let credentials = remembered.credentials.unwrap_or_else(Credentials::generate);
    state.update(|state| state.credentials = Some(credentials.clone()))?;
    let page_size = page_size(options);
    let job = Job { layout, aws: &aws, control: &control, ports, api_url: &api_url, credentials, page_size };
    step.finish(setup::prepare(&job).await)?;

    let watcher = Watcher { control: &control, aws: &aws, database: &database, progress };
    let began = Instant::now();
    let place = Place { layout, emulator: &emulator, aws: &aws, control: &control };
    let run = play(&watcher, &place, options, &scenario(options)).await?;
    let elapsed = began.elapsed();

    let step = progress.start("reconciling");
    let gathered = async { anyhow::Ok((control.journal().await?, outcome::failed_events(&database).await?)) };
    let (journal, failed) = step.finish(gathered.await)?;
    let outcome = outcome::judge(&journal, &failed, run, elapsed);
    progress.say(format!("\nReconciliation\n{}", outcome.report));
    for line in outcome.lines() {
        progress.say(line);
    }
    for fault in &outcome.faults {
        progress.say(format!("✗ {fault}"));
    }
    let verdict = if outcome.ok { "✓ everything reconciles" } else { "✗ it does NOT reconcile" };
    progress.say(format!("{verdict} ({})", seconds(elapsed)));
    Ok(outcome)
}

/// Plays the main job: webhooks of acme and a poll of globex at once, and when all is quiet changes at
/// acme's source that only a poll can find.
async fn play(watcher: &Watcher<'_>, place: &Place<'_>, options: &Options, scenario: &Scenario) -> Result<Run> {
    let Watcher { control, aws, progress, .. } = watcher;
    let began_at = Timestamp::now();
    let erp = ErpScenario {
        customers: scenario.customers,
        // To be met in its midst, a run needs some pages.
        invoices: if options.kill { options.invoices } else { (options.invoices / ERP_SHARE).max(1) },
        poison: 0,
        seed: scenario.seed,
    };
    let planned_erp = control.start_erp(&erp).await?;
    let polls = polls::of(aws, setup::GLOBEX, |_| true).await?;
    let victim = polls.iter().find(|poll| options.kill && poll.object == "Invoices").cloned();
    let globex = Polling::fire(aws, polls).await?;
    let planned = control.start(scenario).await?;
    let seed = scenario.seed;
    progress
        .say(format!("Sending {} webhooks, polling {} records (seed {seed})", planned.webhooks, planned_erp.versions));
    let kills = async {
        match &victim {
            Some(poll) => kills::run(place, poll).await,
            None => Ok(()),
        }
    };
    let (mut end, ()) = tokio::try_join!(watcher.watch(&globex), kills)?;
    let mut pages = globex.pages(aws).await?;

    let changes = SilentChanges { count: options.invoices.div_ceil(2), seed };
    let changed = control.change_silently(&changes).await?;
    progress.say(format!("Polling {} changes that no webhook told of", changed.versions));
    let acme = polls::of(aws, setup::ACME, |object| object.contains("Invoice")).await?;
    let acme = Polling::fire(aws, acme).await?;
    end = end.and(watcher.watch(&acme).await?);
    pages += acme.pages(aws).await?;
    let fetches = fetches::since(aws, began_at).await?;
    Ok(Run { end, pages, fetches, silent_customers: planned.silent_customers_used })
}

/// How many records a source gives at once, so that even a small job takes a poll several pages.
fn page_size(options: &Options) -> usize {
    (options.invoices / 8).clamp(2, 200) as usize
}

fn scenario(options: &Options) -> Scenario {
    let now = Timestamp::now();
    Scenario {
        customers: (options.invoices / INVOICES_PER_CUSTOMER).max(1),
        invoices: options.invoices,
        silent_customers: (options.invoices / INVOICES_PER_SILENT_CUSTOMER).max(1),
        silent_share: SILENT_SHARE,
        // The stamps of the webhooks' records lie in the past, so that later changes have later ones.
        start: now - SignedDuration::from_hours(24),
        seed: options.seed.unwrap_or(u64::try_from(now.as_second()).unwrap_or(1)),
        deadline_seconds: 600,
        ..Scenario::default()
    }
}
