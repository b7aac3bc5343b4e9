//! Listing what changed, or was deleted, at a source: one page at a time.
//!
//! By default a page is asked for by its place in the order of version and id (a keyset), not by a
//! position in an earlier result: positions shift when a record changes between two pages, and then a
//! record is missed that never changes again. A next link of the source only says that there is more:
//! where it leads is the source's affair, often a position in a result that has changed meanwhile, and it
//! need not be good for long. And a keyset needs nothing kept between two pages but a place. Sources that
//! cannot be asked so have other ways to go on ([`Pages`]).

use super::compiled::text_in;
use super::identify::{id_of, version_of};
use super::{
    CompiledOperation, IdCharacters, IdentifyError, ListPlaces, Method, Operation, Pages, Template, VersionKind,
};
use crate::ids::SourceId;
use crate::mapping::{Json, MappingError, Program};
use crate::poll::{BadContinuation, Continuation, Manner, Mark, Position};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The largest page: its records must fit one invocation's memory and time.
pub const MOST_PER_PAGE: u16 = 1_000;

/// How to list the records of an object that changed, or were deleted.
///
/// Templates may use `{since}` (the version of the last record that was read: an RFC 3339 moment in
/// UTC, or an integer), `{since_unzoned}` (without the `Z`) and `{since_milliseconds}` (since 1970) of a
/// moment, `{after}` (its id), `{now}` (the moment of the request), `{page_size}`, and what [`Pages`] says. With a keyset, records come in the order of version and then
/// id, and the answer may hold only those after that place: version above `{since}`, or equal and id
/// above `{after}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct List {
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
    /// jq over what templates have as places, `{since, since_unzoned, since_milliseconds, after, now,
    /// page_size, cursor, page, offset}`: the request's JSON body. Absent: no body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// jq over the answer: the list of records, each as the application's API returns it.
    pub records: String,
    /// How the pages follow each other.
    #[serde(default, skip_serializing_if = "Pages::is_keyset")]
    pub pages: Pages,
    /// jq over the answer: whether there are more. Absent: there are if the page is full, or if the
    /// source gives something to ask for the next page with.
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
    /// Whether records come in the order of version. If not, the watermark moves when a run has read
    /// every page, and to its beginning at the most.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub ordered: bool,
    /// How many records one query gives at most, over all its pages. There a new query begins, at the
    /// last version that was read, so `{since}` must be inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<u32>,
    /// How long ago `{since}` may lie at most, in seconds: the source does not know what was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_back_seconds: Option<u32>,
    /// Deletions only, and then required. jq over a record: the id of what was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Deletions only. jq over a record: its version, as `identify.version_kind` says. Absent: the
    /// moment at which the deletion is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

