//! Objects on S3.

use super::error::{Failure, Kind};
use crate::objects::{ObjectError, Objects};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;

/// The adapter to one bucket of S3.
#[derive(Debug, Clone)]
pub struct S3Objects {
    client: Client,
    bucket: String,
}

impl S3Objects {
    /// Objects of `bucket`, through `client`.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }
}

fn failed(key: &str, failure: Failure) -> ObjectError {
    let Failure { kind, code, source } = failure;
    let key = key.to_owned();
    match kind {
        Kind::Refused => ObjectError::Refused { key, code, source },
        Kind::Unavailable => ObjectError::Unavailable { key, code, source },
    }
}

#[async_trait]
impl Objects for S3Objects {
    async fn put(&self, key: &str, bytes: Vec<u8>, content_type: &str) -> Result<(), ObjectError> {
        let request = self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type);
        let answer = request.body(ByteStream::from(bytes)).send().await;
        answer.map(drop).map_err(|error| failed(key, Failure::of(error)))
    }

    /// S3 says that a key is not there only to those who may list the bucket; to others it is refused.
    async fn get(&self, key: &str, max_bytes: usize) -> Result<Vec<u8>, ObjectError> {
        let answer = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        let object = answer.map_err(|error| match error.as_service_error() {
            Some(GetObjectError::NoSuchKey(_)) => ObjectError::NotFound { key: key.to_owned() },
            _ => failed(key, Failure::of(error)),
        })?;
        let too_large = || ObjectError::TooLarge { key: key.to_owned(), max_bytes };
        let announced = usize::try_from(object.content_length().unwrap_or_default()).unwrap_or(usize::MAX);
        if announced > max_bytes {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(announced);
        let mut body = object.body;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| ObjectError::Unavailable {
                key: key.to_owned(),
                code: "BrokenStream".to_owned(),
                source: Some(error.into()),
            })?;
            // What was announced may be wrong; what came counts.
            if bytes.len() + chunk.len() > max_bytes {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}
