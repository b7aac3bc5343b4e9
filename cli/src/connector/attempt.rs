//! `fluxnex connector try`: one operation on the real application, with its requests and answers.

mod operation;

use crate::Ended;
use crate::terminal::Terminal;
use anyhow::{Context, Result, anyhow, bail};
use fluxnex_authoring::finding::Finding;
use fluxnex_authoring::manifest;
use fluxnex_authoring::trial::{LocalSecrets, Shown, Trial, Tried};
use fluxnex_connect::connection::Reach;
use fluxnex_core::connector::{Authentication, CompiledManifest};
use operation::Operation;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const EXAMPLES: &str = "\
Credentials come from a file of your own (--secrets, YAML or JSON, one field for each credential), from variables
FLUXNEX_SECRET_<FIELD>, or are asked for. They are never arguments, and never shown. A refresh token that the
application replaces goes back into the file.

Examples:
  fluxnex connector try connectors/odata --setting url=https://services.example.com/v4 read-one Customers C-000042
  fluxnex connector try . --secrets ~/help-desk.secrets.yaml list-changed Ticket --since 2026-11-01T00:00:00Z
  fluxnex connector try . --secrets ~/help-desk.secrets.yaml send Ticket samples/ticket.json
  fluxnex connector try . --secrets ~/help-desk.secrets.yaml read-many Ticket T-1 T-2
  fluxnex connector try . --secrets ~/help-desk.secrets.yaml delete Ticket T-1
  fluxnex connector try . --base-url http://127.0.0.1:8080 --local read-one Ticket 1001

Exit code 1 if the application refuses.";

/// What variables with credentials begin with.
const SECRET_VARIABLE: &str = "FLUXNEX_SECRET_";

/// What is tried.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The connector's folder
    folder: PathBuf,
    /// A file with the credentials
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// A setting of the connection; may be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = pair)]
    settings: Vec<(String, String)>,
    /// Another place than the connector's for the application's API
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Let requests go to private and loopback addresses, and over plain HTTP
    #[arg(long)]
    local: bool,
    /// A PEM file with certificates that are trusted besides the public roots
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(subcommand)]
    operation: Operation,
}

/// `name=value`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is needed")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub async fn run(arguments: Arguments, terminal: &Terminal) -> Result<Ended> {
    let Some(compiled) = compile(&arguments.folder, terminal)? else { return Ok(Ended::Negative) };
    let settings: BTreeMap<String, String> = arguments.settings.into_iter().collect();
    compiled.settings(&settings).map_err(|error| anyhow!("{error}: give --setting NAME=VALUE"))?;
    let action = arguments.operation.action(&compiled)?;
    let secrets = secrets(&compiled, arguments.secrets.as_deref(), terminal)?;
    let read = |path: &PathBuf| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let trial = Trial {
        manifest: Arc::new(compiled),
        base_url: arguments.base_url,
        settings,
        secrets: Arc::new(secrets),
        reach: Reach { private_addresses: arguments.local, plain_http: arguments.local },
        extra_ca_pem: arguments.ca.as_ref().map(read).transpose()?,
    };
    let tried = terminal.wait("asking the application", trial.run(&action)).await?;
    show(&tried, terminal)?;
    Ok(if tried.ok { Ended::Done } else { Ended::Negative })
}

fn compile(folder: &Path, terminal: &Terminal) -> Result<Option<CompiledManifest>> {
    let path = folder.join(manifest::FILE);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    match manifest::compile(&text) {
        Ok(compiled) => Ok(Some(compiled)),
        Err(findings) => {
            for finding in &findings {
                let shown = Finding { file: path.clone(), ..finding.clone() };
                terminal.note(shown.render(Some(&text), false));
            }
            terminal.answer(&json!({ "findings": findings }))?;
            Ok(None)
        }
    }
}

/// The credentials: of the file, otherwise of variables, otherwise of the person who is asked.
fn secrets(manifest: &CompiledManifest, file: Option<&Path>, terminal: &Terminal) -> Result<LocalSecrets> {
    let manifest = manifest.manifest();
    if let Some(file) = file {
        let secrets = LocalSecrets::read(file)?;
        let names = secrets.names();
        let missing = manifest.credentials.iter().find(|(name, field)| !field.optional && !names.contains(name));
        if let Some((name, field)) = missing {
            bail!("{} has no field {name}: {}", file.display(), field.description);
        }
        return Ok(secrets);
    }
    // It may be replaced while it is used, and the new one has to be kept.
    if matches!(manifest.authentication, Authentication::OAuth2AuthorizationCode { .. }) {
        bail!("the application may replace the refresh token: give --secrets FILE, which then gets the new one");
    }
    let mut fields = Map::new();
    for (name, field) in &manifest.credentials {
        let variable = format!("{SECRET_VARIABLE}{}", name.to_ascii_uppercase());
        let value = match std::env::var(&variable) {
            Ok(value) => value,
            Err(_) if field.optional => continue,
            Err(_) if terminal.can_ask() => terminal.ask_secret(&format!("{name} ({})", field.description))?,
            Err(_) => bail!("no {name}: give --secrets FILE, or the variable {variable}"),
        };
        fields.insert(name.clone(), Value::from(value));
    }
    Ok(LocalSecrets::of(fields))
}

fn show(tried: &Tried, terminal: &Terminal) -> Result<()> {
    for exchange in &tried.exchanges {
        terminal.say(of_exchange(exchange));
    }
    if tried.exchanges.is_empty() {
        terminal.say("No request was made.\n");
    }
    terminal.say(format!("=> {}", serde_json::to_string_pretty(&tried.outcome)?));
    terminal.answer(&json!({ "ok": tried.ok, "outcome": tried.outcome, "exchanges": tried.exchanges }))
}

fn of_exchange(exchange: &Shown) -> String {
    let headers = |headers: &[(String, String)]| -> String {
        headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    };
    let request = exchange.request_body.as_ref().map(|body| format!("\n{body}\n")).unwrap_or_default();
    let status = match exchange.status {
        Some(status) => format!("HTTP {status}"),
        None => "no answer".to_owned(),
    };
    let body = if exchange.body.is_empty() { String::new() } else { format!("\n{}\n", exchange.body) };
    format!(
        "--> {} {}\n{}{request}\n<-- {status} ({} ms)\n{}{body}",
        exchange.method,
        exchange.url,
        headers(&exchange.request_headers),
        exchange.duration_ms,
        headers(&exchange.headers),
    )
}
