//! Queues on SQS.

use super::error::{Failure, Kind};
use crate::queue::{MAX_BATCH_MESSAGES, MAX_MESSAGE_BYTES, OutgoingMessage, QueueError, QueueUrl, Queues, check};
use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchRequestEntry};
use futures::StreamExt;
use std::time::Duration;

/// Requests under way at once for one call, on standard queues.
const CONCURRENT_REQUESTS: usize = 8;
/// How often the rest of a batch is sent that SQS took only partly.
const MAX_ATTEMPTS: u32 = 4;
/// The wait before the second attempt; doubled for each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);

/// The adapter to SQS.
#[derive(Debug, Clone)]
pub struct SqsQueues {
    client: Client,
}

impl SqsQueues {
    /// Sends through `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Sends one request's worth, and what SQS did not take of it again.
    async fn send_batch(
        &self,
        queue: &QueueUrl,
        mut entries: Vec<SendMessageBatchRequestEntry>,
    ) -> Result<(), QueueError> {
        for attempt in 1.. {
            let request = self.client.send_message_batch().queue_url(queue.as_str());
            let answer = request.set_entries(Some(entries.clone())).send().await;
            let failed = answer.map_err(|error| unsent(queue, entries.len(), Failure::of(error)))?.failed;
            let Some(first) = failed.first() else { return Ok(()) };
            if attempt == MAX_ATTEMPTS || failed.iter().any(BatchResultErrorEntry::sender_fault) {
                return Err(partly_unsent(queue, failed.len(), first));
            }
            entries.retain(|entry| failed.iter().any(|failed| failed.id() == entry.id()));
            tokio::time::sleep(FIRST_BACKOFF * 2_u32.pow(attempt - 1)).await;
        }
        Ok(())
    }
}

fn unsent(queue: &QueueUrl, unsent: usize, failure: Failure) -> QueueError {
    let Failure { kind, code, source } = failure;
    let queue = queue.name().to_owned();
    match kind {
        Kind::Refused => QueueError::Refused { queue, code, source },
        Kind::Unavailable => QueueError::Unavailable { queue, unsent, code, source },
    }
}

fn partly_unsent(queue: &QueueUrl, unsent: usize, first: &BatchResultErrorEntry) -> QueueError {
    let queue = queue.name().to_owned();
    let code = first.code().to_owned();
    if first.sender_fault() {
        QueueError::Refused { queue, code, source: None }
    } else {
        QueueError::Unavailable { queue, unsent, code, source: None }
    }
}

#[async_trait]
impl Queues for SqsQueues {
    async fn send(&self, queue: &QueueUrl, messages: Vec<OutgoingMessage>) -> Result<(), QueueError> {
        check(queue, &messages)?;
        let batches = batches(messages).into_iter().map(|batch| {
            let entries = batch.into_iter().enumerate().map(|(index, message)| entry(index, message));
            entries.collect::<Result<Vec<_>, _>>()
        });
        let mut requests = Vec::new();
        for entries in batches {
            let entries = entries.map_err(|error| QueueError::Refused {
                queue: queue.name().to_owned(),
                code: "ConstructionFailure".to_owned(),
                source: Some(error.into()),
            })?;
            requests.push(self.send_batch(queue, entries));
        }
        if queue.is_fifo() {
            for request in requests {
                request.await?;
            }
            return Ok(());
        }
        // All of them end before the answer, so that what one error leaves unsent is not left unknown.
        let sent = futures::stream::iter(requests).buffer_unordered(CONCURRENT_REQUESTS);
        sent.collect::<Vec<_>>().await.into_iter().collect()
    }
}

fn entry(
    index: usize,
    message: OutgoingMessage,
) -> Result<SendMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    let seconds = message.delay.as_secs() + u64::from(message.delay.subsec_nanos() > 0);
    let delay = i32::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(message.body)
        .set_message_group_id(message.group)
        .set_message_deduplication_id(message.deduplication)
        .set_delay_seconds(delay)
        .build()
}

/// Cuts the messages, in order, into as few requests as the limits of SQS allow.
fn batches(messages: Vec<OutgoingMessage>) -> Vec<Vec<OutgoingMessage>> {
    let mut batches = Vec::new();
    let mut batch: Vec<OutgoingMessage> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let size = message.body.len();
        if batch.len() == MAX_BATCH_MESSAGES || (bytes + size > MAX_MESSAGE_BYTES && !batch.is_empty()) {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += size;
        batch.push(message);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_the_order_and_the_limits() {
        let sizes = [400_000, 400_000, 400_000, 1, MAX_MESSAGE_BYTES, 1];
        let messages = sizes.iter().map(|size| OutgoingMessage::new("x".repeat(*size))).collect();
        let cut: Vec<Vec<usize>> =
            batches(messages).iter().map(|batch| batch.iter().map(|message| message.body.len()).collect()).collect();
        assert_eq!(cut, [vec![400_000, 400_000], vec![400_000, 1], vec![MAX_MESSAGE_BYTES], vec![1]]);
        let many = (0..25).map(|number| OutgoingMessage::new(number.to_string())).collect();
        let cut = batches(many);
        assert_eq!(cut.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
        assert_eq!(cut[2][4].body, "24");
        assert!(batches(Vec::new()).is_empty());
    }

    #[test]
    fn delays_round_up() {
        let delayed = OutgoingMessage::new("x").delay(Duration::from_millis(1));
        assert_eq!(entry(0, delayed).unwrap().delay_seconds(), Some(1));
        assert_eq!(entry(0, OutgoingMessage::new("x")).unwrap().delay_seconds(), None);
    }
}
