//! `fluxnex connection remove`: out of the bundle, and its secret ended.

use super::{Tenant, bundle, name};
use crate::Ended;
use crate::terminal::Terminal;
use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

pub const EXAMPLES: &str = "\
Refused while flows or notifications use it. The secret can be brought back for 30 days: `add` with the same name does.

Examples:
  fluxnex connection remove partner --tenant acme
  fluxnex connection remove partner --tenant acme --yes      # asks nothing";

/// Which connection.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The connection
    name: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub async fn run(tenant: &Tenant, arguments: &Arguments, terminal: &Terminal) -> Result<Ended> {
    let id = name(&arguments.name)?;
    let running = terminal.wait("reading the running bundle", tenant.read()).await?.bundle;
    let is_there = running.connections.contains_key(&id);
    let uses = bundle::uses(&running, &id);
    if !uses.is_empty() {
        terminal.say(format!("{id} is in use by {}: take it out of them first.", uses.join(", ")));
        terminal.answer(&json!({ "connection": id, "removed": false, "used_by": uses }))?;
        return Ok(Ended::Negative);
    }
    if !arguments.yes {
        if !terminal.can_ask() {
            bail!("nobody can be asked here: give --yes");
        }
        if !terminal.confirm(&format!("Remove {id} of {}, and end its secret?", tenant.id))? {
            terminal.answer(&json!({ "connection": id, "removed": false }))?;
            return Ok(Ended::Negative);
        }
    }
    let mut version = None;
    if is_there {
        let edit = tenant.edit(|bundle| {
            let uses = bundle::uses(bundle, &id);
            if !uses.is_empty() {
                bail!("{id} is in use by {} since a moment ago", uses.join(", "));
            }
            bundle.connections.remove(&id);
            Ok(())
        });
        version = Some(terminal.wait("applying the bundle", edit).await?);
    }
    let path = tenant.path(&id, "secret");
    let ended = terminal.wait("ending the secret", tenant.api.call(Method::DELETE, &path, None)).await;
    let ended = ended.context("it is out of the bundle, but its secret is there: run the same command again")?.body;
    let days = ended.get("recovery_days").and_then(Value::as_i64);
    match (is_there, days) {
        (false, None) => bail!("{} has no connection {id}; {}", tenant.id, bundle::names(&running)),
        (_, Some(days)) => terminal.say(format!("{id} is removed. Its secret can be brought back for {days} days.")),
        (true, None) => terminal.say(format!("{id} is removed. It had no secret.")),
    }
    terminal.say("If the bundle is kept in a file, take it out there, too.");
    terminal.answer(&json!({ "connection": id, "removed": true, "version": version, "recovery_days": days }))?;
    Ok(Ended::Done)
}
