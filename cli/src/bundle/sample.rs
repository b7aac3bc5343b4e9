//! What changed mappings make of records that are here: the second half of `fluxnex plan`.

use super::number;
use crate::connection::Tenant;
use crate::terminal::Terminal;
use anyhow::Result;
use fluxnex_authoring::bundle::plan::{Action, Plan};
use fluxnex_core::bundle::Bundle;
use fluxnex_core::ids::FlowId;
use reqwest::Method;
use serde_json::Value;

/// What the counts of an answer are called, in the order in which they are told.
const COUNTS: &[(&str, &str)] = &[
    ("same", "as before"),
    ("differs", "differ"),
    ("new", "new"),
    ("newly_sent", "sent now"),
    ("newly_filtered", "not sent any more"),
    ("filtered", "not sent"),
    ("newly_fails", "fail now"),
    ("fails", "fail"),
];

/// The flows whose records may become something else: those that are new or changed, and those of entities that are.
pub fn concerned(plan: &Plan, next: &Bundle) -> Vec<FlowId> {
    let stays = |part: &str| plan.changes.iter().any(|change| change.part == part && change.action != Action::Remove);
    let entity = |part: &str| plan.changes.iter().any(|change| change.part == part);
    let of = next
        .flows
        .iter()
        .filter(|(id, flow)| stays(&format!("flow {id}")) || entity(&format!("entity {}", flow.entity)));
    of.map(|(id, _)| id.clone()).collect()
}

/// Asks for one flow after the other.
pub async fn samples(
    tenant: &Tenant,
    next: &Bundle,
    flows: &[FlowId],
    records: u16,
    terminal: &Terminal,
) -> Result<Vec<Value>> {
    let body = serde_json::to_value(next)?;
    let mut samples = Vec::new();
    for flow in flows {
        let path = format!("/v1/tenants/{}/bundle/sample?flow={flow}&records={records}", tenant.id);
        let asked = tenant.api.call(Method::POST, &path, Some(&body));
        samples.push(terminal.wait(&format!("mapping records of {flow}"), asked).await?.body);
    }
    Ok(samples)
}

/// Whether a record would fail that does not today.
pub fn fails(sample: &Value) -> bool {
    let newly = |counts: &Value| counts.get("newly_fails").and_then(Value::as_u64).unwrap_or_default() > 0;
    let targets = sample.get("targets").and_then(Value::as_object);
    sample.get("entity").is_some_and(newly) || targets.is_some_and(|targets| targets.values().any(newly))
}

/// A sample for a person.
pub fn text(sample: &Value) -> String {
    let word = |value: &Value, name: &str| match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let records = usize::try_from(sample.get("records").and_then(Value::as_u64).unwrap_or_default());
    let mut text =
        format!("flow {} over {} of its source", word(sample, "flow"), number(records.unwrap_or_default(), "record"));
    if sample.get("cut_short") == Some(&Value::Bool(true)) {
        text.push_str(", until time was up");
    }
    let mut line = |part: &str, counts: &Value| {
        let told = COUNTS.iter().filter_map(|(name, words)| match counts.get(name).and_then(Value::as_u64) {
            None | Some(0) => None,
            Some(count) => Some(format!("{count} {words}")),
        });
        let told: Vec<String> = told.collect();
        let told = if told.is_empty() { "nothing".to_owned() } else { told.join(", ") };
        text.push_str(&format!("\n    {part}: {told}"));
    };
    line("entity", sample.get("entity").unwrap_or(&Value::Null));
    for (target, counts) in sample.get("targets").and_then(Value::as_object).into_iter().flatten() {
        line(target, counts);
    }
    let list = |name: &str| sample.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let part = |of: &Value| of.get("target").and_then(Value::as_str).unwrap_or("entity").to_owned();
    for failing in list("failures") {
        let ids: Vec<&str> =
            failing.get("ids").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let (count, reason) = (word(&failing, "records"), word(&failing, "reason"));
        text.push_str(&format!("\n    {} fails for {count} ({}): {reason}", part(&failing), ids.join(", ")));
    }
    for example in list("examples") {
        text.push_str(&format!("\n    {} of {}:", part(&example), word(&example, "id")));
        for field in example.get("fields").and_then(Value::as_array).into_iter().flatten() {
            let (at, before, after) = (word(field, "at"), word(field, "before"), word(field, "after"));
            let change = match (before.is_empty(), after.is_empty()) {
                (true, _) => format!("+ {after}"),
                (_, true) => format!("- {before}"),
                _ => format!("{before} -> {after}"),
            };
            text.push_str(&format!("\n        {at}: {change}"));
        }
    }
    text
}
