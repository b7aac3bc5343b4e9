//! The port to other functions: calling one and waiting for its answer.

use crate::{BoxError, Disposition};
use async_trait::async_trait;
use serde_json::Value;
use std::fmt;

/// Why a call of a function gave no answer.
#[derive(thiserror::Error)]
pub enum FunctionError {
    /// The function ran and failed: by an error of its own, a panic, or its time limit.
    #[error("the function {function} failed ({error_type})")]
    Failed {
        /// The function's name.
        function: String,
        /// The type of the error, as the runtime reports it.
        error_type: String,
        /// Its text. It may quote data: for the caller to judge, not for Display or Debug.
        message: String,
    },
    /// The answer is no JSON.
    #[error("the function {function} answered something that is no JSON")]
    Malformed {
        /// The function's name.
        function: String,
    },
    /// There is no such function, or we may not call it.
    #[error("the function {function} is not there or refuses us ({code})")]
    Refused {
        /// The function's name.
        function: String,
        /// The service's error code.
        code: String,
        /// What the client library says.
        #[source]
        source: Option<BoxError>,
    },
    /// The service did not answer, or not in time. The function may have run.
    #[error("the function {function} did not answer ({code})")]
    Unavailable {
        /// The function's name.
        function: String,
        /// The service's error code.
        code: String,
        /// What the client library says.
        #[source]
        source: Option<BoxError>,
    },
}

impl fmt::Debug for FunctionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FunctionError({self})")
    }
}

impl FunctionError {
    /// What the caller does about it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Failed { .. } | Self::Refused { .. } | Self::Unavailable { .. } => Disposition::Retry,
            Self::Malformed { .. } => Disposition::Drop,
        }
    }
}

/// Calls functions.
#[async_trait]
pub trait Functions: Send + Sync {
    /// Calls the function once with the payload and waits for its answer. It is not called again
    /// when the connection fails: only the caller knows whether it may run twice.
    ///
    /// # Errors
    /// [`FunctionError`].
    async fn invoke(&self, name: &str, payload: &Value) -> Result<Value, FunctionError>;
}
