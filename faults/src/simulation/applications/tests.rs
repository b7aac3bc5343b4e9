//! The applications report the rules that a request breaks.

use super::Applications;
use crate::simulation::scenario::{MARK, is_secret};
use fluxnex_connect::client::HttpRequest;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

fn request(method: reqwest::Method, url: &str, headers: &[(&str, &str)], body: &Value) -> HttpRequest {
    let mut map = reqwest::header::HeaderMap::new();
    for (name, value) in headers {
        let name: reqwest::header::HeaderName = name.parse().unwrap();
        map.insert(name, value.parse().unwrap());
    }
    HttpRequest {
        method,
        url: url.parse().unwrap(),
        headers: map,
        body: Some(body.to_string().into_bytes()),
        timeout: std::time::Duration::from_secs(1),
        response_max_bytes: 1_000,
    }
}

fn applications() -> Applications {
    Applications::new(1, 0, 0)
}

const BOOKS: &str = "https://books.alpha.example/v3/company/1";

#[test]
fn a_child_before_its_parent_is_reported() {
    let mut applications = applications();
    let invoice = json!({"CustomerRef": {"value": "7"}, "DocNumber": "alpha-i-v1", "PrivateNote": "Revenova i"});
    let url = format!("{BOOKS}/invoice?requestid=1");
    applications.answer(&request(reqwest::Method::POST, &url, &[], &invoice), 1, Timestamp::UNIX_EPOCH);
    assert!(applications.problems[0].starts_with("child before parent"), "{:?}", applications.problems);
    assert!(applications.effects.is_empty());
}

#[test]
fn one_key_for_two_requests_is_reported_and_a_repetition_has_no_effect() {
    let mut applications = applications();
    let url = format!("{BOOKS}/customer?requestid=1");
    for name in ["alpha-c-v1", "alpha-c-v1", "alpha-c-v2"] {
        let customer = json!({"DisplayName": name, "Notes": "Revenova c"});
        applications.answer(&request(reqwest::Method::POST, &url, &[], &customer), 1, Timestamp::UNIX_EPOCH);
    }
    assert_eq!(applications.effects.len(), 1);
    assert!(applications.problems[0].contains("two different requests"), "{:?}", applications.problems);
}

#[test]
fn a_request_that_comes_too_early_after_429_is_reported() {
    // Every request is throttled, until one is not.
    let mut applications = Applications::new(1, usize::MAX, 1);
    let mut now = Timestamp::UNIX_EPOCH;
    let url = "https://crm.alpha.example/services/data/v1/queryAll?q=x";
    let get = request(reqwest::Method::GET, url, &[], &Value::Null);
    for _ in 0..200 {
        applications.answer(&get, 1, now);
        now += SignedDuration::from_secs(60);
    }
    assert_eq!(applications.problems, Vec::<String>::new(), "whoever waits breaks no rule");
    for _ in 0..200 {
        applications.answer(&get, 1, now);
        now += SignedDuration::from_secs(1);
    }
    assert!(applications.problems.iter().any(|problem| problem.starts_with("rate limit")));
}

#[test]
fn the_token_and_the_failures_of_another_tenant_are_reported() {
    let mut applications = applications();
    let token = format!("Bearer {MARK}-access-beta");
    let url = "https://crm.alpha.example/services/data/v1/queryAll?q=x";
    let get = request(reqwest::Method::GET, url, &[("authorization", &token)], &Value::Null);
    applications.answer(&get, 1, Timestamp::UNIX_EPOCH);
    assert!(applications.problems[0].starts_with("isolation"), "{:?}", applications.problems);
    let told = json!({"type": "event.failed", "data": {"tenant": "beta", "reason": MARK}});
    let url = "https://alerts.alpha.example/";
    applications.answer(&request(reqwest::Method::POST, url, &[], &told), 1, Timestamp::UNIX_EPOCH);
    assert!(applications.problems.iter().any(|problem| problem.contains("another tenant's failure")));
    assert!(applications.problems.iter().any(|problem| problem.starts_with("a secret is in")));
    assert!(is_secret(MARK) && !is_secret("nothing"));
}
