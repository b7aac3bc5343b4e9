//! `fluxnex connection rotate`: new credentials in place of the old ones, or beside them for a while.

use super::credentials::{self, Given, Sources};
use super::{Tenant, name, test};
use crate::Ended;
use crate::terminal::Terminal;
use anyhow::{Context, Result, bail};
use fluxnex_core::connector::Manifest;
use fluxnex_core::ids::ConnectionId;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

pub const EXAMPLES: &str = "\
Credentials of requests are replaced at once. What webhooks are signed with overlaps: the new secret is active beside
the old one for --overlap, then `--finish` retires the old one (earlier it is refused, unless --early is given).

Examples:
  fluxnex connection rotate quickbooks --tenant acme                                  # asks for all credentials
  fluxnex connection rotate quickbooks --tenant acme --secret-file client_secret=new.txt
  fluxnex connection rotate partner --tenant acme --generate signing_secret --overlap 48h
  fluxnex connection rotate partner --tenant acme --finish
  fluxnex connection rotate partner --tenant acme --generate signing_secret --overlap 10m --wait";

/// What is rotated.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The connection
    name: String,
    #[command(flatten)]
    sources: Sources,
    /// For how long an old signing secret stays active: 90s, 10m, 24h or 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = span)]
    overlap: Duration,
    /// Retire old signing secrets whose time is over
    #[arg(long, conflicts_with_all = ["secrets", "secret_files", "generate", "wait"])]
    finish: bool,
    /// Retire them before their time
    #[arg(long, requires = "finish")]
    early: bool,
    /// Wait for the end of the overlap, and then retire the old ones
    #[arg(long)]
    wait: bool,
}

/// `90s`, `10m`, `24h`, `7d`.
fn span(text: &str) -> Result<Duration, String> {
    const RULE: &str = "a number with s, m, h or d, at most 30d";
    let unit = text.chars().next_back().ok_or(RULE)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(RULE.to_owned()),
    };
    let number: u64 = text.strip_suffix(unit).and_then(|number| number.parse().ok()).ok_or(RULE)?;
    let seconds = number.checked_mul(seconds).filter(|seconds| *seconds <= 30 * 86_400).ok_or(RULE)?;
    Ok(Duration::from_secs(seconds))
}

pub async fn run(tenant: &Tenant, arguments: Arguments, terminal: &Terminal) -> Result<Ended> {
    let id = name(&arguments.name)?;
    if arguments.finish {
        return finish(tenant, &id, arguments.early, terminal).await;
    }
    let definition = terminal.wait("reading the running bundle", tenant.definition(&id)).await?;
    let manifest = tenant.manifest(definition.connector.as_str()).await?;
    let given = given(&manifest, &arguments.sources, terminal)?;
    let several = manifest.rotating_credentials();
    let (add, replace): (Map<String, Value>, Map<String, Value>) = given
        .fields
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .partition(|(name, _)| several.contains(&name.as_str()));
    let body = json!({ "replace": replace, "add": add, "overlap_seconds": arguments.overlap.as_secs() });
    let path = tenant.path(&id, "secret");
    let changed = tenant.api.call(Method::PATCH, &path, Some(&body));
    let answer = terminal.wait("storing the credentials", changed).await?.body;
    let rotating = rotating(&answer);
    tell(&id, &replace, &rotating, &given, terminal);
    let tested = if replace.is_empty() { None } else { test::try_once(tenant, &id, terminal).await? };
    terminal.answer(&json!({
        "connection": id, "replaced": replace.keys().collect::<Vec<_>>(), "rotating": rotating, "test": tested,
        "generated": given.generated.iter().cloned().collect::<BTreeMap<_, _>>(),
    }))?;
    if arguments.wait && !rotating.is_empty() {
        let until = rotating.values().max().copied().unwrap_or_else(Timestamp::now);
        let left = until.duration_since(Timestamp::now()).unsigned_abs() + Duration::from_secs(1);
        terminal.wait("waiting for the end of the overlap", tokio::time::sleep(left)).await;
        return finish(tenant, &id, false, terminal).await;
    }
    let failed = tested.is_some_and(|tested| tested.get("ok") == Some(&Value::Bool(false)));
    Ok(if failed { Ended::Negative } else { Ended::Done })
}

fn given(manifest: &Manifest, sources: &Sources, terminal: &Terminal) -> Result<Given> {
    if !sources.is_empty() {
        return sources.read(manifest);
    }
    if !terminal.can_ask() {
        bail!("nobody can be asked here: give --secrets, --secret-file or --generate");
    }
    let names: Vec<&str> = manifest.credentials.keys().map(String::as_str).collect();
    if names.is_empty() {
        bail!("the connector has no credentials");
    }
    let wanted = terminal.ask(&format!("Which credential ({}, or all)", names.join(", ")), Some("all"))?;
    let mut asked = manifest.clone();
    if wanted != "all" {
        asked.credentials.retain(|name, _| *name == wanted);
        if asked.credentials.is_empty() {
            bail!("there is no credential {wanted}");
        }
    }
    credentials::all(&asked, sources, terminal)
}

fn rotating(answer: &Value) -> BTreeMap<String, Timestamp> {
    let rotating = answer.get("rotating").cloned().unwrap_or_default();
    serde_json::from_value(rotating).unwrap_or_default()
}

fn tell(
    id: &ConnectionId,
    replaced: &Map<String, Value>,
    rotating: &BTreeMap<String, Timestamp>,
    given: &Given,
    terminal: &Terminal,
) {
    for name in replaced.keys() {
        terminal.say(format!("{name} of {id} is replaced."));
    }
    for (name, until) in rotating {
        terminal.say(format!(
            "{name} of {id}: the new one is active, the old one beside it until {until}.\nThen: fluxnex connection rotate {id} --finish"
        ));
    }
    for (name, secret) in &given.generated {
        terminal.say(format!("{name}, made now and shown once: {secret}"));
    }
}

async fn finish(tenant: &Tenant, id: &ConnectionId, early: bool, terminal: &Terminal) -> Result<Ended> {
    let path = tenant.path(id, "secret");
    let shown = tenant.api.call(Method::GET, &path, None).await?.body;
    let names: Vec<String> = rotating(&shown).into_keys().collect();
    if names.is_empty() {
        terminal.say(format!("{id} has no old secrets."));
        terminal.answer(&json!({ "connection": id, "retired": names }))?;
        return Ok(Ended::Done);
    }
    let body = json!({ "retire": names, "early": early });
    let retired = tenant.api.call(Method::PATCH, &path, Some(&body));
    terminal.wait("retiring the old ones", retired).await.context("the old secrets stay active")?;
    terminal.say(format!("{}: the old ones of {id} are retired.", names.join(", ")));
    terminal.answer(&json!({ "connection": id, "retired": names }))?;
    Ok(Ended::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_numbers_with_a_unit() {
        assert_eq!(span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("7d"), Ok(Duration::from_secs(604_800)));
        for garbage in ["", "h", "24", "1w", "-1h", "31d", "1.5h", "99999999999999999999d", "1ä"] {
            assert!(span(garbage).is_err(), "{garbage}");
        }
    }
}
