//! Violence: functions that are killed while they wait for a source.
//!
//! A source does not answer, and once its request is there the function's process gets SIGKILL: `poll` in
//! the midst of a run whose first page is durable, and `fetch` with its task's token stored. Both must be
//! repeated by what comes after them: the queue's visibility timeout, and `sweep`.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use fluxnex_simulators::{
    commands::{Fault, FaultRule},
    journal::App,
};
use serde_json::Value;

use super::{control::Control, polls::Poll};
use crate::{
    aws::{Aws, NAME_PREFIX},
    emulator::Emulator,
    layout::Layout,
    processes::kill_programs_under,
};

const LOOK: Duration = Duration::from_millis(50);
/// Each page takes so long, so that the second one can be met.
const SLOW: u64 = 400;
/// Longer than a function may take.
const NO_ANSWER: u64 = 60_000;
/// How long to wait for a request to kill at.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the functions run.
pub struct Place<'a> {
    /// The clone.
    pub layout: &'a Layout,
    /// The emulator.
    pub emulator: &'a Emulator,
    /// Its API.
    pub aws: &'a Aws,
    /// The simulated applications.
    pub control: &'a Control,
}

/// Kills `poll` in the midst of the run of a poll, and `fetch` at its first read.
pub async fn run(place: &Place<'_>, poll: &Poll) -> Result<()> {
    tokio::try_join!(kill_poll(place, poll), kill_fetch(place)).map(drop)
}

async fn kill_poll(place: &Place<'_>, poll: &Poll) -> Result<()> {
    let rule = |fault| FaultRule { path_prefix: Some(format!("/{}", poll.object)), ..rule(App::Erp, fault) };
    let slow = place.control.add_fault(&rule(Fault::Slow { milliseconds: SLOW })).await?;
    wait("a poll to come to its second page", async || Ok(poll.page(place.aws).await?.is_some_and(|page| page > 1)))
        .await?;
    let hang = FaultRule { count: Some(1), ..rule(Fault::TimeoutBefore { hold_ms: NO_ANSWER }) };
    let hang = place.control.add_fault(&hang).await?;
    place.control.remove_fault(slow).await?;
    kill_at(place, "poll", hang).await
}

async fn kill_fetch(place: &Place<'_>) -> Result<()> {
    let fault = Fault::TimeoutBefore { hold_ms: NO_ANSWER };
    // Nothing but `fetch` asks for accounts while acme's own polls find nothing.
    let rule = FaultRule { entity: Some("Account".to_owned()), count: Some(1), ..rule(App::Revenova, fault) };
    let hang = place.control.add_fault(&rule).await?;
    kill_at(place, "fetch", hang).await
}

fn rule(app: App, fault: Fault) -> FaultRule {
    FaultRule { app, fault, method: None, path_prefix: None, entity: None, count: None, probability: 1.0, seed: 0 }
}

async fn kill_at(place: &Place<'_>, function: &str, fault: u64) -> Result<()> {
    wait(&format!("{function} to ask its source"), async || Ok(place.control.played(fault).await? > 0)).await?;
    let folder = code(place, function).await?;
    match kill_programs_under(&folder).await {
        0 => bail!("no process of {function} runs in {}", folder.display()),
        _ => Ok(()),
    }
}

/// The folder that the emulator runs a function in: it is named after the digest of its code.
pub async fn code(place: &Place<'_>, function: &str) -> Result<PathBuf> {
    let url = format!("{}/2015-03-31/functions/{NAME_PREFIX}{function}/configuration", place.emulator.endpoint());
    let found = place.aws.signed(reqwest::Method::GET, &url, "lambda", &[], Vec::new()).await?;
    let digest = found.get("CodeSha256").and_then(Value::as_str).ok_or_else(|| anyhow!("{function} has no digest"))?;
    let digest = BASE64_STANDARD.decode(digest).context("the digest is not base64")?;
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let port = place.emulator.port;
    Ok(place.layout.emulator().join("tmp").join(format!("ministack-provided-code-{port}")).join(digest))
}

async fn wait(what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await? {
        if Instant::now() > deadline {
            bail!("waited in vain for {what}");
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
