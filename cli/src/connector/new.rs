//! `fluxnex connector new`: the folder of a new connector.

use crate::Ended;
use crate::terminal::Terminal;
use anyhow::{Context, Result, anyhow};
use fluxnex_authoring::skeleton::{Kind, Skeleton};
use fluxnex_core::ids::{ConnectorName, ObjectName};
use serde_json::json;
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "\
Examples:
  fluxnex connector new help-desk
  fluxnex connector new help-desk --title \"Help desk\" --base-url https://api.example.com/v1 \\
      --documentation https://docs.example.com/api --object Ticket --authentication bearer";

/// What a new connector is.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Its name: a lower-case letter, then letters, digits or hyphens
    name: String,
    /// What people see
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Where the application's API begins
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The address of its documentation
    #[arg(long, value_name = "URL")]
    documentation: Option<String>,
    /// A record type in the application's own terms
    #[arg(long, value_name = "NAME")]
    object: Option<String>,
    /// How requests prove who sends them: bearer, api_key, basic, oauth2_client_credentials, oauth2_authorization_code or none
    #[arg(long, value_name = "KIND")]
    authentication: Option<Kind>,
    /// The folder to make; otherwise connectors/<NAME> in a clone of FluxNex, or <NAME> here
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub fn run(arguments: Arguments, terminal: &Terminal) -> Result<Ended> {
    let name = ConnectorName::parse(arguments.name).map_err(|error| anyhow!("{error}"))?;
    let answers = |given: Option<String>, flag: &str, question: &str, default: Option<&str>| match given {
        Some(given) => Ok(given),
        None if terminal.can_ask() => terminal.ask(question, default),
        None => default.map(str::to_owned).ok_or_else(|| anyhow!("nobody can be asked here: give --{flag}")),
    };
    let title = answers(arguments.title, "title", "What people call the application", Some(name.as_str()))?;
    let base_url = answers(arguments.base_url, "base-url", "Where its API begins", Some("https://api.example.com"))?;
    let documentation =
        answers(arguments.documentation, "documentation", "The address of its documentation", Some(&base_url))?;
    let object = answers(arguments.object, "object", "A record type, in its own words", Some("Customer"))?;
    let kinds = Kind::ALL.map(Kind::name).join(", ");
    let kind = match arguments.authentication {
        Some(kind) => kind,
        None => {
            let question = format!("How requests prove who sends them ({kinds})");
            let answer = answers(None, "authentication", &question, Some("bearer"))?;
            answer.parse().map_err(|error: String| anyhow!("--authentication: {error}"))?
        }
    };
    let object = ObjectName::parse(object).map_err(|error| anyhow!("--object: {error}"))?;
    let folder = arguments.folder.unwrap_or_else(|| default_folder(name.as_str()));
    let skeleton = Skeleton { name, title, base_url, documentation, object, kind };
    let written = skeleton.write(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for path in &written {
        terminal.say(format!("  {}", path.display()));
    }
    terminal.say(format!("\nNext: fluxnex connector check {}", folder.display()));
    terminal.answer(&json!({ "folder": folder, "files": written }))?;
    Ok(Ended::Done)
}

fn default_folder(name: &str) -> PathBuf {
    let connectors = Path::new("connectors");
    if connectors.is_dir() { connectors.join(name) } else { PathBuf::from(name) }
}
