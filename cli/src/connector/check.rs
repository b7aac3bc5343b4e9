//! `fluxnex connector check`: what is wrong with a folder, as a compiler would say it.

use crate::Ended;
use crate::terminal::Terminal;
use anyhow::Result;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  fluxnex connector check
  fluxnex connector check connectors/help-desk
  fluxnex connector check connectors/*          # all of them
  fluxnex connector check --json connectors/help-desk | jq .findings

Exit code 1 if something is wrong.";

/// What is checked.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folders, each with a connector.yaml
    #[arg(default_value = ".")]
    folders: Vec<PathBuf>,
}

pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Ended> {
    let mut answers = Vec::new();
    let mut wrong = 0;
    for folder in &arguments.folders {
        let what = format!("checking {}", folder.display());
        let checked = terminal.wait(&what, fluxnex_authoring::check(folder)).await;
        for finding in &checked.findings {
            let path = folder.join(&finding.file);
            let text = fs::read_to_string(&path).ok();
            let shown = fluxnex_authoring::Finding { file: path, ..finding.clone() };
            terminal.say(format!("{}\n", shown.render(text.as_deref(), terminal.is_coloured())));
        }
        let count = checked.findings.len();
        let read = format!("{}, {}", number(checked.samples, "sample"), number(checked.cases, "case"));
        let found = if count == 0 { "fine".to_owned() } else { number(count, "fault") };
        terminal.say(format!("{}: {found} ({read})", folder.display()));
        wrong += count;
        answers.push(json!({
            "folder": folder, "findings": checked.findings, "samples": checked.samples, "cases": checked.cases,
        }));
    }
    match answers.as_slice() {
        [one] => terminal.answer(one)?,
        all => terminal.answer(&all)?,
    }
    Ok(if wrong == 0 { Ended::Done } else { Ended::Negative })
}

fn number(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
