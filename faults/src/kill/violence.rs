//! What is done to the job: kills, restarts of PostgreSQL, and new webhooks all the time.

use super::job::{Job, TELL_EVERY};
use crate::queues::{Choices, Seeded};
use anyhow::{Context, Result, bail};
use fluxnex_simulators::commands::{Scenario, ScenarioState, SilentChanges};
use jiff::{SignedDuration, Timestamp};
use std::cell::Cell;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// Between two scenarios.
const ROUND_PAUSE: Duration = Duration::from_secs(1);
/// No new scenario begins while more messages than this wait or are under way.
const MOST_MESSAGES: u64 = 400;
/// Between two restarts of PostgreSQL: this, and up to a third more.
const RESTART_EVERY: Duration = Duration::from_secs(15);
/// The webhooks of a scenario are tried for longer than any run takes.
const DEADLINE_SECONDS: u64 = 3_600;

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Violence {
    /// For how long.
    pub duration: Duration,
    /// The pause between two kills, on the average.
    pub kill_every: Duration,
    /// The command that restarts PostgreSQL, for a shell; `None` leaves it alone.
    pub restart: Option<String>,
    /// What is killed, when, and what records look like.
    pub seed: u64,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Figures {
    /// Processes that were killed.
    pub kills: Cell<u64>,
    /// How often PostgreSQL was restarted.
    pub restarts: Cell<u64>,
    /// Scenarios that were begun.
    pub rounds: Cell<u64>,
}

fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

impl Violence {
    /// Does it. Nothing is waited for at the end: see [`Job::settle`].
    ///
    /// # Errors
    /// The applications do not answer, or PostgreSQL cannot be restarted.
    pub async fn run(&self, job: &Job) -> Result<Figures> {
        let end = Instant::now() + self.duration;
        let figures = Figures::default();
        let (killing, telling) = (self.kill(job, end, &figures), self.tell(job, end, &figures));
        let (sending, restarting) = (self.send(job, end, &figures), self.restart(end, &figures));
        let ((), (), sent, restarted) = tokio::join!(killing, telling, sending, restarting);
        sent?;
        restarted?;
        Ok(figures)
    }

    async fn kill(&self, job: &Job, end: Instant, figures: &Figures) {
        let mut choices = Seeded::new(self.seed);
        while Instant::now() < end {
            // From half to one and a half times the average.
            let part = 0.5 + choices.below(1_000) as f64 / 1_000.0;
            tokio::time::sleep(self.kill_every.mul_f64(part)).await;
            if job.host.kill_any(&mut choices).await {
                count(&figures.kills);
            }
        }
    }

    async fn send(&self, job: &Job, end: Instant, figures: &Figures) -> Result<()> {
        while Instant::now() < end {
            let is_sent = job.counts().await?.scenario != ScenarioState::Running;
            if is_sent && job.host.messages() < MOST_MESSAGES {
                let seed = self.seed.wrapping_add(figures.rounds.get());
                if figures.rounds.get() > 0 {
                    // Of these, nobody but a poll hears.
                    job.applications.change_silently(&SilentChanges { count: 2, seed }).await?;
                    job.host.fire_schedules("");
                }
                job.applications.begin(&scenario(seed)).await?;
                count(&figures.rounds);
            }
            tokio::time::sleep(ROUND_PAUSE).await;
        }
        Ok(())
    }

    async fn restart(&self, end: Instant, figures: &Figures) -> Result<()> {
        let Some(command) = &self.restart else { return Ok(()) };
        let mut choices = Seeded::new(!self.seed);
        loop {
            let pause = RESTART_EVERY.mul_f64(1.0 + choices.below(1_000) as f64 / 3_000.0);
            if Instant::now() + pause > end {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            let done = Command::new("sh").args(["-c", command]).kill_on_drop(true).output().await;
            let done = done.context("cannot run the command that restarts PostgreSQL")?;
            if !done.status.success() {
                bail!("PostgreSQL was not restarted: {}", String::from_utf8_lossy(&done.stderr));
            }
            count(&figures.restarts);
        }
    }

    async fn tell(&self, job: &Job, end: Instant, figures: &Figures) {
        let began = Instant::now();
        while job.is_told && Instant::now() < end {
            tokio::time::sleep(TELL_EVERY.min(end.saturating_duration_since(Instant::now()))).await;
            let Ok(counts) = job.counts().await else { continue };
            eprintln!(
                "  … {} s: {} kills, {} restarts of PostgreSQL, {} webhooks accepted, {} effects, {} messages",
                began.elapsed().as_secs(),
                figures.kills.get(),
                figures.restarts.get(),
                counts.acknowledged,
                counts.effects.values().sum::<u64>(),
                job.host.messages(),
            );
        }
    }
}

/// Few records, so that one scenario follows the other. Their stamps lie in the past: later changes have
/// later ones.
fn scenario(seed: u64) -> Scenario {
    Scenario {
        customers: 2,
        invoices: 10,
        silent_customers: 1,
        silent_share: 0.1,
        updates_share: 0.3,
        poison: 0,
        seed,
        start: Timestamp::now() - SignedDuration::from_hours(24),
        deadline_seconds: DEADLINE_SECONDS,
        retry_max_ms: 1_000,
        ..Scenario::default()
    }
}
