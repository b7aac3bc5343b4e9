//! One request for a token: to an OAuth 2.0 token endpoint (RFC 6749, sections 4.4, 5 and 6; RFC 7523), or a login.

use super::answer::{body_json, is_success, retry_after};
use super::assertion::{Claims, Signer, assertion};
use super::prepare::PrepareError;
use super::redact::Redactor;
use super::session::{Session, opened};
use super::token::TokenCall;
use crate::client::{HttpAnswer, HttpRequest, RequestError};
use crate::outcome::LONGEST_REASON;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluxnex_core::connector::{Authentication, Claim, ClientAuthentication, Template, TemplateValues};
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The largest answer of a token endpoint, in bytes.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// The longest time that a token is believed to last, in seconds.
const LONGEST_LIFETIME_SECONDS: u64 = 24 * 60 * 60;
/// The type of grant that an assertion is (RFC 7523, section 2.1).
const ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

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
pub(super) struct Grant {
    ask: Ask,
    /// A digest of the credentials and of what they are used for.
    pub(super) digest: String,
}

enum Ask {
    Form { form: Vec<(&'static str, String)>, basic: Option<String>, refresh_token: Option<(String, String)> },
    Assertion { claims: Claims, signer: Signer },
    Session(Session),
}

/// A token that was granted.
pub(super) struct Granted {
    pub(super) access_token: String,
    pub(super) expires_in: Duration,
    /// The field and the value of a new refresh token.
    pub(super) rotated: Option<(String, String)>,
}

impl Grant {
    pub(super) fn of(call: &TokenCall<'_>, secret: &Map<String, Value>) -> Result<Self, TokenProblem> {
        let authentication = call.authentication();
        let ask = match authentication {
            Authentication::OAuth2ClientCredentials {
                client_id, client_secret, client_authentication, scope, ..
            } => {
                let mut form = vec![("grant_type", "client_credentials".to_owned())];
                form.extend(scope.iter().map(|scope| ("scope", scope.clone())));
                let basic = client(secret, (client_id, client_secret), *client_authentication, &mut form)?;
                Ask::Form { form, basic, refresh_token: None }
            }
            Authentication::OAuth2AuthorizationCode {
                client_id,
                client_secret,
                refresh_token,
                client_authentication,
                ..
            } => {
                let token = credential(secret, refresh_token)?.to_owned();
                let mut form = vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", token.clone())];
                let basic = client(secret, (client_id, client_secret), *client_authentication, &mut form)?;
                Ask::Form { form, basic, refresh_token: Some((refresh_token.clone(), token)) }
            }
            Authentication::OAuth2JwtBearer {
                issuer,
                subject,
                audience,
                key_id,
                private_key,
                algorithm,
                scope,
                ..
            } => {
                let audience = audience.as_ref().map(|audience| filled(call, audience)).transpose()?;
                let claims = Claims {
                    iss: claim(call, secret, issuer)?,
                    sub: subject.as_ref().map(|subject| claim(call, secret, subject)).transpose()?,
                    aud: audience.unwrap_or_else(|| call.url.to_string()),
                    scope: scope.clone(),
                };
                let key_id = key_id.as_ref().map(|key_id| claim(call, secret, key_id)).transpose()?;
                let private_key = credential(secret, private_key)?.to_owned();
                Ask::Assertion { claims, signer: Signer { algorithm: *algorithm, key_id, private_key } }
            }
            Authentication::SessionLogin { login, .. } => Ask::Session(Session::of(login, secret)?),
            _ => return Err(TokenProblem::Credentials { reason: "the connector has no tokens".to_owned() }),
        };
        Ok(Self { ask, digest: digest(call, secret) })
    }

    fn refresh_token(&self) -> Option<&(String, String)> {
        match &self.ask {
            Ask::Form { refresh_token, .. } => refresh_token.as_ref(),
            Ask::Assertion { .. } | Ask::Session(_) => None,
        }
    }
}

/// A digest of the credentials in a secret, and of what they are used for: whom a token that lies beside them is of.
pub(super) fn digest(call: &TokenCall<'_>, secret: &Map<String, Value>) -> String {
    let authentication = call.authentication();
    let mut parts = vec![call.url.to_string()];
    if let Authentication::OAuth2JwtBearer { issuer, subject, audience, .. } = authentication {
        let texts = [Some(issuer), subject.as_ref()].into_iter().flatten().filter_map(|claim| match claim {
            Claim::Text(text) => Some(text),
            Claim::Credential { .. } => None,
        });
        parts.extend(texts.chain(audience).map(|text| filled(call, text).unwrap_or_default()));
    }
    for name in authentication.credentials() {
        parts.extend([name.to_owned(), secret.get(name).map(Value::to_string).unwrap_or_default()]);
    }
    // The lengths keep one part from running into the next.
    let text: String = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    let mut digest = hex::encode(Sha256::digest(text));
    digest.truncate(32);
    digest
}

/// Lets the client prove itself: in the form, or by what is given back, for `Authorization: Basic`.
pub(super) fn client(
    secret: &Map<String, Value>,
    (client_id, client_secret): (&str, &str),
    how: ClientAuthentication,
    form: &mut Vec<(&'static str, String)>,
) -> Result<Option<String>, TokenProblem> {
    let (id, key) = (credential(secret, client_id)?, credential(secret, client_secret)?);
    match how {
        ClientAuthentication::Basic => Ok(Some(STANDARD.encode(format!("{id}:{key}")))),
        ClientAuthentication::Form => {
            form.extend([("client_id", id.to_owned()), ("client_secret", key.to_owned())]);
            Ok(None)
        }
    }
}

fn filled(call: &TokenCall<'_>, template: &Template) -> Result<String, TokenProblem> {
    let filled = template.fill(&TemplateValues::settings(&call.place.settings), str::to_owned);
    filled.map_err(|error| TokenProblem::Credentials { reason: PrepareError::from(error).to_string() })
}

fn claim(call: &TokenCall<'_>, secret: &Map<String, Value>, claim: &Claim) -> Result<String, TokenProblem> {
    match claim {
        Claim::Text(text) => filled(call, text),
        Claim::Credential { credential: name } => credential(secret, name).map(str::to_owned),
    }
}

/// A credential that has to be there.
pub(super) fn credential<'s>(secret: &'s Map<String, Value>, field: &str) -> Result<&'s str, TokenProblem> {
    match secret.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        _ => Err(TokenProblem::Credentials { reason: format!("the connection's secret has no {field}") }),
    }
}

