//! Carries requests out through the guarded client, and keeps what may be shown of them.

use super::LocalSecrets;
use fluxnex_connect::Redactor;
use fluxnex_connect::client::{Body, GuardedClient, HttpAnswer, HttpRequest, RequestError, Transport};
use fluxnex_connect::connection::Reach;
use reqwest::Url;
use reqwest::header::HeaderMap;
use serde::Serialize;
use serde_json::Value;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// More of a body is not shown, in characters.
const MOST_SHOWN: usize = 20_000;
/// Headers whose values are credentials, whatever they say.
const SECRET_HEADERS: &[&str] = &["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"];
/// Fields of forms and answers whose values are credentials (RFC 6749, RFC 7523, OpenID Connect; logins).
const SECRET_FIELDS: &[&str] = &[
    "access_token",
    "refresh_token",
    "id_token",
    "client_secret",
    "password",
    "assertion",
    "client_assertion",
    "code",
    "code_verifier",
    "session_id",
    "sessionid",
];
const REDACTED: &str = "[redacted]";

/// One request and its answer, fit to be shown.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The request's headers.
    pub request_headers: Vec<(String, String)>,
    /// The request's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<String>,
    /// The answer's status; nothing if there was none.
    pub status: Option<u16>,
    /// The answer's headers.
    pub headers: Vec<(String, String)>,
    /// The answer's body, or why there is none.
    pub body: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u128,
}

/// The recorder of one trial.
pub(super) struct Recorder {
    client: GuardedClient,
    reach: Reach,
    redactor: Mutex<Redactor>,
    shown: Mutex<Vec<Shown>>,
}

impl Recorder {
    pub(super) fn new(client: GuardedClient, reach: Reach, secrets: &LocalSecrets) -> Self {
        let mut redactor = Redactor::default();
        secrets.hide_in(&mut redactor);
        Self { client, reach, redactor: Mutex::new(redactor), shown: Mutex::default() }
    }

    pub(super) fn take(&self) -> Vec<Shown> {
        std::mem::take(&mut *lock(&self.shown))
    }

    /// The value without credentials in its texts.
    pub(super) fn clean_json(&self, value: Value) -> Value {
        let redactor = lock(&self.redactor);
        clean_json(&redactor, value)
    }

    async fn execute(&self, request: HttpRequest) -> Result<HttpAnswer, RequestError> {
        let mut shown = self.show(&request);
        let began = Instant::now();
        let answer = self.client.execute(self.reach, request).await;
        shown.duration_ms = began.elapsed().as_millis();
        match &answer {
            Ok(answer) => {
                shown.status = Some(answer.status);
                shown.body = self.show_body(&answer.body);
                shown.headers = self.show_headers(&answer.headers);
            }
            Err(error) => shown.body = error.to_string(),
        }
        lock(&self.shown).push(shown);
        answer
    }

    fn show(&self, request: &HttpRequest) -> Shown {
        let form =
            request.headers.get("content-type").is_some_and(|kind| kind.as_bytes().ends_with(b"form-urlencoded"));
        let body = request.body.as_deref().map(|body| String::from_utf8_lossy(body).into_owned());
        let body = body.map(|body| if form { self.show_form(&body) } else { self.show_text(&body) });
        Shown {
            method: request.method.to_string(),
            url: self.show_url(&request.url),
            request_headers: self.show_headers(&request.headers),
            request_body: body,
            status: None,
            headers: Vec::new(),
            body: String::new(),
            duration_ms: 0,
        }
    }

    fn show_url(&self, url: &Url) -> String {
        let redactor = lock(&self.redactor);
        let mut shown = redactor.clean(&format!("{}{}", url.origin().ascii_serialization(), url.path()), MOST_SHOWN);
        let pairs: Vec<String> =
            url.query_pairs().map(|(name, value)| format!("{name}={}", redactor.clean(&value, MOST_SHOWN))).collect();
        if !pairs.is_empty() {
            shown.push('?');
            shown.push_str(&pairs.join("&"));
        }
        shown
    }

    fn show_form(&self, body: &str) -> String {
        let Ok(url) = Url::parse(&format!("http://x/?{body}")) else { return REDACTED.to_owned() };
        let redactor = lock(&self.redactor);
        let field = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
            let value = if is_secret_field(&name) { REDACTED.to_owned() } else { redactor.clean(&value, MOST_SHOWN) };
            format!("{name}={value}")
        };
        url.query_pairs().map(field).collect::<Vec<_>>().join("\n")
    }

    fn show_headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let redactor = lock(&self.redactor);
        let show = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let secret = value.is_sensitive() || SECRET_HEADERS.contains(&name.as_str());
            let text = match text.split_once(' ') {
                Some((scheme @ ("Bearer" | "Basic"), _)) if secret => format!("{scheme} {REDACTED}"),
                _ if secret => REDACTED.to_owned(),
                _ => redactor.clean(&text, MOST_SHOWN),
            };
            (name.to_string(), text)
        };
        headers.iter().map(show).collect()
    }

    fn show_body(&self, body: &Body) -> String {
        match body {
            Ok(body) => {
                if let Ok(answer) = serde_json::from_slice::<Value>(body) {
                    learn(&mut lock(&self.redactor), &answer);
                }
                self.show_text(&String::from_utf8_lossy(body))
            }
            Err(fault) => fault.to_string(),
        }
    }

    fn show_text(&self, text: &str) -> String {
        let redactor = lock(&self.redactor);
        let shown = match serde_json::from_str::<Value>(text) {
            Ok(value) => serde_json::to_string_pretty(&clean_json(&redactor, value)).unwrap_or_default(),
            Err(_) => redactor.clean(text, usize::MAX),
        };
        let characters = shown.chars().count();
        if characters <= MOST_SHOWN {
            return shown;
        }
        let begin: String = shown.chars().take(MOST_SHOWN).collect();
        format!("{begin}\n… {} characters more", characters - MOST_SHOWN)
    }
}

impl Transport for Recorder {
    fn carry<'a>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpAnswer, RequestError>> + Send + 'a>> {
        Box::pin(self.execute(request))
    }
}

fn is_secret_field(name: &str) -> bool {
    SECRET_FIELDS.contains(&name.to_ascii_lowercase().as_str())
}

/// Remembers the credentials that an answer brought.
fn learn(redactor: &mut Redactor, answer: &Value) {
    match answer {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    // A vendor's error code is called `code`, too.
                    Value::String(text) if is_secret_field(name) && name != "code" => redactor.hide(text),
                    value => learn(redactor, value),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| learn(redactor, item)),
        _ => {}
    }
}

fn clean_json(redactor: &Redactor, value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(redactor.clean(&text, usize::MAX)),
        Value::Array(items) => items.into_iter().map(|item| clean_json(redactor, item)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, clean_json(redactor, value))).collect())
        }
        other => other,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
