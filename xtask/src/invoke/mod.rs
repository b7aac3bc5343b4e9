//! `cargo xtask invoke`: one function's real binary on one event, under AWS's own runtime emulator, with the
//! environment and the role that it is deployed with on the local platform.

pub mod command;
mod environment;
mod event;
mod placeholders;
mod report;
mod runtime;
mod signature;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    aws::{Aws, Deployed, NAME_PREFIX, Refused},
    build,
    emulator::{self, Emulator},
    layout::Layout,
    progress::Progress,
    state::StateFile,
    tools,
};
pub use report::{Answer, Figures};
use runtime::Folder;

/// In a folder of its own: `up` ends tools whose notes it finds beside its own logs, and takes them for left behind.
pub const BUILD_LOG: &str = "invoke/build";
/// How a tenant comes to a platform, for whoever has none there yet.
const HOW_TO_APPLY: &str = "`cargo xtask demo --invoices 1` applies the bundles of the examples, acme and globex";

/// One function on one event.
#[derive(Clone, Debug)]
pub struct Request {
    /// The function, by the name of its folder.
    pub function: String,
    /// The event's file.
    pub event: PathBuf,
}

/// An invocation that has ended.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// What the function answered.
    pub answer: Answer,
    /// What it logged.
    pub log: Vec<String>,
    /// What it took.
    pub figures: Figures,
    /// The memory that it gets on Lambda, in MiB.
    pub memory_mb: u64,
}

/// The platform that functions are invoked on.
pub struct Platform<'a> {
    layout: &'a Layout,
    emulator: Emulator,
    aws: Aws,
}

impl<'a> Platform<'a> {
    /// The platform if it is up.
    pub fn find(layout: &'a Layout) -> Result<Self> {
        let (emulator, _) = emulator::require(layout, &StateFile::open(layout))?;
        let aws = Aws::new(emulator.endpoint())?;
        Ok(Self { layout, emulator, aws })
    }

    async fn deployed(&self, function: &str) -> Result<Deployed> {
        let found = self.aws.function(&format!("{NAME_PREFIX}{function}")).await;
        match &found {
            Err(error) if error.downcast_ref::<Refused>().is_some_and(|refused| refused.status == 404) => {
                bail!("{function} is not deployed on this platform; `cargo xtask up` deploys it")
            }
            _ => found.with_context(|| format!("the platform does not say how {function} is deployed")),
        }
    }
}

/// What runs a function: its binary and AWS's runtime emulator.
pub struct Programs {
    /// What was built.
    pub binary: PathBuf,
    /// AWS's Lambda Runtime Interface Emulator.
    pub runtime_emulator: PathBuf,
}

/// Installs the emulator and builds the function, unless both are there.
pub async fn programs(layout: &Layout, function: &str, progress: &Progress) -> Result<Programs> {
    tools::check_system()?;
    // The compiler needs the processor, the installation mostly the network.
    let build = build::binaries(layout, Some(function), BUILD_LOG, progress);
    let (sam, binaries) = tokio::try_join!(tools::sam(layout, progress), build)?;
    Ok(Programs { binary: build::find(&binaries, function)?.to_path_buf(), runtime_emulator: sam.runtime_emulator()? })
}

/// Fails, with the names that there are, unless there is such a function.
pub fn check_name(layout: &Layout, function: &str) -> Result<()> {
    let known = build::functions(layout)?;
    if !known.iter().any(|name| name == function) {
        bail!("there is no function {function}; there are {}", known.join(", "));
    }
    Ok(())
}

/// The event of a request as it is sent: read, filled and signed. Only a signature needs the platform.
pub async fn event(layout: &Layout, request: &Request) -> Result<Value> {
    let mut event = event::read(&request.event)?;
    if placeholders::needs_signature(&event) {
        let platform = Platform::find(layout)?;
        let deployed = platform.deployed(&request.function).await?;
        let signed = signature::fill(&mut event, &deployed, &platform.aws).await;
        signed.with_context(|| format!("{} cannot be signed", request.event.display()))?;
    }
    event::bytes(&event, &request.event)?;
    Ok(event)
}

/// Invokes a function on an event.
pub async fn invoke(
    platform: &Platform<'_>,
    programs: &Programs,
    request: &Request,
    progress: &Progress,
) -> Result<Invocation> {
    let event = event(platform.layout, request).await?;
    let deployed = platform.deployed(&request.function).await?;
    let credentials = environment::credentials(&deployed, &platform.aws, progress).await;
    let folder = Folder::new(platform.layout, &programs.binary, &programs.runtime_emulator)?;
    let variables = environment::variables(&deployed, &credentials, &platform.emulator, folder.path());
    let written =
        folder.run(&variables, &event::bytes(&event, &request.event)?, Duration::from_secs(deployed.timeout)).await?;
    let figures = Figures { max_memory_mb: written.max_memory_mb, ..report::figures(&written.output, &written.log) };
    Ok(Invocation {
        answer: report::answer(written.status, &written.body),
        log: report::log_lines(&written.output),
        figures,
        memory_mb: deployed.memory_size,
    })
}

impl Invocation {
    /// The line for programs.
    pub fn json(&self, request: &Request) -> Value {
        json!({
            "ok": !self.answer.failed,
            "function": request.function,
            "event": request.event.display().to_string(),
            "response": self.answer.response,
            "init_ms": self.figures.init_ms,
            "billed_ms": self.figures.billed_ms,
            "duration_ms": self.figures.duration_ms,
            "max_memory_mb": self.figures.max_memory_mb,
        })
    }

    /// Whether it answered, and the figures, in one line.
    pub fn summary(&self) -> String {
        let mark = if self.answer.failed { "✗ the function failed" } else { "✓ the function answered" };
        let figures = self.figures.to_string();
        let beyond = self.figures.max_memory_mb.filter(|used| *used > self.memory_mb);
        let warning = beyond.map(|_| format!(", which is more than the {} MB that it gets", self.memory_mb));
        if figures.is_empty() { mark.to_owned() } else { format!("{mark}: {figures}{}", warning.unwrap_or_default()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(failed: bool) -> Invocation {
        Invocation {
            answer: Answer { response: json!({ "statusCode": 202 }), failed },
            log: Vec::new(),
            figures: Figures {
                init_ms: Some(116.378),
                duration_ms: Some(1.601),
                billed_ms: Some(119),
                max_memory_mb: Some(15),
            },
            memory_mb: 256,
        }
    }

    #[test]
    fn the_line_for_programs_has_every_promised_field() {
        let request = Request { function: "ingest".to_owned(), event: PathBuf::from("events/ingest/good.json") };
        let line = invocation(false).json(&request);
        let expected = json!({
            "ok": true, "function": "ingest", "event": "events/ingest/good.json", "response": { "statusCode": 202 },
            "init_ms": 116.378, "billed_ms": 119, "duration_ms": 1.601, "max_memory_mb": 15,
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn the_summary_says_what_is_known() {
        let expected = "✓ the function answered: init 116.4 ms, duration 1.6 ms, billed 119 ms, memory 15 MB";
        assert_eq!(invocation(false).summary(), expected);
        let crashed = Invocation { figures: Figures::default(), ..invocation(true) };
        assert_eq!(crashed.summary(), "✗ the function failed");
    }
}
