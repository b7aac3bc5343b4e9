//! `fluxnex connection add`: from a connector's name to a connection that works.

use super::{Tenant, authorise, bundle, credentials, name, signing, test};
use crate::Ended;
use crate::connector::pair;
use crate::terminal::Terminal;
use anyhow::{Context, Result, anyhow, bail};
use credentials::{Given, Sources};
use fluxnex_core::bundle::{ConnectionDefinition, PollDefinition, Schedule};
use fluxnex_core::connector::{CompiledManifest, Manifest};
use fluxnex_core::ids::{ConnectionId, ConnectorName, ObjectName};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const EXAMPLES: &str = "\
Asks for settings and credentials where a terminal is there. Credentials are typed without echo, or come from files
or standard input; they are never arguments.

Examples:
  fluxnex connection add quickbooks --tenant acme --connector quickbooks-online
  fluxnex connection add erp --tenant globex --connector odata --setting url=https://erp.example.com/v4 \\
      --secrets erp.secrets.yaml --poll 'Customers=rate(5 minutes)'
  vault read -format=json … | fluxnex connection add partner --tenant acme --connector webhook \\
      --setting url=https://partner.example.com/hooks --secrets -

May be repeated: a run that was cut short goes on.";

/// What is added.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The connection's name: a lower-case letter, then letters, digits or hyphens
    name: String,
    /// The connector
    #[arg(long, value_name = "NAME")]
    connector: String,
    /// A setting; may be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = pair)]
    settings: Vec<(String, String)>,
    /// Another place than the connector's for the application's API
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Let requests go to private and loopback addresses
    #[arg(long)]
    allow_private_addresses: bool,
    /// Poll an object: rate(5 minutes), or cron(0/15 6-20 ? * MON-FRI *); may be given several times
    #[arg(long = "poll", value_name = "OBJECT=SCHEDULE", value_parser = pair)]
    polls: Vec<(String, String)>,
    #[command(flatten)]
    sources: Sources,
    /// Do not test it
    #[arg(long)]
    no_test: bool,
}

pub async fn run(tenant: &Tenant, arguments: Arguments, terminal: &Terminal) -> Result<Ended> {
    let id = name(&arguments.name)?;
    let manifest = terminal.wait("reading the connector", tenant.manifest(&arguments.connector)).await?;
    let running = terminal.wait("reading the running bundle", tenant.read()).await?.bundle;
    let mut definition = definition(&arguments, &manifest, terminal)?;
    let before = running.connections.get(&id);
    // What another run stored already is no obstacle.
    let same = |before: &ConnectionDefinition| ConnectionDefinition { secret: None, ..before.clone() } == definition;
    if before.is_some_and(|before| !same(before)) {
        bail!(
            "{} has a connection {id} already, and another one: `rotate` changes its credentials, `remove` removes it",
            tenant.id
        );
    }
    let given = credentials::all(&manifest, &arguments.sources, terminal)?;
    if !manifest.credentials.is_empty() {
        definition.secret = Some(store(tenant, &id, &arguments.connector, &given, terminal).await?);
    }
    let apply = tenant.edit(|bundle| {
        bundle.connections.insert(id.clone(), definition.clone());
        Ok(())
    });
    let version = terminal.wait("applying the bundle", apply).await.with_context(|| {
        format!("the credentials are stored, but {id} is not in the bundle: correct it and run the same command again")
    })?;
    terminal.say(format!("{id} is part of {}'s bundle (version {version}).", tenant.id));
    let needs_consent = credentials::consented(&manifest).is_some_and(|name| !given.fields.contains_key(name));
    let consented = !needs_consent || consent(tenant, &id, terminal).await?;
    let tested = if consented && !arguments.no_test { test::try_once(tenant, &id, terminal).await? } else { None };
    let webhook = signing::describe(&manifest, &definition.settings, &tenant.webhook_url(&id));
    if let Some(webhook) = &webhook {
        terminal.say(format!("\n{}", webhook.text));
    }
    for (field, secret) in &given.generated {
        terminal.say(format!("\n{field}, made now and shown once: {secret}"));
    }
    terminal.say(format!(
        "\nIf the bundle is kept in a file, it needs these lines below `connections:`\n\n{}",
        bundle::lines(&id, &definition)?
    ));
    if !consented {
        terminal.say(format!("Next: fluxnex connection authorise {id} --tenant {}", tenant.id));
    }
    terminal.answer(&json!({
        "connection": id, "version": version, "secret": definition.secret, "authorised": consented, "test": tested,
        "webhook": webhook.map(|webhook| webhook.document),
        "generated": given.generated.iter().cloned().collect::<BTreeMap<_, _>>(),
    }))?;
    let failed = tested.as_ref().is_some_and(|tested| tested.get("ok") == Some(&Value::Bool(false)));
    Ok(if failed { Ended::Negative } else { Ended::Done })
}

