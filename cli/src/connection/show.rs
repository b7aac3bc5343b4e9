//! `fluxnex connection list` and `show`.

use super::{Tenant, bundle, name, signing};
use crate::Ended;
use crate::api::Refused;
use crate::terminal::Terminal;
use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

/// Which connection.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The connection
    name: String,
}

pub async fn list(tenant: &Tenant, terminal: &Terminal) -> Result<Ended> {
    let bundle = terminal.wait("reading the running bundle", tenant.read()).await?.bundle;
    if bundle.connections.is_empty() {
        terminal.say(format!("{} has no connections. `fluxnex connection add` adds one.", tenant.id));
    }
    let width = bundle.connections.keys().map(|id| id.as_str().len()).max().unwrap_or_default();
    for (id, definition) in &bundle.connections {
        let uses = bundle::uses(&bundle, id);
        let mut notes = vec![if uses.is_empty() { "not used".to_owned() } else { uses.join(", ") }];
        if !definition.polls.is_empty() {
            notes.push(format!(
                "polled: {}",
                definition.polls.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ));
        }
        if definition.paused || bundle.paused {
            notes.push(if bundle.paused { "PAUSED, as all of the tenant" } else { "PAUSED" }.to_owned());
        }
        terminal.say(format!("{:width$}  {:20}  {}", id.as_str(), definition.connector.as_str(), notes.join("; ")));
    }
    terminal.answer(&bundle.connections)?;
    Ok(Ended::Done)
}

pub async fn run(tenant: &Tenant, arguments: &Arguments, terminal: &Terminal) -> Result<Ended> {
    let id = name(&arguments.name)?;
    let definition = terminal.wait("reading the running bundle", tenant.definition(&id)).await?;
    let manifest = tenant.manifest(definition.connector.as_str()).await?;
    let secret = match tenant.api.call(Method::GET, &tenant.path(&id, "secret"), None).await {
        Ok(answer) => answer.body,
        Err(error) if error.downcast_ref::<Refused>().is_some_and(|refused| refused.status == 404) => Value::Null,
        Err(error) => return Err(error),
    };
    terminal.say(bundle::lines(&id, &definition)?.trim_end());
    terminal.say("\ncredentials");
    for (name, credential) in &manifest.credentials {
        let active = secret.pointer(&format!("/fields/{name}/active")).and_then(Value::as_u64);
        let until = secret.pointer(&format!("/rotating/{name}")).and_then(Value::as_str);
        let state = match (active, until, credential.optional) {
            (Some(active), Some(until), _) => format!("{active} active, the old ones until {until}"),
            (Some(_), None, _) => "stored".to_owned(),
            (None, _, true) => "not stored (optional)".to_owned(),
            (None, _, false) => "MISSING".to_owned(),
        };
        terminal.say(format!("  {name}: {state}"));
    }
    let webhook = signing::describe(&manifest, &definition.settings, &tenant.webhook_url(&id));
    if let Some(webhook) = &webhook {
        terminal.say(format!("\n{}", webhook.text));
    }
    terminal.answer(&json!({
        "connection": id, "definition": definition, "secret": secret,
        "webhook": webhook.map(|webhook| webhook.document),
    }))?;
    Ok(Ended::Done)
}
