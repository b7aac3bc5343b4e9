//! The blocking fetches of the main job: the executions of the state machine.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::aws::{Aws, NAME_PREFIX, REGION};

/// What the state machine did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fetches {
    /// Executions.
    pub executions: u64,
    /// Of these, successful ones.
    pub succeeded: u64,
    /// Parents that they were started for.
    pub parents: u64,
}

/// The executions that began after that moment.
pub async fn since(aws: &Aws, moment: Timestamp) -> Result<Fetches> {
    let machine = format!("arn:aws:states:{REGION}:000000000000:stateMachine:{NAME_PREFIX}blocking-fetch");
    let (mut fetches, mut parents) = (Fetches::default(), BTreeSet::new());
    let mut input = json!({ "stateMachineArn": machine, "maxResults": 1000 });
    loop {
        let page = aws.call("states", "AWSStepFunctions.ListExecutions", &input).await;
        let page = page.context("cannot list the blocking fetches")?;
        for execution in page.get("executions").and_then(Value::as_array).into_iter().flatten() {
            let began = execution.get("startDate").and_then(Value::as_f64).unwrap_or_default();
            if began < moment.as_millisecond() as f64 / 1000.0 {
                continue;
            }
            let text = |field: &str| execution.get(field).and_then(Value::as_str).unwrap_or_default();
            fetches.executions += 1;
            fetches.succeeded += u64::from(text("status") == "SUCCEEDED");
            // The name ends in the generation; what is before it is the parent.
            parents.extend(text("name").rsplit_once('-').map(|(parent, _)| parent.to_owned()));
        }
        let next = page.get("nextToken").filter(|token| token.is_string()).cloned();
        match (next, input.as_object_mut()) {
            (Some(token), Some(input)) => input.insert("nextToken".to_owned(), token),
            _ => break,
        };
    }
    fetches.parents = parents.len() as u64;
    Ok(fetches)
}
