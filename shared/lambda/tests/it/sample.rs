//! Events as SQS delivers them.

use fluxnex_lambda::SqsEvent;
use serde_json::json;

/// A record: its message id, its group if it has one, and its body.
pub type Sample<'a> = (&'a str, Option<&'a str>, &'a str);

/// The event that Lambda makes of the records of a queue.
pub fn event(queue: &str, samples: &[Sample<'_>]) -> SqsEvent {
    let records: Vec<_> = samples
        .iter()
        .map(|(id, group, body)| {
            let mut attributes = json!({"ApproximateReceiveCount": "3", "SentTimestamp": "1795176000123"});
            if let Some(group) = group {
                attributes["MessageGroupId"] = json!(group);
            }
            json!({
                "messageId": id,
                "receiptHandle": "handle",
                "body": body,
                "attributes": attributes,
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
                "awsRegion": "us-east-1"
            })
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}
