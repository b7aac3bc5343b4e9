//! The calls that the developer commands make.

use std::collections::HashSet;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Aws, Refused};

/// What the names of everything deployed begin with.
pub const NAME_PREFIX: &str = "fluxnex-local-";

/// The most lines that one call gives.
const PAGE_LINES: usize = 10_000;

/// How many messages a queue holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct QueueDepth {
    /// The queue's name.
    pub name: String,
    /// Messages that can be received now.
    pub visible: u64,
    /// Messages that a consumer has received and not yet deleted.
    pub in_flight: u64,
    /// Messages whose delay has not passed.
    pub delayed: u64,
}

impl QueueDepth {
    /// All messages in the queue.
    pub fn total(&self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

/// One line that a function logged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogEvent {
    /// Unique within the log group.
    pub id: String,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The line.
    pub message: String,
}

impl Aws {
    /// Stores a secret, whether it exists or not.
    pub async fn put_secret(&self, name: &str, document: &Value) -> Result<()> {
        let text = document.to_string();
        let create = json!({ "Name": name, "SecretString": text, "ClientRequestToken": uuid::Uuid::new_v4() });
        let Err(error) = self.call("secretsmanager", "secretsmanager.CreateSecret", &create).await else {
            return Ok(());
        };
        if error.downcast_ref::<Refused>().is_none_or(|refused| refused.code != "ResourceExistsException") {
            return Err(error);
        }
        let put = json!({ "SecretId": name, "SecretString": text, "ClientRequestToken": uuid::Uuid::new_v4() });
        self.call("secretsmanager", "secretsmanager.PutSecretValue", &put).await.map(drop)
    }

    /// Makes a bucket; that it is there already is fine.
    pub async fn make_bucket(&self, name: &str) -> Result<()> {
        let url = format!("{}/{name}", self.endpoint);
        let answer = self.signed(reqwest::Method::PUT, &url, "s3", &[], Vec::new()).await;
        answer.map(drop).with_context(|| format!("cannot make the bucket {name}"))
    }

    /// The depths of FluxNex's queues, by name. Tests may have made others.
    pub async fn queue_depths(&self) -> Result<Vec<QueueDepth>> {
        let input = json!({ "MaxResults": 1000, "QueueNamePrefix": NAME_PREFIX });
        let listed = self.call("sqs", "AmazonSQS.ListQueues", &input).await?;
        let urls = listed.get("QueueUrls").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut depths = Vec::new();
        for url in urls.iter().filter_map(Value::as_str) {
            depths.push(self.queue_depth(url).await?);
        }
        depths.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(depths)
    }

    async fn queue_depth(&self, url: &str) -> Result<QueueDepth> {
        let input = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
        let found = self.call("sqs", "AmazonSQS.GetQueueAttributes", &input).await?;
        let number = |name: &str| {
            let value = found.get("Attributes").and_then(|attributes| attributes.get(name)).and_then(Value::as_str);
            value.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        Ok(QueueDepth {
            name: url.rsplit('/').next().unwrap_or(url).to_owned(),
            visible: number("ApproximateNumberOfMessages"),
            in_flight: number("ApproximateNumberOfMessagesNotVisible"),
            delayed: number("ApproximateNumberOfMessagesDelayed"),
        })
    }

    /// The log groups whose names begin so.
    pub async fn log_groups(&self, prefix: &str) -> Result<Vec<String>> {
        let input = json!({ "logGroupNamePrefix": prefix });
        let found = self.call("logs", "Logs_20140328.DescribeLogGroups", &input).await?;
        let groups = found.get("logGroups").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(groups.iter().filter_map(|group| group.get("logGroupName")?.as_str().map(str::to_owned)).collect())
    }

    /// All lines of a log group since an instant, oldest first.
    ///
    /// The emulator gives 10,000 lines at most and, unlike AWS, no token for the rest: that is asked for by time.
    pub async fn log_events(&self, group: &str, since_ms: i64) -> Result<Vec<LogEvent>> {
        let mut events: Vec<LogEvent> = Vec::new();
        let mut known: HashSet<String> = HashSet::new();
        let mut since_ms = since_ms;
        loop {
            let input = json!({ "logGroupName": group, "startTime": since_ms });
            let page = self.call("logs", "Logs_20140328.FilterLogEvents", &input).await?;
            let found = page.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
            let new: Vec<LogEvent> =
                found.iter().filter_map(log_event).filter(|event| known.insert(event.id.clone())).collect();
            let last_ms = new.iter().map(|event| event.at_ms).max();
            events.extend(new);
            match last_ms {
                // More lines than a page holds may carry the same millisecond.
                Some(last_ms) if found.len() >= PAGE_LINES => since_ms = last_ms.max(since_ms),
                None if found.len() >= PAGE_LINES => since_ms += 1,
                _ => break,
            }
        }
        events.sort_by_key(|event| event.at_ms);
        Ok(events)
    }
}

fn log_event(event: &Value) -> Option<LogEvent> {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let (at_ms, message) = (event.get("timestamp")?.as_i64()?, text("message")?.to_owned());
    // The emulator gives no ids. A function does not log the same line twice in one millisecond: it names its request.
    let stream = text("logStreamName").unwrap_or_default();
    let id = text("eventId").map_or_else(|| format!("{stream} {at_ms} {message}"), str::to_owned);
    Some(LogEvent { id, at_ms, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_event_without_an_id_gets_one() {
        let event = json!({ "logStreamName": "s", "timestamp": 5, "message": "m" });
        assert_eq!(log_event(&event).unwrap().id, "s 5 m");
        let event = json!({ "eventId": "e", "timestamp": 5, "message": "m" });
        assert_eq!(log_event(&event).unwrap().id, "e");
    }
}
