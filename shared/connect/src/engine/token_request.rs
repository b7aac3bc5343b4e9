//! One request to an OAuth 2.0 token endpoint (RFC 6749, sections 4.4, 5 and 6).

use super::answer::{body_json, is_success, retry_after};
use super::redact::Redactor;
use super::token::TokenCall;
use crate::client::{HttpAnswer, HttpRequest, RequestError};
use crate::outcome::LONGEST_REASON;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluxnex_core::connector::{Authentication, ClientAuthentication};
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::Duration;

/// The largest answer of a token endpoint, in bytes.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// The longest time that a token is believed to last, in seconds.
const LONGEST_LIFETIME_SECONDS: u64 = 24 * 60 * 60;

/// Why there is no token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TokenProblem {
    /// The credentials are missing or malformed.
    Credentials { reason: String },
    /// The application does not accept the credentials.
    Refused { status: u16, reason: String },
    /// The application, or the store of secrets, does not answer as it should: later.
    Unavailable { status: Option<u16>, retry_after: Option<Duration>, reason: String },
}

/// What is asked for, with the credentials that prove the right to it. It has no Debug.
#[derive(PartialEq, Eq)]
pub(super) struct Grant {
    form: Vec<(&'static str, String)>,
    basic: Option<String>,
    /// The field and the value of the refresh token.
    refresh_token: Option<(String, String)>,
    lifetime_seconds: u32,
}

/// A token that was granted.
pub(super) struct Granted {
    pub(super) access_token: String,
    pub(super) expires_in: Duration,
    /// The field and the value of a new refresh token.
    pub(super) rotated: Option<(String, String)>,
}

impl Grant {
    pub(super) fn of(authentication: &Authentication, secret: &Map<String, Value>) -> Result<Self, TokenProblem> {
        let (mut grant, client_id, client_secret, client_authentication) = match authentication {
            Authentication::OAuth2ClientCredentials {
                client_id,
                client_secret,
                client_authentication,
                scope,
                lifetime_seconds,
                ..
            } => {
                let mut form = vec![("grant_type", "client_credentials".to_owned())];
                form.extend(scope.iter().map(|scope| ("scope", scope.clone())));
                let grant = Self { form, basic: None, refresh_token: None, lifetime_seconds: *lifetime_seconds };
                (grant, client_id, client_secret, client_authentication)
            }
            Authentication::OAuth2RefreshToken {
                client_id,
                client_secret,
                refresh_token,
                client_authentication,
                lifetime_seconds,
                ..
            } => {
                let token = credential(secret, refresh_token)?.to_owned();
                let form = vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", token.clone())];
                let refresh_token = Some((refresh_token.clone(), token));
                let grant = Self { form, basic: None, refresh_token, lifetime_seconds: *lifetime_seconds };
                (grant, client_id, client_secret, client_authentication)
            }
            Authentication::None | Authentication::Bearer { .. } | Authentication::StandardWebhooks { .. } => {
                return Err(TokenProblem::Credentials { reason: "the connector has no tokens".to_owned() });
            }
        };
        let (id, key) = (credential(secret, client_id)?, credential(secret, client_secret)?);
        match client_authentication {
            ClientAuthentication::Basic => grant.basic = Some(STANDARD.encode(format!("{id}:{key}"))),
            ClientAuthentication::Form => {
                grant.form.extend([("client_id", id.to_owned()), ("client_secret", key.to_owned())]);
            }
        }
        Ok(grant)
    }
}

/// A credential that has to be there.
pub(super) fn credential<'s>(secret: &'s Map<String, Value>, field: &str) -> Result<&'s str, TokenProblem> {
    match secret.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        _ => Err(TokenProblem::Credentials { reason: format!("the connection's secret has no {field}") }),
    }
}

