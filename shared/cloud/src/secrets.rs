//! The port to secrets: JSON objects of texts, by name.

use crate::{BoxError, Disposition};
use async_trait::async_trait;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// The content of one secret: a JSON object. Neither Debug nor an error ever shows a value.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Arc<Map<String, Value>>);

impl SecretValue {
    /// Parses the text of the secret called `name`.
    ///
    /// # Errors
    /// [`SecretError::Malformed`] if it is not a JSON object; the text is not quoted.
    pub fn parse(name: &str, text: &str) -> Result<Self, SecretError> {
        let fields = serde_json::from_str(text).map_err(|_| SecretError::Malformed { name: name.to_owned() })?;
        Ok(Self(Arc::new(fields)))
    }

    /// Takes a JSON object as the content of the secret called `name`.
    ///
    /// # Errors
    /// [`SecretError::Malformed`] if it is something other than an object.
    pub fn from_json(name: &str, json: &Value) -> Result<Self, SecretError> {
        match json {
            Value::Object(fields) => Ok(Self(Arc::new(fields.clone()))),
            _ => Err(SecretError::Malformed { name: name.to_owned() }),
        }
    }

    /// The text of a field; nothing if it is absent or no text.
    #[must_use]
    pub fn field(&self, field: &str) -> Option<&str> {
        self.0.get(field).and_then(Value::as_str)
    }

    /// The text of a field that has to be there.
    ///
    /// # Errors
    /// [`SecretError::MissingField`] if it is absent, empty or no text.
    pub fn required(&self, name: &str, field: &'static str) -> Result<&str, SecretError> {
        self.field(field)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| SecretError::MissingField { name: name.to_owned(), field })
    }

    /// A number, or a text that holds one (secrets that RDS makes have `port` as a number).
    #[must_use]
    pub fn number(&self, field: &str) -> Option<u64> {
        match self.0.get(field)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Everything: to change a field and put the whole back.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.as_ref().clone())
    }
}

/// The names of the fields, never their values.
impl fmt::Debug for SecretValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretValue")?;
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why a secret could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no secret of that name.
    #[error("there is no secret {name}")]
    NotFound {
        /// The secret's name.
        name: String,
    },
    /// The secret is not a JSON object.
    #[error("the secret {name} is no JSON object")]
    Malformed {
        /// The secret's name.
        name: String,
    },
    /// The secret lacks a field.
    #[error("the secret {name} has no field {field}")]
    MissingField {
        /// The secret's name.
        name: String,
        /// The field.
        field: &'static str,
    },
    /// The service refuses us.
    #[error("the secret {name} is refused to us ({code})")]
    Refused {
        /// The secret's name.
        name: String,
        /// The service's error code.
        code: String,
        /// What the client library says.
        #[source]
        source: Option<BoxError>,
    },
    /// The service did not answer, in spite of repeated attempts.
    #[error("no answer about the secret {name} ({code})")]
    Unavailable {
        /// The secret's name.
        name: String,
        /// The service's error code.
        code: String,
        /// What the client library says.
        #[source]
        source: Option<BoxError>,
    },
}

impl SecretError {
    /// What the caller does about it. A secret that is missing or wrong is somebody's to repair.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::NotFound { .. } | Self::Malformed { .. } | Self::MissingField { .. } => Disposition::Hold,
            Self::Refused { .. } | Self::Unavailable { .. } => Disposition::Retry,
        }
    }
}

/// Reads and writes secrets.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The current content of the secret. `name` may be its ARN.
    ///
    /// # Errors
    /// [`SecretError`].
    async fn get(&self, name: &str) -> Result<SecretValue, SecretError>;

    /// Makes `value` the current content of a secret that exists (rotated refresh tokens).
    ///
    /// # Errors
    /// [`SecretError`]; `NotFound` if it does not exist: secrets are created by operators.
    async fn put(&self, name: &str, value: &SecretValue) -> Result<(), SecretError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_ever_shown() {
        let secret = SecretValue::parse("s", r#"{"password":"marked-secret","port":5432}"#).unwrap();
        assert_eq!(format!("{secret:?}"), r#"SecretValue{"password", "port"}"#);
        assert_eq!(secret.field("password"), Some("marked-secret"));
        assert_eq!(secret.number("port"), Some(5432));
        assert!(secret.required("s", "username").is_err());
        let error = SecretValue::parse("s", "marked-secret").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("marked-secret"));
        assert!(SecretValue::parse("s", "[1]").is_err());
    }
}
