//! Answers to HTTP requests: JSON, and errors as `application/problem+json` (RFC 9457).

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use aws_lambda_events::http::{HeaderValue, StatusCode};
use serde::Serialize;
use std::time::Duration;

/// Where the types of problems are described. Relative to the API; nothing needs to answer there (RFC 9457, section 3.1.1).
const TYPE_PREFIX: &str = "/problems/";

/// One error answer. Its texts go to strangers: they quote neither data nor inner causes.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Box<str>>,
    #[serde(rename = "requestId", skip_serializing_if = "Option::is_none")]
    request_id: Option<Box<str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<String>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem of a type of its own: `slug` in kebab case is the last part of its type URI, and
    /// `title` is the same for each occurrence.
    #[must_use]
    pub fn new(status: u16, slug: &str, title: &'static str) -> Self {
        Self {
            kind: format!("{TYPE_PREFIX}{slug}"),
            title,
            status,
            detail: None,
            request_id: None,
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// A problem that its status says everything about (type `about:blank`).
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        let known = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        Self { kind: "about:blank".to_owned(), ..Self::new(status, "", known.unwrap_or("Error")) }
    }

    /// What is special about this occurrence.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into().into_boxed_str());
        self
    }

    /// The id under which the occurrence is found in the logs.
    #[must_use]
    pub fn request_id(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = Some(request_id.into().into_boxed_str());
        self
    }

    /// Each thing that is wrong with the request, as the extension member `errors`.
    #[must_use]
    pub fn errors(mut self, errors: Vec<String>) -> Self {
        self.errors = errors;
        self
    }

    /// When to come again; rounded up to seconds, as the header `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The answer for API Gateway.
    #[must_use]
    pub fn into_response(self) -> ApiGatewayV2httpResponse {
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = response(self.status, "application/problem+json", body);
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// An answer with a JSON body. A value that cannot be written as JSON is our fault: 500.
#[must_use]
pub fn json<T: Serialize + ?Sized>(status: u16, value: &T) -> ApiGatewayV2httpResponse {
    match serde_json::to_string(value) {
        Ok(body) => response(status, "application/json", body),
        Err(_) => Problem::of_status(500).into_response(),
    }
}

/// An answer with a text of any type. A type that no header can say is our fault: 500.
#[must_use]
pub fn text(status: u16, content_type: &str, body: String) -> ApiGatewayV2httpResponse {
    let Ok(content_type) = HeaderValue::from_str(content_type) else {
        return Problem::of_status(500).into_response();
    };
    let mut response = empty(status);
    response.headers.insert(CONTENT_TYPE, content_type);
    response.body = Some(Body::Text(body));
    response
}

/// An answer without a body.
#[must_use]
pub fn empty(status: u16) -> ApiGatewayV2httpResponse {
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = i64::from(status);
    response.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn response(status: u16, content_type: &'static str, body: String) -> ApiGatewayV2httpResponse {
    let mut response = empty(status);
    response.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.body = Some(Body::Text(body));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(response: &ApiGatewayV2httpResponse) -> serde_json::Value {
        match response.body.as_ref().unwrap() {
            Body::Text(text) => serde_json::from_str(text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_problem_has_the_members_of_the_rfc() {
        let response = Problem::new(401, "signature-invalid", "The signature does not verify")
            .detail("The header is missing")
            .request_id("r-1")
            .retry_after(Duration::from_millis(1500))
            .into_response();
        assert_eq!(response.status_code, 401);
        assert_eq!(response.headers["content-type"], "application/problem+json");
        assert_eq!(response.headers["retry-after"], "2");
        assert_eq!(
            text(&response),
            serde_json::json!({
                "type": "/problems/signature-invalid",
                "title": "The signature does not verify",
                "status": 401,
                "detail": "The header is missing",
                "requestId": "r-1"
            })
        );
    }

    #[test]
    fn a_status_speaks_for_itself() {
        let response = Problem::of_status(404).into_response();
        assert_eq!(text(&response), serde_json::json!({"type": "about:blank", "title": "Not Found", "status": 404}));
        assert_eq!(json(202, &serde_json::json!({"ok": true})).status_code, 202);
        assert_eq!(empty(204).body, None);
    }

    #[test]
    fn a_text_has_the_type_that_it_is_given() {
        let xml = text_of("text/xml; charset=utf-8");
        assert_eq!((xml.status_code, &xml.headers["content-type"]), (200, &"text/xml; charset=utf-8".parse().unwrap()));
        assert_eq!(xml.body, Some(Body::Text("<a/>".to_owned())));
        assert_eq!(text_of("text/xml\r\nx: y").status_code, 500);
    }

    fn text_of(content_type: &str) -> ApiGatewayV2httpResponse {
        super::text(200, content_type, "<a/>".to_owned())
    }

    #[test]
    fn the_answer_is_what_api_gateway_expects() {
        let written = serde_json::to_value(json(200, &serde_json::json!({"a": 1}))).unwrap();
        assert_eq!(written["statusCode"], 200);
        assert_eq!(written["body"], "{\"a\":1}");
        assert_eq!(written["isBase64Encoded"], false);
        assert_eq!(written["headers"]["content-type"], "application/json");
    }
}
