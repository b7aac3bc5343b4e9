//! The polls of the main job: fired at once, as their schedules would fire them, and watched.

use anyhow::{Context, Result, anyhow};
use fluxnex_core::poll::Progress;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::aws::{Aws, NAME_PREFIX};

/// The group of FluxNex's schedules.
const GROUP: &str = "fluxnex-local";
/// A moment that is past when the emulator sees it would never come.
const HEAD_START: SignedDuration = SignedDuration::from_secs(2);

/// A poll that was fired.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Poll {
    /// Whose it is.
    pub tenant: String,
    connection: String,
    /// The object.
    pub object: String,
    target: Value,
}

/// The polls of a tenant, from its schedules. `wanted` chooses by the object.
pub async fn of(aws: &Aws, tenant: &str, wanted: impl Fn(&str) -> bool) -> Result<Vec<Poll>> {
    let query = format!("ScheduleGroup={GROUP}&NamePrefix={tenant}.&MaxResults=100");
    let listed = get(aws, &format!("/schedules?{query}")).await.context("cannot list the schedules")?;
    let mut polls = Vec::new();
    for schedule in listed.get("Schedules").and_then(Value::as_array).into_iter().flatten() {
        let name = schedule.get("Name").and_then(Value::as_str).unwrap_or_default();
        let schedule = get(aws, &format!("/schedules/{name}?groupName={GROUP}")).await?;
        let target = schedule.get("Target").cloned().unwrap_or_default();
        let input = target.get("Input").and_then(Value::as_str).unwrap_or_default();
        let input: Value = serde_json::from_str(input).with_context(|| format!("the schedule {name} sends no JSON"))?;
        let text = |field: &str| {
            let value = input.get(field).and_then(Value::as_str).map(str::to_owned);
            value.ok_or_else(|| anyhow!("the schedule {name} names no {field}"))
        };
        let poll = Poll { tenant: text("tenant")?, connection: text("connection")?, object: text("object")?, target };
        if wanted(&poll.object) {
            polls.push(poll);
        }
    }
    if polls.is_empty() { Err(anyhow!("{tenant} has no schedule of a poll")) } else { Ok(polls) }
}

async fn get(aws: &Aws, path: &str) -> Result<Value> {
    aws.signed(Method::GET, &format!("{}{path}", aws.endpoint()), "scheduler", &[], Vec::new()).await
}

impl Poll {
    /// Fires the schedule's own target and input, once and soon.
    pub async fn fire(&self, aws: &Aws) -> Result<()> {
        let soon = (Timestamp::now() + HEAD_START).strftime("at(%Y-%m-%dT%H:%M:%S)").to_string();
        let body = json!({
            "GroupName": GROUP,
            "ScheduleExpression": soon,
            "FlexibleTimeWindow": { "Mode": "OFF" },
            "ActionAfterCompletion": "DELETE",
            "Target": self.target,
        });
        let url = format!("{}/schedules/once-{}", aws.endpoint(), uuid::Uuid::new_v4().simple());
        let headers = [("content-type", "application/json")];
        let fired = aws.signed(Method::POST, &url, "scheduler", &headers, serde_json::to_vec(&body)?).await;
        fired.map(drop).with_context(|| format!("cannot fire the poll of {}", self.object))
    }

    /// The pages of the last run that came to its end, if it began after that moment.
    pub async fn complete_since(&self, aws: &Aws, moment: Timestamp) -> Result<Option<u32>> {
        let completed = self.progress(aws).await?.completed;
        Ok(completed.filter(|run| run.began_at > moment).map(|run| run.pages))
    }

    /// The page that the run under way reads next.
    pub async fn page(&self, aws: &Aws) -> Result<Option<u32>> {
        Ok(self.progress(aws).await?.run.map(|run| run.page))
    }

    async fn progress(&self, aws: &Aws) -> Result<Progress> {
        let input = json!({
            "TableName": format!("{NAME_PREFIX}control"),
            "Key": {
                "pk": { "S": format!("poll#{}#{}", self.tenant, self.connection) },
                "sk": { "S": self.object },
            },
            "ConsistentRead": true,
        });
        let found = aws.call("dynamodb", "DynamoDB_20120810.GetItem", &input).await?;
        let Some(progress) = found.pointer("/Item/progress/S").and_then(Value::as_str) else {
            return Ok(Progress::default());
        };
        serde_json::from_str(progress).context("the progress of a poll is not understood")
    }
}
