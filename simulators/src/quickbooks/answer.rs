//! QuickBooks' answers: records in an envelope with the time, and faults.
//!
//! Intuit's gateway (authentication, throttling) words its faults in lower case, the
//! accounting service behind it in upper case; so do these.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// A fault of the accounting service, as Intuit documents them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub code: &'static str,
    pub message: &'static str,
    pub detail: String,
    pub element: &'static str,
}

impl Fault {
    pub fn stale(attempted: &str) -> Self {
        let detail = format!(
            "Stale Object Error : You and another user were working on this at the same time. The other user finished before you did, so your work was not saved. (SyncToken {attempted})"
        );
        Self { code: "5010", message: "Stale Object Error", detail, element: "" }
    }

    pub fn duplicate_name() -> Self {
        let detail = "The name supplied already exists. : Another customer, vendor or employee is already using this name. Please use a different name.".to_owned();
        Self { code: "6240", message: "Duplicate Name Exists Error", detail, element: "" }
    }

    pub fn not_found() -> Self {
        let detail = "Object Not Found : Something you're trying to use has been made inactive. Check the fields with accounts, customers, items, vendors or employees.".to_owned();
        Self { code: "610", message: "Object Not Found", detail, element: "" }
    }

    pub fn invalid_reference(element: &'static str) -> Self {
        let detail = "Invalid Reference Id : Something you're trying to use has been made inactive. Check the fields with accounts, customers, items, vendors or employees.".to_owned();
        Self { code: "2500", message: "Invalid Reference Id", detail, element }
    }

    pub fn required(element: &'static str) -> Self {
        let detail = format!("Required parameter {element} is missing in the request");
        let message = "Required param missing, need to supply the required value for the API";
        Self { code: "2020", message, detail, element }
    }

    pub fn too_long(element: &'static str, most: usize, length: usize) -> Self {
        let detail = format!(
            "String length specified does not match the supported length. Min:0 Max:{most} supported. Supplied length:{length}"
        );
        let message = "String length is either shorter or longer than supported by specification";
        Self { code: "2050", message, detail, element }
    }

    /// A value of the wrong type, or a body that is no JSON object.
    pub fn unparsable(element: &'static str) -> Self {
        let detail = format!(
            "Property Name:failed to parse json object; a property specified is unsupported or invalid; element {element}"
        );
        Self { code: "2010", message: "Request has invalid or unsupported property", detail, element }
    }

    pub fn business(detail: &str) -> Self {
        let message = "A business validation error has occurred while processing your request";
        Self { code: "6000", message, detail: format!("Business Validation Error: {detail}"), element: "" }
    }

    pub fn query(code: &'static str, message: &'static str, detail: String) -> Self {
        Self { code, message, detail, element: "" }
    }

    pub fn response(&self) -> Response {
        self.with(StatusCode::BAD_REQUEST, "ValidationFault")
    }

    fn with(&self, status: StatusCode, kind: &str) -> Response {
        let error = json!({"Message": self.message, "Detail": self.detail, "code": self.code, "element": self.element});
        (status, Json(json!({"Fault": {"Error": [error], "type": kind}, "time": time()}))).into_response()
    }
}

/// The `time` of every answer.
pub fn time() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3f%:z").to_string()
}

/// One record under the name of its entity.
pub fn record(entity: &str, record: &Value) -> Value {
    let mut body = Map::new();
    body.insert(entity.to_owned(), record.clone());
    body.insert("time".to_owned(), Value::from(time()));
    Value::Object(body)
}

pub async fn unsupported() -> Response {
    let detail = "Operation not supported: there is no such resource".to_owned();
    Fault { code: "500", message: "Unsupported Operation", detail, element: "" }.response()
}

fn gateway(status: StatusCode, (code, number): (&str, &str), kind: &str, name: &str, detail: &str) -> Response {
    let error = json!({
        "message": format!("message={name}; errorCode={number}; statusCode={}", status.as_u16()),
        "detail": detail, "code": code, "element": null,
    });
    let body = json!({
        "warnings": null, "intuitObject": null, "fault": {"error": [error], "type": kind}, "report": null,
        "queryResponse": null, "batchItemResponse": [], "attachableResponse": [], "syncErrorResponse": null,
        "requestId": null, "time": Timestamp::now().as_millisecond(), "status": null, "cdcresponse": [],
    });
    (status, Json(body)).into_response()
}

pub fn unauthenticated(detail: &str) -> Response {
    let status = StatusCode::UNAUTHORIZED;
    let mut response = gateway(status, ("3200", "003200"), "AUTHENTICATION", "AuthenticationFailed", detail);
    let challenge = HeaderValue::from_static("Bearer realm=\"Intuit\", error=\"invalid_token\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// The token is good, but for another company.
pub fn forbidden() -> Response {
    let status = StatusCode::FORBIDDEN;
    gateway(
        status,
        ("3100", "003100"),
        "AUTHORIZATION",
        "ApplicationAuthorizationFailed",
        "the token is for another company",
    )
}

pub fn throttled() -> Response {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let detail = "The request limit was reached. Try again later";
    gateway(status, ("003001", "003001"), "SERVICE", "ThrottleExceeded", detail)
}

/// What an injected fault answers.
pub fn failure(status: StatusCode) -> Response {
    if status == StatusCode::TOO_MANY_REQUESTS {
        return throttled();
    }
    let message = "An application error has occurred while processing your request";
    let detail = "System Failure Error: the service could not complete the request".to_owned();
    Fault { code: "10000", message, detail, element: "" }.with(status, "SystemFault")
}
