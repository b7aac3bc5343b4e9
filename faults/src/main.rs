//! Runs the proving ground; `cargo xtask faults` starts it.

use clap::Parser;
use fluxnex_faults::kill::Kill;
use fluxnex_faults::simulation::{Mutants, Simulate};
use std::process::ExitCode;

/// The proving ground of FluxNex.
#[derive(Debug, Parser)]
enum Command {
    /// Runs all handlers in one process, against simulated surroundings and real PostgreSQL.
    Simulate(Simulate),
    /// Plants deliberate bugs, and looks whether the simulation finds each.
    Mutants(Mutants),
    /// Kills function processes and restarts PostgreSQL while the main job runs on the Lambda host.
    Kill(Kill),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Simulate(simulate) => simulate.run(),
        Command::Mutants(mutants) => mutants.run(),
        Command::Kill(kill) => kill.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
