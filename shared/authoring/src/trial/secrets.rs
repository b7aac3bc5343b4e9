//! Secrets on a developer's machine: from a file of the developer's own, which a rotated refresh token goes back into.

use async_trait::async_trait;
use fluxnex_connect::{Redactor, SecretSource, SecretSourceError};
use serde_json::{Map, Value};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io};

/// A larger file holds no secrets, in bytes.
const LARGEST_BYTES: u64 = 64 * 1024;

/// The fields of a connection's secret on this machine. It has no Debug.
pub struct LocalSecrets {
    fields: Mutex<Map<String, Value>>,
    /// Where they came from, if from a file.
    file: Option<PathBuf>,
}

/// Why a file of secrets cannot be used. Its content is not quoted.
#[derive(Debug, thiserror::Error)]
pub enum LocalSecretsError {
    /// It cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no object of texts.
    #[error("{path} is not a YAML or JSON object of texts: one field for each credential of the connector")]
    Malformed {
        /// The path.
        path: PathBuf,
    },
}

impl LocalSecrets {
    /// Secrets that are in no file.
    #[must_use]
    pub fn of(fields: Map<String, Value>) -> Self {
        Self { fields: Mutex::new(fields), file: None }
    }

    /// Reads a file: YAML, or JSON.
    ///
    /// # Errors
    /// [`LocalSecretsError`].
    pub fn read(path: &Path) -> Result<Self, LocalSecretsError> {
        let failed = |source| LocalSecretsError::File { path: path.to_owned(), source };
        let malformed = || LocalSecretsError::Malformed { path: path.to_owned() };
        if fs::metadata(path).map_err(failed)?.len() > LARGEST_BYTES {
            return Err(malformed());
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let fields: Map<String, Value> = serde_saphyr::from_str(&text).map_err(|_| malformed())?;
        if !fields.values().all(is_secret) {
            return Err(malformed());
        }
        Ok(Self { fields: Mutex::new(fields), file: Some(path.to_owned()) })
    }

    /// The names of the fields.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Lets a redactor hide every credential.
    pub(super) fn hide_in(&self, redactor: &mut Redactor) {
        redactor.hide_all(&self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Map<String, Value>> {
        self.fields.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text, or a list of texts while a secret rotates.
fn is_secret(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(values) => values.iter().all(Value::is_string),
        // What the engine keeps beside the credentials.
        Value::Object(_) => true,
        _ => false,
    }
}

/// Replaces a file whole or not at all; only its owner can read it.
fn replace(path: &Path, fields: &Map<String, Value>) -> io::Result<()> {
    let text = serde_json::to_string_pretty(fields)?;
    let aside = path.with_extension("new");
    let mut options = fs::File::options();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&aside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&aside, path)
}

#[async_trait]
impl SecretSource for LocalSecrets {
    async fn get(&self, _: &str) -> Result<Map<String, Value>, SecretSourceError> {
        Ok(self.lock().clone())
    }

    async fn put(&self, _: &str, secret: Map<String, Value>) -> Result<(), SecretSourceError> {
        // A refresh token that was rotated and is not kept would be lost with this process.
        let path = self.file.as_deref().ok_or(SecretSourceError::Unavailable)?;
        replace(path, &secret).map_err(|_| SecretSourceError::Unavailable)?;
        *self.lock() = secret;
        Ok(())
    }
}
