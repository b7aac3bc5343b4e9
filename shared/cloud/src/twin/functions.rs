//! Functions in memory: closures by name.

use super::lock;
use crate::functions::{FunctionError, Functions};
use async_trait::async_trait;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

type Body = Arc<dyn Fn(&Value) -> Result<Value, String> + Send + Sync>;

/// The twin of the functions service.
#[derive(Default)]
pub struct InMemoryFunctions {
    functions: Mutex<BTreeMap<String, Body>>,
}

impl InMemoryFunctions {
    /// Adds or replaces a function. Its error becomes [`FunctionError::Failed`] of type `Error`.
    pub fn define(&self, name: &str, body: impl Fn(&Value) -> Result<Value, String> + Send + Sync + 'static) {
        lock(&self.functions).insert(name.to_owned(), Arc::new(body));
    }
}

#[async_trait]
impl Functions for InMemoryFunctions {
    async fn invoke(&self, name: &str, payload: &Value) -> Result<Value, FunctionError> {
        let body = lock(&self.functions).get(name).map(Arc::clone);
        match body {
            None => Err(FunctionError::Refused {
                function: name.to_owned(),
                code: "ResourceNotFoundException".to_owned(),
                source: None,
            }),
            Some(body) => body(payload).map_err(|message| FunctionError::Failed {
                function: name.to_owned(),
                error_type: "Error".to_owned(),
                message,
            }),
        }
    }
}
