//! Salesforce's answers: errors are arrays of a code and a message.

use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::soql::SoqlError;

/// An error in Salesforce's form.
pub fn error(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!([{"message": message, "errorCode": code}]))).into_response()
}

pub fn session_expired() -> Response {
    error(StatusCode::UNAUTHORIZED, "INVALID_SESSION_ID", "Session expired or invalid")
}

pub async fn not_found() -> Response {
    missing("The requested resource does not exist")
}

pub fn missing(message: &str) -> Response {
    error(StatusCode::NOT_FOUND, "NOT_FOUND", message)
}

pub async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    let allowed = if uri.path().contains("/oauth2/") { "POST" } else { "HEAD,GET,POST,PATCH,DELETE" };
    let message = format!("HTTP Method '{method}' not allowed. Allowed are {allowed}");
    error(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", &message)
}

pub fn soql(error_found: &SoqlError) -> Response {
    error(StatusCode::BAD_REQUEST, error_found.code, &error_found.message)
}

/// What an injected fault answers.
pub fn failure(status: StatusCode) -> Response {
    match status {
        StatusCode::TOO_MANY_REQUESTS => error(status, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
        StatusCode::SERVICE_UNAVAILABLE => {
            error(status, "SERVER_UNAVAILABLE", "The REST API is temporarily unavailable.")
        }
        _ => error(status, "UNKNOWN_EXCEPTION", "An unexpected error occurred."),
    }
}
