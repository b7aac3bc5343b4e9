//! What proves who sends a request: a header, a parameter of the query, or a signature over the whole.

use super::Engine;
use super::call::Trouble;
use super::prepare::{Place, PrepareError};
use super::redact::Redactor;
use super::token::TokenCall;
use super::token_request::{TokenProblem, credential, form, sensitive};
use crate::client::HttpRequest;
use crate::connection::Connection;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fluxnex_core::connector::{Authentication, TemplateValues};
use fluxnex_core::signature::{
    ActiveSecrets, Encoding, SignatureError, SignedRequest, SignedText, TimeUnit, sign_request, sign_standard_webhook,
};
use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue};
use std::time::Duration;

/// What proves who sends a request. It has no Debug.
pub(super) enum Proof {
    /// Nothing.
    None,
    /// A header.
    Header { name: HeaderName, value: HeaderValue, credential: String },
    /// A parameter of the query.
    Query { name: String, key: String },
    /// A signature over each request, with a shared key.
    Hmac(Box<RequestSigner>),
    /// A signature over each request, after Standard Webhooks.
    Standard(ActiveSecrets),
}

/// How requests are signed with a shared key.
pub(super) struct RequestSigner {
    key: String,
    header: HeaderName,
    prefix: String,
    encoding: Encoding,
    signed: SignedText,
    timestamp_header: Option<HeaderName>,
    timestamp_unit: TimeUnit,
}

/// Whose requests are to be proved.
pub(super) struct Prover<'a> {
    pub(super) engine: &'a Engine,
    pub(super) connection: &'a Connection,
    pub(super) place: &'a Place,
    /// What one request may take, and what everything may.
    pub(super) timeout: Duration,
    pub(super) left: Duration,
}

impl Prover<'_> {
    /// What proves who sends. `refused` is what the application did not accept.
    pub(super) async fn proof(&self, refused: Option<&str>, redactor: &mut Redactor) -> Result<Proof, Trouble> {
        let authentication = &self.connection.manifest.manifest().authentication;
        match authentication {
            Authentication::None => Ok(Proof::None),
            Authentication::OAuth2ClientCredentials { token_url, .. }
            | Authentication::OAuth2AuthorizationCode { token_url, .. }
            | Authentication::OAuth2JwtBearer { token_url, .. } => {
                let url = token_url.fill(&TemplateValues::settings(&self.place.settings), str::to_owned);
                let url = url.map_err(PrepareError::from)?;
                let url = match url.starts_with('/') {
                    true => self.place.below(&url)?,
                    false => Url::parse(&url).map_err(|_| PrepareError::BaseUrl)?,
                };
                let token = self.token(url, refused, redactor).await?;
                header("authorization", "Bearer ", &token)
            }
            Authentication::SessionLogin { login, cookie, header: name, prefix, .. } => {
                let path = login.path.fill(&TemplateValues::settings(&self.place.settings), str::to_owned);
                let url = self.place.below(&path.map_err(PrepareError::from)?)?;
                let token = self.token(url, refused, redactor).await?;
                match cookie {
                    Some(cookie) => header(COOKIE.as_str(), &format!("{cookie}="), &token),
                    None => header(name, prefix, &token),
                }
            }
            _ => {
                let (secrets, name) = (self.engine.secrets.as_ref(), &self.connection.secret_name);
                let secret = if refused.is_some() { secrets.refresh(name).await } else { secrets.get(name).await };
                let secret = secret.map_err(TokenProblem::from)?;
                redactor.hide_all(&secret);
                self.of_secret(authentication, &secret, redactor)
            }
        }
    }

    async fn token(&self, url: Url, refused: Option<&str>, redactor: &mut Redactor) -> Result<String, TokenProblem> {
        let Self { engine, connection, place, timeout, left } = *self;
        let call = TokenCall {
            client: &engine.client,
            secrets: engine.secrets.as_ref(),
            connection,
            place,
            url,
            clock: engine.now.as_ref(),
            pause: &engine.pause,
            timeout,
            left,
        };
        engine.tokens.get(&call, refused, redactor).await
    }

    fn of_secret(
        &self,
        authentication: &Authentication,
        secret: &serde_json::Map<String, serde_json::Value>,
        redactor: &mut Redactor,
    ) -> Result<Proof, Trouble> {
        match authentication {
            Authentication::Bearer { token } => header("authorization", "Bearer ", credential(secret, token)?),
            Authentication::ApiKey { key, header: name, prefix, query } => {
                let key = credential(secret, key)?;
                match (name, query) {
                    (Some(name), _) => header(name, prefix, key),
                    (None, query) => {
                        let name = query.clone().unwrap_or_default();
                        redactor.hide(form(&[("", key)]).trim_start_matches('='));
                        Ok(Proof::Query { name, key: key.to_owned() })
                    }
                }
            }
            Authentication::Basic { username, password } => {
                let (username, password) = (credential(secret, username)?, credential(secret, password)?);
                // RFC 7617, section 2: a name with a colon would be taken for another one.
                if username.contains(':') {
                    let reason = "a user name with a colon cannot be sent as Basic".to_owned();
                    return Err(TokenProblem::Credentials { reason }.into());
                }
                let pair = STANDARD.encode(format!("{username}:{password}"));
                redactor.hide(&pair);
                header("authorization", "Basic ", &pair)
            }
            Authentication::HmacSignature {
                key,
                header,
                prefix,
                encoding,
                signed,
                timestamp_header,
                timestamp_unit,
            } => {
                let prefix = prefix.as_ref().map_or_else(
                    || Ok(String::new()),
                    |prefix| prefix.fill(&TemplateValues::settings(&self.place.settings), str::to_owned),
                );
                Ok(Proof::Hmac(Box::new(RequestSigner {
                    key: credential(secret, key)?.to_owned(),
                    header: header_name(header)?,
                    prefix: prefix.map_err(PrepareError::from)?,
                    encoding: *encoding,
                    signed: signed.clone(),
                    timestamp_header: timestamp_header.as_deref().map(header_name).transpose()?,
                    timestamp_unit: *timestamp_unit,
                })))
            }
            Authentication::StandardWebhooks { secret: field } => {
                ActiveSecrets::of(secret, field).map(Proof::Standard).map_err(trouble)
            }
            Authentication::None
            | Authentication::OAuth2ClientCredentials { .. }
            | Authentication::OAuth2AuthorizationCode { .. }
            | Authentication::OAuth2JwtBearer { .. }
            | Authentication::SessionLogin { .. } => Ok(Proof::None),
        }
    }
}

