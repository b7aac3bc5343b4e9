//! `fluxnex connection`: a tenant's connections, from the first credential to the last.
//!
//! The bundle that runs is the truth. A command reads it, changes it, and applies it on the condition that
//! nobody applied another one meanwhile. A bundle's *file* is not touched: it has comments, variables and
//! mappings of its own, which no program should write over; its lines are shown instead. Credentials go to
//! the API and from there to Secrets Manager, and come back from nowhere.

mod add;
mod authorise;
mod bundle;
mod credentials;
mod loopback;
mod remove;
mod rotate;
mod show;
mod signing;
mod test;

pub use bundle::{Read, names as connection_names};

use crate::Ended;
use crate::api::{self, Api};
use crate::terminal::Terminal;
use anyhow::{Context, Result, anyhow};
use clap::Subcommand;
use fluxnex_core::connector::Manifest;
use fluxnex_core::ids::{ConnectionId, TenantId};
use reqwest::Method;

/// Whose connections, and where.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    api: api::Arguments,
    /// The tenant; otherwise $FLUXNEX_TENANT
    #[arg(long, env = "FLUXNEX_TENANT", value_name = "TENANT", global = true)]
    tenant: Option<String>,
    #[command(subcommand)]
    command: Command,
}

/// Commands for operators.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a connection: ask for what its connector needs, store the credentials, apply, test
    #[command(after_help = add::EXAMPLES)]
    Add(Box<add::Arguments>),
    /// Let a person consent at the application (OAuth 2.0), and store the refresh token
    #[command(after_help = authorise::EXAMPLES)]
    Authorise(authorise::Arguments),
    /// Test a connection by reading one record; exit code 1 if it cannot be read
    Test(test::Arguments),
    /// Replace credentials; what webhooks are signed with overlaps
    #[command(after_help = rotate::EXAMPLES)]
    Rotate(Box<rotate::Arguments>),
    /// Remove a connection and end its secret
    #[command(after_help = remove::EXAMPLES)]
    Remove(remove::Arguments),
    /// List the connections
    List,
    /// Show one connection: settings, credentials by name, webhook URL and how to sign
    Show(show::Arguments),
}

/// One tenant at one API.
pub struct Tenant {
    pub id: TenantId,
    pub api: Api,
}

impl Tenant {
    /// The path of a route of one connection.
    pub fn path(&self, connection: &ConnectionId, what: &str) -> String {
        format!("/v1/tenants/{}/connections/{connection}/{what}", self.id)
    }

    /// Where senders of webhooks of a connection send to.
    pub fn webhook_url(&self, connection: &ConnectionId) -> String {
        format!("{}/v1/webhooks/{}/{connection}", self.api.url(), self.id)
    }

    /// A connector's manifest, as the deployment has it.
    pub async fn manifest(&self, connector: &str) -> Result<Manifest> {
        let valid = fluxnex_core::ids::ConnectorName::parse(connector).map_err(|error| anyhow!("{error}"))?;
        let answer = self.api.call(Method::GET, &format!("/v1/connectors/{valid}"), None).await?;
        serde_json::from_value(answer.body)
            .context("the connector's manifest is not understood: this program is older than the deployment")
    }
}

/// Runs a command.
pub async fn run(arguments: Arguments, terminal: &Terminal) -> Result<Ended> {
    let tenant = tenant(arguments.tenant.as_deref(), &arguments.api).await?;
    match arguments.command {
        Command::Add(arguments) => add::run(&tenant, *arguments, terminal).await,
        Command::Authorise(arguments) => authorise::run(&tenant, &arguments, terminal).await,
        Command::Test(arguments) => test::run(&tenant, &arguments, terminal).await,
        Command::Rotate(arguments) => rotate::run(&tenant, *arguments, terminal).await,
        Command::Remove(arguments) => remove::run(&tenant, &arguments, terminal).await,
        Command::List => show::list(&tenant, terminal).await,
        Command::Show(arguments) => show::run(&tenant, &arguments, terminal).await,
    }
}

/// The tenant that commands are for, at its API.
pub async fn tenant(id: Option<&str>, api: &api::Arguments) -> Result<Tenant> {
    let id = id.context("which tenant? Give --tenant, or set FLUXNEX_TENANT")?;
    let id = TenantId::parse(id).map_err(|error| anyhow!("--tenant: {error}"))?;
    Ok(Tenant { id, api: Api::find(api).await? })
}

/// The name of a connection, checked.
pub fn name(text: &str) -> Result<ConnectionId> {
    ConnectionId::parse(text).map_err(|error| anyhow!("{text}: {error}"))
}
