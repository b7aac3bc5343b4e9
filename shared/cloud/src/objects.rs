//! The port to objects: payloads too large for a message wait here (claim checks).

use crate::{BoxError, Disposition};
use async_trait::async_trait;

/// Why an object could not be put or got. The key is ours and holds no payload.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is no object at the key.
    #[error("there is no object at {key}")]
    NotFound {
        /// The key.
        key: String,
    },
    /// The object is larger than the caller takes.
    #[error("the object at {key} is larger than {max_bytes} bytes")]
    TooLarge {
        /// The key.
        key: String,
        /// What the caller takes.
        max_bytes: usize,
    },
    /// The store refuses us, or the bucket is not there.
    #[error("the object store refuses {key} ({code})")]
    Refused {
        /// The key.
        key: String,
        /// The service's error code.
        code: String,
        /// What the client library says.
        #[source]
        source: Option<BoxError>,
    },
    /// The store did not answer, in spite of repeated attempts.
    #[error("the object store did not answer for {key} ({code})")]
    Unavailable {
        /// The key.
        key: String,
        /// The service's error code.
        code: String,
        /// What the client library says.
        #[source]
        source: Option<BoxError>,
    },
}

impl ObjectError {
    /// What the caller does about it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::NotFound { .. } | Self::TooLarge { .. } => Disposition::Drop,
            Self::Refused { .. } | Self::Unavailable { .. } => Disposition::Retry,
        }
    }
}

/// Puts and gets whole objects of one bucket.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Writes the object, replacing one that is there. When it returns, the object is durable and readable.
    ///
    /// # Errors
    /// `Refused` or `Unavailable`.
    async fn put(&self, key: &str, bytes: Vec<u8>, content_type: &str) -> Result<(), ObjectError>;

    /// Reads the object, at most `max_bytes` of it: a larger one is an error, not a part.
    ///
    /// # Errors
    /// [`ObjectError`].
    async fn get(&self, key: &str, max_bytes: usize) -> Result<Vec<u8>, ObjectError>;
}