impl Proof {
    /// What a refusal is about: a token or a key. It is read or had once more, and if it is another one then, the request
    /// is made once more.
    pub(super) fn credential(&self) -> Option<&str> {
        match self {
            Self::Header { credential, .. } => Some(credential),
            Self::Query { key, .. } => Some(key),
            Self::Hmac(signer) => Some(&signer.key),
            Self::None | Self::Standard(_) => None,
        }
    }

    /// Adds the proof to a request that is complete otherwise.
    pub(super) fn add(
        &self,
        request: &mut HttpRequest,
        key: Option<&str>,
        now: Timestamp,
        redactor: &mut Redactor,
    ) -> Result<(), Trouble> {
        match self {
            Self::None => {}
            Self::Header { name, value, .. } => {
                request.headers.insert(name, value.clone());
            }
            Self::Query { name, key } => {
                let pair = form(&[(name, key)]).replace('+', "%20");
                let query = request.url.query().filter(|query| !query.is_empty());
                let query = query.map_or_else(|| pair.clone(), |query| format!("{query}&{pair}"));
                request.url.set_query(Some(&query));
            }
            Self::Hmac(signer) => signer.add(request, now, redactor)?,
            Self::Standard(secrets) => {
                let body = request.body.as_deref().unwrap_or_default();
                let signed = sign_standard_webhook(secrets, key.unwrap_or_default(), now, body).map_err(trouble)?;
                for (name, value) in [
                    ("webhook-id", &signed.id),
                    ("webhook-timestamp", &signed.timestamp),
                    ("webhook-signature", &signed.signature),
                ] {
                    request.headers.insert(name, sensitive(value)?);
                }
            }
        }
        Ok(())
    }
}

impl RequestSigner {
    fn add(&self, request: &mut HttpRequest, now: Timestamp, redactor: &mut Redactor) -> Result<(), Trouble> {
        let body = request.body.as_deref().unwrap_or_default();
        let seen = SignedRequest { method: request.method.as_str(), url: request.url.as_str(), body };
        let signature = sign_request(&self.key, &self.signed, self.encoding, self.timestamp_unit, &seen, now);
        let signature = signature.map_err(trouble)?;
        redactor.hide(&signature.signature);
        let value = sensitive(&format!("{}{}", self.prefix, signature.signature))?;
        request.headers.insert(&self.header, value);
        if let Some(name) = &self.timestamp_header {
            request.headers.insert(name, sensitive(&signature.timestamp)?);
        }
        Ok(())
    }
}

fn header(name: &str, prefix: &str, credential: &str) -> Result<Proof, Trouble> {
    let value = sensitive(&format!("{prefix}{credential}"))?;
    let name = if name.eq_ignore_ascii_case("authorization") { AUTHORIZATION } else { header_name(name)? };
    Ok(Proof::Header { name, value, credential: credential.to_owned() })
}

fn header_name(name: &str) -> Result<HeaderName, Trouble> {
    HeaderName::try_from(name).map_err(|_| PrepareError::Value { part: "headers" }.into())
}

fn trouble(error: SignatureError) -> Trouble {
    match error {
        SignatureError::MessageId => PrepareError::Value { part: "idempotency key" }.into(),
        error => TokenProblem::Credentials { reason: error.to_string() }.into(),
    }
}
