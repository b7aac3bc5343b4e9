//! Reading several records in one request.

use super::{CompiledOperation, Method, Operation, Template, Variable};
use crate::ids::SourceId;
use crate::mapping::{Json, MappingError, Program};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// How to read several records of a source object in one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReadMany {
    /// How many ids one request takes.
    pub max: u16,
    /// What stands between two ids in `{ids}`. An id that holds it is refused.
    #[serde(default = "comma")]
    pub separator: String,
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
    /// jq over `null`, with `$ids`: the request's JSON body. Absent: no body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// jq over the answer: the list of the records, in any order. What is not among them is not there.
    pub records: String,
}

fn comma() -> String {
    ",".to_owned()
}

impl ReadMany {
    pub(super) fn operation(&self) -> Operation {
        let Self { method, path, query, headers, body, .. } = self;
        Operation::asking(*method, path, query, headers, body.as_ref())
    }
}

/// How to read several records, compiled.
#[derive(Debug)]
pub struct CompiledReadMany {
    /// As the manifest says it.
    pub read_many: ReadMany,
    /// The request.
    pub operation: CompiledOperation,
    pub(super) records: Program,
}

impl CompiledReadMany {
    /// The ids as `{ids}`; nothing if they are to stand there and cannot.
    #[must_use]
    pub fn joined(&self, ids: &[SourceId]) -> Option<String> {
        let separator = &self.read_many.separator;
        let fits = |id: &SourceId| !id.as_str().contains(separator.as_str());
        let said = &self.operation.operation;
        let mut templates = std::iter::once(&said.path).chain(said.query.values()).chain(said.headers.values());
        let stands = templates.any(|template| template.places().any(|place| *place == Variable::Ids));
        let texts = || ids.iter().map(SourceId::as_str).collect::<Vec<_>>();
        (!stands || ids.iter().all(fits)).then(|| texts().join(separator))
    }

    /// The records in an answer.
    ///
    /// # Errors
    /// [`MappingError`] if the answer is not of the shape that the connector expects.
    pub fn records(&self, answer: &Json, settings: &Json) -> Result<Vec<Box<RawValue>>, MappingError> {
        self.records.run_as(answer, vec![settings.clone()], "a list of records")
    }
}
