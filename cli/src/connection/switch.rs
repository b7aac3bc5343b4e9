//! `fluxnex connection pause` and `resume`.

use super::{Tenant, bundle, name};
use crate::Ended;
use crate::terminal::Terminal;
use anyhow::{Context, Result};
use serde_json::json;

/// Which connection.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The connection
    name: String,
}

pub async fn run(tenant: &Tenant, arguments: &Arguments, paused: bool, terminal: &Terminal) -> Result<Ended> {
    let id = name(&arguments.name)?;
    let mut is_target = false;
    let edit = tenant.edit(|bundle| {
        is_target = bundle.flows.values().any(|flow| flow.targets.iter().any(|target| target.connection == id));
        let known = bundle::names(bundle);
        let connection = bundle.connections.get_mut(&id);
        connection.with_context(|| format!("there is no connection {id}; {known}"))?.paused = paused;
        Ok(())
    });
    let version = terminal.wait("applying the bundle", edit).await?;
    let polls =
        "Within half a minute senders of webhooks are told to come again in a minute; it is not polled any more.";
    let deliveries = "What flows deliver to it waits, at no attempt's cost; requests under way end as they end.";
    match (paused, is_target) {
        (true, true) => terminal.say(format!("{id} is paused (version {version}). {polls}\n{deliveries}")),
        (true, false) => terminal.say(format!("{id} is paused (version {version}). {polls}")),
        (false, true) => terminal.say(format!(
            "{id} goes on (version {version}); polls go on where they were, and within two minutes what waited for it."
        )),
        (false, false) => terminal.say(format!("{id} goes on (version {version}); polls go on where they were.")),
    }
    let waits = paused && is_target;
    terminal.answer(&json!({ "connection": id, "paused": paused, "version": version, "deliveries_wait": waits }))?;
    Ok(Ended::Done)
}
