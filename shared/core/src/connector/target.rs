//! How records are written to an application, as data and compiled.

use super::compiled::text_in;
use super::{CompiledOperation, Method, Operation, Template};
use crate::ids::ObjectName;
use crate::mapping::{Json, MappingError, Program};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// How records are written to the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What keeps an effect from happening twice.
    pub once: Once,
    /// What must be fetched before something is written, where the application guards itself so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csrf: Option<Csrf>,
    /// What is sent to try a connection, when somebody asks for it: something that does no harm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestRecord>,
    /// How each object is written. The name `*` stands for every object that is not listed.
    pub objects: BTreeMap<ObjectName, TargetObject>,
}

/// A token against forged requests, as SAP Gateway wants one: it is fetched with a GET, together with the cookies of the
/// session that it is good for, and both go with each request that has an effect. One call fetches it once; where the
/// application does not take it any more (403, and the header says `Required`), once more. An application that gives none
/// is sent none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Csrf {
    /// What is asked for it: what follows the base URL. Something small, such as `/`.
    pub path: Template,
    /// The header that asks for it with the value `Fetch`, and carries it from then on.
    #[serde(default = "csrf_header")]
    pub header: String,
}

fn csrf_header() -> String {
    "X-CSRF-Token".to_owned()
}

/// A record that is sent to try a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TestRecord {
    /// What the target calls records of this type.
    pub object: ObjectName,
    /// The record in the target's shape.
    pub payload: serde_json::Map<String, serde_json::Value>,
}

/// What keeps an effect at the target from happening twice when a request is repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Once {
    /// The application recognises a repeated request by a key (`{key}` in the operation).
    Key {
        /// For how long it recognises it, in seconds, after the first request.
        ttl_seconds: u64,
        /// The longest key that it takes, in bytes; longer keys are hashed to fit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_bytes: Option<u16>,
    },
    /// The record carries an id of ours (`{external_id}`), and writing it twice is writing it once.
    ExternalId,
    /// Whether a request took effect can be found out by reading.
    ReadBack {
        /// How long after a request its effect may still appear, in seconds.
        settle_seconds: u64,
    },
    /// Nothing: an answer that is lost leaves a doubt that a person has to settle.
    None,
}

/// How one object is written: by `create` and perhaps `update`, or by `upsert`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct TargetObject {
    /// Makes the record at the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<Operation>,
    /// Changes the record that the target knows as `{id}`. Absent: `create` serves for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<Operation>,
    /// Whether `update` leaves what the payload does not name as it is: then it is sent what changed, and null for
    /// what the record does not have any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial_update: bool,
    /// Makes or changes the record that carries our own id `{external_id}`: the canonical id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upsert: Option<Operation>,
    /// Reads the record `{id}`: to learn its current version before a change, or after a conflict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<Operation>,
    /// Deletes the record `{id}`. That it is not there means that it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<Operation>,
    /// Writes several records in one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
}

/// How several records of an object are written in one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// How many records one request takes.
    pub max_items: u16,
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
    /// jq over the list of `{payload, key, external_id, target}` (`target` is `{id, version}`, or `null`
    /// for a record that is not known there): the request's JSON body.
    pub body: String,
    /// jq over the answer: a list of `{id?, version?, status?, code?, message?}`, one for each record in the
    /// order of the request. An item is a success if its status is 2xx, or if it has neither status nor
    /// code; `null`: nobody can tell. Sees `$items` (what `body` runs on), `$settings` and `$object`.
    pub items: String,
}

impl Batch {
    pub(super) fn operation(&self) -> Operation {
        Operation {
            method: self.method,
            path: self.path.clone(),
            query: self.query.clone(),
            headers: self.headers.clone(),
            body: Some(self.body.clone()),
            id: None,
            version: None,
            record: None,
        }
    }
}

/// How one object is written, compiled.
#[derive(Debug)]
pub struct CompiledTargetObject {
    /// Makes the record at the target; absent where `upsert` serves for both.
    pub create: Option<CompiledOperation>,
    /// Changes it; absent: `create` serves for both.
    pub update: Option<CompiledOperation>,
    /// Whether a change names only what changed.
    pub partial_update: bool,
    /// Makes or changes it, by our own id.
    pub upsert: Option<CompiledOperation>,
    /// Reads it.
    pub read: Option<CompiledOperation>,
    /// Deletes it.
    pub delete: Option<CompiledOperation>,
    /// Writes several.
    pub batch: Option<CompiledBatch>,
}

