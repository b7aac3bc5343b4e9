//! What an application's refusals mean, as data and compiled.

use super::OperationKind;
use super::compiled::text_of;
use crate::mapping::{Json, Program};
use regex_lite::Regex;
use serde::{Deserialize, Serialize};

/// What the application's refusals mean. Rules are tried in order; where none fits, the defaults
/// of HTTP hold (see [`Meaning`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// What one kind of refusal means. All that it names must fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    /// The answer's status: a number, or a class such as `4xx`. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusPattern>,
    /// The vendor's error codes, of which one must be the answer's. Absent: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code: Vec<String>,
    /// A header of the answer. Absent: whatever they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderPattern>,
    /// jq over the refusal's body (in a batch: over the item): whether the rule holds. Absent: whatever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
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

/// A header, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HeaderPattern {
    /// The header's name.
    pub name: String,
    /// A regular expression (the crate `regex-lite`), found anywhere in the value unless it is anchored.
    pub matches: String,
}

/// Statuses of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "StatusText", into = "StatusText")]
pub enum StatusPattern {
    /// One status.
    Exactly(u16),
    /// A class by its first digit: `4xx`.
    Class(u16),
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// What a refusal means. Without a rule: 401 re-authenticate, 408 and 425 retry, 409 and 412 conflict,
/// 429 throttle, 404 on an update, a read or a list and 410 gone (both on a delete: done already), 501 and
/// 505 and every other status below 500 permanent, 503 with `Retry-After` throttle, every other 5xx unknown
/// (on a read: retry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// What refusals mean, compiled.
#[derive(Debug, Default)]
pub struct CompiledErrors {
    pub(super) refused: Option<Program>,
    pub(super) code: Option<Program>,
    pub(super) message: Option<Program>,
    /// Tried in order.
    pub(super) rules: Vec<CompiledErrorRule>,
}

/// What one kind of refusal means, compiled.
#[derive(Debug)]
pub struct CompiledErrorRule {
    /// As the manifest says it.
    pub rule: ErrorRule,
    pub(super) header: Option<Regex>,
    pub(super) body: Option<Program>,
    pub(super) id: Option<Program>,
}

/// A refusal, as rules look at it.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// What was asked.
    pub operation: OperationKind,
    /// The answer's status.
    pub status: u16,
    /// The vendor's code.
    pub code: Option<&'a str>,
    /// The answer's body, or the item of a batch.
    pub body: &'a Json,
}

impl CompiledErrors {
    /// Whether what is refused may be said in a 2xx answer.
    #[must_use]
    pub fn may_refuse_by_body(&self) -> bool {
        self.refused.is_some()
    }

    /// Whether a 2xx answer is a refusal all the same.
    #[must_use]
    pub fn is_refusal(&self, answer: &Json) -> bool {
        self.refused.as_ref().is_some_and(|program| is_true(program, answer))
    }

    /// The vendor's code in a refusal.
    #[must_use]
    pub fn answered_code(&self, refusal: &Json) -> Option<String> {
        text_of(self.code.as_ref()?, refusal, vec![])
    }

    /// The vendor's words in a refusal.
    #[must_use]
    pub fn answered_message(&self, refusal: &Json) -> Option<String> {
        text_of(self.message.as_ref()?, refusal, vec![])
    }

    /// The first rule that fits; `header` gives the answer's headers by name.
    pub fn rule_for<'h>(
        &self,
        refused: &Refused<'_>,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Option<&CompiledErrorRule> {
        self.rules.iter().find(|rule| rule.fits(refused, &header))
    }
}

impl CompiledErrorRule {
    fn fits<'h>(&self, refused: &Refused<'_>, header: impl Fn(&str) -> Option<&'h str>) -> bool {
        let ErrorRule { status, code, operations, header: pattern, .. } = &self.rule;
        let fits_header = |regex: &Regex| {
            pattern.as_ref().and_then(|pattern| header(&pattern.name)).is_some_and(|value| regex.is_match(value))
        };
        status.is_none_or(|pattern| pattern.fits(refused.status))
            && (code.is_empty() || refused.code.is_some_and(|said| code.iter().any(|known| known == said)))
            && (operations.is_empty() || operations.contains(&refused.operation))
            && self.header.as_ref().is_none_or(fits_header)
            && self.body.as_ref().is_none_or(|program| is_true(program, refused.body))
    }

    /// The id of the record that is there already.
    #[must_use]
    pub fn answered_id(&self, refusal: &Json) -> Option<String> {
        text_of(self.id.as_ref()?, refusal, vec![])
    }
}

// A program that does not fit the answer, and one that says no, are the same.
fn is_true(program: &Program, answer: &Json) -> bool {
    program.run_as(answer, vec![], "true or false").unwrap_or(false)
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
