//! A flow on one record, as the pipeline runs it, with the result of each step.

use fluxnex_core::bundle::Configuration;
use fluxnex_core::canonical::canonical_id;
use fluxnex_core::flow::{Flow, FlowTarget, Parent};
use fluxnex_core::ids::{ConnectionId, FlowId, SourceId};
use fluxnex_core::ledger::fill_references;
use fluxnex_core::mapping::{Json, Program};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a flow is run on.
#[derive(Debug, Clone, Default)]
pub struct Given<'a> {
    /// The source record, as JSON text.
    pub record: &'a str,
    /// Its id at the source, if the connector is not to say it.
    pub id: Option<&'a str>,
    /// Its version at the source, if the connector is not to say it.
    pub version: Option<i64>,
    /// What the targets call the parents, by the names of the requirements.
    pub references: BTreeMap<String, String>,
}

/// What came of each step, as JSON: `ordering_key` (if an expression makes it), `parents` (their ids at the source), `entity`, and for each target its `payload`,
/// `filtered`, or a `failure`. A step that fails ends it with `failure`.
///
/// # Errors
/// There is no such flow.
pub fn run(configuration: &Configuration, flow: &FlowId, given: &Given<'_>) -> Result<Value, String> {
    let Some(flow) = configuration.flows.get(flow) else {
        let names: Vec<&str> = configuration.flows.keys().map(FlowId::as_str).collect();
        return Err(format!("there is no flow {flow}; there are: {}", names.join(", ")));
    };
    let mut steps = Map::new();
    if let Err(reason) = pass(configuration, flow, given, &mut steps) {
        steps.insert("failure".to_owned(), Value::from(reason));
    }
    Ok(Value::Object(steps))
}

fn pass(
    configuration: &Configuration,
    flow: &Flow,
    given: &Given<'_>,
    steps: &mut Map<String, Value>,
) -> Result<(), String> {
    let (id, version) = identify(configuration, flow, given)?;
    steps.insert("source".to_owned(), json!({"id": id, "version": version}));
    let record = Json::parse("record", given.record).map_err(|error| error.to_string())?;
    if flow.orders_by_expression() {
        let key = flow.ordering_key_of(&flow.definition.source.object, &id, given.record);
        steps.insert("ordering_key".to_owned(), Value::from(key.map_err(|error| error.to_string())?));
    }
    let parents = flow.parents(&record).map_err(|error| error.to_string())?;
    let ids: BTreeMap<&str, &str> =
        parents.iter().map(|parent| (parent.name.as_str(), parent.source_id.as_str())).collect();
    steps.insert("parents".to_owned(), json!(ids));
    let entity = flow.to_entity(&record, &parents, &id, version).map_err(|error| error.to_string())?;
    let value: Value = serde_json::from_str(&entity.data).map_err(|error| error.to_string())?;
    steps.insert("entity".to_owned(), value);
    let source = &flow.definition.source;
    let canonical = canonical_id(&source.connection, &source.object, &id);
    let entity = Json::parse("entity", &entity.data).map_err(|error| error.to_string())?;
    let targets: BTreeMap<&ConnectionId, Value> = flow
        .targets
        .iter()
        .map(|target| {
            let sent = send(target, &entity, &parents, given, canonical);
            (&target.connection, sent.unwrap_or_else(|failure| json!({ "failure": failure })))
        })
        .collect();
    steps.insert("targets".to_owned(), json!(targets));
    Ok(())
}

fn identify(configuration: &Configuration, flow: &Flow, given: &Given<'_>) -> Result<(SourceId, Option<i64>), String> {
    if let Some(id) = given.id {
        return Ok((SourceId::parse(id).map_err(|error| error.to_string())?, given.version));
    }
    let source = &flow.definition.source;
    let connection = configuration.connections.get(&source.connection);
    let connection = connection.ok_or_else(|| format!("there is no connection {}", source.connection))?;
    let identified = connection
        .compiled()?
        .identify(&source.object, given.record, &connection.settings()?)
        .map_err(|error| format!("the connector cannot tell which record it is ({error}); give its id and version"))?;
    Ok((identified.id, given.version.or(identified.version)))
}

fn send(
    target: &FlowTarget,
    entity: &Json,
    parents: &[Parent],
    given: &Given<'_>,
    canonical: fluxnex_core::ids::CanonicalId,
) -> Result<Value, String> {
    if !target.takes(entity).map_err(|error| error.to_string())? {
        return Ok(Value::from("filtered"));
    }
    let names: Vec<String> = parents.iter().map(|parent| parent.name.clone()).collect();
    let payload = target.to_target(entity, &names, canonical, 1).map_err(|error| error.to_string())?;
    // Who does not say what a target calls a parent sees its name.
    let references = names.iter().map(|name| {
        let called = given.references.get(name).cloned().unwrap_or_else(|| format!("<{name}>"));
        (name.clone(), called)
    });
    let payload = fill_references(&payload, &references.collect()).map_err(|error| error.to_string())?;
    let payload: Value = serde_json::from_str(&payload).map_err(|error| error.to_string())?;
    Ok(json!({ "payload": payload }))
}

/// One expression on a record.
///
/// # Errors
/// Why it cannot be compiled, or fails on this record.
pub fn expression(source: &str, record: &str) -> Result<Value, String> {
    let words = |error: fluxnex_core::mapping::MappingError| error.to_string();
    let program = Program::compile("expression", source, &[]).map_err(words)?;
    let record = Json::parse("record", record).map_err(words)?;
    let text = program.run(&record, vec![]).map_err(words)?.to_text();
    serde_json::from_str(&text).map_err(|error| error.to_string())
}
