//! The command `kill`.

use super::{Job, JobOptions, Settled, Violence, short_timeouts};
use crate::host::Figures;
use crate::queues::Quirks;
use anyhow::{Result, bail};
use clap::Args;
use fluxnex_simulators::reconcile::Report;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long everything may take to come to its end when the killing is over. A killed function's messages
/// come back after six of its timeouts, and perhaps as dead letters.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs the main job on the real programs, kills their processes at random, and reconciles at the end.
#[derive(Debug, Args)]
pub struct Kill {
    /// How long to kill, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Kills in a second, on the average.
    #[arg(long, default_value_t = 10.0, value_parser = rate)]
    rate: f64,
    /// Decides what is killed when, and what the records look like; by default another one each time.
    #[arg(long)]
    seed: Option<u64>,
    /// The root of the repository.
    #[arg(long, default_value = ".")]
    repository: PathBuf,
    /// The folder with the programs of the functions; by default that of this program.
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Where logs and certificates go.
    #[arg(long)]
    folder: PathBuf,
    /// A command that restarts PostgreSQL, done every quarter of a minute or so.
    #[arg(long)]
    restart: Option<String>,
    /// Leaves the job's database, for whoever looks for a reason.
    #[arg(long)]
    keep: bool,
    /// Ends with one JSON line on standard output; all else goes to standard error.
    #[arg(long)]
    json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1000.0 => Ok(rate),
        _ => Err("a number above 0, and not above 1000, is needed".to_owned()),
    }
}

impl Kill {
    /// Runs it.
    ///
    /// # Errors
    /// It does not reconcile, or it could not be run.
    pub fn run(&self) -> Result<()> {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.kill())
    }

    async fn kill(&self) -> Result<()> {
        let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
        let seed = self.seed.unwrap_or(now << 16);
        let programs = match &self.programs {
            Some(programs) => programs.clone(),
            None => std::env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default(),
        };
        eprintln!("Killing for {} s on the Lambda host (seed {seed})", self.seconds);
        let job = Job::start(&JobOptions {
            repository: self.repository.clone(),
            programs,
            folder: self.folder.clone(),
            quirks: Quirks::OFTEN,
            timeouts: short_timeouts(),
            seed,
            is_told: true,
        })
        .await?;
        let violence = Violence {
            duration: Duration::from_secs(self.seconds),
            kill_every: Duration::from_secs_f64(1.0 / self.rate),
            restart: self.restart.clone(),
            seed,
        };
        let done = violence.run(&job).await?;
        eprintln!("  … killing has ended, waiting until all is done");
        let began = Instant::now();
        let settled = job.settle(PATIENCE).await?;
        let settling = began.elapsed();
        let report = job.report().await?;
        let functions = job.host.figures();
        let mut line = outcome(&report, &settled);
        let more = json!({
            "kills": done.kills.get(),
            "kills_amid_work": functions.values().map(|figures| figures.crashed).sum::<u64>(),
            "postgres_restarts": done.restarts.get(),
            "scenarios": done.rounds.get(),
            "invocations": functions.values().map(|figures| figures.invocations).sum::<u64>(),
            "seconds": self.seconds,
            "seconds_to_settle": (settling.as_secs_f64() * 10.0).round() / 10.0,
            "seed": seed,
        });
        line.extend(more.as_object().cloned().unwrap_or_default());
        self.print(&report, &settled, &functions);
        let is_ok = line.get("ok") == Some(&Value::Bool(true));
        if self.keep {
            job.host.stop().await;
            eprintln!("The database stays: {}", job.database.own.database());
        } else {
            job.stop().await?;
        }
        if self.json {
            println!("{}", Value::Object(line));
        }
        if is_ok { Ok(()) } else { bail!("it does not reconcile; logs are in {}", self.folder.display()) }
    }

    fn print(&self, report: &Report, settled: &Settled, functions: &BTreeMap<String, Figures>) {
        eprintln!("\n{report}");
        for (name, figures) in functions.iter().filter(|(_, figures)| figures.invocations > 0) {
            let Figures { invocations, failed, crashed, timed_out, .. } = figures;
            eprintln!(
                "{name:<10} {invocations:>6} invocations, {crashed} killed, {failed} failed, {timed_out} timed out"
            );
        }
        for violation in &report.violations {
            eprintln!("✗ {:?}: {}: {}", violation.kind, violation.subject, violation.explanation);
        }
        for failure in &report.failures {
            eprintln!("shown as failed: {failure:?}");
        }
        if let Settled::Stuck(open) = settled {
            eprintln!("✗ this is left: {open:?}");
        }
    }
}

/// What came of it, for programs.
fn outcome(report: &Report, settled: &Settled) -> Map<String, Value> {
    let stuck = match settled {
        Settled::Quiet => 0,
        Settled::Stuck(open) => open.values().sum::<u64>(),
    };
    report.figures(stuck)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fluxnex_simulators::reconcile::{Violation, ViolationKind};

    #[test]
    fn what_is_left_or_lost_is_not_fine() {
        let fine = Report::default();
        assert_eq!(outcome(&fine, &Settled::Quiet)["ok"], true);
        let stuck = outcome(&fine, &Settled::Stuck([("messages".to_owned(), 2)].into()));
        assert_eq!((&stuck["ok"], &stuck["stuck"]), (&Value::Bool(false), &Value::from(2)));
        let lost =
            Violation { kind: ViolationKind::Lost, subject: "an invoice".to_owned(), explanation: "why".to_owned() };
        let bad = Report { lost: 1, violations: vec![lost], ..fine.clone() };
        assert_eq!(outcome(&bad, &Settled::Quiet)["ok"], false);
        assert_eq!(outcome(&Report { unacknowledged: 1, ..fine }, &Settled::Quiet)["ok"], false);
    }
}
