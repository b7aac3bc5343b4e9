//! `fluxnex pause` and `fluxnex resume`: a tenant, a flow or a connection is stopped for a while, in the bundle that runs.

use crate::Ended;
use crate::api;
use crate::connection::{self, Tenant, connection_names};
use crate::terminal::Terminal;
use anyhow::{Context, Result, anyhow};
use clap::Subcommand;
use fluxnex_core::bundle::Bundle;
use fluxnex_core::ids::{ConnectionId, FlowId};
use serde_json::json;

pub const EXAMPLES: &str = "\
Examples:
  fluxnex pause flow invoices --tenant acme       # replicated and mapped; what it delivers waits
  fluxnex pause connection erp --tenant acme      # not polled, its senders come again later, nothing is delivered to it
  fluxnex pause tenant --tenant acme              # all of that, for everything
  fluxnex resume tenant --tenant acme

What waits burns no attempt, and goes on within two minutes after it is resumed. The bundle's files are not touched: the
next apply of files that do not say `paused: true` resumes as well, and its plan shows that.";

/// What is stopped, or goes on.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    api: api::Arguments,
    /// The tenant; otherwise $FLUXNEX_TENANT
    #[arg(long, env = "FLUXNEX_TENANT", value_name = "TENANT", global = true)]
    tenant: Option<String>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Everything: nothing is polled or delivered, and senders of webhooks are told to come later
    Tenant,
    /// The deliveries of one flow
    Flow {
        /// The flow
        name: String,
    },
    /// One connection: its polls, its senders, and what flows deliver to it
    Connection {
        /// The connection
        name: String,
    },
}

/// One switch in a bundle.
enum Switch {
    Tenant,
    Flow(FlowId),
    Connection(ConnectionId),
}

/// Pauses, or resumes.
pub async fn run(arguments: &Arguments, paused: bool, terminal: &Terminal) -> Result<Ended> {
    let switch = match &arguments.what {
        What::Tenant => Switch::Tenant,
        What::Flow { name } => Switch::Flow(FlowId::parse(name.as_str()).map_err(|error| anyhow!("{name}: {error}"))?),
        What::Connection { name } => Switch::Connection(connection::name(name)?),
    };
    let tenant = connection::tenant(arguments.tenant.as_deref(), &arguments.api).await?;
    let mut waits = false;
    let edit = tenant.edit(|bundle| {
        waits = paused && switch.delivers(bundle);
        switch.set(bundle, paused)
    });
    let version = terminal.wait("applying the bundle", edit).await?;
    terminal.say(switch.told(&tenant, paused, waits, version));
    let (flow, connection) = match &switch {
        Switch::Tenant => (None, None),
        Switch::Flow(id) => (Some(id), None),
        Switch::Connection(id) => (None, Some(id)),
    };
    terminal.answer(&json!({
        "tenant": tenant.id, "flow": flow, "connection": connection, "paused": paused, "version": version,
        "deliveries_wait": waits,
    }))?;
    Ok(Ended::Done)
}

impl Switch {
    fn set(&self, bundle: &mut Bundle, paused: bool) -> Result<()> {
        match self {
            Self::Tenant => bundle.paused = paused,
            Self::Flow(id) => {
                let known: Vec<&str> = bundle.flows.keys().map(FlowId::as_str).collect();
                let known = known.join(", ");
                let flow = bundle.flows.get_mut(id);
                flow.with_context(|| format!("there is no flow {id}; there are: {known}"))?.paused = paused;
            }
            Self::Connection(id) => {
                let known = connection_names(bundle);
                let connection = bundle.connections.get_mut(id);
                connection.with_context(|| format!("there is no connection {id}; {known}"))?.paused = paused;
            }
        }
        Ok(())
    }

    /// Whether flows deliver by way of it.
    fn delivers(&self, bundle: &Bundle) -> bool {
        match self {
            Self::Tenant => !bundle.flows.is_empty(),
            Self::Flow(_) => true,
            Self::Connection(id) => {
                bundle.flows.values().any(|flow| flow.targets.iter().any(|target| target.connection == *id))
            }
        }
    }

    fn told(&self, tenant: &Tenant, paused: bool, waits: bool, version: i64) -> String {
        let name = match self {
            Self::Tenant => tenant.id.to_string(),
            Self::Flow(id) => format!("the flow {id}"),
            Self::Connection(id) => id.to_string(),
        };
        let is_flow = matches!(self, Self::Flow(_));
        if !paused {
            let on = if is_flow { "" } else { " polls go on where they were, and" };
            return format!("{name} goes on (version {version});{on} within two minutes what waited for it does.");
        }
        let mut text = format!("{name} is paused (version {version}).");
        if !is_flow {
            let polls =
                "Within half a minute senders of webhooks are told to come again in a minute; nothing is polled.";
            text.push_str(&format!(" {polls}"));
        }
        if waits {
            let what = if is_flow { "What it delivers waits" } else { "What flows deliver to it waits" };
            text.push_str(&format!("\n{what}, at no attempt's cost; requests under way end as they end."));
        }
        text
    }
}
