//! A refusal of the API (RFC 9457) in words for a person.

use serde_json::Value;
use std::fmt;

/// What the API refused, and why.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// What kind of problem it is, such as `/problems/another-version`; empty if it does not say.
    pub kind: String,
    title: String,
    detail: String,
    errors: Vec<String>,
    request: String,
}

impl Refused {
    /// The refusal in an answer.
    pub fn of(status: u16, body: &str) -> Self {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let errors = body.get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
        let title = match status {
            // API Gateway's own answers have a message and nothing else.
            403 if text("title").is_empty() => {
                "your AWS identity may not call the API: it needs execute-api:Invoke on it".to_owned()
            }
            _ if text("title").is_empty() => format!("the API answers {status} {}", text("message")),
            _ => text("title"),
        };
        let errors = errors.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Self { status, kind: text("type"), title, detail: text("detail"), errors, request: text("requestId") }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.title.trim_end())?;
        if !self.detail.is_empty() {
            write!(formatter, ": {}", self.detail)?;
        }
        for error in &self.errors {
            write!(formatter, "\n  {error}")?;
        }
        if self.status >= 500 && !self.request.is_empty() {
            write!(formatter, " (request {})", self.request)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_with_everything_that_is_wrong() {
        let body = r#"{"type":"/problems/invalid-bundle","title":"The bundle cannot be applied","status":422,"errors":["connections.a.secret: wrong"]}"#;
        let refused = Refused::of(422, body);
        assert_eq!(refused.to_string(), "The bundle cannot be applied\n  connections.a.secret: wrong");
        assert_eq!(refused.kind, "/problems/invalid-bundle");
        assert!(Refused::of(403, r#"{"message":"Forbidden"}"#).to_string().contains("execute-api:Invoke"));
        assert_eq!(Refused::of(502, "<html>").to_string(), "the API answers 502");
    }
}
