//! What the errors of the SDK mean to a port.

use crate::BoxError;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use std::error::Error;

/// How a service answered, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It understood and said no: access, name, or form.
    Refused,
    /// It did not answer, not in time, or asked us to come again.
    Unavailable,
}

/// An error of the SDK without what may hold data: the raw request and response.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// The service's code, or the name of what went wrong before there was one.
    pub(super) code: String,
    pub(super) source: Option<BoxError>,
}

impl Failure {
    pub(super) fn of<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let code = match &error {
            SdkError::ServiceError(service) => service.err().code().unwrap_or("Unknown").to_owned(),
            SdkError::TimeoutError(_) => "Timeout".to_owned(),
            SdkError::DispatchFailure(_) => "DispatchFailure".to_owned(),
            SdkError::ResponseError(_) => "ResponseError".to_owned(),
            _ => "ConstructionFailure".to_owned(),
        };
        let status = error.raw_response().map(|response| response.status().as_u16());
        let kind = kind(&code, status);
        // The raw response stays behind: it may hold a body.
        Self { kind, code, source: error.into_source().ok() }
    }
}

fn kind(code: &str, status: Option<u16>) -> Kind {
    let asks_to_come_again =
        ["Throttl", "TooManyRequests", "LimitExceeded", "ThroughputExceeded", "Timeout", "InProgress", "Internal"];
    match status {
        Some(408 | 425 | 429) | None => Kind::Unavailable,
        Some(400..=499) if !asks_to_come_again.iter().any(|part| code.contains(part)) => Kind::Refused,
        Some(_) => Kind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttling_is_no_refusal() {
        assert_eq!(kind("AccessDeniedException", Some(400)), Kind::Refused);
        assert_eq!(kind("ProvisionedThroughputExceededException", Some(400)), Kind::Unavailable);
        assert_eq!(kind("ThrottlingException", Some(400)), Kind::Unavailable);
        assert_eq!(kind("ServiceUnavailable", Some(503)), Kind::Unavailable);
        assert_eq!(kind("Timeout", None), Kind::Unavailable);
    }
}
