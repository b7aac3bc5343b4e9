//! `cargo xtask`: the developer commands.

mod aws;
mod bench;
mod build;
mod certificates;
mod command;
mod demo;
mod deploy;
mod emulator;
mod faults;
mod invoke;
mod layout;
mod platform;
mod postgres;
mod prerequisites;
mod processes;
mod progress;
mod samples;
mod simulators;
mod state;
mod system;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    layout::{Instance, Layout},
    platform::{Keep, Options, logs::Selection},
    progress::{Audience, Progress},
};

/// What a shell expects of a program that was interrupted.
const INTERRUPTED: u8 = 130;
/// A function was not invoked: what was asked for cannot be used, or the platform is not there.
const NOT_INVOKED: u8 = 2;

/// The developer commands of FluxNex.
///
/// `cargo xtask demo` shows the whole system on this machine; `cargo xtask test` tests everything.
/// No AWS account and no Docker is needed.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", subcommand_required = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the local platform and deploy the clone into it
    ///
    /// PostgreSQL, an emulator of AWS with every function, and simulated applications, on free ports of
    /// 127.0.0.1. Installs what it needs into ~/.cache/fluxnex (or $FLUXNEX_CACHE). Run again after a
    /// change: it builds and deploys only what changed.
    Up(UpArguments),
    /// Stop the local platform and remove every file of it
    ///
    /// Also removes what a crash left behind. The installed tools stay, for the next `up`.
    Down,
    /// Show what runs, where it is reached, the depths of the queues and the counts in the database
    ///
    /// Exit code 0 if everything runs, 1 otherwise.
    Status,
    /// Show the logs of the functions, or of a server
    Logs(LogsArguments),
    /// Run the main job on simulated applications, and reconcile what they recorded
    ///
    /// N invoices and their customers travel from Revenova to QuickBooks Online: signed webhooks, shuffled,
    /// some sent twice, some records updated again, one poisoned, some for customers that have to be fetched;
    /// then half of the invoices change and a poll has to find it. Another tenant's ERP is polled, and its records
    /// go to a receiver of signed webhooks. Starts the platform if it does not run, and then takes it down at the
    /// end. Exit code 0 only if everything reconciles.
    Demo(DemoArguments),
    /// Run one function on one event, under AWS's Lambda runtime emulator
    ///
    /// The function's real binary, with the environment and the role of the deployed function, on the local
    /// platform. The answer goes to standard output; logs, init, billed duration and memory go to standard error.
    /// Exit code 0 if the function answered, 1 if it answered with an error, 2 if it was not invoked.
    Invoke(invoke::command::Arguments),
    /// Run every test: style, Rust, infrastructure, rules of the repository, and the main job
    ///
    /// Sets up what it needs, on a platform of its own beside that of `up`. The last line is
    /// "N passed, N failed"; exit code 0 only if nothing failed.
    Test,
    /// Look for what would be lost: simulate, plant bugs, kill
    ///
    /// Each with a PostgreSQL of its own. Exit code 0 only if nothing was lost.
    Faults(faults::Arguments),
    /// Measure how fast the parts are
    ///
    /// With release builds; the figures in the documents are of these.
    Bench(bench::Arguments),
    /// Check the rules of the repository that no compiler checks
    Tidy,
    /// What a started process does first; used by the other commands
    #[command(hide = true)]
    Launch(processes::launch::Launch),
}

#[derive(Debug, clap::Args)]
struct UpArguments {
    /// Make every wait of FluxNex (retries, breakers, deadlines) pass so many times faster: 60 for an hour in a minute
    #[arg(long, default_value = "1", value_name = "FACTOR", value_parser = parse_time_scale)]
    time_scale: String,
}

#[derive(Debug, clap::Args)]
struct LogsArguments {
    /// A function (ingest, replicate, …) or a server (postgres, emulator, simulators); without it, all functions
    function: Option<String>,
    /// Keep showing new lines until Ctrl-C
    #[arg(long, short)]
    follow: bool,
}

#[derive(Debug, clap::Args)]
struct DemoArguments {
    /// How many invoices to send
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    invoices: u32,
    /// End with one line of JSON on standard output; all else goes to standard error
    #[arg(long)]
    json: bool,
    /// Leave the platform running
    #[arg(long)]
    keep: bool,
    /// Kill functions (SIGKILL) while they wait for a source; everything must reconcile all the same
    ///
    /// Takes a minute or two longer: a queue shows the message of a killed function only after a while.
    #[arg(long)]
    kill: bool,
    /// Generate the same records and webhooks as a run that printed this seed
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
}

/// The commands there are, each with its flags, for the rule about documents.
fn commands() -> std::collections::BTreeMap<String, Vec<String>> {
    let mut found: std::collections::BTreeMap<String, Vec<String>> = Arguments::command()
        .get_subcommands()
        .map(|command| {
            let mut flags: Vec<String> =
                command.get_arguments().filter_map(|argument| argument.get_long()).map(str::to_owned).collect();
            flags.push("help".to_owned());
            (command.get_name().to_owned(), flags)
        })
        .collect();
    found.insert("help".to_owned(), Vec::new());
    found.insert("faults".to_owned(), faults::flags());
    found.insert("bench".to_owned(), bench::flags());
    found
}

