//! `fluxnex validate`: everything that is wrong with a bundle, without any network.

use super::{Bundle, number};
use crate::Ended;
use crate::terminal::Terminal;
use anyhow::Result;
use fluxnex_authoring::bundle::Values;
use serde_json::json;

pub const EXAMPLES: &str = "\
Examples:
  fluxnex validate
  fluxnex validate examples/acme
  fluxnex validate examples/acme --strict --variables production.yaml
  fluxnex validate --json examples/acme | jq .findings

A variable without a value is taken for a text that fits, and what depends on it is not judged; --strict wants all
values. Exit code 1 if something is wrong; warnings are not.";

/// What is checked.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    bundle: Bundle,
    /// Every variable must have a value, as for an apply
    #[arg(long)]
    strict: bool,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Ended> {
    let values = if arguments.strict { Values::Needed } else { Values::MayLack };
    let checked = arguments.bundle.check(values, terminal)?;
    let faults = checked.findings.iter().filter(|finding| finding.is_fault()).count();
    let warnings = checked.findings.len() - faults;
    let mut said = match faults {
        0 => "fine".to_owned(),
        faults => number(faults, "fault"),
    };
    if warnings > 0 {
        said.push_str(&format!(", {}", number(warnings, "warning")));
    }
    if let Some(bundle) = &checked.bundle {
        let (connections, flows) = (number(bundle.connections.len(), "connection"), number(bundle.flows.len(), "flow"));
        said.push_str(&format!(" ({connections}, {flows})"));
    }
    if !checked.missing.is_empty() {
        said.push_str(&format!("; without a value: {}", checked.missing.join(", ")));
    }
    terminal.say(format!("{}: {said}", arguments.bundle.folder.display()));
    let (folder, fine) = (&arguments.bundle.folder, checked.is_ok());
    terminal.answer(&json!({
        "folder": folder, "fine": fine, "findings": checked.findings, "missing_variables": checked.missing,
    }))?;
    Ok(if fine { Ended::Done } else { Ended::Negative })
}
