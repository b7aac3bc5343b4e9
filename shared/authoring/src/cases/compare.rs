//! Compares what happened with what a case says.

use super::format::RequestCase;
use super::outcome;
use super::run::{Outcome, read};
use crate::server::Received;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Whether a request is the one that was expected.
pub(super) fn compare(request: &Received, expected: &RequestCase, folder: &Path) -> Outcome<()> {
    const AT: &str = "exchanges";
    let line = |method: &str, path: &str| format!("{method} {path}");
    equal(AT, &line(&request.method, &request.path), &line(&expected.method, &expected.path))?;
    if request.query != expected.query {
        return Err((AT, differ("the query", &json!(request.query), &json!(expected.query))));
    }
    for (name, value) in &expected.headers {
        let found = request.headers.get(&name.to_ascii_lowercase()).map(String::as_str);
        equal(AT, &format!("{name}: {}", found.unwrap_or("(none)")), &format!("{name}: {value}"))?;
    }
    let (actual, expected) = match &expected.form {
        Some(form) => (form_of(&request.body), json!(form)),
        None => (body_of(&request.body), expected_body(expected, folder).map_err(|error| (AT, error))?),
    };
    if actual == expected { Ok(()) } else { Err((AT, differ("the body", &actual, &expected))) }
}

fn form_of(body: &str) -> Value {
    let url = reqwest::Url::parse(&format!("http://x/?{body}")).ok();
    let fields: BTreeMap<String, String> = url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default();
    json!(fields)
}

fn body_of(body: &str) -> Value {
    if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap_or_else(|_| Value::from(body)) }
}

fn expected_body(expected: &RequestCase, folder: &Path) -> Result<Value, String> {
    let Some(file) = &expected.body_file else { return Ok(expected.body.clone().unwrap_or_default()) };
    let mut body: Value = serde_json::from_str(&read(folder, file)?).map_err(|error| error.to_string())?;
    if let (Some(Value::Object(more)), Some(fields)) = (&expected.body, body.as_object_mut()) {
        fields.extend(more.clone());
    }
    Ok(body)
}

/// Whether two texts are the same.
pub(super) fn equal(at: &'static str, actual: &str, expected: &str) -> Outcome<()> {
    if actual == expected { Ok(()) } else { Err((at, format!("expected: {expected}\nbut it is: {actual}"))) }
}

/// Whether a value has all that is expected of it.
pub(super) fn expect(at: &'static str, actual: &Value, expected: &Value) -> Outcome<()> {
    let same = match (actual, expected) {
        (Value::Array(actual), Value::Array(expected)) => {
            actual.len() == expected.len() && actual.iter().zip(expected).all(|(a, b)| outcome::contains(a, b))
        }
        _ => outcome::contains(actual, expected),
    };
    if same { Ok(()) } else { Err((at, differ("it", actual, expected))) }
}

fn differ(what: &str, actual: &Value, expected: &Value) -> String {
    format!("{what} differs\nexpected: {expected}\nbut it is: {actual}")
}
