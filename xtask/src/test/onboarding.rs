//! The command line against the deployed API: a connection of `acme` is added, changed, tested and removed, with the
//! signatures, the permissions and the secrets of the platform. The main job has run before: its bundles are there.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::{
    build,
    layout::Layout,
    progress::Progress,
    state::{StateFile, write_private},
};

const PROGRAM: &str = "fluxnex";
const TENANT: &str = "acme";
/// The connection that comes and goes.
const NAME: &str = "onboarding";

/// Runs the commands; each is a test with its name.
pub async fn check(layout: &Layout, progress: &Progress) -> Result<Vec<(String, Result<()>)>> {
    let binaries = build::binaries(layout, Some(PROGRAM), "build-fluxnex", progress).await?;
    let program = build::find(&binaries, PROGRAM)?;
    let (api, receiver) = {
        let state = StateFile::open(layout);
        let state = state.get();
        let (emulator, deployment) =
            state.emulator.as_ref().zip(state.deployment.as_ref()).context("the platform is not up")?;
        let ports = state.simulators.as_ref().context("the simulated applications are not up")?;
        (deployment.api_url(emulator)?, format!("https://127.0.0.1:{}/hooks/operations", ports.receiver))
    };
    let secrets = layout.state().join("scratch").join("onboarding.json");
    write_private(&secrets, br#"{"signing_secret": "whsec_b25ib2FyZGluZy1zaWduaW5nLWtleS0wMDAw"}"#)?;
    let (secrets, url) = (secrets.display().to_string(), format!("url={receiver}"));
    let add: [&str; 9] =
        ["add", NAME, "--connector", "webhook", "--setting", &url, "--allow-private-addresses", "--secrets", &secrets];
    let steps: [(&str, &[&str], &str, Value); 9] = [
        ("add", &add, "/authorised", Value::Bool(true)),
        ("add, once more", &add, "/authorised", Value::Bool(true)),
        ("show", &["show", NAME], "/secret/fields/signing_secret/active", Value::from(1)),
        ("test a source", &["test", "revenova", "--object", "Account"], "/ok", Value::Bool(true)),
        (
            "rotate",
            &["rotate", NAME, "--generate", "signing_secret", "--overlap", "0s"],
            "/connection",
            Value::from(NAME),
        ),
        ("finish the rotation", &["rotate", NAME, "--finish"], "/retired/0", Value::from("signing_secret")),
        ("pause", &["pause", "connection", NAME], "/paused", Value::Bool(true)),
        ("resume", &["resume", "connection", NAME], "/paused", Value::Bool(false)),
        ("remove", &["remove", NAME, "--yes"], "/recovery_days", Value::from(30)),
    ];
    let mut found = Vec::new();
    for (name, arguments, pointer, expected) in steps {
        let result = run(program, &api, arguments, pointer, &expected).await;
        found.push((format!("fluxnex connection: {name}"), result));
    }
    Ok(found)
}

async fn run(program: &Path, api: &str, arguments: &[&str], pointer: &str, expected: &Value) -> Result<()> {
    let mut command = Command::new(program);
    let is_switch = matches!(arguments, ["pause" | "resume", ..]);
    command
        .args(if is_switch { &["--json"][..] } else { &["--json", "connection"] })
        .args(arguments)
        .args(["--tenant", TENANT, "--api", api]);
    let output = command.stdin(std::process::Stdio::null()).output().await.context("the program cannot be run")?;
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("it ended with {}: {said}{complaint}", output.status);
    }
    let answer: Value = serde_json::from_str(&said).with_context(|| format!("no JSON: {said}"))?;
    match answer.pointer(pointer) {
        Some(value) if value == expected => Ok(()),
        other => Err(anyhow!("{pointer} is {other:?}, and not {expected}: {answer}")),
    }
}
