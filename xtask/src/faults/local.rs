//! Violence to the local platform: functions of the emulator are killed, and PostgreSQL is restarted.
//!
//! `fetch` is spared here (see [`MainJob::spared`]): it is killed at random on the Lambda host, and at chosen
//! moments by `cargo xtask demo --kill`.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::json;

use super::{
    job::MainJob,
    kill::Outcome,
    victims::{Victims, any_below},
};
use crate::{
    certificates,
    layout::Layout,
    platform::{self, Options},
    postgres,
    progress::Progress,
    state::StateFile,
};

/// Between two kills, on the average.
const KILL_EVERY: Duration = Duration::from_millis(400);
/// Between two looks whether another round can begin.
const ROUND_EVERY: Duration = Duration::from_secs(3);
/// Between two restarts of PostgreSQL: this, and up to a third more.
const RESTART_EVERY: Duration = Duration::from_secs(15);
/// How often people are told how it goes.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Retries and deadlines pass so many times faster.
const TIME_SCALE: &str = "10";

#[derive(Default)]
struct Figures {
    kills: Cell<u64>,
    restarts: Cell<u64>,
    rounds: Cell<u64>,
}

fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

/// Starts the instance's platform, runs the main job on it while killing, and judges what came of it.
pub async fn run(layout: &Layout, seconds: u64, seed: Option<u64>, progress: &Progress) -> Result<Outcome> {
    platform::up(layout, &Options { time_scale: TIME_SCALE.to_owned() }, progress).await?;
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
    let seed = seed.unwrap_or(now << 16);
    let job = MainJob::prepare(layout, seed).await?;
    job.shorten().await?;
    let spared = job.spared(layout).await?;
    progress.say(format!("Killing for {seconds} s on the local platform (seed {seed})"));
    let figures = Figures::default();
    let end = Instant::now() + Duration::from_secs(seconds);
    let ((), rounds, restarts, ()) = tokio::join!(
        kill(Victims::under(&layout.emulator(), &spared), end, &figures),
        rounds(&job, end, &figures),
        restarts(layout, end, &figures),
        tell(&job, end, &figures, progress),
    );
    rounds?;
    restarts?;
    progress.say("  … killing has ended, waiting until all is done");
    let began = Instant::now();
    let stuck = job.settle(progress).await?;
    let settling = began.elapsed().as_secs();
    let report = job.report().await?;
    progress.say(format!("\n{report}"));
    for violation in &report.violations {
        progress.say(format!("✗ {:?}: {}: {}", violation.kind, violation.subject, violation.explanation));
    }
    let mut outcome = report.figures(stuck);
    let more = json!({
        "kills": figures.kills.get(),
        "postgres_restarts": figures.restarts.get(),
        "scenarios": figures.rounds.get(),
        "seconds": seconds,
        "seconds_to_settle": settling,
        "seed": seed,
    });
    outcome.extend(more.as_object().cloned().unwrap_or_default());
    Ok(outcome)
}

async fn kill(mut victims: Victims, end: Instant, figures: &Figures) {
    while Instant::now() < end {
        // From half to one and a half times the average.
        tokio::time::sleep(KILL_EVERY.mul_f64(0.5 + any_below(1_000) as f64 / 1_000.0)).await;
        if victims.kill_one() {
            count(&figures.kills);
        }
    }
}

async fn rounds(job: &MainJob, end: Instant, figures: &Figures) -> Result<()> {
    while Instant::now() < end {
        if job.round(figures.rounds.get()).await? {
            count(&figures.rounds);
        }
        tokio::time::sleep(ROUND_EVERY).await;
    }
    Ok(())
}

async fn restarts(layout: &Layout, end: Instant, figures: &Figures) -> Result<()> {
    let (state, certificates) = (StateFile::open(layout), certificates::ensure(layout)?);
    loop {
        let pause = RESTART_EVERY.mul_f64(1.0 + any_below(1_000) as f64 / 3_000.0);
        if Instant::now() + pause > end {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
        postgres::restart(layout, &state, &certificates).await.context("PostgreSQL was not restarted")?;
        count(&figures.restarts);
    }
}

async fn tell(job: &MainJob, end: Instant, figures: &Figures, progress: &Progress) {
    let began = Instant::now();
    while Instant::now() < end {
        tokio::time::sleep(TELL_EVERY.min(end.saturating_duration_since(Instant::now()))).await;
        let Ok(counts) = job.counts().await else { continue };
        let effects: u64 = counts.effects.values().sum();
        progress.say(format!(
            "  … {} s: {} kills, {} restarts of PostgreSQL, {} webhooks accepted, {effects} effects",
            began.elapsed().as_secs(),
            figures.kills.get(),
            figures.restarts.get(),
            counts.acknowledged,
        ));
    }
}
