//! Secrets Manager.

use super::{Refusal, required};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The secrets, by name.
#[derive(Debug, Default)]
pub struct Secrets {
    values: Mutex<BTreeMap<String, String>>,
}

impl Secrets {
    fn values(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a secret, or gives it a new value.
    pub fn set(&self, name: impl Into<String>, value: &Value) {
        self.values().insert(name.into(), value.to_string());
    }

    /// The value of a secret.
    pub fn value(&self, name: &str) -> Option<Value> {
        serde_json::from_str(self.values().get(name)?).ok()
    }
}

pub(super) fn answer(secrets: &Secrets, operation: &str, input: &Value) -> Result<Value, Refusal> {
    let name = required(input, "SecretId")?;
    let missing = || Refusal::new("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
    let mut values = secrets.values();
    let value = values.get_mut(name).ok_or_else(missing)?;
    match operation {
        "GetSecretValue" => {}
        "PutSecretValue" => required(input, "SecretString")?.clone_into(value),
        _ => return Err(Refusal::new("UnknownOperationException", format!("{operation} is not answered here"))),
    }
    let mut output = json!({"ARN": name, "Name": name, "VersionId": "00000000-0000-4000-8000-000000000000"});
    if let (Value::Object(fields), "GetSecretValue") = (&mut output, operation) {
        fields.insert("SecretString".to_owned(), value.clone().into());
    }
    Ok(output)
}
