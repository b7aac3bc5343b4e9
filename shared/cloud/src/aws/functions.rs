//! Functions on Lambda.

use super::error::{Failure, Kind};
use crate::functions::{FunctionError, Functions};
use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use serde::Deserialize;
use serde_json::Value;

/// The adapter to Lambda. Its client is made by [`super::Clients::functions`], without retries.
#[derive(Debug, Clone)]
pub struct LambdaFunctions {
    client: Client,
}

impl LambdaFunctions {
    /// Functions through `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

/// What the runtime reports of a function that failed.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Report {
    error_type: String,
    error_message: String,
}

fn failed(function: &str, failure: Failure) -> FunctionError {
    let Failure { kind, code, source } = failure;
    let function = function.to_owned();
    match kind {
        Kind::Refused => FunctionError::Refused { function, code, source },
        Kind::Unavailable => FunctionError::Unavailable { function, code, source },
    }
}

#[async_trait]
impl Functions for LambdaFunctions {
    async fn invoke(&self, name: &str, payload: &Value) -> Result<Value, FunctionError> {
        let payload = Blob::new(payload.to_string());
        let answer = self.client.invoke().function_name(name).payload(payload).send().await;
        let answer = answer.map_err(|error| failed(name, Failure::of(error)))?;
        let bytes = answer.payload.map(Blob::into_inner).unwrap_or_default();
        if let Some(kind) = answer.function_error {
            let report: Report = serde_json::from_slice(&bytes).unwrap_or_default();
            let error_type = if report.error_type.is_empty() { kind } else { report.error_type };
            return Err(FunctionError::Failed { function: name.to_owned(), error_type, message: report.error_message });
        }
        serde_json::from_slice(&bytes).map_err(|_| FunctionError::Malformed { function: name.to_owned() })
    }
}