fn parse_time_scale(text: &str) -> std::result::Result<String, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(text.to_owned()),
        _ => Err("a number above 0 is needed".to_owned()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Before a runtime exists: it becomes another program.
    if let Command::Launch(launch) = &arguments.command {
        return report(processes::launch::launch(launch).map(|()| ExitCode::SUCCESS));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    report(runtime.context("cannot start").and_then(|runtime| runtime.block_on(run(arguments.command))))
}

fn report(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("\nerror: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> Result<ExitCode> {
    let layout = Layout::discover(Instance::Developer)?;
    let program = match &command {
        Command::Demo(arguments) => arguments.json,
        Command::Invoke(_) | Command::Faults(_) | Command::Bench(_) => true,
        _ => false,
    };
    let progress = Progress::new(if program { Audience::Program } else { Audience::People });
    match command {
        Command::Up(arguments) => up(&layout, Options { time_scale: arguments.time_scale }, &progress).await,
        Command::Down => platform::down(&layout, Keep::Nothing, &progress).await.map(|()| ExitCode::SUCCESS),
        Command::Status => Ok(exit_code(platform::status::status(&layout, &progress).await?)),
        Command::Logs(arguments) => {
            let selection = Selection { source: arguments.function, follow: arguments.follow };
            interruptible(platform::logs::logs(&layout, &selection)).await?.transpose()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Demo(arguments) => run_demo(&layout, &arguments, &progress).await,
        Command::Invoke(arguments) => run_invoke(&layout, &arguments, &progress).await,
        Command::Test => run_test(&progress).await,
        Command::Faults(arguments) => faults::run(&arguments, &progress).await,
        Command::Bench(arguments) => bench::run(&layout, &arguments, &progress).await,
        Command::Tidy => Ok(exit_code(tidy::print(&tidy::check(&layout)?, &progress))),
        // Handled before there was a runtime.
        Command::Launch(_) => Ok(ExitCode::FAILURE),
    }
}

fn exit_code(success: bool) -> ExitCode {
    if success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn up(layout: &Layout, options: Options, progress: &Progress) -> Result<ExitCode> {
    let was_running = platform::is_running(layout);
    if let Some(result) = interruptible(platform::up(layout, &options, progress)).await? {
        return result.map(|()| ExitCode::SUCCESS);
    }
    // What was there before stays; a half-started platform does not.
    if !was_running {
        platform::down(layout, Keep::Nothing, progress).await?;
    }
    Ok(ExitCode::from(INTERRUPTED))
}

/// A platform that ran before is left running; one that the demo started is taken down, unless it shall be kept.
async fn run_demo(layout: &Layout, arguments: &DemoArguments, progress: &Progress) -> Result<ExitCode> {
    let was_running = platform::is_running(layout);
    let options = demo::Options { invoices: arguments.invoices, seed: arguments.seed, kill: arguments.kill };
    let work = async {
        platform::up(layout, &Options::default(), progress).await?;
        demo::run(layout, &options, progress).await
    };
    let result = interruptible(work).await?;
    if !was_running && (!arguments.keep || result.is_none()) {
        let failed = matches!(&result, Some(Err(_)));
        platform::down(layout, if failed { Keep::Logs } else { Keep::Nothing }, progress).await?;
    }
    let Some(result) = result else { return Ok(ExitCode::from(INTERRUPTED)) };
    let outcome = result?;
    if !outcome.ok && !was_running && !arguments.keep {
        progress.say("With --keep the platform stays, for `cargo xtask status` and `cargo xtask logs`.");
    }
    if arguments.json {
        system::print(&format!("{}\n", outcome.json()))?;
    }
    Ok(exit_code(outcome.ok))
}

async fn run_invoke(layout: &Layout, arguments: &invoke::command::Arguments, progress: &Progress) -> Result<ExitCode> {
    match interruptible(invoke::command::run(layout, arguments, progress)).await? {
        None => Ok(ExitCode::from(INTERRUPTED)),
        Some(Ok(answered)) => Ok(exit_code(answered)),
        Some(Err(error)) => {
            report(Err(error));
            Ok(ExitCode::from(NOT_INVOKED))
        }
    }
}

async fn run_test(progress: &Progress) -> Result<ExitCode> {
    let layout = Layout::discover(Instance::Test)?;
    if let Some(result) = interruptible(test::test(&layout, progress)).await? {
        return result.map(exit_code);
    }
    platform::down(&layout, Keep::Nothing, progress).await?;
    Ok(ExitCode::from(INTERRUPTED))
}

/// Runs something until it ends or a person or the system asks us to stop; then there is no result.
async fn interruptible<T>(work: impl Future<Output = T>) -> Result<Option<T>> {
    let mut signals = Vec::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        signals.push(signal(kind).context("cannot watch for signals")?);
    }
    let [interrupt, terminate, hangup] = signals.as_mut_slice() else { return Ok(Some(work.await)) };
    tokio::select! {
        result = work => Ok(Some(result)),
        _ = interrupt.recv() => Ok(None),
        _ = terminate.recv() => Ok(None),
        _ = hangup.recv() => Ok(None),
    }
}
