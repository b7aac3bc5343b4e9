//! `fluxnex init`: the folder of a new bundle.

use crate::Ended;
use crate::terminal::Terminal;
use anyhow::{Context, Result, anyhow, bail};
use fluxnex_authoring::bundle::cases::{Choice, test};
use fluxnex_authoring::bundle::skeleton::{End, Skeleton, has_customer};
use fluxnex_authoring::bundle::{Values, Variables, check};
use fluxnex_connect::catalog::{self, BuiltIn};
use fluxnex_core::entity;
use fluxnex_core::ids::{ConnectionId, ConnectorName, EntityName, ObjectName, TenantId};
use serde_json::json;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  fluxnex init acme
  fluxnex init acme --tenant acme --entity invoice --source odata --source-object Invoices \\
      --source-customer-object Customers --target webhook --target-object invoice.updated \\
      --target-customer-object customer.updated

It writes fluxnex.yaml with its JSON Schema, mappings, and a golden case of each flow. What is there is not touched.";

/// What a new bundle is.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder to make
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Whose bundle it is
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// What the records become
    #[arg(long, value_name = "ENTITY")]
    entity: Option<String>,
    /// The connector that the records come from
    #[arg(long, value_name = "CONNECTOR")]
    source: Option<String>,
    /// The record type there
    #[arg(long, value_name = "OBJECT")]
    source_object: Option<String>,
    /// The record type of the customers there, for entities that have a customer
    #[arg(long, value_name = "OBJECT")]
    source_customer_object: Option<String>,
    /// The connector that the records go to
    #[arg(long, value_name = "CONNECTOR")]
    target: Option<String>,
    /// The record type there
    #[arg(long, value_name = "OBJECT")]
    target_object: Option<String>,
    /// The record type of the customers there, for entities that have a customer
    #[arg(long, value_name = "OBJECT")]
    target_customer_object: Option<String>,
}

pub fn run(arguments: Arguments, terminal: &Terminal) -> Result<Ended> {
    let folder = arguments.folder.clone();
    let skeleton = ask(arguments, terminal)?;
    let written = skeleton.write(&folder, &BuiltIn).with_context(|| format!("cannot make {}", folder.display()))?;
    let checked = check(&folder, &Variables::default(), Values::MayLack);
    super::show(&folder, &checked.findings, terminal);
    let mut written = written;
    if let Some(configuration) = checked.configuration.as_ref().filter(|_| checked.is_ok()) {
        written.extend(test(&folder, configuration, Choice { update: true, ..Choice::default() }).written);
    }
    for path in &written {
        terminal.say(format!("  {}", path.display()));
    }
    let fine = checked.is_ok();
    if fine {
        let place = folder.display();
        terminal.say(format!("\nNext: fluxnex validate {place}; fluxnex test {place}"));
    }
    terminal.answer(&json!({ "folder": folder, "files": written, "fine": fine, "findings": checked.findings }))?;
    Ok(if fine { Ended::Done } else { Ended::Negative })
}

fn ask(arguments: Arguments, terminal: &Terminal) -> Result<Skeleton> {
    let answer = |given: Option<String>, flag: &str, question: &str, default: Option<&str>| match given {
        Some(given) => Ok(given),
        None if terminal.can_ask() => terminal.ask(question, default),
        None => bail!("nobody can be asked here: give --{flag}"),
    };
    let named = |flag: &str, error: fluxnex_core::ids::InvalidId| anyhow!("--{flag}: {error}");
    let connectors = catalog::names().collect::<Vec<_>>().join(", ");
    let entities = entity::names().collect::<Vec<_>>().join(", ");
    let name = arguments.folder.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let tenant = answer(arguments.tenant, "tenant", "Whose bundle it is (tenant)", name.as_deref())?;
    let tenant = TenantId::parse(tenant).map_err(|error| named("tenant", error))?;
    let entity =
        answer(arguments.entity, "entity", &format!("What the records become ({entities})"), Some("customer"))?;
    let entity = EntityName::parse(entity).map_err(|error| named("entity", error))?;
    if !entity::exists(&entity) {
        bail!("--entity: there is no entity {entity}; there are: {entities}");
    }
    let end = |side: &str, way: &str, connector, object, customer_object| -> Result<End> {
        let connector = answer(connector, side, &format!("The application that they {way} ({connectors})"), None)?;
        let connector = ConnectorName::parse(connector).map_err(|error| named(side, error))?;
        if catalog::manifest(connector.as_str()).is_err() {
            bail!("--{side}: there is no connector {connector}; there are: {connectors}");
        }
        let flag = format!("{side}-object");
        let object = answer(object, &flag, "The record type there, in its own words", None)?;
        let object = ObjectName::parse(object).map_err(|error| named(&flag, error))?;
        let flag = format!("{side}-customer-object");
        let customer_object = match has_customer(&entity) {
            true => answer(customer_object, &flag, "The record type of customers there", None)?,
            false => object.to_string(),
        };
        let customer_object = ObjectName::parse(customer_object).map_err(|error| named(&flag, error))?;
        let connection = ConnectionId::parse(connector.as_str()).map_err(|error| named(side, error))?;
        Ok(End { connection, connector, object, customer_object })
    };
    let source =
        end("source", "come from", arguments.source, arguments.source_object, arguments.source_customer_object)?;
    let mut target =
        end("target", "go to", arguments.target, arguments.target_object, arguments.target_customer_object)?;
    if target.connection == source.connection {
        target.connection =
            ConnectionId::parse(format!("{}-target", target.connector)).map_err(|error| named("target", error))?;
    }
    Ok(Skeleton { tenant, entity, source, target })
}
