//! Which records a webhook speaks of, and which state of them a record is.

use super::{IdCharacters, Identify, VersionKind};
use crate::ids::{ObjectName, SenderEventId, SourceId};
use crate::mapping::{Json, MappingError, Program};
use jiff::Timestamp;
use serde_json::Value;

/// A record as a source names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifiedRecord {
    /// Its type in the source's own terms.
    pub object: ObjectName,
    /// Its id in the source's own terms.
    pub id: SourceId,
    /// The source's version of this state: microseconds since 1970 for a timestamp. Nothing if
    /// the source gives none.
    pub version: Option<i64>,
    /// Whether the source deleted it.
    pub deleted: bool,
    /// The record as JSON text, numbers as they were written. Nothing: this is a hint, and the
    /// record has to be read.
    pub record: Option<String>,
    /// The sender's id of the event that tells of it, where a webhook has one for each of its records.
    pub event: Option<SenderEventId>,
}

/// Why a record cannot be identified. Never quotes the record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentifyError {
    /// The connector's program does not fit the body or the record.
    #[error("{0}")]
    Program(#[from] MappingError),
    /// The connector does not know the object.
    #[error("the connector does not know this object")]
    UnknownObject,
    /// The connector says of no webhook how to read it.
    #[error("the connector takes no webhooks")]
    NoWebhooks,
    /// There is no id, or the text can be none.
    #[error("the record has no id, or one that the object cannot have")]
    NoId,
    /// The version is not of the kind that the connector says.
    #[error("the record's version is not {expected}")]
    Version {
        /// What it should be.
        expected: &'static str,
    },
}

/// The programs that identify records of one object.
#[derive(Debug)]
pub(super) struct CompiledIdentify {
    id: Program,
    id_characters: IdCharacters,
    version: Option<Program>,
    version_kind: VersionKind,
    deleted: Option<Program>,
}

impl CompiledIdentify {
    pub(super) fn compile(identify: &Identify, mut program: impl FnMut(&str, &str) -> Option<Program>) -> Option<Self> {
        let id = program("id", &identify.id);
        let version = identify.version.as_deref().map(|source| program("version", source));
        let deleted = identify.deleted.as_deref().map(|source| program("deleted", source));
        Some(Self {
            id: id?,
            id_characters: identify.id_characters,
            version: option_of(version)?,
            version_kind: identify.version_kind,
            deleted: option_of(deleted)?,
        })
    }

    /// `settings` are the connection's, for the programs that take names of fields from them.
    pub(super) fn run(
        &self,
        object: &ObjectName,
        record: &Json,
        settings: &Json,
    ) -> Result<IdentifiedRecord, IdentifyError> {
        let variables = || vec![settings.clone()];
        let id: Value = self.id.run_as(record, variables(), "an id")?;
        let version = match &self.version {
            Some(program) => version_of(&program.run_as(record, variables(), "a version")?, self.version_kind)?,
            None => None,
        };
        let deleted: Option<bool> = match &self.deleted {
            Some(program) => program.run_as(record, variables(), "true, false or null")?,
            None => None,
        };
        Ok(IdentifiedRecord {
            object: object.clone(),
            id: self.id_of(&id)?,
            version,
            deleted: deleted.unwrap_or(false),
            record: Some(record.to_text()),
            event: None,
        })
    }

    /// The id that a source gives, a text or an integer.
    pub(super) fn id_of(&self, value: &Value) -> Result<SourceId, IdentifyError> {
        id_of(value, self.id_characters)
    }
}

// Absent is fine, broken is not.
pub(super) fn option_of(program: Option<Option<Program>>) -> Option<Option<Program>> {
    match program {
        None => Some(None),
        Some(compiled) => compiled.map(Some),
    }
}

pub(super) fn id_of(value: &Value, characters: IdCharacters) -> Result<SourceId, IdentifyError> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if !number.is_f64() => number.to_string(),
        _ => return Err(IdentifyError::NoId),
    };
    SourceId::parse(text).ok().filter(|id| characters.fit(id.as_str())).ok_or(IdentifyError::NoId)
}

pub(super) fn version_of(value: &Value, kind: VersionKind) -> Result<Option<i64>, IdentifyError> {
    let version = match (kind, value) {
        (_, Value::Null) => return Ok(None),
        (VersionKind::Timestamp, Value::String(text)) => text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond),
        (VersionKind::Integer, Value::String(text)) => text.parse().ok(),
        (VersionKind::Integer, Value::Number(number)) => number.as_i64(),
        _ => None,
    };
    let expected = match kind {
        VersionKind::Timestamp => "an RFC 3339 timestamp",
        VersionKind::Integer => "an integer of 64 bits",
    };
    version.map(Some).ok_or(IdentifyError::Version { expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn timestamps_of_salesforce_are_versions_in_microseconds() {
        let version = |text: &str| version_of(&json!(text), VersionKind::Timestamp);
        assert_eq!(version("1970-01-01T00:00:01.500+0000"), Ok(Some(1_500_000)));
        assert_eq!(version("1970-01-01T01:00:01.5+01:00"), Ok(Some(1_500_000)));
        assert_eq!(version("1970-01-01T00:00:01.5Z"), Ok(Some(1_500_000)));
        for garbage in ["", "yesterday", "2026-11-20", "2026-11-20T12:00:00", "12"] {
            assert!(version(garbage).is_err(), "{garbage}");
        }
    }

    #[test]
    fn integers_are_versions_as_numbers_or_texts() {
        let version = |value| version_of(&value, VersionKind::Integer);
        assert_eq!(version(json!(7)), Ok(Some(7)));
        assert_eq!(version(json!("7")), Ok(Some(7)));
        assert_eq!(version(json!(null)), Ok(None));
        for garbage in [json!(7.5), json!("7.5"), json!(u64::MAX), json!([7]), json!(true)] {
            assert!(version(garbage.clone()).is_err(), "{garbage}");
        }
    }

    #[test]
    fn ids_are_texts_or_integers() {
        assert_eq!(id_of(&json!("a0X"), IdCharacters::Alphanumeric).unwrap().as_str(), "a0X");
        assert_eq!(id_of(&json!(42), IdCharacters::Any).unwrap().as_str(), "42");
        assert_eq!(id_of(&json!("x' OR Name != '"), IdCharacters::Alphanumeric), Err(IdentifyError::NoId));
        for garbage in [json!(null), json!(""), json!(1.5), json!({}), json!("a\nb"), json!("a".repeat(256))] {
            assert_eq!(id_of(&garbage, IdCharacters::Any), Err(IdentifyError::NoId), "{garbage}");
        }
    }
}
