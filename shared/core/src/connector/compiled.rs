//! A manifest that was checked, with its programs compiled.

use super::check::Check;
use super::identify::{CompiledIdentify, IdentifiedRecord, IdentifyError};
use super::list::CompiledList;
use super::{ANY_OBJECT, ErrorRule, Manifest, Operation, OperationKind};
use crate::ids::{ObjectName, SourceId};
use crate::mapping::{Json, MappingError, Program};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// The variables that an operation's body sees, in the order of [`OperationVariables`].
pub(super) const OPERATION_VARIABLES: &[&str] = &["$settings", "$object", "$key", "$target"];

/// What an operation's body sees besides the payload.
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
}

/// The variables that the programs over a source's records see.
pub(super) const RECORD_VARIABLES: &[&str] = &["$settings"];

/// A manifest that was checked, with its programs compiled. Make it once for each environment.
#[derive(Debug)]
pub struct CompiledManifest {
    manifest: Manifest,
    webhook_records: Option<Program>,
    objects: BTreeMap<ObjectName, CompiledSourceObject>,
    target: BTreeMap<ObjectName, CompiledTargetObject>,
    errors: CompiledErrors,
}

#[derive(Debug)]
pub(super) struct CompiledSourceObject {
    pub(super) identify: CompiledIdentify,
    pub(super) read_one: Option<CompiledOperation>,
    pub(super) list_changed: Option<CompiledList>,
}

