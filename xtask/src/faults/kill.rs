//! `cargo xtask faults kill`: violence to the Lambda host, and to the local platform.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::{local, program};
use crate::{layout::Layout, progress::Progress, system};

/// The figures that are summed over all places.
const SUMMED: [&str; 7] = ["kills", "lost", "duplicated", "out_of_order", "stuck", "events", "postgres_restarts"];

/// Arguments of `kill`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// For how long to kill; then it is waited until all is done
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(2..=86_400))]
    seconds: u64,
    /// Where the functions run; on both, each has half of the time
    #[arg(long, value_enum, default_value_t = Place::Both)]
    on: Place,
    /// Generate the same records as a run that printed this seed; what is hit is left to chance all the same
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// End with one line of JSON on standard output; all else goes to standard error
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Place {
    /// The Lambda host: messages come twice, late and in any order, too
    Host,
    /// The local platform: the emulator of AWS, with everything deployed
    Platform,
    /// One after the other
    Both,
}

/// What came of it at one place: the line for programs.
pub type Outcome = Map<String, Value>;

/// Runs it, and says whether all was well.
pub async fn run(layout: &Layout, arguments: &Arguments, progress: &Progress) -> Result<bool> {
    let began = std::time::Instant::now();
    let seconds = if arguments.on == Place::Both { arguments.seconds / 2 } else { arguments.seconds };
    let mut outcomes = Vec::new();
    if arguments.on != Place::Platform {
        outcomes.push(("host", host(layout, seconds, arguments.seed, progress).await?));
    }
    if arguments.on != Place::Host {
        outcomes.push(("platform", local::run(layout, seconds, arguments.seed, progress).await?));
    }
    let total = total(&outcomes, began.elapsed().as_secs());
    let is_ok = total.get("ok") == Some(&Value::Bool(true));
    let figure = |name: &str| total.get(name).and_then(Value::as_u64).unwrap_or_default();
    let verdict = if is_ok { "✓ everything reconciles" } else { "✗ it does NOT reconcile" };
    progress.say(format!(
        "\n{verdict}: {} kills, {} restarts of PostgreSQL, {} events; {} lost, {} duplicated, {} out of order, {} stuck",
        figure("kills"),
        figure("postgres_restarts"),
        figure("events"),
        figure("lost"),
        figure("duplicated"),
        figure("out_of_order"),
        figure("stuck"),
    ));
    if arguments.json {
        system::print(&format!("{}\n", Value::Object(total)))?;
    }
    Ok(is_ok)
}

/// On the Lambda host: the program does it. The server is ours, so it is we who restart it.
async fn host(layout: &Layout, seconds: u64, seed: Option<u64>, progress: &Progress) -> Result<Outcome> {
    let built = program::build(layout, None, progress).await?;
    let environment = program::database(layout, progress).await?;
    let restart = format!("'{}' faults restart-postgres", own_program()?.display());
    let folder = layout.logs().join("host");
    let mut told = vec!["kill".to_owned(), "--json".to_owned()];
    let mut tell = |flag: &str, value: String| told.extend([flag.to_owned(), value]);
    tell("--seconds", seconds.to_string());
    tell("--repository", layout.root().display().to_string());
    tell("--folder", folder.display().to_string());
    tell("--restart", restart);
    if let Some(seed) = seed {
        tell("--seed", seed.to_string());
    }
    let output = program::output(&built, &told, &environment, layout).await?;
    let line = output.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|_| anyhow!("killing on the Lambda host came to no end"))
}

/// This program, for others. On Linux by our link in `/proc`: the build above may have replaced the file.
fn own_program() -> Result<PathBuf> {
    let link = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if link.exists() { Ok(link) } else { std::env::current_exe().context("this program's own path is unknown") }
}

/// The outcomes together; each is shown, too.
fn total(outcomes: &[(&str, Outcome)], seconds: u64) -> Outcome {
    let mut total = Outcome::new();
    let is_ok = outcomes.iter().all(|(_, outcome)| outcome.get("ok") == Some(&Value::Bool(true)));
    total.insert("ok".to_owned(), (is_ok && !outcomes.is_empty()).into());
    for name in SUMMED {
        let figures = outcomes.iter().filter_map(|(_, outcome)| outcome.get(name)?.as_u64());
        total.insert(name.to_owned(), figures.sum::<u64>().into());
    }
    total.insert("seconds".to_owned(), seconds.into());
    total.extend(outcomes.iter().map(|(place, outcome)| ((*place).to_owned(), json!(outcome))));
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(ok: bool, kills: u64) -> Outcome {
        json!({"ok": ok, "kills": kills, "lost": 0}).as_object().cloned().unwrap()
    }

    #[test]
    fn figures_are_summed_and_one_failure_is_one_of_all() {
        let fine = total(&[("host", outcome(true, 3)), ("platform", outcome(true, 4))], 9);
        assert_eq!((&fine["ok"], &fine["kills"], &fine["lost"]), (&json!(true), &json!(7), &json!(0)));
        assert_eq!(fine["host"]["kills"], 3);
        assert_eq!(total(&[("host", outcome(true, 3)), ("platform", outcome(false, 4))], 9)["ok"], false);
        assert_eq!(total(&[], 9)["ok"], false);
    }
}
