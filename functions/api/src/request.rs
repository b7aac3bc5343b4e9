//! What a request names and brings, checked before anything is done with it.

use fluxnex_core::ids::{ConnectionId, TenantId};
use fluxnex_lambda::ApiGatewayV2httpRequest;
use fluxnex_lambda::problem::Problem;
use serde_json::{Map, Value};

/// The tenant in the path.
pub(crate) fn tenant(request: &ApiGatewayV2httpRequest) -> Result<TenantId, Problem> {
    let text = request.path_parameters.get("tenant").cloned().unwrap_or_default();
    TenantId::parse(text).map_err(|error| invalid(vec![format!("tenant: {error}")]))
}

/// The connection in the path.
pub(crate) fn connection(request: &ApiGatewayV2httpRequest) -> Result<ConnectionId, Problem> {
    let text = request.path_parameters.get("connection").cloned().unwrap_or_default();
    ConnectionId::parse(text).map_err(|error| invalid(vec![format!("connection: {error}")]))
}

/// The body as a JSON object. What it holds may be secret, so no error quotes it.
pub(crate) fn fields(
    request: &mut ApiGatewayV2httpRequest,
    largest_bytes: usize,
) -> Result<Map<String, Value>, Problem> {
    let body = request.body.take().unwrap_or_default();
    if request.is_base64_encoded {
        return Err(Problem::of_status(415).detail("send the body as application/json"));
    }
    if body.len() > largest_bytes {
        return Err(Problem::of_status(413).detail(format!("the body has at most {largest_bytes} bytes")));
    }
    if body.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(&body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(invalid(vec!["the body is no JSON object".to_owned()])),
        Err(error) => {
            let place = format!("line {} column {}", error.line(), error.column());
            Err(invalid(vec![format!("the body is no JSON, at {place}")]))
        }
    }
}

/// A text of the body that has to be there, with a bound on its length.
pub(crate) fn text(fields: &Map<String, Value>, name: &str, longest_bytes: usize) -> Result<String, Problem> {
    optional_text(fields, name, longest_bytes)?.ok_or_else(|| invalid(vec![format!("{name}: it is missing")]))
}

/// A text of the body, if it is there.
pub(crate) fn optional_text(
    fields: &Map<String, Value>,
    name: &str,
    longest_bytes: usize,
) -> Result<Option<String>, Problem> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if (1..=longest_bytes).contains(&text.len()) => Ok(Some(text.clone())),
        Some(_) => Err(invalid(vec![format!("{name}: a text of 1 to {longest_bytes} bytes is needed")])),
    }
}

/// Fields that nobody reads are mistakes.
pub(crate) fn only(fields: &Map<String, Value>, known: &[&str]) -> Result<(), Problem> {
    let unknown: Vec<String> = fields
        .keys()
        .filter(|name| !known.contains(&name.as_str()))
        .map(|name| format!("{}: there is no such field; there are {}", shortened(name), known.join(", ")))
        .collect();
    if unknown.is_empty() { Ok(()) } else { Err(invalid(unknown)) }
}

/// A name that a stranger gave, fit to be told back.
pub(crate) fn shortened(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(60).collect()
}

/// Who calls, as API Gateway authenticated them.
pub(crate) fn actor(request: &ApiGatewayV2httpRequest) -> String {
    request
        .request_context
        .authorizer
        .as_ref()
        .and_then(|authorizer| authorizer.iam.as_ref())
        .and_then(|iam| iam.user_arn.clone())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// What is wrong with a request that is understood.
pub(crate) fn invalid(errors: Vec<String>) -> Problem {
    Problem::new(422, "invalid-request", "The request cannot be done").errors(errors)
}
