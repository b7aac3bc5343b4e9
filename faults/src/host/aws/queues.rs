//! SQS: sending. Receiving is the event sources' business.

use super::super::Inner;
use super::{Refusal, required, text};
use crate::queues::{NewMessage, SendError, Sent};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// The most entries, and bytes of all bodies, of `SendMessageBatch`.
const MAX_ENTRIES: usize = 10;
const MAX_BATCH_BYTES: usize = 1_048_576;

pub(super) fn answer(host: &Inner, operation: &str, input: &Value) -> Result<Value, Refusal> {
    let url = required(input, "QueueUrl")?;
    let queue = url.rsplit('/').next().unwrap_or_default();
    match operation {
        "SendMessage" => send(host, queue, input),
        "SendMessageBatch" => send_batch(host, queue, input),
        _ => Err(Refusal::new("InvalidAction", format!("{operation} is not answered here"))),
    }
}

fn send(host: &Inner, queue: &str, input: &Value) -> Result<Value, Refusal> {
    let sent = host.queues.lock().send(queue, message(input), Timestamp::now()).map_err(|error| refusal(&error))?;
    host.queues.changed(queue);
    Ok(output(&sent))
}

fn send_batch(host: &Inner, queue: &str, input: &Value) -> Result<Value, Refusal> {
    let entries = input.get("Entries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let ids: BTreeSet<&str> = entries.iter().map(|entry| text(entry, "Id")).collect();
    let bytes: usize = entries.iter().map(|entry| text(entry, "MessageBody").len()).sum();
    match entries.len() {
        0 => return Err(Refusal::new("EmptyBatchRequest", "There are no entries.")),
        count if count > MAX_ENTRIES => return Err(Refusal::new("TooManyEntriesInBatchRequest", "More than 10.")),
        count if ids.len() < count => return Err(Refusal::new("BatchEntryIdsNotDistinct", "Ids are not distinct.")),
        _ if bytes > MAX_BATCH_BYTES => return Err(Refusal::new("BatchRequestTooLong", "More than 1048576 bytes.")),
        _ => {}
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    let now = Timestamp::now();
    let mut queues = host.queues.lock();
    for entry in entries {
        let id = text(entry, "Id");
        match queues.send(queue, message(entry), now) {
            Ok(sent) => {
                let mut output = output(&sent);
                if let Value::Object(fields) = &mut output {
                    fields.insert("Id".to_owned(), id.into());
                }
                successful.push(output);
            }
            Err(error @ SendError::NoQueue(_)) => return Err(refusal(&error)),
            Err(error) => {
                let refusal = refusal(&error);
                failed.push(json!({"Id": id, "SenderFault": true, "Code": refusal.code, "Message": refusal.message}));
            }
        }
    }
    drop(queues);
    host.queues.changed(queue);
    Ok(json!({"Successful": successful, "Failed": failed}))
}

fn message(input: &Value) -> NewMessage {
    let shared = |name| input.get(name).and_then(Value::as_str).map(Into::into);
    NewMessage {
        body: text(input, "MessageBody").into(),
        group: shared("MessageGroupId"),
        deduplication: shared("MessageDeduplicationId"),
        delay: Duration::from_secs(input.get("DelaySeconds").and_then(Value::as_u64).unwrap_or(0)),
    }
}

/// The digest is not computed: the SDK for Rust does not compare it.
fn output(sent: &Sent) -> Value {
    let sequence = sent.sequence.map(|sequence| format!("{sequence:020}"));
    json!({"MessageId": &*sent.id, "SequenceNumber": sequence, "MD5OfMessageBody": ""})
}

fn refusal(error: &SendError) -> Refusal {
    match error {
        SendError::NoQueue(_) => Refusal::new("QueueDoesNotExist", "The specified queue does not exist."),
        SendError::Invalid(rule) => Refusal::new("InvalidParameterValue", *rule),
    }
}
