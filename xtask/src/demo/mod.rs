//! The main job: customers and invoices travel from a simulated Revenova to a simulated QuickBooks
//! Online, and the checker reconciles what both recorded.

mod control;
mod outcome;
mod setup;
mod watch;

use std::time::Instant;

use anyhow::{Result, anyhow};
use fluxnex_simulators::commands::Scenario;
use jiff::Timestamp;

use crate::{
    aws::Aws,
    certificates, emulator,
    layout::Layout,
    postgres,
    progress::{Progress, seconds},
    state::StateFile,
};
use control::Control;
pub use outcome::Outcome;
pub use setup::Credentials;
use setup::Job;

/// One customer for so many invoices.
const INVOICES_PER_CUSTOMER: u32 = 10;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many invoices, besides the poisoned one.
    pub invoices: u32,
    /// The seed of everything that is generated; by default another one for each run, since the records of
    /// an earlier run would be recognised as unchanged.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { invoices: 100, seed: None }
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

    let step = progress.start("applying the tenant's configuration");
    let credentials = remembered.credentials.unwrap_or_else(Credentials::generate);
    state.update(|state| state.credentials = Some(credentials.clone()))?;
    let job = Job { layout, aws: &aws, control: &control, ports, api_url: &api_url, credentials };
    step.finish(setup::prepare(&job).await)?;

    let scenario = scenario(options);
    let began = Instant::now();
    let planned = control.start(&scenario).await?;
    progress.say(format!("Sending {} webhooks (seed {})", planned.webhooks, scenario.seed));
    let end = watch::watch(&control, &aws, &database, progress).await?;
    let elapsed = began.elapsed();

    let step = progress.start("reconciling");
    let gathered = async { anyhow::Ok((control.journal().await?, outcome::failed_events(&database).await?)) };
    let (journal, failed) = step.finish(gathered.await)?;
    let outcome = outcome::judge(&journal, &failed, end, elapsed);
    progress.say(format!("\nReconciliation\n{}", outcome.report));
    for fault in &outcome.faults {
        progress.say(format!("✗ {fault}"));
    }
    let verdict = if outcome.ok { "✓ everything reconciles" } else { "✗ it does NOT reconcile" };
    progress.say(format!("{verdict} ({})", seconds(elapsed)));
    Ok(outcome)
}

fn scenario(options: &Options) -> Scenario {
    let clock = u64::try_from(Timestamp::now().as_second()).unwrap_or(1);
    Scenario {
        customers: (options.invoices / INVOICES_PER_CUSTOMER).max(1),
        invoices: options.invoices,
        seed: options.seed.unwrap_or(clock),
        deadline_seconds: 600,
        ..Scenario::default()
    }
}
