//! One request to an application as data, and what the application's answers mean.

use super::Template;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One request to an application, and what is taken from its answer.
///
/// Its programs see `$settings` (the connection's settings), `$object`, `$key` (the idempotency
/// key) and `$target` (`{id, version}` of the record at the target, or `null`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The HTTP method.
    pub method: Method,
    /// What follows the base URL; values are percent-encoded into it. Empty: the base URL itself.
    pub path: Template,
    /// Query parameters; names and values are percent-encoded.
    #[serde(default)]
    pub query: BTreeMap<String, Template>,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// jq over the payload: the request's JSON body. Absent: no body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// jq over the answer's body: the record's id at the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// jq over the answer's body: the record's version at the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// jq over the answer's body: the record (reading operations; absent: the whole body). `null`
    /// means that there is no such record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Method {
    /// As it stands in a request.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What an operation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Makes a record.
    Create,
    /// Changes a record.
    Update,
    /// Reads a record.
    Read,
    /// Lists records.
    List,
}

impl OperationKind {
    /// Whether repeating it may have a second effect.
    #[must_use]
    pub fn has_effect(self) -> bool {
        match self {
            Self::Create | Self::Update => true,
            Self::Read | Self::List => false,
        }
    }
}

/// What the application's refusals mean. Rules are tried in order; where none fits, the defaults
/// of HTTP hold (see [`Meaning`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Errors {
    /// jq over the body of a 2xx answer: whether it is a refusal all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// jq over a refusal's body: the vendor's error code, a text or a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// jq over a refusal's body: the vendor's words, shown to people (shortened).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What each refusal means.
    pub rules: Vec<ErrorRule>,
}

/// What one kind of refusal means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    /// The answer's status: a number, or a class such as `4xx`. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusPattern>,
    /// The vendor's error codes, of which one must be the answer's. Absent: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code: Vec<String>,
    /// The operations that it holds for. Absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationKind>,
    /// What it means.
    pub means: Meaning,
    /// With `throttle`: how long to wait if the answer does not say, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
    /// With `duplicate_means_success`: jq over the body, the id of the record that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where the rule comes from, if not from the manifest's documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Statuses of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StatusText", into = "StatusText")]
pub enum StatusPattern {
    /// One status.
    Exactly(u16),
    /// A class by its first digit: `4xx`.
    Class(u16),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StatusText {
    Number(u16),
    Text(String),
}

impl TryFrom<StatusText> for StatusPattern {
    type Error = &'static str;
    fn try_from(text: StatusText) -> Result<Self, Self::Error> {
        match text {
            StatusText::Number(status) if (300..600).contains(&status) => Ok(Self::Exactly(status)),
            StatusText::Text(text) => match text.as_str() {
                "3xx" => Ok(Self::Class(3)),
                "4xx" => Ok(Self::Class(4)),
                "5xx" => Ok(Self::Class(5)),
                _ => Err("a status is a number from 300 to 599, or 3xx, 4xx or 5xx"),
            },
            StatusText::Number(_) => Err("a status is a number from 300 to 599, or 3xx, 4xx or 5xx"),
        }
    }
}

impl From<StatusPattern> for StatusText {
    fn from(pattern: StatusPattern) -> Self {
        match pattern {
            StatusPattern::Exactly(status) => Self::Number(status),
            StatusPattern::Class(digit) => Self::Text(format!("{digit}xx")),
        }
    }
}

impl StatusPattern {
    /// Whether the status is one of these.
    #[must_use]
    pub fn fits(self, status: u16) -> bool {
        match self {
            Self::Exactly(exact) => exact == status,
            Self::Class(digit) => status / 100 == digit,
        }
    }
}

/// What a refusal means. Without a rule: 401 re-authenticate, 408 and 425 retry, 409 conflict,
/// 429 throttle, 404 on an update or a read and 410 gone, 501 and 505 and every other status below
/// 500 permanent, 503 with `Retry-After` throttle, every other 5xx unknown (on a read: retry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// It did not take effect; it may do later.
    Retry,
    /// Too many requests: wait, then again.
    Throttle,
    /// The token or key is not accepted.
    Reauthenticate,
    /// The record at the target is not the version that the request named.
    Conflict,
    /// What the request would do is done already.
    DuplicateMeansSuccess,
    /// A record that the request refers to is not there.
    InvalidReference,
    /// It will never be accepted as it is.
    Permanent,
    /// The record, or the whole endpoint, is no longer there.
    Gone,
    /// Whether it took effect cannot be told.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_numbers_or_classes() {
        let pattern = |text: &str| serde_json::from_str::<StatusPattern>(text);
        assert!(pattern("429").unwrap().fits(429));
        assert!(!pattern("429").unwrap().fits(400));
        assert!(pattern("\"5xx\"").unwrap().fits(503));
        assert_eq!(serde_json::to_string(&pattern("\"4xx\"").unwrap()).unwrap(), "\"4xx\"");
        for garbage in ["200", "600", "\"429\"", "\"xx\"", "\"2xx\"", "-1", "null", "{}"] {
            assert!(pattern(garbage).is_err(), "{garbage}");
        }
    }
}
