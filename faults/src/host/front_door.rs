//! API Gateway: an HTTP API in front of `ingest` and `api` (`infra-cdk/lib/stacks/edge-stack.ts`).

use super::Inner;
use super::function::FunctionError;
use super::http::{self, Answer, Call};
use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;

struct Route {
    method: &'static str,
    path: &'static str,
    function: &'static str,
    /// Whoever calls has signed with an AWS identity. Signatures are not verified here.
    takes_identity: bool,
}

const ROUTES: [Route; 4] = [
    Route { method: "POST", path: "/v1/webhooks/{tenant}/{connection}", function: "ingest", takes_identity: false },
    Route { method: "GET", path: "/v1/health/live", function: "api", takes_identity: false },
    Route { method: "GET", path: "/v1/health/ready", function: "api", takes_identity: false },
    Route { method: "PUT", path: "/v1/tenants/{tenant}/bundle", function: "api", takes_identity: true },
];

/// Serves one request.
pub(super) async fn answer(host: Arc<Inner>, call: Call) -> Answer {
    let found = ROUTES.iter().filter(|route| route.method == call.method.as_str());
    let found = found.filter_map(|route| Some((route, parameters(route.path, &call.path)?))).next();
    let Some((route, parameters)) = found else { return problem(404, "Not Found") };
    let Some(function) = host.functions.get(route.function) else { return problem(500, "Internal Server Error") };
    let event = event(route, parameters, &call);
    match function.invoke(Bytes::from(event.to_string())).await {
        Ok(bytes) => response(&bytes).unwrap_or_else(|| problem(500, "Internal Server Error")),
        // What the gateway answers when the function takes too long, and when it fails.
        Err(FunctionError { error_type, .. }) if error_type == "Sandbox.Timedout" => {
            problem(503, "Service Unavailable")
        }
        Err(_) => problem(500, "Internal Server Error"),
    }
}

fn problem(status: u16, message: &str) -> Answer {
    http::json(status, &json!({ "message": message }))
}

/// The parameters in the path, if it is one of the template.
fn parameters(template: &str, path: &str) -> Option<Map<String, Value>> {
    let (wanted, given): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut found = Map::new();
    for (wanted, given) in wanted.iter().zip(given) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => {
                found.insert(name.to_owned(), http::decoded(given).into());
            }
            None if *wanted == given => {}
            None => return None,
        }
    }
    Some(found)
}

/// The event of payload format 2.0 ("Working with AWS Lambda proxy integrations for HTTP APIs").
fn event(route: &Route, parameters: Map<String, Value>, call: &Call) -> Value {
    let mut headers: Map<String, Value> = Map::new();
    for name in call.headers.keys() {
        let values: Vec<&str> = call.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        headers.insert(name.as_str().to_owned(), values.join(",").into());
    }
    let key = format!("{} {}", route.method, route.path);
    let (body, is_encoded) = match std::str::from_utf8(&call.body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (BASE64.encode(&call.body), true),
    };
    let mut context = json!({
        "accountId": "000000000000",
        "apiId": "local",
        "domainName": call.header("host"),
        "http": {
            "method": route.method, "path": call.path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
            "userAgent": call.header("user-agent"),
        },
        "requestId": "local",
        "routeKey": key,
        "stage": "$default",
        "timeEpoch": Timestamp::now().as_millisecond(),
    });
    if let (Value::Object(fields), true) = (&mut context, route.takes_identity) {
        let identity = json!({"iam": {"accountId": "000000000000", "userArn": "arn:aws:iam::000000000000:user/local"}});
        fields.insert("authorizer".to_owned(), identity);
    }
    json!({
        "version": "2.0",
        "routeKey": key,
        "rawPath": call.path,
        "rawQueryString": call.query,
        "headers": headers,
        "pathParameters": parameters,
        "requestContext": context,
        "body": body,
        "isBase64Encoded": is_encoded,
    })
}

/// What the function answers, as HTTP.
fn response(bytes: &[u8]) -> Option<Answer> {
    let answer: Value = serde_json::from_slice(bytes).ok()?;
    let status = u16::try_from(answer.get("statusCode")?.as_u64()?).ok()?;
    let text = answer.get("body").and_then(Value::as_str).unwrap_or_default();
    let body = match answer.get("isBase64Encoded") {
        Some(Value::Bool(true)) => BASE64.decode(text).ok()?,
        _ => text.as_bytes().to_vec(),
    };
    let mut response = http::answer(status, "application/json", body);
    for fields in ["headers", "multiValueHeaders"].map(|name| answer.get(name).and_then(Value::as_object)) {
        for (name, value) in fields.into_iter().flatten() {
            let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for value in values.iter().filter_map(Value::as_str) {
                let name = HeaderName::try_from(name.as_str()).ok()?;
                response.headers_mut().insert(name, HeaderValue::try_from(value).ok()?);
            }
        }
    }
    Some(response)
}
