//! `cargo xtask faults`: runs the proving ground, with a PostgreSQL and a platform of its own.
//!
//! The simulator and its mutants are the program `faults`; their arguments are passed on. The violence of
//! `kill` is done to the Lambda host, by the same program, and to the local platform, from here.

mod job;
mod kill;
mod local;
pub mod program;
mod victims;

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::{
    INTERRUPTED, certificates, interruptible,
    layout::{Instance, Layout},
    platform::{self, Keep},
    postgres,
    progress::{Audience, Progress},
    state::StateFile,
    tools::lock_file,
};

/// Flags of the program's commands, which only it knows, for the rule about documents.
const PASSED_ON: [&str; 13] = [
    "corpus",
    "from",
    "help",
    "json",
    "mutant",
    "only",
    "seed",
    "seeds",
    "story",
    "scenario",
    "twice",
    "without-corpus",
    "workers",
];

/// What to look for, and how.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all handlers in one process, on simulated surroundings and real PostgreSQL, one seed after the other
    ///
    /// All follows from the seed: one that fails, fails again. `--help` shows the arguments.
    #[command(disable_help_flag = true)]
    Simulate(PassedOn),
    /// Plant deliberate bugs, one after the other, and look whether the simulation finds each
    ///
    /// `--help` shows the arguments.
    #[command(disable_help_flag = true)]
    Mutants(PassedOn),
    /// Kill function processes and restart PostgreSQL while the main job runs, and reconcile at the end
    ///
    /// Real programs, on the Lambda host and on the local platform; SIGKILL at random, many times a second.
    /// Exit code 0 only if nothing is lost, duplicated, out of order or stuck.
    Kill(kill::Arguments),
    /// What restarts the PostgreSQL of a run; used by it
    #[command(hide = true)]
    RestartPostgres,
}

#[derive(Args, Debug)]
struct PassedOn {
    /// Arguments of the program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    arguments: Vec<OsString>,
}

/// All flags of the command, for the rule about documents.
pub fn flags() -> Vec<String> {
    #[derive(Parser)]
    struct Whole {
        #[command(subcommand)]
        command: Command,
    }
    let own = Whole::command();
    let own = own.get_subcommands().flat_map(|command| command.get_arguments()).filter_map(|flag| flag.get_long());
    own.chain(PASSED_ON).map(str::to_owned).collect()
}

/// Runs the command.
pub async fn run(arguments: &Arguments, progress: &Progress) -> Result<ExitCode> {
    let layout = Layout::discover(Instance::Faults)?;
    match &arguments.command {
        Command::Simulate(passed) => pass_on(&layout, "simulate", passed, progress).await,
        Command::Mutants(passed) => pass_on(&layout, "mutants", passed, progress).await,
        Command::Kill(arguments) => kill(&layout, arguments, progress).await,
        Command::RestartPostgres => {
            let (state, certificates) = (StateFile::open(&layout), certificates::ensure(&layout)?);
            postgres::restart(&layout, &state, &certificates).await.map(|()| ExitCode::SUCCESS)
        }
    }
}

/// Runs a command of the program; its exit code is ours.
async fn pass_on(layout: &Layout, command: &str, passed: &PassedOn, progress: &Progress) -> Result<ExitCode> {
    let mut arguments = vec![OsString::from(command)];
    arguments.extend(passed.arguments.iter().cloned());
    let asks_only = passed.arguments.iter().any(|argument| argument == "--help" || argument == "-h");
    let work = async {
        let built = program::build(layout, Some(program::NAME), progress).await?;
        if asks_only {
            return program::run(&built, &arguments, &[], layout).await;
        }
        let environment = program::database(layout, progress).await?;
        program::run(&built, &arguments, &environment, layout).await
    };
    let result = alone(layout, work, |_| true, progress).await?;
    // What a program exits with has eight bits; one that was killed has none.
    result.map_or(Ok(ExitCode::from(INTERRUPTED)), |status| {
        let code = status?.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
    })
}

async fn kill(layout: &Layout, arguments: &kill::Arguments, progress: &Progress) -> Result<ExitCode> {
    match alone(layout, kill::run(layout, arguments, progress), |is_ok| *is_ok, progress).await? {
        None => Ok(ExitCode::from(INTERRUPTED)),
        Some(outcome) => Ok(if outcome? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
    }
}

/// Does the work while nobody else uses the instance, and takes down whatever it left, also when it is
/// interrupted; then there is no result.
async fn alone<T>(
    layout: &Layout,
    work: impl Future<Output = Result<T>>,
    is_fine: impl Fn(&T) -> bool,
    progress: &Progress,
) -> Result<Option<Result<T>>> {
    let nobody = Progress::new(Audience::Nobody);
    let guarded = async {
        let step = progress.start("waiting for another command");
        // On a file that is there anyway: the instance's own ones come and go.
        let lock = lock_file(&layout.root().join("faults/Cargo.toml")).await;
        let lock = step.finish(lock)?;
        // What a killed run left.
        platform::down(layout, Keep::Nothing, &nobody).await?;
        layout.create()?;
        let result = work.await;
        let keep = if result.as_ref().is_ok_and(&is_fine) { Keep::Nothing } else { Keep::Logs };
        platform::down(layout, keep, &nobody).await?;
        drop(lock);
        result
    };
    let result = interruptible(guarded).await?;
    if result.is_none() {
        platform::down(layout, Keep::Nothing, &nobody).await?;
    }
    Ok(result)
}
