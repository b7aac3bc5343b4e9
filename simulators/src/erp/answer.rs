//! OData's answers: every one says its version, and errors are a code and a message.
//!
//! OData Protocol 4.0 §8.1.5 (`OData-Version`), §9.3 and §9.4 (errors); OData JSON Format 4.0 §19.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

pub static ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    pub message: String,
}

impl Refusal {
    /// The request is not understood.
    pub fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// The request is OData, and this service does not do it (§9.3.1).
    pub fn unsupported(what: &str) -> Self {
        let message = format!("This service does not implement {what}.");
        Self { status: StatusCode::NOT_IMPLEMENTED, message }
    }

    pub fn missing(message: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, message: message.into() }
    }

    pub fn response(&self) -> Response {
        error(self.status, &self.message)
    }
}

/// An error in OData's form. The code is the service's own; here the status in words.
pub fn error(status: StatusCode, message: &str) -> Response {
    let code: String = status.canonical_reason().unwrap_or("Error").split_whitespace().collect();
    with_version((status, Json(json!({"error": {"code": code, "message": message}}))).into_response())
}

/// JSON with the control information that a caller gets who does not ask for more.
pub fn json(body: &Value) -> Response {
    let mut response = with_version(Json(body).into_response());
    let kind = HeaderValue::from_static("application/json;odata.metadata=minimal");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

pub fn xml(document: String) -> Response {
    let mut response = with_version(document.into_response());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

fn with_version(mut response: Response) -> Response {
    response.headers_mut().insert(ODATA_VERSION.clone(), HeaderValue::from_static("4.0"));
    response
}

pub fn unauthenticated() -> Response {
    let mut response = error(StatusCode::UNAUTHORIZED, "The request needs a valid API token.");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

pub async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "There is no such resource.")
}

pub async fn read_only(method: Method) -> Response {
    let mut response =
        error(StatusCode::METHOD_NOT_ALLOWED, &format!("{method} is not allowed: the service is read-only."));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
    response
}

/// What an injected fault answers.
pub fn failure(status: StatusCode) -> Response {
    let message = match status {
        StatusCode::TOO_MANY_REQUESTS => "Too many requests. Try again later.",
        StatusCode::SERVICE_UNAVAILABLE => "The service is temporarily unavailable.",
        _ => "An unexpected error occurred.",
    };
    error(status, message)
}