impl CompiledTargetObject {
    /// The operation that writes a record which the target knows, or does not.
    #[must_use]
    pub fn write(&self, is_known: bool) -> Option<&CompiledOperation> {
        let update = self.update.as_ref().filter(|_| is_known);
        self.upsert.as_ref().or(update).or(self.create.as_ref())
    }
}

/// The variables that the program over a batch's answer sees.
pub(super) const BATCH_VARIABLES: &[&str] = &["$items", "$settings", "$object"];

/// How several records are written, compiled.
#[derive(Debug)]
pub struct CompiledBatch {
    /// As the manifest says it.
    pub batch: Batch,
    /// The request.
    pub operation: CompiledOperation,
    pub(super) items: Program,
}

/// What an answer says of one record of a batch.
#[derive(Debug, Clone)]
pub struct BatchItem {
    /// What the target calls it.
    pub id: Option<String>,
    /// Its version there.
    pub version: Option<String>,
    /// The status, as if it had been sent alone.
    pub status: Option<u16>,
    /// The vendor's code.
    pub code: Option<String>,
    /// The vendor's words.
    pub message: Option<String>,
    /// All of it, for the rules.
    pub json: Json,
}

impl BatchItem {
    /// Whether the record was written.
    #[must_use]
    pub fn is_success(&self) -> bool {
        match self.status {
            Some(status) => (200..300).contains(&status),
            None => self.code.is_none(),
        }
    }
}

impl CompiledBatch {
    /// What an answer says of each record, in the order of the request. Nothing for those of which it
    /// says nothing, or nothing that can be read.
    ///
    /// # Errors
    /// [`MappingError`] if the answer is not of the shape that the connector expects.
    pub fn items(
        &self,
        answer: &Json,
        sent: &Json,
        settings: &Json,
        object: &Json,
    ) -> Result<Vec<Option<BatchItem>>, MappingError> {
        let variables = vec![sent.clone(), settings.clone(), object.clone()];
        let items: Vec<Box<RawValue>> = self.items.run_as(answer, variables, "a list of items")?;
        Ok(items.iter().map(|item| item_of(item.get())).collect())
    }
}

fn item_of(text: &str) -> Option<BatchItem> {
    #[derive(Deserialize)]
    struct Text {
        #[serde(default)]
        id: Option<Box<RawValue>>,
        #[serde(default)]
        version: Option<Box<RawValue>>,
        #[serde(default)]
        status: Option<Box<RawValue>>,
        #[serde(default)]
        code: Option<Box<RawValue>>,
        #[serde(default)]
        message: Option<Box<RawValue>>,
    }
    // A list would do for a structure, by the order of its fields.
    let said: Text = text.starts_with('{').then(|| serde_json::from_str(text).ok())??;
    let text_of = |value: Option<Box<RawValue>>| text_in(&Json::parse("item", value?.get()).ok()?);
    let status = match said.status.filter(|status| status.get() != "null") {
        // A status that is none leaves open what became of the record.
        Some(status) => Some(text_of(Some(status))?.parse().ok().filter(|status| (100..600).contains(status))?),
        None => None,
    };
    Some(BatchItem {
        id: text_of(said.id),
        version: text_of(said.version),
        status,
        code: text_of(said.code),
        message: text_of(said.message),
        json: Json::parse("item", text).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_judged_by_its_status_or_its_code() {
        let success = |text: &str| item_of(text).map(|item| item.is_success());
        for (text, expected) in [
            (r#"{"id": 7}"#, Some(true)),
            (r#"{"status": 201, "code": "created"}"#, Some(true)),
            (r#"{"status": "204"}"#, Some(true)),
            (r#"{"status": null, "code": null}"#, Some(true)),
            (r#"{"code": "X"}"#, Some(false)),
            (r#"{"status": 409, "id": "7"}"#, Some(false)),
            ("null", None),
            ("7", None),
            ("[]", None),
            ("\"ok\"", None),
            (r#"{"status": -1}"#, None),
            (r#"{"status": 99999999999}"#, None),
            (r#"{"status": true}"#, None),
            (r#"{"status": []}"#, None),
        ] {
            assert_eq!(success(text), expected, "{text}");
        }
        let item = item_of(r#"{"id": 12345678901234567890123, "version": 1.50}"#).unwrap();
        assert_eq!((item.id.as_deref(), item.version.as_deref()), (Some("12345678901234567890123"), Some("1.50")));
    }
}
