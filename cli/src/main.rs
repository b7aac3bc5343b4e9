//! `fluxnex`: bundles for integration engineers, connections for operators, connectors for their authors.

mod api;
mod bundle;
mod connection;
mod connector;
mod switch;
mod terminal;

use bundle::{apply, history, init, map, test, validate};
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;
use terminal::Terminal;

/// What is done once and answered "no": a test that failed, a check that found faults, a refusal of the API.
const NEGATIVE: u8 = 1;
/// Nothing was done: arguments, files or the API cannot be used.
const UNUSABLE: u8 = 2;

/// Bundles for integration engineers, connections for operators, connectors for their authors.
#[derive(Debug, Parser)]
#[command(name = "fluxnex", version, subcommand_required = true, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Arguments {
    /// End with one JSON document on standard output; all else goes to standard error, and nothing is asked
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 done, and the answer is no (a test that failed, a check that found faults, a refusal);
2 not done (arguments, files, or no API).";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the folder of a new bundle, which passes its own check
    #[command(after_help = init::EXAMPLES)]
    Init(Box<init::Arguments>),
    /// Check a bundle without any network: every fault with its file, line and hint
    #[command(after_help = validate::EXAMPLES)]
    Validate(validate::Arguments),
    /// Run a bundle's golden cases
    #[command(after_help = test::EXAMPLES)]
    Test(test::Arguments),
    /// Run one record through a flow, or an expression, step by step
    #[command(after_help = map::EXAMPLES)]
    Map(Box<map::Arguments>),
    /// Show what an apply would change, and what would become of the records that are here
    #[command(after_help = apply::PLAN_EXAMPLES)]
    Plan(apply::PlanArguments),
    /// Apply a bundle: as a whole, as a new version
    #[command(after_help = apply::APPLY_EXAMPLES)]
    Apply(apply::ApplyArguments),
    /// List the versions of a tenant's bundle
    #[command(after_help = history::EXAMPLES)]
    History(history::HistoryArguments),
    /// Go back to an older version of a tenant's bundle
    #[command(after_help = history::EXAMPLES)]
    Rollback(history::RollbackArguments),
    /// Stop a tenant, a flow or a connection for a while
    #[command(after_help = switch::EXAMPLES)]
    Pause(Box<switch::Arguments>),
    /// Go on after a pause
    #[command(after_help = switch::EXAMPLES)]
    Resume(Box<switch::Arguments>),
    /// Print the JSON Schema of bundles, for editors
    Schema,
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Add, test, change and remove a tenant's connections
    Connection(Box<connection::Arguments>),
    /// Make, check and try connectors: folders that say how to talk to a kind of application
    #[command(subcommand)]
    Connector(connector::Command),
}

/// How a command ended that could be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// As it should.
    Done,
    /// The answer is no.
    Negative,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let terminal = Terminal::new(arguments.json);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&terminal, &error.into()),
    };
    let ended = runtime.block_on(async {
        match arguments.command {
            Command::Init(arguments) => init::run(*arguments, &terminal),
            Command::Validate(arguments) => validate::run(&arguments, &terminal),
            Command::Test(arguments) => test::run(&arguments, &terminal),
            Command::Map(arguments) => map::run(&arguments, &terminal).await,
            Command::Plan(arguments) => apply::plan(&arguments, &terminal).await,
            Command::Apply(arguments) => apply::apply(&arguments, &terminal).await,
            Command::History(arguments) => history::history(&arguments, &terminal).await,
            Command::Rollback(arguments) => history::rollback(&arguments, &terminal).await,
            Command::Pause(arguments) => switch::run(&arguments, true, &terminal).await,
            Command::Resume(arguments) => switch::run(&arguments, false, &terminal).await,
            Command::Schema => schema(&terminal),
            Command::Completions { shell } => completions(shell, &terminal),
            Command::Connection(arguments) => connection::run(*arguments, &terminal).await,
            Command::Connector(command) => connector::run(command, &terminal).await,
        }
    });
    match ended {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Negative) => ExitCode::from(NEGATIVE),
        Err(error) => report(&terminal, &error),
    }
}

fn schema(terminal: &Terminal) -> anyhow::Result<Ended> {
    terminal.say(fluxnex_authoring::schema::bundle_text().trim_end());
    terminal.answer(&fluxnex_authoring::schema::bundle())?;
    Ok(Ended::Done)
}

fn completions(shell: clap_complete::Shell, terminal: &Terminal) -> anyhow::Result<Ended> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "fluxnex", &mut script);
    let script = String::from_utf8(script)?;
    terminal.say(script.trim_end());
    terminal.answer(&serde_json::json!({ "shell": shell.to_string(), "script": script }))?;
    Ok(Ended::Done)
}

fn report(terminal: &Terminal, error: &anyhow::Error) -> ExitCode {
    terminal.error(error);
    // The API was asked, and said no.
    ExitCode::from(if error.chain().any(|cause| cause.is::<api::Refused>()) { NEGATIVE } else { UNUSABLE })
}
