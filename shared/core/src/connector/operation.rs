//! One request to an application as data.

use super::Template;
use super::compiled::text_of;
use crate::mapping::{Json, MappingError, Program};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One request to an application, and what is taken from its answer.
///
/// `body` sees `$settings` (the connection's settings), `$object`, `$key` (the idempotency key),
/// `$target` (`{id, version}` of the record at the target, or `null`), `$external_id` (our own id of the
/// record) and `$ids` (a list; where several are read); what there is none of is `null`. The programs
/// over the answer see `$settings` and `$external_id`; an empty answer is `null` to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

impl Operation {
    /// A request that only asks, whose answer is read by programs of its own.
    pub(super) fn asking(
        method: Method,
        path: &Template,
        query: &BTreeMap<String, Template>,
        headers: &BTreeMap<String, Template>,
        body: Option<&String>,
    ) -> Self {
        Self {
            method,
            path: path.clone(),
            query: query.clone(),
            headers: headers.clone(),
            body: body.cloned(),
            id: None,
            version: None,
            record: None,
        }
    }
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Makes a record.
    Create,
    /// Changes a record.
    Update,
    /// Makes or changes a record by our own id of it.
    Upsert,
    /// Deletes a record.
    Delete,
    /// Makes or changes several records.
    Batch,
    /// Reads a record, or several.
    Read,
    /// Lists records.
    List,
}

impl OperationKind {
    /// Whether repeating it may have a second effect.
    #[must_use]
    pub fn has_effect(self) -> bool {
        match self {
            Self::Create | Self::Update | Self::Upsert | Self::Delete | Self::Batch => true,
            Self::Read | Self::List => false,
        }
    }
}

/// The variables that an operation's body sees, in the order of [`OperationVariables`].
pub(super) const OPERATION_VARIABLES: &[&str] = &["$settings", "$object", "$key", "$target", "$external_id", "$ids"];

/// The variables that the programs over an operation's answer see.
pub(super) const ANSWER_VARIABLES: &[&str] = &["$settings", "$external_id"];

/// What an operation's programs see besides the payload or the answer.
#[derive(Debug, Clone)]
pub struct OperationVariables {
    /// The connection's settings, an object of texts.
    pub settings: Json,
    /// The object's name.
    pub object: Json,
    /// The idempotency key.
    pub key: Json,
    /// `{id, version}` of the record at the target, or `null`.
    pub target: Json,
    /// Our own id of the record, or `null`.
    pub external_id: Json,
    /// The ids of the records that are read, or `null`.
    pub ids: Json,
}

/// One request, compiled.
#[derive(Debug)]
pub struct CompiledOperation {
    /// As the manifest says it.
    pub operation: Operation,
    /// What it is for.
    pub kind: OperationKind,
    pub(super) body: Option<Program>,
    pub(super) id: Option<Program>,
    pub(super) version: Option<Program>,
    pub(super) record: Option<Program>,
}

impl CompiledOperation {
    /// The request's JSON body for a payload; nothing if the operation sends none.
    ///
    /// # Errors
    /// [`MappingError`] if the program cannot handle the payload.
    pub fn body(&self, payload: &Json, variables: &OperationVariables) -> Result<Option<String>, MappingError> {
        let OperationVariables { settings, object, key, target, external_id, ids } = variables.clone();
        let Some(program) = &self.body else { return Ok(None) };
        program.run(payload, vec![settings, object, key, target, external_id, ids]).map(|body| Some(body.to_text()))
    }

    /// The record's id in an answer. Nothing if the answer has none.
    #[must_use]
    pub fn answered_id(&self, answer: &Json, variables: &OperationVariables) -> Option<String> {
        text_of(self.id.as_ref()?, answer, variables.of_answer())
    }

    /// The record's version in an answer. Nothing if the answer has none.
    #[must_use]
    pub fn answered_version(&self, answer: &Json, variables: &OperationVariables) -> Option<String> {
        text_of(self.version.as_ref()?, answer, variables.of_answer())
    }

    /// The record in an answer, as JSON text. Nothing: there is no such record.
    ///
    /// # Errors
    /// [`MappingError`] if the program cannot handle the answer.
    pub fn answered_record(
        &self,
        answer: &Json,
        variables: &OperationVariables,
    ) -> Result<Option<String>, MappingError> {
        let record = match &self.record {
            Some(program) => program.run(answer, variables.of_answer())?.to_text(),
            None => answer.to_text(),
        };
        Ok((record != "null").then_some(record))
    }
}

impl OperationVariables {
    fn of_answer(&self) -> Vec<Json> {
        vec![self.settings.clone(), self.external_id.clone()]
    }
}
