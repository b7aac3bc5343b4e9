//! What `events/expected.yaml` says of each sample, and whether an invocation was so.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::invoke::Invocation;

/// Everything that is expected: by function, then by case.
pub type Expectations = BTreeMap<String, BTreeMap<String, Expectation>>;

/// What is expected of one sample.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The sample that runs before this one, as `<function>/<case>`.
    #[serde(default)]
    pub after: Option<String>,
    /// Whether the function answers with an error.
    #[serde(default)]
    error: bool,
    /// The `statusCode` of the response, of functions behind API Gateway.
    #[serde(default)]
    status: Option<u16>,
    /// What is at least in the response's body, which is JSON in a text.
    #[serde(default)]
    body: Option<Value>,
    /// What is at least in the response.
    #[serde(default)]
    response: Option<Value>,
    /// What is at least in the function's log: lines of JSON, in this order, others between them.
    #[serde(default)]
    log: Vec<Value>,
}

impl Expectation {
    /// What of an invocation is not as expected; nothing if all is.
    pub fn faults(&self, invocation: &Invocation) -> Vec<String> {
        let response = &invocation.answer.response;
        let mut faults = Vec::new();
        if self.error != invocation.answer.failed {
            let what = if self.error { "no error, but one is expected" } else { "an error" };
            faults.push(format!("it answered with {what}: {response}"));
        }
        if let Some(status) = self.status
            && response.get("statusCode").and_then(Value::as_u64) != Some(u64::from(status))
        {
            faults.push(format!("status {status} is expected: {response}"));
        }
        if let Some(expected) = &self.body {
            let body = response.get("body").and_then(Value::as_str).unwrap_or_default();
            let found: Value = serde_json::from_str(body).unwrap_or_default();
            faults.extend(difference("the body", expected, &found));
        }
        if let Some(expected) = &self.response {
            faults.extend(difference("the response", expected, response));
        }
        faults.extend(self.missing_line(&invocation.log));
        faults
    }

    fn missing_line(&self, log: &[String]) -> Option<String> {
        let mut lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let missing = self.log.iter().find(|expected| !lines.any(|line| difference("", expected, &line).is_none()))?;
        let log: String = log.iter().map(|line| format!("\n      {line}")).collect();
        Some(format!("the log has no line with {missing} in its place:{log}"))
    }
}

/// The first place where something that is expected is not there. Objects may hold more; lists may not.
fn difference(place: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(expected), Value::Object(fields)) => expected.iter().find_map(|(name, expected)| {
            difference(&format!("{place}.{name}"), expected, fields.get(name).unwrap_or(&Value::Null))
        }),
        (Value::Array(expected), Value::Array(values)) if expected.len() == values.len() => {
            let mut pairs = expected.iter().zip(values).enumerate();
            pairs.find_map(|(index, (expected, found))| difference(&format!("{place}[{index}]"), expected, found))
        }
        _ if expected == found => None,
        _ => Some(format!("{place} is {found}, and {expected} is expected")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invoke::{Answer, Figures};

    fn expectation(yaml: &str) -> Expectation {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn invocation(response: Value, failed: bool, log: &[&str]) -> Invocation {
        Invocation {
            answer: Answer { response, failed },
            log: log.iter().map(|line| (*line).to_owned()).collect(),
            figures: Figures::default(),
            memory_mb: 256,
        }
    }

    #[test]
    fn a_response_may_hold_more_than_is_expected() {
        let answer =
            json!({ "statusCode": 202, "headers": {}, "body": "{\"event\":\"e\",\"more\":[1,{\"a\":2,\"b\":3}]}" });
        let found = invocation(answer, false, &[]);
        for yaml in
            ["status: 202", "{status: 202, body: {event: e}}", "body: {more: [1, {a: 2}]}", "response: {headers: {}}"]
        {
            assert_eq!(expectation(yaml).faults(&found), Vec::<String>::new(), "{yaml}");
        }
        for yaml in ["status: 200", "body: {event: f}", "body: {more: [1]}", "response: {absent: 1}", "error: true"] {
            assert_eq!(expectation(yaml).faults(&found).len(), 1, "{yaml}");
        }
    }

    #[test]
    fn an_error_must_be_expected() {
        let failed = invocation(json!({ "errorType": "Failed", "errorMessage": "why" }), true, &[]);
        assert_eq!(expectation("{error: true, response: {errorType: Failed}}").faults(&failed), Vec::<String>::new());
        assert!(expectation("{}").faults(&failed)[0].contains("an error"));
    }

    #[test]
    fn lines_of_the_log_are_expected_in_order() {
        let log = ["plain", r#"{"outcome":"changed","n":1}"#, r#"{"outcome":"x"}"#, r#"{"outcome":"duplicate"}"#];
        let found = invocation(Value::Null, false, &log);
        assert!(expectation("log: [{outcome: changed}, {outcome: duplicate}]").faults(&found).is_empty());
        assert!(expectation("log: [{outcome: duplicate}, {outcome: changed}]").faults(&found)[0].contains("changed"));
        assert_eq!(expectation("log: [{outcome: changed}, {outcome: changed}]").faults(&found).len(), 1);
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        assert!(serde_saphyr::from_str::<Expectation>("statsu: 202").is_err());
    }
}
