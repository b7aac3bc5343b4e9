//! `fluxnex test`: the golden cases of a bundle.

use super::{ValuesOfVariables, number, show};
use crate::Ended;
use crate::terminal::Terminal;
use anyhow::Result;
use fluxnex_authoring::bundle::cases::{Choice, test};
use fluxnex_authoring::bundle::{Values, check};
use serde_json::json;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  fluxnex test
  fluxnex test examples/acme invoices/        # the cases of one flow
  fluxnex test examples/acme --update         # write what came out; look at it before you commit it

tests/<flow>.yaml says what is tried, tests/<flow>.expected.json what is to come of it. Exit code 1 if a case differs.";

/// Which cases.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder with fluxnex.yaml
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Only cases whose flow/name holds this text
    filter: Option<String>,
    /// Write what came of the cases to tests/<flow>.expected.json
    #[arg(long)]
    update: bool,
    #[command(flatten)]
    values: ValuesOfVariables,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Ended> {
    let checked = check(&arguments.folder, &arguments.values.collect()?, Values::MayLack);
    let Some(configuration) = checked.configuration.as_ref().filter(|_| checked.is_ok()) else {
        show(&arguments.folder, &checked.findings, terminal);
        terminal.say("the bundle has faults: its cases are not run");
        terminal.answer(&json!({ "passed": 0, "failed": 0, "findings": checked.findings }))?;
        return Ok(Ended::Negative);
    };
    let choice = Choice { filter: arguments.filter.as_deref(), update: arguments.update };
    let tested = test(&arguments.folder, configuration, choice);
    show(&arguments.folder, &tested.findings, terminal);
    for ran in &tested.ran {
        match &ran.difference {
            None => terminal.say(format!("ok      {}/{}", ran.flow, ran.case)),
            Some(difference) => terminal.say(format!("DIFFERS {}/{}\n{difference}", ran.flow, ran.case)),
        }
    }
    for path in &tested.written {
        terminal.say(format!("written: {}", path.display()));
    }
    let failed = tested.ran.iter().filter(|ran| ran.difference.is_some()).count() + tested.findings.len();
    let passed = tested.ran.iter().filter(|ran| ran.difference.is_none()).count();
    terminal.say(format!("{}, {failed} failed", number(tested.ran.len(), "case")));
    let written = &tested.written;
    terminal.answer(&json!({
        "passed": passed, "failed": failed, "cases": tested.ran, "findings": tested.findings, "written": written,
    }))?;
    Ok(if tested.is_ok() { Ended::Done } else { Ended::Negative })
}
