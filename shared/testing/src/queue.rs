//! From the messages of a twin to the batch that a function is given, and what of it comes back.

use fluxnex_cloud::queue::{OutgoingMessage, QueueUrl};
use fluxnex_lambda::batch::{self, BatchError, Outcome, Work};
use fluxnex_lambda::{Deadline, Invocation, SqsEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::time::Duration;

/// The event that Lambda makes of messages of a queue. Their ids are their places: `0`, `1`, ….
#[must_use]
pub fn event(queue: &QueueUrl, messages: &[OutgoingMessage]) -> SqsEvent {
    let records: Vec<_> = messages
        .iter()
        .enumerate()
        .map(|(place, message)| {
            let mut attributes = json!({"ApproximateReceiveCount": "1", "SentTimestamp": "1795176000123"});
            if let Some(group) = &message.group {
                attributes["MessageGroupId"] = json!(group);
            }
            json!({
                "messageId": place.to_string(),
                "receiptHandle": "handle",
                "body": message.body,
                "attributes": attributes,
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{}", queue.name()),
                "awsRegion": "us-east-1"
            })
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

/// Values as the messages that would carry them.
#[must_use]
pub fn messages<M: Serialize>(values: &[M]) -> Vec<OutgoingMessage> {
    values.iter().map(|value| OutgoingMessage::json(value).unwrap()).collect()
}

/// Messages as what they carry.
#[must_use]
pub fn decoded<M: DeserializeOwned>(messages: &[OutgoingMessage]) -> Vec<M> {
    messages.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect()
}

/// Runs a stage on a batch as its function does; gives the places of the messages that come back, sorted.
pub async fn run<M: DeserializeOwned>(
    queue: &QueueUrl,
    messages: &[OutgoingMessage],
    handle: impl AsyncFn(&[Work<M>]) -> Result<Vec<Outcome>, BatchError>,
) -> Vec<usize> {
    let invocation = Invocation::new("request", Deadline::after(Duration::from_secs(60)));
    let response = batch::run_batch(event(queue, messages), &invocation, batch::json::<M>, handle).await.unwrap();
    let mut places: Vec<usize> =
        response.batch_item_failures.iter().map(|failure| failure.item_identifier.parse().unwrap()).collect();
    places.sort_unstable();
    places
}
