//! The port to message queues: sending. Receiving is the event source's business (`fluxnex-lambda`).

use crate::{BoxError, Disposition};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The largest message, and the largest batch, in bytes (SQS `SendMessageBatch`).
pub const MAX_MESSAGE_BYTES: usize = 1_048_576;
/// The largest number of messages in one request (SQS `SendMessageBatch`).
pub const MAX_BATCH_MESSAGES: usize = 10;
/// The longest delay of one message (SQS `DelaySeconds`).
pub const MAX_DELAY: Duration = Duration::from_secs(900);
/// The longest group or deduplication id (SQS `MessageGroupId`).
pub const MAX_ID_CHARACTERS: usize = 128;

/// The URL of one queue, as the settings name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QueueUrl(String);

impl QueueUrl {
    /// Takes the URL as it is; SQS judges it.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part of the URL: the queue's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it is a FIFO queue; SQS requires the suffix.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.0.ends_with(".fifo")
    }
}

impl fmt::Display for QueueUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One message to send.
#[derive(Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// The body; at most [`MAX_MESSAGE_BYTES`] and only characters that XML 1.0 allows
    /// ([`OutgoingMessage::json`] escapes the others).
    pub body: String,
    /// On a standard queue the tenant (fair queues); on a FIFO queue the ordering group, required there.
    pub group: Option<String>,
    /// FIFO only, required there: a second message with the same id within five minutes is swallowed.
    pub deduplication: Option<String>,
    /// Standard queues only; at most [`MAX_DELAY`], whole seconds, rounded up.
    pub delay: Duration,
}

impl OutgoingMessage {
    /// A message without group, deduplication or delay.
    pub fn new(body: impl Into<String>) -> Self {
        Self { body: body.into(), group: None, deduplication: None, delay: Duration::ZERO }
    }

    /// A message whose body is `value` as JSON.
    ///
    /// SQS refuses U+FFFE and U+FFFF, which JSON leaves alone and senders may use: they are escaped.
    ///
    /// # Errors
    /// Only if `value` cannot be written as JSON (a map with keys that are no text).
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        let body = serde_json::to_string(value)?;
        Ok(Self::new(escape_noncharacters(body)))
    }

    /// Sets the fair-queue tenant or the ordering group.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Sets the deduplication id (FIFO only).
    #[must_use]
    pub fn deduplication(mut self, id: impl Into<String>) -> Self {
        self.deduplication = Some(id.into());
        self
    }

    /// Sets the delay (standard queues only).
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// Bodies carry business records: they are counted, not shown.
impl fmt::Debug for OutgoingMessage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OutgoingMessage")
            .field("body_bytes", &self.body.len())
            .field("group", &self.group)
            .field("deduplication", &self.deduplication)
            .field("delay", &self.delay)
            .finish()
    }
}

fn escape_noncharacters(body: String) -> String {
    if !body.contains(['\u{FFFE}', '\u{FFFF}']) {
        return body;
    }
    body.replace('\u{FFFE}', "\\ufffe").replace('\u{FFFF}', "\\uffff")
}

/// Why messages could not be sent. After an error some of them may have been sent all the same.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// One message is larger than the queue takes. None was sent.
    #[error("message {index} has {bytes} bytes, a queue takes {MAX_MESSAGE_BYTES}")]
    TooLarge {
        /// The place of the message in the call.
        index: usize,
        /// Its size.
        bytes: usize,
    },
    /// One message breaks a rule of the queue. None was sent.
    #[error("message {index} is not valid for {queue}: {rule}")]
    Invalid {
        /// The name of the queue.
        queue: String,
        /// The place of the message in the call.
        index: usize,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// There is no such queue, or it may not be used.
    #[error("the queue {queue} is not there or refuses us ({code})")]
    Refused {
        /// The name of the queue.
        queue: String,
        /// The service's error code.
        code: String,
        /// What the client library says.
        #[source]
        source: Option<BoxError>,
    },
    /// The queue did not take the messages, in spite of repeated attempts.
    #[error("the queue {queue} did not take {unsent} messages ({code})")]
    Unavailable {
        /// The name of the queue.
        queue: String,
        /// How many were not taken, as far as known.
        unsent: usize,
        /// The service's error code.
        code: String,
        /// What the client library says.
        #[source]
        source: Option<BoxError>,
    },
}

impl QueueError {
    /// What the caller does about it. A queue that refuses us is a fault of the deployment, which
    /// the next one repairs: the message stays where it is.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::TooLarge { .. } | Self::Invalid { .. } => Disposition::Drop,
            Self::Refused { .. } | Self::Unavailable { .. } => Disposition::Retry,
        }
    }
}

