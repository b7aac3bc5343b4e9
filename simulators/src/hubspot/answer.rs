//! HubSpot's answers: errors have a category and a message.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// Why something is refused: a whole request, or one record of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    pub status: StatusCode,
    pub category: &'static str,
    pub message: String,
}

impl Refused {
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, category: "VALIDATION_ERROR", message: message.into() }
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, category: "CONFLICT", message: message.into() }
    }

    pub fn missing() -> Self {
        let message = "resource not found".to_owned();
        Self { status: StatusCode::NOT_FOUND, category: "OBJECT_NOT_FOUND", message }
    }

    /// The error as it stands in an answer; in a batch with what it is about.
    pub fn error(&self, context: Map<String, Value>) -> Value {
        let mut error = json!({
            "status": "error", "message": self.message, "category": self.category,
            "correlationId": uuid::Uuid::new_v4().to_string(),
        });
        if let Some(error) = error.as_object_mut().filter(|_| !context.is_empty()) {
            error.insert("context".to_owned(), Value::Object(context));
        }
        error
    }

    pub fn response(&self) -> Response {
        (self.status, Json(self.error(Map::new()))).into_response()
    }
}

fn refused(status: StatusCode, category: &'static str, message: &str) -> Response {
    Refused { status, category, message: message.to_owned() }.response()
}

pub async fn not_found() -> Response {
    Refused::missing().response()
}

pub async fn method_not_allowed() -> Response {
    refused(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "the method is not allowed here")
}

pub fn unauthenticated() -> Response {
    let message = "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview";
    refused(StatusCode::UNAUTHORIZED, "INVALID_AUTHENTICATION", message)
}

/// Too many requests, in a span that HubSpot calls a policy.
pub fn throttled(policy: &str) -> Response {
    let body = json!({
        "status": "error", "message": "You have reached your secondly limit.", "errorType": "RATE_LIMIT",
        "correlationId": uuid::Uuid::new_v4().to_string(), "policyName": policy, "category": "RATE_LIMITS",
    });
    (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response()
}

/// What an injected fault answers.
pub fn failure(status: StatusCode) -> Response {
    match status {
        StatusCode::TOO_MANY_REQUESTS => throttled("TEN_SECONDLY_ROLLING"),
        _ => refused(status, "INTERNAL_ERROR", "internal error"),
    }
}
