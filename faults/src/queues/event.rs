//! What a function gets of a queue: the event, as "Using Lambda with Amazon SQS" shows it.

use super::Delivery;
use serde_json::{Value, json};

/// The event of a batch.
#[must_use]
pub fn event(queue: &str, deliveries: &[Delivery]) -> Value {
    let records: Vec<Value> = deliveries.iter().map(|delivery| record(queue, delivery)).collect();
    json!({ "Records": records })
}

fn record(queue: &str, delivery: &Delivery) -> Value {
    let mut attributes = json!({
        "ApproximateReceiveCount": delivery.receive_count.to_string(),
        "SentTimestamp": delivery.sent_at.as_millisecond().to_string(),
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "ApproximateFirstReceiveTimestamp": delivery.first_received_at.as_millisecond().to_string(),
    });
    if let Value::Object(fields) = &mut attributes {
        let more = [
            ("MessageGroupId", delivery.group.as_deref().map(str::to_owned)),
            ("MessageDeduplicationId", delivery.deduplication.as_deref().map(str::to_owned)),
            ("SequenceNumber", delivery.sequence.map(|sequence| format!("{sequence:020}"))),
            ("DeadLetterQueueSourceArn", delivery.dead_letter_of.as_deref().map(arn)),
        ];
        fields.extend(more.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
    }
    json!({
        "messageId": &*delivery.id,
        "receiptHandle": delivery.receipt.to_string(),
        "body": &*delivery.body,
        "attributes": attributes,
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": arn(queue),
        "awsRegion": "us-east-1",
    })
}

/// The ARN of a queue.
#[must_use]
pub fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}
