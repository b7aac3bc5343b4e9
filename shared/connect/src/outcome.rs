//! What the engine says: what came of a request, in words that are safe to keep and to show.

use fluxnex_core::connector::{LimitsTold, ListedPage};
use std::fmt;
use std::time::Duration;

/// What came of [`Engine::send`](crate::Engine::send).
#[derive(Debug, Clone, PartialEq)]
pub struct SendReport {
    /// Whether it took effect.
    pub outcome: SendOutcome,
    /// What it took.
    pub effort: Effort,
}

/// What came of [`Engine::send_batch`](crate::Engine::send_batch).
#[derive(Debug, Clone, PartialEq)]
pub struct BatchReport {
    /// Whether each record took effect, in the order of the request.
    pub outcomes: Vec<SendOutcome>,
    /// What it took.
    pub effort: Effort,
}

/// Whether a delivery took effect at the target.
#[derive(Debug, Clone, PartialEq)]
pub enum SendOutcome {
    /// It did.
    Delivered {
        /// What the target calls the record; nothing if it does not say.
        target_id: Option<String>,
        /// The target's version of it; nothing if it has none.
        target_version: Option<String>,
    },
    /// It did not.
    Failed(Failure),
    /// Nobody can tell: the request went out, and no answer that settles it came back. Sending the
    /// same request with the same key is safe where the manifest says `once: key`.
    Unknown {
        /// The answer's status, if there was an answer.
        status: Option<u16>,
        /// What groups equal cases.
        fingerprint: String,
        /// For people.
        reason: String,
    },
}

/// What came of [`Engine::read_one`](crate::Engine::read_one).
#[derive(Debug, Clone, PartialEq)]
pub struct ReadReport {
    /// What was found.
    pub outcome: ReadOutcome,
    /// What it took.
    pub effort: Effort,
}

/// What reading a record found.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadOutcome {
    /// The record as JSON text, numbers as the application wrote them.
    Found {
        /// The text.
        record: String,
    },
    /// The application has no such record, or no longer.
    Gone,
    /// It could not be read.
    Failed(Failure),
}

/// What came of [`Engine::read_many`](crate::Engine::read_many).
#[derive(Debug, Clone, PartialEq)]
pub struct ReadManyReport {
    /// What was found.
    pub outcome: ReadManyOutcome,
    /// What it took.
    pub effort: Effort,
}

/// What reading several records found.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadManyOutcome {
    /// Each record as JSON text, in the order of the ids; nothing where the application has none.
    Found(Vec<Option<String>>),
    /// They could not be read.
    Failed(Failure),
}

/// What came of [`Engine::list`](crate::Engine::list).
#[derive(Debug)]
pub struct ListReport {
    /// What was found.
    pub outcome: ListOutcome,
    /// What it took.
    pub effort: Effort,
}

/// What listing records found.
#[derive(Debug)]
pub enum ListOutcome {
    /// A page.
    Listed(ListedPage),
    /// It could not be read.
    Failed(Failure),
}

/// Why a request had no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What to do about it.
    pub class: FailureClass,
    /// The answer's status, if there was an answer.
    pub status: Option<u16>,
    /// What groups equal failures: the connector, the status, the vendor's code.
    pub fingerprint: String,
    /// For people: the vendor's code and words, at most [`LONGEST_REASON`] characters. Never holds
    /// a credential.
    pub reason: String,
}

/// The longest reason, in characters.
pub const LONGEST_REASON: usize = 500;

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// Try again later.
    Retry,
    /// Try again later, and slow down.
    Throttle {
        /// How long the application asks to wait.
        retry_after: Option<Duration>,
    },
    /// A person has to renew the connection's credentials.
    Reauthenticate,
    /// The record changed at the target in between, and again when it was tried once more.
    Conflict,
    /// A record that this one refers to is not at the target.
    InvalidReference,
    /// It will never be accepted as it is.
    Permanent,
    /// The record is no longer at the target (or the endpoint asks never to be called again).
    Gone,
}

/// What a call took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effort {
    /// From the first to the last byte, with authentication and repetition.
    pub duration: Duration,
    /// Requests made to the application's API; those for tokens do not count.
    pub requests: u32,
    /// Status of the last answer.
    pub status: Option<u16>,
    /// The last request's body that may have had an effect.
    pub request: Option<BodyDigest>,
    /// The body of the answer to it.
    pub response: Option<BodyDigest>,
    /// What the last answer that spoke of limits said. Nothing acts on it.
    pub limits: Option<LimitsTold>,
}

/// What is kept of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BodyDigest {
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Its length in bytes.
    pub bytes: u64,
}

impl BodyDigest {
    /// The digest as lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.sha256)
    }
}

impl fmt::Debug for BodyDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BodyDigest({}, {} bytes)", self.to_hex(), self.bytes)
    }
}
