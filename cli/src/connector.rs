//! `fluxnex connector`: for authors of connectors.

mod attempt;
mod check;
mod new;

pub use attempt::pair;

use crate::Ended;
use crate::terminal::Terminal;
use anyhow::Result;
use clap::Subcommand;

/// Commands for authors of connectors.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the folder of a new connector, which passes its own check
    #[command(after_help = new::EXAMPLES)]
    New(new::Arguments),
    /// Check a connector's folder: the manifest, the samples, and what its tests promise
    #[command(after_help = check::EXAMPLES)]
    Check(check::Arguments),
    /// Try one operation on the real application, and show request and answer without secrets
    #[command(after_help = attempt::EXAMPLES)]
    Try(Box<attempt::Arguments>),
    /// Print the JSON Schema of manifests, for editors
    Schema,
}

/// Runs a command.
pub async fn run(command: Command, terminal: &Terminal) -> Result<Ended> {
    match command {
        Command::New(arguments) => new::run(arguments, terminal),
        Command::Check(arguments) => check::run(&arguments, terminal).await,
        Command::Try(arguments) => attempt::run(*arguments, terminal).await,
        Command::Schema => {
            terminal.say(fluxnex_authoring::schema::text().trim_end());
            terminal.answer(&fluxnex_authoring::schema::manifest())?;
            Ok(Ended::Done)
        }
    }
}
