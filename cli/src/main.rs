//! `fluxnex`: connections for operators, connectors for their authors.

mod api;
mod connection;
mod connector;
mod terminal;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use terminal::Terminal;

/// What is done once and answered "no": a test that failed, a check that found faults, a refusal of the API.
const NEGATIVE: u8 = 1;
/// Nothing was done: arguments, files or the API cannot be used.
const UNUSABLE: u8 = 2;

/// Connections for operators, connectors for their authors.
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

fn report(terminal: &Terminal, error: &anyhow::Error) -> ExitCode {
    terminal.error(error);
    // The API was asked, and said no.
    ExitCode::from(if error.chain().any(|cause| cause.is::<api::Refused>()) { NEGATIVE } else { UNUSABLE })
}
