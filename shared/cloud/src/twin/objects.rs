//! A bucket in memory.

use super::lock;
use crate::objects::{ObjectError, Objects};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// The twin of a bucket.
#[derive(Debug, Default)]
pub struct InMemoryObjects {
    objects: Mutex<BTreeMap<String, (String, Vec<u8>)>>,
}

impl InMemoryObjects {
    /// The keys that are there, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        lock(&self.objects).keys().cloned().collect()
    }
}

#[async_trait]
impl Objects for InMemoryObjects {
    async fn put(&self, key: &str, bytes: Vec<u8>, content_type: &str) -> Result<(), ObjectError> {
        lock(&self.objects).insert(key.to_owned(), (content_type.to_owned(), bytes));
        Ok(())
    }

    async fn get(&self, key: &str, max_bytes: usize) -> Result<Vec<u8>, ObjectError> {
        match lock(&self.objects).get(key) {
            None => Err(ObjectError::NotFound { key: key.to_owned() }),
            Some((_, bytes)) if bytes.len() > max_bytes => {
                Err(ObjectError::TooLarge { key: key.to_owned(), max_bytes })
            }
            Some((_, bytes)) => Ok(bytes.clone()),
        }
    }
}
