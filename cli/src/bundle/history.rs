//! `fluxnex history` and `fluxnex rollback`: the versions of a tenant's bundle, and going back to one.

use super::{There, apply};
use crate::Ended;
use crate::connection::Tenant;
use crate::terminal::Terminal;
use anyhow::{Context, Result, anyhow};
use fluxnex_core::bundle::Bundle;
use fluxnex_core::ids::TenantId;
use reqwest::Method;
use serde_json::{Value, json};

pub const EXAMPLES: &str = "\
Examples:
  fluxnex history --tenant acme
  fluxnex rollback --tenant acme              # the version before the one that runs
  fluxnex rollback --tenant acme --to 7

A rollback applies the older bundle as a new version; both are in the audit log. The files on this machine stay as
they are: the next apply of them would undo it.";

/// Whose history.
#[derive(Debug, clap::Args)]
pub struct HistoryArguments {
    #[command(flatten)]
    there: There,
    /// The tenant; otherwise $FLUXNEX_TENANT
    #[arg(long, env = "FLUXNEX_TENANT", value_name = "TENANT")]
    tenant: String,
    /// At most so many versions, the newest first
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
}

/// Where to.
#[derive(Debug, clap::Args)]
pub struct RollbackArguments {
    #[command(flatten)]
    there: There,
    /// The tenant; otherwise $FLUXNEX_TENANT
    #[arg(long, env = "FLUXNEX_TENANT", value_name = "TENANT")]
    tenant: String,
    /// The version to go back to; otherwise the one before that which runs
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i64).range(1..))]
    to: Option<i64>,
    /// Remove what that version does not have without asking
    #[arg(long)]
    yes: bool,
}

pub async fn history(arguments: &HistoryArguments, terminal: &Terminal) -> Result<Ended> {
    let tenant = arguments.there.tenant(id(&arguments.tenant)?).await?;
    let versions = terminal.wait("reading versions", versions(&tenant, usize::from(arguments.limit))).await?;
    for version in &versions {
        terminal.say(line(version));
    }
    if versions.is_empty() {
        terminal.say(format!("{} runs nothing yet", tenant.id));
    }
    terminal.answer(&json!({ "versions": versions }))?;
    Ok(Ended::Done)
}

pub async fn rollback(arguments: &RollbackArguments, terminal: &Terminal) -> Result<Ended> {
    let tenant = arguments.there.tenant(id(&arguments.tenant)?).await?;
    let version = match arguments.to {
        Some(version) => version,
        None => terminal.wait("reading versions", before(&tenant)).await?,
    };
    let path = format!("/v1/tenants/{}/bundle/versions/{version}", tenant.id);
    let mut answer = tenant.api.call(Method::GET, &path, None).await?;
    let bundle = answer.body.get_mut("bundle").map(Value::take).unwrap_or_default();
    let bundle: Bundle = serde_json::from_value(bundle)
        .context("that version is not understood: this program is older than the deployment")?;
    let manner = apply::Manner { restores: Some(version), yes: arguments.yes, shadow: false };
    apply::put(&tenant, bundle, manner, terminal).await
}

fn id(text: &str) -> Result<TenantId> {
    TenantId::parse(text).map_err(|error| anyhow!("--tenant: {error}"))
}

/// The version before the one that runs.
async fn before(tenant: &Tenant) -> Result<i64> {
    let versions = versions(tenant, usize::MAX).await?;
    let number = |version: &Value| version.get("version").and_then(Value::as_i64);
    let runs = |version: &&Value| version.get("running") == Some(&Value::Bool(true));
    let running = versions.iter().find(runs).and_then(number);
    let older = versions.iter().filter_map(number).filter(|version| running.is_some_and(|running| *version < running));
    older.max().with_context(|| format!("{} has no version before the one that runs", tenant.id))
}

/// The versions, page by page.
async fn versions(tenant: &Tenant, limit: usize) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    while all.len() < limit {
        let path = format!("/v1/tenants/{}/bundle/versions?limit=100{cursor}", tenant.id);
        let answer = tenant.api.call(Method::GET, &path, None).await?;
        let page = answer.body.get("versions").and_then(Value::as_array).cloned().unwrap_or_default();
        all.extend(page);
        match answer.body.get("next").and_then(Value::as_str) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    all.truncate(limit);
    Ok(all)
}

fn line(version: &Value) -> String {
    let text = |name: &str| match version.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let mark = if version.get("running") == Some(&Value::Bool(true)) { "*" } else { " " };
    let counts = format!("{} connections, {} flows", text("connections"), text("flows"));
    format!("{mark} {:>4}  {}  {counts}  {}", text("version"), text("applied_at"), text("applied_by"))
}