/// Asks for a token; `timeout` is for the whole answer.
pub(super) async fn ask(
    call: &TokenCall<'_>,
    grant: &Grant,
    timeout: Duration,
    redactor: &mut Redactor,
) -> Result<Granted, TokenProblem> {
    let request = request(call, grant, timeout, redactor)?;
    let place = grant.place();
    match call.client.execute(call.connection.reach, request).await {
        Ok(answer) if is_success(answer.status) => granted(call, &answer, grant),
        Ok(answer) => Err(refused(call, &answer, place, redactor)),
        Err(error @ (RequestError::Refused(_) | RequestError::Malformed)) => {
            Err(TokenProblem::Credentials { reason: format!("{place}: {error}") })
        }
        Err(error @ (RequestError::NotSent { .. } | RequestError::Lost { .. })) => {
            Err(TokenProblem::Unavailable { status: None, retry_after: None, reason: format!("{place}: {error}") })
        }
    }
}

impl Grant {
    /// Where it is asked for, in words.
    fn place(&self) -> &'static str {
        match self.ask {
            Ask::Session(_) => "the login",
            Ask::Form { .. } | Ask::Assertion { .. } => "the token endpoint",
        }
    }
}

fn request(
    call: &TokenCall<'_>,
    grant: &Grant,
    timeout: Duration,
    redactor: &mut Redactor,
) -> Result<HttpRequest, TokenProblem> {
    let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
    let mut content_type = "application/x-www-form-urlencoded";
    let mut method = Method::POST;
    let body = match &grant.ask {
        Ask::Form { form: fields, basic, .. } => {
            if let Some(basic) = basic {
                headers.insert(AUTHORIZATION, sensitive(&format!("Basic {basic}"))?);
                redactor.hide(basic);
            }
            form(fields)
        }
        Ask::Assertion { claims, signer } => {
            let assertion = assertion(claims, signer, call.now())?;
            redactor.hide(&assertion);
            let mut fields = vec![("grant_type", ASSERTION.to_owned()), ("assertion", assertion)];
            fields.extend(claims.scope.iter().map(|scope| ("scope", scope.clone())));
            form(&fields)
        }
        Ask::Session(session) => {
            (method, content_type) = (session.method.clone(), session.content_type());
            session.body()
        }
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let url = call.url.clone();
    Ok(HttpRequest {
        method,
        url,
        headers,
        body: Some(body.into_bytes()),
        timeout,
        response_max_bytes: ANSWER_MAX_BYTES,
    })
}

/// A header's value that no log shows.
pub(super) fn sensitive(text: &str) -> Result<HeaderValue, TokenProblem> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| TokenProblem::Credentials { reason: "a credential cannot stand in a header".to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Fields as a form writes them.
pub(super) fn form<N: AsRef<str>, V: AsRef<str>>(fields: &[(N, V)]) -> String {
    let mut url = reqwest::Url::parse("form:").ok();
    if let Some(url) = &mut url {
        url.query_pairs_mut().extend_pairs(fields);
    }
    url.and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}

fn granted(call: &TokenCall<'_>, answer: &HttpAnswer, grant: &Grant) -> Result<Granted, TokenProblem> {
    #[derive(Deserialize)]
    struct TokenAnswer {
        access_token: String,
        #[serde(default)]
        expires_in: Option<Value>,
        #[serde(default)]
        refresh_token: Option<String>,
    }
    let assumed = u64::from(call.authentication().assumed_lifetime_seconds());
    let unreadable = || TokenProblem::Unavailable {
        status: Some(answer.status),
        retry_after: None,
        reason: format!("{}: its answer cannot be read", grant.place()),
    };
    if let Ask::Session(_) = &grant.ask {
        let access_token = opened(call, answer).ok_or_else(unreadable)?;
        return Ok(Granted { access_token, expires_in: Duration::from_secs(assumed), rotated: None });
    }
    let read = answer.body.as_deref().ok().and_then(|body| serde_json::from_slice::<TokenAnswer>(body).ok());
    let read = read.filter(|token| !token.access_token.is_empty()).ok_or_else(unreadable)?;
    let seconds = match &read.expires_in {
        Some(Value::Number(number)) => number.as_u64(),
        // Against RFC 6749, but seen.
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    let seconds = seconds.unwrap_or(assumed).min(LONGEST_LIFETIME_SECONDS);
    let rotated = match (grant.refresh_token(), read.refresh_token) {
        (Some((field, old)), Some(new)) if !new.is_empty() && new != *old => Some((field.clone(), new)),
        _ => None,
    };
    Ok(Granted { access_token: read.access_token, expires_in: Duration::from_secs(seconds), rotated })
}

// RFC 6749, section 5.2: 400, or 401 if the client itself is not known.
fn refused(call: &TokenCall<'_>, answer: &HttpAnswer, place: &str, redactor: &Redactor) -> TokenProblem {
    #[derive(Deserialize)]
    struct ErrorAnswer {
        error: String,
        #[serde(default)]
        error_description: Option<String>,
    }
    let said = body_json(answer).and_then(|json| serde_json::from_str::<ErrorAnswer>(&json.to_text()).ok());
    let mut reason = format!("{place}: {}", answer.status);
    if let Some(ErrorAnswer { error, error_description }) = said {
        reason = format!("{reason} {error} {}", error_description.unwrap_or_default());
    }
    let reason = redactor.clean(reason.trim(), LONGEST_REASON);
    match answer.status {
        408 | 425 | 429 | 500.. => {
            let retry_after = retry_after(answer, call.now());
            TokenProblem::Unavailable { status: Some(answer.status), retry_after, reason }
        }
        status => TokenProblem::Refused { status, reason },
    }
}