fn default_page_size() -> u16 {
    200
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_yes(said: &bool) -> bool {
    *said
}

impl List {
    pub(super) fn operation(&self) -> Operation {
        let Self { method, path, query, headers, body, .. } = self;
        Operation::asking(*method, path, query, headers, body.as_ref())
    }
}

/// How to list what changed or was deleted, compiled.
#[derive(Debug)]
pub struct CompiledList {
    /// As the manifest says it.
    pub list: List,
    /// The request.
    pub operation: CompiledOperation,
    pub(super) version_kind: VersionKind,
    pub(super) records: Program,
    pub(super) more: Option<Program>,
    /// What gives the cursor or the URL of the next page.
    pub(super) next: Option<Program>,
    pub(super) deletion: Option<CompiledDeletion>,
}

/// Which record was deleted, compiled.
#[derive(Debug)]
pub(super) struct CompiledDeletion {
    pub(super) id: Program,
    pub(super) id_characters: IdCharacters,
    pub(super) version: Option<Program>,
}

/// One page of a list.
#[derive(Debug)]
pub struct ListedPage {
    /// The records, as JSON texts.
    pub records: Vec<Box<RawValue>>,
    /// Whether there are more.
    pub more: bool,
    /// What the next page is asked for with; nothing with a keyset, and on the last page.
    pub next: Option<Continuation>,
    /// What recognises the page, should it come again; nothing with a keyset.
    pub mark: Option<Mark>,
}

/// Why an answer is no page, or a page cannot be asked for. Quotes nothing of the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The answer is not of the shape that the connector expects.
    #[error("{0}")]
    Shape(#[from] MappingError),
    /// What the source gives to ask for the next page with cannot be kept.
    #[error("{0}")]
    Continuation(#[from] BadContinuation),
    /// The next page is somewhere else.
    #[error("the next page is not at the place that the connection reaches: {reason}")]
    Elsewhere {
        /// Why.
        reason: &'static str,
    },
    /// What was kept to go on with is not of the kind that the manifest says by now.
    #[error("the list cannot go on where it was: its manifest changed")]
    Changed,
}

impl CompiledList {
    /// The records in an answer. `link` is the target of its header `Link` with `rel="next"`; `places`
    /// is what was asked with. `path_of` turns the URL of a next page, absolute or relative, into its
    /// path and query.
    ///
    /// # Errors
    /// [`PageError`].
    pub fn page(
        &self,
        answer: &Json,
        link: Option<&str>,
        settings: &Json,
        places: &ListPlaces,
        path_of: impl Fn(&str) -> Result<String, PageError>,
    ) -> Result<ListedPage, PageError> {
        let records: Vec<Box<RawValue>> = self.records.run_as(answer, vec![settings.clone()], "a list of records")?;
        let said_more = match &self.more {
            Some(more) => Some(more.run_as::<bool>(answer, vec![settings.clone()], "true or false")?),
            None => None,
        };
        let full = records.len() >= usize::from(self.list.page_size);
        // Where nothing came, asking for the same again would give nothing again.
        let more = match self.list.pages.says_the_next() {
            true => said_more.unwrap_or(true),
            false => said_more.unwrap_or(full) && !records.is_empty(),
        };
        let next = if more { self.next(answer, link, settings, places, records.len(), path_of)? } else { None };
        let mark = match (&self.list.pages, &next) {
            (Pages::Keyset, _) => None,
            (Pages::Page(_) | Pages::Offset(_), _) => Some(Mark::of(records.iter().map(|record| record.get()))),
            (_, next) => next.as_ref().map(|next| Mark::of([next.as_str()])),
        };
        Ok(ListedPage { more: more && (self.list.pages.is_keyset() || next.is_some()), records, next, mark })
    }

    fn next(
        &self,
        answer: &Json,
        link: Option<&str>,
        settings: &Json,
        places: &ListPlaces,
        records: usize,
        path_of: impl Fn(&str) -> Result<String, PageError>,
    ) -> Result<Option<Continuation>, PageError> {
        let said = || -> Result<Option<String>, PageError> {
            let Some(program) = &self.next else { return Ok(None) };
            let said = program.run(answer, vec![settings.clone()])?;
            match said.to_text().as_str() {
                // An empty text is how some sources say that there is nothing more.
                "null" | "\"\"" => Ok(None),
                _ => text_in(&said).map(Some).ok_or_else(|| program.output("a text, a number or null").into()),
            }
        };
        let next = match &self.list.pages {
            Pages::Keyset => None,
            Pages::NextUrl(_) => said()?.map(|url| path_of(&url)).transpose()?,
            Pages::LinkHeader(_) => link.map(path_of).transpose()?,
            Pages::Cursor(_) => said()?,
            Pages::Page(first) => Some(places.page.unwrap_or(*first).saturating_add(1).to_string()),
            Pages::Offset(first) => {
                let records = u32::try_from(records).unwrap_or(u32::MAX);
                Some(places.offset.unwrap_or(first.number()).saturating_add(records).to_string())
            }
        };
        Ok(next.map(Continuation::parse).transpose()?)
    }

    /// Where a request begins: at a position (nothing: from the very beginning), or where the source
    /// said to go on. A continuation that is a URL stands in no place.
    ///
    /// # Errors
    /// [`PageError::Changed`].
    pub fn places(
        &self,
        position: Option<&Position>,
        continuation: Option<&Continuation>,
        now: Timestamp,
    ) -> Result<ListPlaces, PageError> {
        let (version, id) = match position {
            Some(position) => (position.version, position.id.as_ref().map(|id| id.as_str())),
            None => (0, None),
        };
        let (version, id) = match self.earliest(now) {
            Some(earliest) if version < earliest => (earliest, None),
            _ => (version, id),
        };
        let (since, since_milliseconds) = match self.version_kind {
            VersionKind::Timestamp => {
                let moment = Timestamp::from_microsecond(version).unwrap_or(Timestamp::MIN);
                (moment.to_string(), Some(version.div_euclid(1_000)))
            }
            VersionKind::Integer => (version.to_string(), None),
        };
        let since_unzoned = since_milliseconds.is_some().then(|| since.trim_end_matches('Z').to_owned());
        let after = id.unwrap_or(&self.list.first_id).to_owned();
        let mut places = ListPlaces {
            since,
            since_unzoned,
            since_milliseconds,
            after,
            now: now.to_string(),
            page_size: self.list.page_size,
            ..ListPlaces::default()
        };
        let number = |text: &Continuation| text.as_str().parse().map_err(|_| PageError::Changed);
        match &self.list.pages {
            Pages::Keyset | Pages::NextUrl(_) | Pages::LinkHeader(_) => {}
            Pages::Cursor(_) => places.cursor = continuation.map(|cursor| cursor.as_str().to_owned()),
            Pages::Page(first) => places.page = Some(continuation.map_or(Ok(*first), number)?),
            Pages::Offset(first) => places.offset = Some(continuation.map_or(Ok(first.number()), number)?),
        }
        Ok(places)
    }

    fn earliest(&self, now: Timestamp) -> Option<i64> {
        let back = SignedDuration::from_secs(self.list.look_back_seconds?.into());
        Some(now.saturating_sub(back).ok()?.as_microsecond())
    }

    /// The place before everything that changed at that moment or later; nothing where versions are
    /// no moments.
    #[must_use]
    pub fn floor(&self, since: Timestamp) -> Option<Position> {
        let is_moment = self.version_kind == VersionKind::Timestamp;
        is_moment.then(|| Position { version: since.as_microsecond(), id: None })
    }

    /// How its pages follow each other.
    #[must_use]
    pub fn manner(&self) -> Manner {
        let versioned = self.deletion.as_ref().is_none_or(|deletion| deletion.version.is_some());
        let overlaps = self.version_kind == VersionKind::Timestamp && self.list.overlap_seconds > 0;
        Manner {
            keyset: self.list.pages.is_keyset(),
            ordered: self.list.ordered && versioned,
            versioned,
            bound: self.list.bound,
            page_size: self.list.page_size.into(),
            overlap: overlaps.then(|| SignedDuration::from_secs(self.list.overlap_seconds.into())),
        }
    }

    /// Which record was deleted, and its version if the source tells one: `record` is JSON text, one of
    /// a page of deletions. `settings` are the connection's.
    ///
    /// # Errors
    /// [`IdentifyError`].
    pub fn deletion(&self, record: &str, settings: &Json) -> Result<(SourceId, Option<i64>), IdentifyError> {
        let deletion = self.deletion.as_ref().ok_or(IdentifyError::NoId)?;
        let record = Json::parse("deletion", record)?;
        let id: Value = deletion.id.run_as(&record, vec![settings.clone()], "an id")?;
        let version = match &deletion.version {
            Some(program) => {
                version_of(&program.run_as(&record, vec![settings.clone()], "a version")?, self.version_kind)?
            }
            None => None,
        };
        Ok((id_of(&id, deletion.id_characters)?, version))
    }
}

#[cfg(test)]
mod tests;