/// Asks for a token.
pub(super) async fn ask(call: &TokenCall<'_>, grant: &Grant, redactor: &mut Redactor) -> Result<Granted, TokenProblem> {
    let mut headers = HeaderMap::from_iter([
        (ACCEPT, HeaderValue::from_static("application/json")),
        (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
    ]);
    if let Some(basic) = &grant.basic {
        let mut value = HeaderValue::try_from(format!("Basic {basic}"))
            .map_err(|_| TokenProblem::Credentials { reason: "a credential cannot stand in a header".to_owned() })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        redactor.hide(basic);
    }
    let request = HttpRequest {
        method: Method::POST,
        url: call.token_url.clone(),
        headers,
        body: Some(form(&grant.form).into_bytes()),
        timeout: call.timeout,
        response_max_bytes: ANSWER_MAX_BYTES,
    };
    match call.client.execute(call.connection.reach, request).await {
        Ok(answer) if is_success(answer.status) => granted(&answer, grant),
        Ok(answer) => Err(refused(call, &answer, redactor)),
        Err(error @ (RequestError::Refused(_) | RequestError::Malformed)) => {
            Err(TokenProblem::Credentials { reason: format!("the token endpoint: {error}") })
        }
        Err(error @ (RequestError::NotSent { .. } | RequestError::Lost { .. })) => Err(TokenProblem::Unavailable {
            status: None,
            retry_after: None,
            reason: format!("the token endpoint: {error}"),
        }),
    }
}

fn form(fields: &[(&'static str, String)]) -> String {
    let mut url = reqwest::Url::parse("form:").ok();
    if let Some(url) = &mut url {
        url.query_pairs_mut().extend_pairs(fields);
    }
    url.and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}

fn granted(answer: &HttpAnswer, grant: &Grant) -> Result<Granted, TokenProblem> {
    #[derive(Deserialize)]
    struct TokenAnswer {
        access_token: String,
        #[serde(default)]
        expires_in: Option<Value>,
        #[serde(default)]
        refresh_token: Option<String>,
    }
    let read = answer.body.as_deref().ok().and_then(|body| serde_json::from_slice::<TokenAnswer>(body).ok());
    let read = read.filter(|token| !token.access_token.is_empty()).ok_or_else(|| TokenProblem::Unavailable {
        status: Some(answer.status),
        retry_after: None,
        reason: "the token endpoint: its answer cannot be read".to_owned(),
    })?;
    let seconds = match &read.expires_in {
        Some(Value::Number(number)) => number.as_u64(),
        // Against RFC 6749, but seen.
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let seconds = seconds.unwrap_or(u64::from(grant.lifetime_seconds)).min(LONGEST_LIFETIME_SECONDS);
    let rotated = match (&grant.refresh_token, read.refresh_token) {
        (Some((field, old)), Some(new)) if !new.is_empty() && new != *old => Some((field.clone(), new)),
        _ => None,
    };
    Ok(Granted { access_token: read.access_token, expires_in: Duration::from_secs(seconds), rotated })
}

// RFC 6749, section 5.2: 400, or 401 if the client itself is not known.
fn refused(call: &TokenCall<'_>, answer: &HttpAnswer, redactor: &Redactor) -> TokenProblem {
    #[derive(Deserialize)]
    struct ErrorAnswer {
        error: String,
        #[serde(default)]
        error_description: Option<String>,
    }
    let said = body_json(answer).and_then(|json| serde_json::from_str::<ErrorAnswer>(&json.to_text()).ok());
    let mut reason = format!("the token endpoint: {}", answer.status);
    if let Some(ErrorAnswer { error, error_description }) = said {
        reason = format!("{reason} {error} {}", error_description.unwrap_or_default());
    }
    let reason = redactor.clean(reason.trim(), LONGEST_REASON);
    match answer.status {
        408 | 425 | 429 | 500.. => {
            let retry_after = retry_after(answer, call.now);
            TokenProblem::Unavailable { status: Some(answer.status), retry_after, reason }
        }
        status => TokenProblem::Refused { status, reason },
    }
}
