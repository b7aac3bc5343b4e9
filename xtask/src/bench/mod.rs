//! `cargo xtask bench`: how fast the parts are, measured with what is deployed: release builds.

mod mapping;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::{layout::Layout, progress::Progress};

/// What to measure.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Records that one core maps per second: the example's invoice to its entity and on to QuickBooks
    ///
    /// Next to the C program `jq` with the same mappings, where it is installed. Builds a small program in release
    /// mode first, which takes minutes the first time.
    Mapping(mapping::Arguments),
}

/// All flags of the command, for the rule about documents.
pub fn flags() -> Vec<String> {
    #[derive(Parser)]
    struct Whole {
        #[command(flatten)]
        arguments: Arguments,
    }
    let command = Whole::command();
    let own = command.get_subcommands().flat_map(clap::Command::get_arguments);
    let own = own.filter_map(|argument| argument.get_long()).map(str::to_owned);
    own.chain(["help".to_owned()]).collect()
}

/// Measures.
pub async fn run(layout: &Layout, arguments: &Arguments, progress: &Progress) -> Result<ExitCode> {
    match &arguments.command {
        Command::Mapping(arguments) => mapping::run(layout, arguments, progress).await.map(|()| ExitCode::SUCCESS),
    }
}