/// Sends messages.
#[async_trait]
pub trait Queues: Send + Sync {
    /// Sends all messages, in as few requests as the limits allow. An empty list is a success.
    ///
    /// On a FIFO queue requests go one after the other, in order. A message whose request failed is
    /// sent again alone, so it may come after later ones of the same request: order that matters is
    /// kept in data.
    ///
    /// # Errors
    /// [`QueueError`]; after `Unavailable` or `Refused` some messages may have been sent.
    async fn send(&self, queue: &QueueUrl, messages: Vec<OutgoingMessage>) -> Result<(), QueueError>;
}

/// Checks what SQS would refuse, before anything is sent.
pub(crate) fn check(queue: &QueueUrl, messages: &[OutgoingMessage]) -> Result<(), QueueError> {
    for (index, message) in messages.iter().enumerate() {
        if message.body.len() > MAX_MESSAGE_BYTES {
            return Err(QueueError::TooLarge { index, bytes: message.body.len() });
        }
        if let Some(rule) = broken_rule(queue.is_fifo(), message) {
            return Err(QueueError::Invalid { queue: queue.name().to_owned(), index, rule });
        }
    }
    Ok(())
}

fn broken_rule(is_fifo: bool, message: &OutgoingMessage) -> Option<&'static str> {
    if message.body.is_empty() {
        return Some("the body is empty");
    }
    if !message.body.chars().all(is_xml_character) {
        return Some("the body has a character that XML 1.0 does not allow");
    }
    if message.group.as_deref().is_some_and(|id| !is_id(id)) {
        return Some("the group is not 1 to 128 letters, digits and punctuation of ASCII");
    }
    if message.deduplication.as_deref().is_some_and(|id| !is_id(id)) {
        return Some("the deduplication id is not 1 to 128 letters, digits and punctuation of ASCII");
    }
    match is_fifo {
        true if message.group.is_none() => Some("a FIFO queue needs a group"),
        true if message.deduplication.is_none() => Some("a FIFO queue needs a deduplication id"),
        true if !message.delay.is_zero() => Some("a FIFO queue has no delay for one message"),
        false if message.deduplication.is_some() => Some("a standard queue has no deduplication"),
        false if message.delay > MAX_DELAY => Some("the delay is longer than 15 minutes"),
        _ => None,
    }
}

fn is_xml_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

fn is_id(text: &str) -> bool {
    (1..=MAX_ID_CHARACTERS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_escapes_what_sqs_refuses() {
        let message = OutgoingMessage::json(&serde_json::json!({"name": "a\u{FFFF}\u{1}b\u{FFFE}"})).unwrap();
        assert!(message.body.chars().all(is_xml_character));
        let back: serde_json::Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!(back["name"], "a\u{FFFF}\u{1}b\u{FFFE}");
    }

    #[test]
    fn rules_of_standard_and_fifo_queues() {
        let standard = QueueUrl::new("http://host/0/normalised");
        let fifo = QueueUrl::new("http://host/0/outbound-x.fifo");
        let plain = OutgoingMessage::new("{}");
        assert!(check(&standard, std::slice::from_ref(&plain)).is_ok());
        assert!(check(&standard, &[plain.clone().group("acme").delay(MAX_DELAY)]).is_ok());
        assert!(check(&standard, &[plain.clone().deduplication("x")]).is_err());
        assert!(check(&standard, &[plain.clone().delay(MAX_DELAY + Duration::from_secs(1))]).is_err());
        assert!(check(&standard, &[plain.clone().group("with space")]).is_err());
        assert!(check(&fifo, std::slice::from_ref(&plain)).is_err());
        let whole = plain.group("g").deduplication("d");
        assert!(check(&fifo, std::slice::from_ref(&whole)).is_ok());
        assert!(check(&fifo, &[whole.delay(Duration::from_secs(1))]).is_err());
    }

    #[test]
    fn the_wrong_message_is_named() {
        let standard = QueueUrl::new("http://host/0/normalised");
        let large = OutgoingMessage::new("x".repeat(MAX_MESSAGE_BYTES + 1));
        let error = check(&standard, &[OutgoingMessage::new("{}"), large]).unwrap_err();
        assert!(matches!(error, QueueError::TooLarge { index: 1, .. }));
        assert_eq!(error.disposition(), Disposition::Drop);
    }

    #[test]
    fn debug_shows_no_body() {
        let shown = format!("{:?}", OutgoingMessage::new("marked-secret"));
        assert!(!shown.contains("marked-secret"), "{shown}");
    }
}
