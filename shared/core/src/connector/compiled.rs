//! A manifest that was checked, with its programs compiled.

use super::check::Check;
use super::identify::{CompiledIdentify, IdentifiedRecord, IdentifyError};
use super::limits::CompiledLimitHeaders;
use super::list::CompiledList;
use super::read_many::CompiledReadMany;
use super::{ANY_OBJECT, CompiledErrors, CompiledOperation, CompiledTargetObject, Manifest};
use crate::ids::{ObjectName, SenderEventId, SourceId};
use crate::mapping::{Json, Program};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// The variables that the programs over a source's records see.
pub(super) const RECORD_VARIABLES: &[&str] = &["$settings"];

/// A manifest that was checked, with its programs compiled. Make it once for each environment.
#[derive(Debug)]
pub struct CompiledManifest {
    manifest: Manifest,
    session_token: Option<Program>,
    webhook_records: Option<Program>,
    objects: BTreeMap<ObjectName, CompiledSourceObject>,
    target: BTreeMap<ObjectName, CompiledTargetObject>,
    errors: CompiledErrors,
    limit_headers: CompiledLimitHeaders,
}

#[derive(Debug)]
pub(super) struct CompiledSourceObject {
    pub(super) identify: CompiledIdentify,
    pub(super) read_one: Option<CompiledOperation>,
    pub(super) read_many: Option<CompiledReadMany>,
    pub(super) list_changed: Option<CompiledList>,
    pub(super) list_deleted: Option<CompiledList>,
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
        let session_token = check.authentication();
        let webhook_records = check.webhook();
        let objects = check.objects();
        let target = check.target();
        let errors = check.errors();
        let limit_headers = check.limits();
        let problems = check.problems();
        if problems.is_empty() {
            return Ok(Self { session_token, webhook_records, objects, target, errors, limit_headers, manifest });
        }
        Err(ManifestError { connector: manifest.connector.to_string(), problems })
    }

    /// As it was written.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The token of a session in a login's answer; nothing if the answer has none.
    #[must_use]
    pub fn session_token(&self, answer: &Json) -> Option<String> {
        let token: Option<String> = self.session_token.as_ref()?.run_as(answer, vec![], "a text").ok()?;
        token.filter(|token| !token.is_empty())
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
            #[serde(default)]
            event: Option<String>,
        }
        let program = self.webhook_records.as_ref().ok_or(IdentifyError::NoWebhooks)?;
        let body = Json::parse("webhook.records", body)?;
        let entries: Vec<Entry> =
            program.run_as(&body, vec![settings.clone()], "a list of {object, id, deleted, record, event}")?;
        let identified = entries.into_iter().map(|entry| {
            let deleted = entry.deleted.unwrap_or(false);
            // One that can be no id is none: the content says what is new.
            let event = entry.event.and_then(|event| SenderEventId::parse(event).ok());
            if let Some(record) = &entry.record {
                let identified = self.identify(&entry.object, record.get(), settings)?;
                return Ok(IdentifiedRecord { deleted: identified.deleted || deleted, event, ..identified });
            }
            let source = self.source_object(&entry.object).ok_or(IdentifyError::UnknownObject)?;
            let id = source.identify.id_of(&entry.id)?;
            Ok(IdentifiedRecord { id, object: entry.object, version: None, deleted, record: None, event })
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

    /// How to list what was deleted of a source object; nothing if the source does not tell.
    #[must_use]
    pub fn list_deleted(&self, object: &ObjectName) -> Option<&CompiledList> {
        self.source_object(object)?.list_deleted.as_ref()
    }

    /// How to read the records of these ids of a source object in one request.
    ///
    /// # Errors
    /// [`IdentifyError::UnknownObject`] if there is no way to read several, [`IdentifyError::NoId`] if
    /// one of the texts can be no id of the object.
    pub fn read_many(&self, object: &ObjectName, ids: &[SourceId]) -> Result<&CompiledReadMany, IdentifyError> {
        let source = self.source_object(object).ok_or(IdentifyError::UnknownObject)?;
        for id in ids {
            source.identify.id_of(&Value::from(id.as_str()))?;
        }
        source.read_many.as_ref().ok_or(IdentifyError::UnknownObject)
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

    /// Whether a record of an object that the target knows is sent only what changed.
    #[must_use]
    pub fn updates_partially(&self, object: &ObjectName) -> bool {
        self.target_object(object).is_some_and(|object| object.partial_update && object.update.is_some())
    }

    /// The connection's settings, completed by the manifest's defaults.
    ///
    /// # Errors
    /// The name of a setting that is required and absent, or of one that the connector lacks.
    pub fn settings(&self, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, SettingsError> {
        self.manifest.settings(given)
    }

    /// What refusals mean.
    #[must_use]
    pub fn errors(&self) -> &CompiledErrors {
        &self.errors
    }

    /// Where answers tell of limits.
    #[must_use]
    pub fn limit_headers(&self) -> &CompiledLimitHeaders {
        &self.limit_headers
    }
}

impl Manifest {
    /// A connection's settings, completed by the defaults.
    ///
    /// # Errors
    /// The name of a setting that is required and absent, or of one that the connector lacks.
    pub fn settings(&self, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, SettingsError> {
        if let Some(name) = given.keys().find(|name| !self.settings.contains_key(*name)) {
            return Err(SettingsError::Unknown { name: name.chars().take(60).collect() });
        }
        let mut settings = given.clone();
        for (name, setting) in self.settings.iter().filter(|(name, _)| !given.contains_key(*name)) {
            match &setting.default {
                Some(default) => drop(settings.insert(name.clone(), default.clone())),
                None if setting.required => return Err(SettingsError::Missing { name: name.clone() }),
                None => {}
            }
        }
        Ok(settings)
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

// A program that does not fit the answer, and an answer without the value, are the same: no value.
pub(super) fn text_of(program: &Program, answer: &Json, variables: Vec<Json>) -> Option<String> {
    text_in(&program.run(answer, variables).ok()?)
}

/// A text that is not empty, or a number as it was written: `1.50` is not `1.5`.
pub(super) fn text_in(value: &Json) -> Option<String> {
    let text = value.to_text();
    match text.bytes().next()? {
        b'"' => serde_json::from_str(&text).ok().filter(|text: &String| !text.is_empty()),
        b'-' | b'0'..=b'9' => Some(text),
        _ => None,
    }
}

fn any_object() -> Option<ObjectName> {
    ObjectName::parse(ANY_OBJECT).ok()
}
