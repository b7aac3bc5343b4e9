//! The simulated applications: one process, with a control API that the demo drives.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::Result;
use fluxnex_simulators::commands::Ports;
use rustix::process::Signal;

use crate::{
    build::Artifacts,
    certificates::Certificates,
    command::ToolFailure,
    layout::Layout,
    processes::{self, Record, Start, Stop},
    progress::Progress,
    state::StateFile,
};

/// The process's name.
pub const NAME: &str = "simulators";
const START_GRACE: Duration = Duration::from_secs(20);

/// Starts the simulators; those that run are left alone unless they were built anew.
pub async fn up(
    layout: &Layout,
    state: &StateFile,
    artifacts: &Artifacts,
    certificates: &Certificates,
    progress: &Progress,
) -> Result<()> {
    let stamp = layout.processes().join("simulators.started-from");
    let same = fs::read_to_string(&stamp).is_ok_and(|found| found == artifacts.simulators_fingerprint);
    let known = state.get().simulators;
    if known.is_some() && same && processes::running(layout, NAME).is_some() {
        return Ok(());
    }
    let step = progress.start("starting the simulated applications");
    let result = async {
        down(layout).await?;
        let port = |pick: fn(&Ports) -> u16| known.as_ref().map_or(0, pick).to_string();
        let path = |path: &std::path::Path| path.display().to_string();
        let arguments = [
            ("--revenova-port", port(|ports| ports.revenova)),
            ("--quickbooks-port", port(|ports| ports.quickbooks)),
            ("--erp-port", port(|ports| ports.erp)),
            ("--hubspot-port", port(|ports| ports.hubspot)),
            ("--receiver-port", port(|ports| ports.receiver)),
            ("--control-port", port(|ports| ports.control)),
            ("--tls-cert", path(&certificates.server)),
            ("--tls-key", path(&certificates.server_key)),
        ];
        let start = Start {
            name: NAME,
            program: &artifacts.simulators,
            arguments: arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect(),
            environment: [("RUST_LOG", "info"), ("PATH", "/usr/local/bin:/usr/bin:/bin")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            folder: layout.state(),
            user: None,
        };
        let process = processes::start(layout, &start).await?;
        let ports = wait_for_ports(layout, &process).await?;
        fs::write(&stamp, &artifacts.simulators_fingerprint)?;
        state.update(|state| state.simulators = Some(ports))
    };
    let result = result.await;
    step.finish(result)
}

/// Stops the simulators.
pub async fn down(layout: &Layout) -> Result<()> {
    processes::stop(layout, NAME, Stop { signal: Signal::TERM, grace: Duration::from_secs(2) }).await
}

/// They print the ports that they listen on as one line of JSON, once all of them do.
async fn wait_for_ports(layout: &Layout, process: &Record) -> Result<Ports> {
    let log = layout.log(NAME);
    let deadline = Instant::now() + START_GRACE;
    loop {
        let text = fs::read_to_string(&log).unwrap_or_default();
        if let Some(ports) = text.lines().find_map(|line| serde_json::from_str(line).ok()) {
            return Ok(ports);
        }
        if !processes::is_alive(process) || Instant::now() > deadline {
            let advice = "read the log; `cargo xtask down` then `cargo xtask up` starts from nothing";
            return Err(ToolFailure::explained_by("the simulated applications did not start", &log, advice).into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
