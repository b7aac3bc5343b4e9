//! `fluxnex map`: one record through a flow, or through an expression, step by step.

use super::{There, ValuesOfVariables, live};
use crate::Ended;
use crate::terminal::Terminal;
use anyhow::{Context, Result, anyhow, bail};
use fluxnex_authoring::bundle::cases::pretty;
use fluxnex_authoring::bundle::run::{Given, expression, run as run_flow};
use fluxnex_authoring::bundle::{Values, check};
use fluxnex_core::ids::{ConnectionId, FlowId};
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The largest record, in bytes; as a webhook's body may be.
const LARGEST_RECORD_BYTES: u64 = 1024 * 1024;

pub const EXAMPLES: &str = "\
Examples:
  fluxnex map invoices --folder examples/acme --sample invoice
  fluxnex map invoices --record invoice.json --target quickbooks
  fluxnex map --expression '.lines | length' --record invoice.json
  fluxnex map invoices --live a0B5f00000INV001EAA
  fluxnex map invoices --live a0B5f00000INV001EAA --expression '.rtms__Total__c'
  curl … | fluxnex map invoices --record - --json | jq .entity

--sample is a record of the source's connector: connectors/<connector>/samples/<name>.json in a clone of FluxNex.
--live is a record of the flow's source as FluxNex has seen it last, by its id at the source. Nothing is written or sent.
Exit code 1 if a step fails.";

/// What is run on what.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The flow
    #[arg(required_unless_present = "expression")]
    flow: Option<String>,
    /// The folder with fluxnex.yaml
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// Show this target only
    #[arg(long, value_name = "CONNECTION")]
    target: Option<String>,
    /// Run this jq program on the record instead of the flow
    #[arg(long, value_name = "JQ")]
    expression: Option<String>,
    /// A file with the record, or - for standard input
    #[arg(long, value_name = "FILE", required_unless_present_any = ["sample", "live"])]
    record: Option<PathBuf>,
    /// A sample of the source's connector
    #[arg(long, value_name = "NAME", conflicts_with = "record", requires = "flow")]
    sample: Option<String>,
    /// A record that is here, of the flow's source, by its id there
    #[arg(long, value_name = "ID", conflicts_with_all = ["record", "sample", "id", "version"], requires = "flow")]
    live: Option<String>,
    #[command(flatten)]
    there: There,
    /// The record's id at the source, if its connector is not to say it
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The record's version at the source
    #[arg(long, value_name = "NUMBER")]
    version: Option<i64>,
    /// What the targets call a parent
    #[arg(long = "reference", value_name = "NAME=ID")]
    references: Vec<String>,
    #[command(flatten)]
    values: ValuesOfVariables,
}

pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Ended> {
    if let (Some(source), None) = (&arguments.expression, &arguments.flow) {
        return evaluate(source, &record(arguments.record.as_deref())?, terminal);
    }
    let checked = check(&arguments.folder, &arguments.values.collect()?, Values::MayLack);
    let Some(configuration) = &checked.configuration else {
        super::show(&arguments.folder, &checked.findings, terminal);
        terminal.answer(&json!({ "failure": "the bundle has faults", "findings": checked.findings }))?;
        return Ok(Ended::Negative);
    };
    let flow = FlowId::parse(arguments.flow.clone().unwrap_or_default()).map_err(|error| anyhow!("{error}"))?;
    let (mut id, mut version) = (arguments.id.clone(), arguments.version);
    let text = match (&arguments.sample, &arguments.live) {
        (Some(name), _) => {
            let source = configuration.flows.get(&flow).map(|flow| &flow.definition.source.connection);
            let connector = source.and_then(|connection| configuration.connector_of(connection));
            let connector = connector.with_context(|| format!("there is no flow {flow}"))?;
            sample(connector.as_str(), name)?
        }
        (None, Some(live)) => {
            let source = configuration.flows.get(&flow).map(|flow| &flow.definition.source);
            let source = source.with_context(|| format!("there is no flow {flow}"))?;
            let tenant = arguments.there.tenant(configuration.tenant.clone()).await?;
            let found = terminal.wait("reading the record", live::read(&tenant, source, live)).await?;
            (id, version) = (Some(found.id), found.version);
            found.record
        }
        (None, None) => record(arguments.record.as_deref())?,
    };
    if let Some(source) = &arguments.expression {
        return evaluate(source, &text, terminal);
    }
    let references = arguments.references.iter().map(|pair| {
        let (name, id) = pair.split_once('=').with_context(|| format!("--reference {pair}: write NAME=ID"))?;
        Ok((name.to_owned(), id.to_owned()))
    });
    let references = references.collect::<Result<_>>()?;
    let given = Given { record: &text, id: id.as_deref(), version, references };
    let mut steps = run_flow(configuration, &flow, &given).map_err(|error| anyhow!("{error}"))?;
    if let Some(target) = &arguments.target {
        only(&mut steps, target)?;
    }
    terminal.say(pretty(&steps));
    terminal.answer(&steps)?;
    let failed = |value: &Value| value.get("failure").is_some();
    let targets = steps.get("targets").and_then(Value::as_object);
    let fails = failed(&steps) || targets.is_some_and(|targets| targets.values().any(failed));
    Ok(if fails { Ended::Negative } else { Ended::Done })
}

fn evaluate(source: &str, record: &str, terminal: &Terminal) -> Result<Ended> {
    match expression(source, record) {
        Ok(value) => {
            terminal.say(pretty(&value));
            terminal.answer(&json!({ "value": value }))?;
            Ok(Ended::Done)
        }
        Err(failure) => {
            terminal.say(&failure);
            terminal.answer(&json!({ "failure": failure }))?;
            Ok(Ended::Negative)
        }
    }
}

fn only(steps: &mut Value, target: &str) -> Result<()> {
    let target = ConnectionId::parse(target).map_err(|error| anyhow!("--target: {error}"))?;
    let Some(targets) = steps.get_mut("targets").and_then(Value::as_object_mut) else { return Ok(()) };
    if !targets.contains_key(target.as_str()) {
        let names: Vec<&str> = targets.keys().map(String::as_str).collect();
        bail!("the flow has no target {target}; there are: {}", names.join(", "));
    }
    targets.retain(|name, _| name == target.as_str());
    Ok(())
}

fn record(path: Option<&Path>) -> Result<String> {
    let path = path.context("give --record FILE, or - for standard input")?;
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(LARGEST_RECORD_BYTES + 1).read_to_string(&mut text)
    } else {
        let file = fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        file.take(LARGEST_RECORD_BYTES + 1).read_to_string(&mut text)
    };
    let length = read.with_context(|| format!("cannot read {}", path.display()))?;
    if length as u64 > LARGEST_RECORD_BYTES {
        bail!("a record has at most {LARGEST_RECORD_BYTES} bytes");
    }
    Ok(text)
}

fn sample(connector: &str, name: &str) -> Result<String> {
    if name.contains(['/', '\\']) {
        bail!("--sample is a name: that of a file in connectors/{connector}/samples, without its ending");
    }
    let folder = std::env::current_dir().context("the current folder is gone")?;
    let below = Path::new("connectors").join(connector).join("samples");
    let found = folder.ancestors().map(|folder| folder.join(&below)).find(|samples| samples.is_dir());
    let samples = found.with_context(|| format!("there is no {} here: give --record FILE", below.display()))?;
    let file = samples.join(format!("{name}.json"));
    if file.is_file() {
        return record(Some(&file));
    }
    let entries = fs::read_dir(&samples)?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = entries.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect();
    names.sort();
    bail!("{connector} has no sample {name}; there are: {}", names.join(", "))
}
