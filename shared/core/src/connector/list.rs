//! Listing what changed at a source: one page at a time, always after the last record that was read.
//!
//! A page is asked for by its place in the order of version and id (a keyset), not by a position in
//! an earlier result: positions shift when a record changes between two pages, and then a record is
//! missed that never changes again. A next link of the source only says that there is more.

use super::compiled::CompiledOperation;
use super::{Method, Operation, Template, VersionKind};
use crate::mapping::{Json, MappingError, Program};
use crate::poll::Position;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The largest page: its records must fit one invocation's memory and time.
pub const MOST_PER_PAGE: u16 = 1_000;

/// How to list the records of an object that changed, in the order of version and then id.
///
/// Templates may use `{since}` (the version of the last record that was read: an RFC 3339 moment in
/// UTC, or an integer), `{after}` (its id) and `{page_size}`. The answer may hold only records after
/// that place: version above `{since}`, or equal and id above `{after}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListChanged {
    /// The HTTP method.
    pub method: Method,
    /// What follows the base URL.
    pub path: Template,
    /// Query parameters.
    #[serde(default)]
    pub query: BTreeMap<String, Template>,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// jq over `{since, after, page_size}`: the request's JSON body. Absent: no body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// jq over the answer: the list of records, each as the application's API returns it.
    pub records: String,
    /// jq over the answer: whether there are more. Absent: there are if the page is full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<String>,
    /// What `{after}` is before any record was read: a text that sorts before every id.
    #[serde(default)]
    pub first_id: String,
    /// How many records are asked for at once.
    #[serde(default = "default_page_size")]
    pub page_size: u16,
    /// How far behind the last record a poll begins again, in seconds, while the clock is not that
    /// far ahead of it: for records that become visible later than their version says.
    #[serde(default)]
    pub overlap_seconds: u32,
}

fn default_page_size() -> u16 {
    200
}

impl ListChanged {
    pub(super) fn operation(&self) -> Operation {
        Operation {
            method: self.method,
            path: self.path.clone(),
            query: self.query.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            id: None,
            version: None,
            record: None,
        }
    }
}

/// How to list what changed, compiled.
#[derive(Debug)]
pub struct CompiledList {
    /// As the manifest says it.
    pub list: ListChanged,
    /// The request.
    pub operation: CompiledOperation,
    pub(super) version_kind: VersionKind,
    pub(super) records: Program,
    pub(super) more: Option<Program>,
}

/// One page of a list.
#[derive(Debug)]
pub struct ListedPage {
    /// The records, as JSON texts.
    pub records: Vec<Box<RawValue>>,
    /// Whether the source says that there are more.
    pub more: bool,
}

impl CompiledList {
    /// The records in an answer.
    ///
    /// # Errors
    /// [`MappingError`] if the answer is not of the shape that the connector expects.
    pub fn page(&self, answer: &Json, settings: &Json) -> Result<ListedPage, MappingError> {
        let records: Vec<Box<RawValue>> = self.records.run_as(answer, vec![settings.clone()], "a list of records")?;
        let more = match &self.more {
            Some(more) => more.run_as(answer, vec![settings.clone()], "true or false")?,
            None => records.len() >= usize::from(self.list.page_size),
        };
        // Where nothing came, asking again would give nothing again.
        Ok(ListedPage { more: more && !records.is_empty(), records })
    }

    /// A position as `{since}` and `{after}` of a request; nothing: from the very beginning.
    #[must_use]
    pub fn places(&self, position: Option<&Position>) -> (String, String) {
        let (version, id) = match position {
            Some(position) => (position.version, position.id.as_ref().map(|id| id.as_str())),
            None => (0, None),
        };
        let since = match self.version_kind {
            VersionKind::Timestamp => Timestamp::from_microsecond(version).unwrap_or(Timestamp::MIN).to_string(),
            VersionKind::Integer => version.to_string(),
        };
        (since, id.unwrap_or(&self.list.first_id).to_owned())
    }

    /// The place before everything that changed at that moment or later; nothing where versions are
    /// no moments.
    #[must_use]
    pub fn floor(&self, since: Timestamp) -> Option<Position> {
        let is_moment = self.version_kind == VersionKind::Timestamp;
        is_moment.then(|| Position { version: since.as_microsecond(), id: None })
    }

    /// How far a version lies behind another moment, where versions are moments.
    #[must_use]
    pub fn overlap(&self) -> Option<jiff::SignedDuration> {
        let overlaps = self.version_kind == VersionKind::Timestamp && self.list.overlap_seconds > 0;
        overlaps.then(|| jiff::SignedDuration::from_secs(self.list.overlap_seconds.into()))
    }
}

#[cfg(test)]
mod tests;
