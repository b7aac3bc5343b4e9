//! The format of `connectors/<name>/tests/*.yaml`.
//!
//! Files are named from the connector's folder; `{server}` in a file becomes the address of the server
//! that gives the answers. A case has one of these, with the outcomes that it may come to:
//!
//! | | | outcome |
//! | --- | --- | --- |
//! | `webhook` | a webhook comes in | in the case itself: `refused`, `event_id`, `records` |
//! | `send` | one record is written (create, update or upsert, as the manifest says) | `{delivered: {target_id, target_version}}`, `{failed: …}`, `{unknown: …}` |
//! | `delete` | one record is deleted | the same |
//! | `batch` | several records are written | `{items: [one outcome of each]}` |
//! | `read_one` | one record is read | `{found: {…}}`, `gone`, `{failed: …}` |
//! | `read_many` | several records are read | `{found: [{…}, null]}` (`null`: it is not there), `{failed: …}` |
//! | `list_changed`, `list_deleted` | one page is listed | `{listed: {records: 2, last: {id, version}, more, next, deleted: [{id, version}]}}`, `{failed: …}` |
//!
//! `failed` is `{class, retry_after_seconds, status, fingerprint, reason}`, `unknown` is `{status, fingerprint,
//! reason}`. What an outcome does not name is not compared; lists are compared entry by entry. `limits` is what
//! the last answer told of the application's limits.

use fluxnex_core::ids::{ObjectName, SourceId};
use fluxnex_core::poll::Continuation;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One file of cases.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// The connection's base URL.
    #[serde(default)]
    pub base_url: Option<String>,
    /// The connection's settings.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The fields of the connection's secret.
    #[serde(default)]
    pub secret: Map<String, Value>,
    /// The time at which everything happens.
    pub now: Timestamp,
    /// The exchange for an access token, before the first one of each case.
    #[serde(default)]
    pub token: Option<ExchangeCase>,
    /// The cases.
    pub cases: Vec<Case>,
}

/// One case: a webhook, or something that is done, with the requests that it makes and what comes of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What is promised.
    pub name: String,
    /// A webhook that comes in.
    #[serde(default)]
    pub webhook: Option<WebhookCase>,
    /// A record that is sent.
    #[serde(default)]
    pub send: Option<SendCase>,
    /// A record that is deleted.
    #[serde(default)]
    pub delete: Option<DeleteCase>,
    /// Several records that are sent.
    #[serde(default)]
    pub batch: Option<BatchCase>,
    /// A record that is read.
    #[serde(default)]
    pub read_one: Option<ReadCase>,
    /// Several records that are read.
    #[serde(default)]
    pub read_many: Option<ReadManyCase>,
    /// A page of what changed.
    #[serde(default)]
    pub list_changed: Option<ListCase>,
    /// A page of what was deleted.
    #[serde(default)]
    pub list_deleted: Option<ListCase>,
    /// The requests that must be made, in their order, and their answers.
    #[serde(default)]
    pub exchanges: Vec<ExchangeCase>,
    /// What comes of it; what it does not name is not compared.
    #[serde(default)]
    pub outcome: Value,
    /// `{limit, remaining, reset_at, usage: {used, of}}` as the last answer told it; absent: not compared.
    #[serde(default)]
    pub limits: Option<Value>,
}

/// A webhook that comes in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookCase {
    /// The file with its body.
    pub body: PathBuf,
    /// The URL that it was sent to; some signatures cover it.
    #[serde(default)]
    pub url: String,
    /// Its headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Why it is refused, its signature or its body; absent: it is accepted.
    #[serde(default)]
    pub refused: Option<String>,
    /// The sender's id of the event.
    #[serde(default)]
    pub event_id: Option<String>,
    /// `{object, id, version, deleted, event, record}` of each record that it speaks of.
    #[serde(default)]
    pub records: Vec<Value>,
}

/// A record that is sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendCase {
    /// What the target calls records of this type.
    pub object: ObjectName,
    /// The record.
    pub payload: PayloadCase,
    /// The idempotency key.
    pub key: String,
    /// Our own id of the record.
    #[serde(default)]
    pub external_id: Option<String>,
    /// The record at the target, if it is there already.
    #[serde(default)]
    pub target: Option<TargetCase>,
}

/// A record: a file, or the record itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum PayloadCase {
    /// The file with it.
    File(PathBuf),
    /// It.
    Record(Map<String, Value>),
}

/// A record that is deleted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteCase {
    /// What the target calls records of this type.
    pub object: ObjectName,
    /// The idempotency key.
    pub key: String,
    /// Our own id of the record.
    #[serde(default)]
    pub external_id: Option<String>,
    /// The record at the target, if it is known there.
    #[serde(default)]
    pub target: Option<TargetCase>,
}

/// Several records that are sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchCase {
    /// What the target calls records of this type.
    pub object: ObjectName,
    /// The records.
    pub items: Vec<ItemCase>,
}

/// One record of a batch.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemCase {
    /// The record.
    pub payload: PayloadCase,
    /// The idempotency key.
    pub key: String,
    /// Our own id of the record.
    #[serde(default)]
    pub external_id: Option<String>,
    /// The record at the target, if it is there already.
    #[serde(default)]
    pub target: Option<TargetCase>,
}

/// A record as the target knows it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetCase {
    /// Its id at the target.
    pub id: String,
    /// Its version there.
    #[serde(default)]
    pub version: Option<String>,
}

/// A record that is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadCase {
    /// The object.
    pub object: ObjectName,
    /// The record's id.
    pub id: SourceId,
}

/// Several records that are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadManyCase {
    /// The object.
    pub object: ObjectName,
    /// The records' ids.
    pub ids: Vec<SourceId>,
}

/// One page after a place; without `since` from the very beginning.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListCase {
    /// The object.
    pub object: ObjectName,
    /// The version of the last record that was read (moments in microseconds since 1970).
    #[serde(default)]
    pub since: Option<i64>,
    /// Its id.
    #[serde(default)]
    pub after: Option<SourceId>,
    /// What the page before gave to go on with (`next`).
    #[serde(default)]
    pub continuation: Option<Continuation>,
}

/// A request and its answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExchangeCase {
    /// The request that must be made.
    pub request: RequestCase,
    /// What is answered.
    pub answer: AnswerCase,
}

/// A request that must be made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestCase {
    /// The method.
    pub method: String,
    /// The path, percent-encoded as it was sent.
    pub path: String,
    /// The query, whole.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Headers that it must have, among others.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The JSON body, whole.
    #[serde(default)]
    pub body: Option<Value>,
    /// The JSON body as a file, whole, with the fields of `body` added.
    #[serde(default)]
    pub body_file: Option<PathBuf>,
    /// The form, whole.
    #[serde(default)]
    pub form: Option<BTreeMap<String, String>>,
}

/// What is answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerCase {
    /// The status.
    pub status: u16,
    /// The headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The JSON body.
    #[serde(default)]
    pub body: Option<Value>,
    /// The body as a file.
    #[serde(default)]
    pub body_file: Option<PathBuf>,
}