/// How one object is written, compiled.
#[derive(Debug)]
pub struct CompiledTargetObject {
    /// Makes the record at the target.
    pub create: CompiledOperation,
    /// Changes it; absent: `create` serves for both.
    pub update: Option<CompiledOperation>,
    /// Reads it.
    pub read: Option<CompiledOperation>,
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

/// What refusals mean, compiled.
#[derive(Debug, Default)]
pub struct CompiledErrors {
    /// Whether a 2xx answer is a refusal all the same.
    pub refused: Option<Program>,
    /// The vendor's error code.
    pub code: Option<Program>,
    /// The vendor's words.
    pub message: Option<Program>,
    /// Tried in order.
    pub rules: Vec<CompiledErrorRule>,
}

/// What one kind of refusal means, compiled.
#[derive(Debug)]
pub struct CompiledErrorRule {
    /// As the manifest says it.
    pub rule: ErrorRule,
    /// The id of the record that is there already.
    pub id: Option<Program>,
}

/// What is wrong with a manifest: all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// The connector.
    pub connector: String,
    /// What is wrong, in the order in which it was found.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: the fields that lead there, with dots.
    pub at: String,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "connector {}", self.connector)?;
        for Problem { at, reason } in &self.problems {
            write!(formatter, "; {at}: {reason}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ManifestError {}

impl CompiledManifest {
    /// Checks a manifest and compiles its programs.
    ///
    /// # Errors
    /// [`ManifestError`] with everything that is wrong.
    pub fn compile(manifest: Manifest) -> Result<Self, ManifestError> {
        let mut check = Check::new(&manifest);
        check.names();
        check.authentication();
        let webhook_records = check.webhook();
        let objects = check.objects();
        let target = check.target();
        let errors = check.errors();
        let problems = check.problems();
        if problems.is_empty() {
            return Ok(Self { webhook_records, objects, target, errors, manifest });
        }
        Err(ManifestError { connector: manifest.connector.to_string(), problems })
    }

    /// As it was written.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The records that a webhook's body speaks of, each by itself: one that cannot be identified
    /// does not hide the others. `settings` are the connection's.
    ///
    /// # Errors
    /// [`IdentifyError`] if the body is not JSON, or not of the shape that the connector expects.
    pub fn webhook_records(
        &self,
        body: &str,
        settings: &Json,
    ) -> Result<Vec<Result<IdentifiedRecord, IdentifyError>>, IdentifyError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Entry {
            object: ObjectName,
            #[serde(default)]
            id: Value,
            #[serde(default)]
            deleted: Option<bool>,
            #[serde(default)]
            record: Option<Box<RawValue>>,
        }
        let program = self.webhook_records.as_ref().ok_or(IdentifyError::NoWebhooks)?;
        let body = Json::parse("webhook.records", body)?;
        let entries: Vec<Entry> = program.run_as(&body, vec![], "a list of {object, id, deleted, record}")?;
        let identified = entries.into_iter().map(|entry| {
            let deleted = entry.deleted.unwrap_or(false);
            if let Some(record) = &entry.record {
                let identified = self.identify(&entry.object, record.get(), settings)?;
                return Ok(IdentifiedRecord { deleted: identified.deleted || deleted, ..identified });
            }
            let source = self.source_object(&entry.object).ok_or(IdentifyError::UnknownObject)?;
            let id = source.identify.id_of(&entry.id)?;
            Ok(IdentifiedRecord { id, object: entry.object, version: None, deleted, record: None })
        });
        Ok(identified.collect())
    }

    /// Which record it is, and which state of it: `record` is JSON text, as the source returns it;
    /// `settings` are the connection's.
    ///
    /// # Errors
    /// [`IdentifyError`].
    pub fn identify(
        &self,
        object: &ObjectName,
        record: &str,
        settings: &Json,
    ) -> Result<IdentifiedRecord, IdentifyError> {
        let source = self.source_object(object).ok_or(IdentifyError::UnknownObject)?;
        source.identify.run(object, &Json::parse("identify", record)?, settings)
    }

    fn source_object(&self, object: &ObjectName) -> Option<&CompiledSourceObject> {
        self.objects.get(object).or_else(|| self.objects.get(&any_object()?))
    }

    /// How to list the records of a source object that changed; nothing if it cannot be polled.
    #[must_use]
    pub fn list_changed(&self, object: &ObjectName) -> Option<&CompiledList> {
        self.source_object(object)?.list_changed.as_ref()
    }

    /// How to read the record of that id of a source object.
    ///
    /// # Errors
    /// [`IdentifyError::UnknownObject`] if there is no way to read it, [`IdentifyError::NoId`] if the
    /// text can be no id of the object.
    pub fn read_one(&self, object: &ObjectName, id: &SourceId) -> Result<&CompiledOperation, IdentifyError> {
        let source = self.source_object(object).ok_or(IdentifyError::UnknownObject)?;
        source.identify.id_of(&Value::from(id.as_str()))?;
        source.read_one.as_ref().ok_or(IdentifyError::UnknownObject)
    }

    /// How an object is written; the connector may take any.
    #[must_use]
    pub fn target_object(&self, object: &ObjectName) -> Option<&CompiledTargetObject> {
        self.target.get(object).or_else(|| self.target.get(&any_object()?))
    }

    /// The connection's settings, completed by the manifest's defaults.
    ///
    /// # Errors
    /// The name of a setting that is required and absent, or of one that the connector lacks.
    pub fn settings(&self, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, SettingsError> {
        let declared = &self.manifest.settings;
        if let Some(name) = given.keys().find(|name| !declared.contains_key(*name)) {
            return Err(SettingsError::Unknown { name: name.chars().take(60).collect() });
        }
        let mut settings = given.clone();
        for (name, setting) in declared.iter().filter(|(name, _)| !given.contains_key(*name)) {
            match &setting.default {
                Some(default) => drop(settings.insert(name.clone(), default.clone())),
                None if setting.required => return Err(SettingsError::Missing { name: name.clone() }),
                None => {}
            }
        }
        Ok(settings)
    }

    /// What refusals mean.
    #[must_use]
    pub fn errors(&self) -> &CompiledErrors {
        &self.errors
    }
}

/// Why a connection's settings do not fit its connector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A setting that the connector requires.
    #[error("the setting {name} is missing")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A setting that the connector does not have.
    #[error("the connector has no setting {name}")]
    Unknown {
        /// Its name.
        name: String,
    },
}

impl CompiledOperation {
    /// The request's JSON body for a payload; nothing if the operation sends none.
    ///
    /// # Errors
    /// [`MappingError`] if the program cannot handle the payload.
    pub fn body(&self, payload: &Json, variables: OperationVariables) -> Result<Option<String>, MappingError> {
        let OperationVariables { settings, object, key, target } = variables;
        let Some(program) = &self.body else { return Ok(None) };
        program.run(payload, vec![settings, object, key, target]).map(|body| Some(body.to_text()))
    }

    /// The record's id in an answer. Nothing if the answer has none.
    #[must_use]
    pub fn answered_id(&self, answer: &Json) -> Option<String> {
        text_of(self.id.as_ref()?, answer)
    }

    /// The record's version in an answer. Nothing if the answer has none.
    #[must_use]
    pub fn answered_version(&self, answer: &Json) -> Option<String> {
        text_of(self.version.as_ref()?, answer)
    }

    /// The record in an answer, as JSON text. Nothing: there is no such record.
    ///
    /// # Errors
    /// [`MappingError`] if the program cannot handle the answer.
    pub fn answered_record(&self, answer: &Json) -> Result<Option<String>, MappingError> {
        let record = match &self.record {
            Some(program) => program.run(answer, vec![])?.to_text(),
            None => answer.to_text(),
        };
        Ok((record != "null").then_some(record))
    }
}

impl CompiledErrors {
    /// Whether a 2xx answer is a refusal all the same.
    #[must_use]
    pub fn is_refusal(&self, answer: &Json) -> bool {
        let refused = |program: &Program| program.run_as(answer, vec![], "true or false").unwrap_or(false);
        self.refused.as_ref().is_some_and(refused)
    }

    /// The vendor's code in a refusal.
    #[must_use]
    pub fn answered_code(&self, refusal: &Json) -> Option<String> {
        text_of(self.code.as_ref()?, refusal)
    }

    /// The vendor's words in a refusal.
    #[must_use]
    pub fn answered_message(&self, refusal: &Json) -> Option<String> {
        text_of(self.message.as_ref()?, refusal)
    }
}

impl CompiledErrorRule {
    /// The id of the record that is there already.
    #[must_use]
    pub fn answered_id(&self, refusal: &Json) -> Option<String> {
        text_of(self.id.as_ref()?, refusal)
    }
}

// A program that does not fit the answer, and an answer without the value, are the same: no value.
fn text_of(program: &Program, answer: &Json) -> Option<String> {
    let text = program.run(answer, vec![]).ok()?.to_text();
    match text.bytes().next()? {
        b'"' => serde_json::from_str(&text).ok().filter(|text: &String| !text.is_empty()),
        // As it was written: `1.50` is not `1.5`.
        b'-' | b'0'..=b'9' => Some(text),
        _ => None,
    }
}

fn any_object() -> Option<ObjectName> {
    ObjectName::parse(ANY_OBJECT).ok()
}