/// Where a person is there, the consent is given at once.
async fn consent(tenant: &Tenant, id: &ConnectionId, terminal: &Terminal) -> Result<bool> {
    if !terminal.can_ask() || !terminal.confirm("\nThe application wants a person's consent. Give it now?")? {
        return Ok(false);
    }
    authorise::consent(tenant, id, &authorise::Way::default(), terminal).await.map(|()| true)
}

/// Stores the credentials; gives the secret's name.
async fn store(
    tenant: &Tenant,
    id: &ConnectionId,
    connector: &str,
    given: &Given,
    terminal: &Terminal,
) -> Result<String> {
    let body = json!({ "connector": connector, "fields": given.fields });
    let path = tenant.path(id, "secret");
    let stored = tenant.api.call(Method::PUT, &path, Some(&body));
    let answer = terminal.wait("storing the credentials", stored).await?;
    let name = answer.body.get("secret").and_then(Value::as_str);
    Ok(name.context("the API does not say where it stored the credentials")?.to_owned())
}

fn definition(arguments: &Arguments, manifest: &Manifest, terminal: &Terminal) -> Result<ConnectionDefinition> {
    let mut settings: BTreeMap<String, String> = arguments.settings.iter().cloned().collect();
    for (name, setting) in &manifest.settings {
        if settings.contains_key(name) || (!terminal.can_ask() && !setting.required) {
            continue;
        }
        if !terminal.can_ask() && setting.default.is_none() {
            bail!("no {name}: give --setting {name}=VALUE. {}", setting.description);
        }
        if terminal.can_ask() {
            terminal.note(format!("\n{name}: {}", setting.description));
            let default = setting.default.as_deref().or((!setting.required).then_some(""));
            let answer = terminal.ask(&format!("  {name}"), default)?;
            if setting.default.as_deref() != Some(answer.as_str()) && !answer.is_empty() {
                settings.insert(name.clone(), answer);
            }
        }
    }
    let compiled = CompiledManifest::compile(manifest.clone()).map_err(|error| anyhow!("{error}"))?;
    compiled.settings(&settings).map_err(|error| anyhow!("{error}"))?;
    let polls = arguments.polls.iter().map(|(object, schedule)| poll(object, schedule)).collect::<Result<_>>()?;
    Ok(ConnectionDefinition {
        connector: ConnectorName::parse(arguments.connector.as_str()).map_err(|error| anyhow!("{error}"))?,
        base_url: arguments.base_url.clone(),
        settings,
        secret: None,
        allow_private_addresses: arguments.allow_private_addresses,
        polls,
        paused: false,
    })
}

fn poll(object: &str, schedule: &str) -> Result<(ObjectName, PollDefinition)> {
    let object = ObjectName::parse(object).map_err(|error| anyhow!("--poll: {error}"))?;
    let schedule: Schedule =
        serde_json::from_value(Value::from(schedule)).map_err(|error| anyhow!("--poll {object}: {error}"))?;
    Ok((object, PollDefinition { schedule, timezone: None, since: None }))
}
