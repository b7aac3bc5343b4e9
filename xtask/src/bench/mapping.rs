//! `cargo xtask bench mapping`: mappings per second, next to the C program `jq`.

use std::{fs, path::Path, process::Stdio, time::Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{layout::Layout, progress::Progress, system};

/// Records that jq is given; its start counts little among them.
const RECORDS: usize = 20_000;
/// The functions of ours that the mappings use, for jq.
const DEFINITIONS: &str = "def decimal: if . == null then null else tostring end;
def compact: if type == \"object\" then with_entries(select(.value != null) | .value |= compact)
  elif type == \"array\" then map(select(. != null) | compact) else . end;
";

/// How to show it.
#[derive(Args, Debug)]
pub struct Arguments {
    /// End with one line of JSON on standard output; all else goes to standard error
    #[arg(long)]
    json: bool,
}

/// Builds, measures, and shows.
pub async fn run(layout: &Layout, arguments: &Arguments, progress: &Progress) -> Result<()> {
    progress.say("Building the program in release mode…");
    let program = build(layout.root()).await?;
    let measured = output(Command::new(program).arg(layout.root())).await?;
    let measured: Value = serde_json::from_slice(&measured).context("the program printed no JSON")?;
    let figure = |name: &str| measured.get(name).and_then(Value::as_f64);
    let (Some(rate), Some(bytes)) = (figure("records_per_second"), figure("record_bytes")) else {
        bail!("the program printed no rate")
    };
    progress.say(format!("FluxNex: {rate:.0} records/s on one core ({bytes} bytes each)"));
    let jq = jq_rate(layout.root()).await?;
    match jq {
        Some(jq) => {
            progress.say(format!("jq:      {jq:.0} records/s on one core; FluxNex is {:.2} times as fast", rate / jq))
        }
        None => progress.say("jq:      not installed"),
    }
    if arguments.json {
        let ratio = jq.map(|jq| (rate / jq * 100.0).round() / 100.0);
        system::print(&format!("{}\n", json!({"records_per_second": rate, "ratio_to_jq": ratio})))?;
    }
    Ok(())
}

/// The program, as cargo names it.
async fn build(root: &Path) -> Result<String> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["build", "--release", "--package", "fluxnex-core", "--example", "mapping_rate"]);
    let messages = output(cargo.args(["--message-format", "json-render-diagnostics"])).await?;
    let messages = String::from_utf8_lossy(&messages);
    let mut built = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = built.find_map(|message| {
        let is_it = message.pointer("/target/name")?.as_str()? == "mapping_rate";
        message.get("executable")?.as_str().filter(|_| is_it).map(str::to_owned)
    });
    program.context("cargo did not name the program that it built")
}

/// Standard output of a program that succeeds; its standard error is shown.
async fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().await.context("cannot start it")?;
    if !output.status.success() {
        bail!("{:?} failed ({})", command.as_std().get_program(), output.status);
    }
    Ok(output.stdout)
}

/// Records per second of the C program `jq` with the same mappings, if it is installed.
async fn jq_rate(root: &Path) -> Result<Option<f64>> {
    let probe = Command::new("jq").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    if !probe.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let read = |path: &str| fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"));
    let to_entity = read("examples/acme/mappings/invoice.to_entity.jq")?;
    let to_target = read("examples/acme/mappings/invoice.to_quickbooks.jq")?;
    let record: Value = serde_json::from_str(&read("connectors/revenova/samples/invoice.json")?)?;
    let folder = std::env::temp_dir().join(format!("fluxnex-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let (program, records) = (folder.join("program.jq"), folder.join("records.json"));
    fs::write(&program, format!("{DEFINITIONS}\n(\n{to_entity}\n)\n| (\n{to_target}\n)\n"))?;
    let mut seconds = Vec::new();
    for count in [1, RECORDS, RECORDS, RECORDS] {
        fs::write(&records, format!("{record}\n").repeat(count))?;
        let started = Instant::now();
        let mut jq = Command::new("jq");
        jq.args(["--compact-output", "--argjson", "parents", r#"{"customer":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}"#]);
        jq.args(["--argjson", "source", r#"{"id":"a0X5f00000FluxA1AA","version":1}"#]);
        jq.args(["--argjson", "references", r#"{"customer":"58"}"#]);
        jq.args(["--argjson", "canonical", r#"{"id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","version":1}"#]);
        let lines = output(jq.arg("--from-file").arg(&program).arg(&records)).await?;
        seconds.push(started.elapsed().as_secs_f64());
        if lines.iter().filter(|byte| **byte == b'\n').count() != count {
            bail!("jq did not map every record");
        }
    }
    fs::remove_dir_all(&folder)?;
    // What it takes to start and compile is no matter of records.
    let (start, rounds) = seconds.split_first().context("nothing was measured")?;
    let mut rounds: Vec<f64> = rounds.iter().map(|seconds| seconds - start).collect();
    rounds.sort_by(f64::total_cmp);
    let median = rounds.get(rounds.len() / 2).copied().unwrap_or(f64::NAN);
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    let records = (RECORDS - 1) as f64;
    Ok(Some(records / median))
}
