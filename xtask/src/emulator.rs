//! The AWS emulator: one Python process that runs the functions as its children.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::{
    aws,
    command::ToolFailure,
    layout::{Layout, create_private, remove_folder},
    processes::{self, Record, Start, Stop},
    progress::Progress,
    state::StateFile,
    system::{free_port, is_free},
};

/// The process's name.
pub const NAME: &str = "emulator";
const START_GRACE: Duration = Duration::from_secs(60);

/// A running emulator, as it is remembered.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Emulator {
    /// The port of all its APIs on 127.0.0.1.
    pub port: u16,
    /// How many times faster than real its waits pass.
    pub time_scale: String,
}

impl Emulator {
    /// Where its APIs are. An address, not a name: AWS SDKs then use paths instead of host names for
    /// buckets, and `*.localhost` does not resolve everywhere.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Starts the emulator; one that runs is left alone. All that it held is gone when it ends, so what was
/// deployed to an earlier one is forgotten.
pub async fn up(
    layout: &Layout,
    state: &StateFile,
    python: &Path,
    time_scale: &str,
    progress: &Progress,
) -> Result<()> {
    if is_up(layout, state, time_scale) {
        return Ok(());
    }
    let known = state.get().emulator.clone();
    let step = progress.start("starting the AWS emulator");
    let result = async {
        down(layout).await?;
        state.update(|state| (state.deployment, state.deploying) = (None, false))?;
        let remembered = known.map(|emulator| emulator.port).filter(|port| is_free(*port));
        let port = remembered.map_or_else(free_port, Ok)?;
        let emulator = Emulator { port, time_scale: time_scale.to_owned() };
        let folder = layout.emulator();
        for name in ["home", "tmp", "data"] {
            create_private(&folder.join(name))?;
        }
        let start = Start {
            name: NAME,
            program: python,
            arguments: ["-m", "ministack.app"].map(str::to_owned).to_vec(),
            environment: environment(&folder, &emulator),
            folder: &folder.join("home"),
            user: None,
        };
        let process = processes::start(layout, &start).await?;
        wait_until_it_answers(layout, &emulator, &process).await?;
        state.update(|state| state.emulator = Some(emulator))
    };
    let result = result.await;
    step.finish(result)
}

/// Whether the emulator is remembered, runs, and runs at this time scale. A half-made deployment cannot be
/// taken up again: the emulator is then started anew.
pub fn is_up(layout: &Layout, state: &StateFile, time_scale: &str) -> bool {
    if state.get().deploying {
        return false;
    }
    let same = state.get().emulator.as_ref().is_some_and(|emulator| emulator.time_scale == time_scale);
    same && processes::running(layout, NAME).is_some()
}

/// Kills the emulator with its functions. Nothing that it holds outlives it, so it need not be asked.
pub async fn down(layout: &Layout) -> Result<()> {
    processes::stop(layout, NAME, Stop { signal: Signal::KILL, grace: Duration::from_secs(5) }).await?;
    clean(layout).await
}

/// Removes what an emulator leaves: functions that run on when it is killed, and the unpacked code.
async fn clean(layout: &Layout) -> Result<()> {
    processes::kill_programs_under(&layout.emulator()).await;
    remove_folder(&layout.emulator())
}

/// The emulator's whole environment. The functions inherit it, so it has nothing of the user's.
fn environment(folder: &Path, emulator: &Emulator) -> Vec<(String, String)> {
    let inside = |name: &str| folder.join(name).display().to_string();
    [
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("HOME", inside("home")),
        ("TMPDIR", inside("tmp")),
        ("STATE_DIR", inside("data")),
        ("S3_DATA_DIR", inside("data")),
        ("LANG", "C.UTF-8".to_owned()),
        ("TZ", "UTC".to_owned()),
        ("GATEWAY_PORT", emulator.port.to_string()),
        ("BIND_HOST", "127.0.0.1".to_owned()),
        ("AWS_ENDPOINT_URL", emulator.endpoint()),
        // A function without the policy for what it does is refused, as on AWS.
        ("AUTH", "true".to_owned()),
        ("LOG_LEVEL", "WARNING".to_owned()),
        ("SFN_WAIT_SCALE", wait_factor(&emulator.time_scale)),
        // Listeners on fixed ports that we do not use.
        ("SFTP_ENABLED", "0".to_owned()),
        ("IOT_MTLS_ENABLED", "0".to_owned()),
        // It would otherwise look through, and clean up, the containers of the machine's Docker.
        ("DOCKER_HOST", format!("unix://{}", inside("no-docker"))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// FluxNex's setting says how many times faster time passes; the emulator's, what waits are multiplied by.
fn wait_factor(time_scale: &str) -> String {
    let faster: f64 = time_scale.parse().unwrap_or(1.0);
    (1.0 / faster).to_string()
}

async fn wait_until_it_answers(layout: &Layout, emulator: &Emulator, process: &Record) -> Result<()> {
    let deadline = Instant::now() + START_GRACE;
    loop {
        if is_healthy(emulator).await {
            return Ok(());
        }
        if !processes::is_alive(process) || Instant::now() > deadline {
            let what = format!("the AWS emulator does not answer on port {}", emulator.port);
            let advice = "read the log; `cargo xtask down` then `cargo xtask up` starts from nothing";
            return Err(ToolFailure::explained_by(what, &layout.log(NAME), advice).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether the emulator answers.
pub async fn is_healthy(emulator: &Emulator) -> bool {
    let Ok(client) = aws::http_client(Duration::from_secs(2)) else { return false };
    let answer = client.get(format!("{}/_ministack/ready", emulator.endpoint())).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

/// The emulator's process and port must be known to talk to it.
pub fn require(layout: &Layout, state: &StateFile) -> Result<(Emulator, Record)> {
    let known = state.get().emulator.clone();
    match (known, processes::running(layout, NAME)) {
        (Some(emulator), Some(process)) => Ok((emulator, process)),
        _ => bail!("the platform is not running; start it with `cargo xtask up`"),
    }
}
