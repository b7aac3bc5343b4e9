//! The local platform as a whole: PostgreSQL, the AWS emulator with the deployed functions, and the
//! simulated applications.

pub mod logs;
pub mod status;
mod waits;

use std::time::Instant;

use anyhow::{Context, Result};

use crate::{
    build, certificates, deploy, emulator,
    layout::{Instance, Layout, remove_folder},
    postgres, prerequisites, processes,
    progress::{Progress, seconds},
    simulators,
    state::{Lock, StateFile},
    tools,
};

/// How the platform shall run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many times faster than real every wait of FluxNex passes; a decimal number above 0.
    pub time_scale: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { time_scale: "1".to_owned() }
    }
}

/// Brings the platform to the state of the clone: starts what does not run, builds and deploys what
/// changed, and leaves alone what is as it should be.
pub async fn up(layout: &Layout, options: &Options, progress: &Progress) -> Result<()> {
    let _lock = Lock::acquire(layout, progress).await?;
    let began = Instant::now();
    let state = StateFile::open(layout);
    let servers_are_up = postgres::is_up(layout, &state) && emulator::is_up(layout, &state, &options.time_scale);
    let simulators_were_up = processes::running(layout, simulators::NAME).is_some();
    let certificates = certificates::ensure(layout)?;
    // Before anything else: whoever misses something would hear only of the first program that failed for it.
    let prerequisites = if servers_are_up {
        None
    } else {
        let step = progress.start("checking prerequisites");
        Some(step.finish(prerequisites::check().await)?)
    };
    let servers = async {
        let Some(prerequisites) = &prerequisites else { return Ok(()) };
        let tools = tools::install(layout, prerequisites, progress).await?;
        tokio::try_join!(
            postgres::up(layout, &state, &tools.postgres, &certificates, progress),
            emulator::up(layout, &state, &tools.python, &options.time_scale, progress),
        )?;
        anyhow::Ok(())
    };
    // The servers wait for disk and network where the compiler needs the processor.
    let ((), (), artifacts) =
        tokio::try_join!(servers, tools::node::modules(layout, progress), build::build(layout, progress))?;
    simulators::up(layout, &state, &artifacts, &certificates, progress).await?;
    let deployed = deploy::up(layout, &state, &artifacts, &certificates, &options.time_scale, progress).await?;
    let elapsed = seconds(began.elapsed());
    if servers_are_up && simulators_were_up && !deployed {
        progress.say(format!("Already up, nothing to do ({elapsed})."));
    } else {
        progress.say(format!("The platform is up ({elapsed}). `cargo xtask status` shows where everything is."));
    }
    Ok(())
}

/// Whether any process of the platform runs.
pub fn is_running(layout: &Layout) -> bool {
    [postgres::NAME, emulator::NAME, simulators::NAME].iter().any(|name| processes::running(layout, name).is_some())
}

/// What `down` leaves in place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// The logs, since something failed.
    Logs,
}

/// Stops everything and removes every file of the instance, also after a crash.
pub async fn down(layout: &Layout, keep: Keep, progress: &Progress) -> Result<()> {
    if !layout.state().exists() && !layout.database().exists() {
        progress.say("The platform is not running.");
        return Ok(());
    }
    let began = Instant::now();
    let lock = Lock::acquire(layout, progress).await?;
    let step = progress.start("stopping the platform");
    let result = async {
        for nested in nested(layout) {
            take_down_nested(&nested, progress).await?;
        }
        stop_all(layout).await?;
        remove_state(layout, keep)
    };
    let result = result.await;
    step.finish(result)?;
    drop(lock);
    progress.say(format!("The platform is down ({}).", seconds(began.elapsed())));
    Ok(())
}

async fn stop_all(layout: &Layout) -> Result<()> {
    // All of them, even if one resists.
    let (emulator, simulators, database) =
        tokio::join!(emulator::down(layout), simulators::down(layout), postgres::down(layout));
    emulator.context("the AWS emulator is not down")?;
    simulators.context("the simulated applications are not down")?;
    database.context("PostgreSQL is not down")
}

/// The instances that lie in the folder of this one, and are there.
fn nested(layout: &Layout) -> Vec<Layout> {
    let all = [Instance::Test, Instance::Faults].map(|instance| Layout::of(layout.root().to_path_buf(), instance));
    let inside = |nested: &Layout| nested.state().parent() == Some(layout.state()) && nested.state().exists();
    all.into_iter().filter(inside).collect()
}

/// What a killed run left; a running one is left alone.
async fn take_down_nested(nested: &Layout, progress: &Progress) -> Result<()> {
    if Lock::is_held(nested) {
        progress.say(format!("{} is in use and left alone.", nested.relative(nested.state()).display()));
        return Ok(());
    }
    stop_all(nested).await?;
    remove_folder(nested.state())
}

fn remove_state(layout: &Layout, keep: Keep) -> Result<()> {
    if keep == Keep::Nothing && nested(layout).is_empty() {
        remove_folder(layout.state())?;
        // Other instances lie in the developer's folder; if that one has no platform, nothing must stay.
        if let Some(parent) = layout.state().parent().filter(|parent| *parent != layout.root()) {
            let _ = std::fs::remove_dir(parent);
        }
        return Ok(());
    }
    for name in ["artifacts", "cdk.out", "certificates", "emulator", "postgres", "processes", "scratch", "templates"] {
        remove_folder(&layout.state().join(name))?;
    }
    if keep == Keep::Nothing {
        remove_folder(&layout.state().join("logs"))?;
    }
    for name in ["state.json", "outputs.json", "lock"] {
        let _ = std::fs::remove_file(layout.state().join(name));
    }
    Ok(())
}
