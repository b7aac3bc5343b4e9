//! A person's consent (RFC 6749, section 4.1): where it is given, and what the code that comes back is exchanged for.
//!
//! Always with PKCE (RFC 7636, S256) and `state` (RFC 9700, section 2.1.1). Who asks keeps the verifier to itself until
//! the code is there; the client's secret and the refresh token stay on this side.

use super::Engine;
use super::answer::{body_json, is_success};
use super::prepare::Place;
use super::redact::Redactor;
use super::token_request::{TokenProblem, client, credential, form, sensitive};
use crate::client::{HttpAnswer, HttpRequest};
use crate::connection::Connection;
use crate::outcome::LONGEST_REASON;
use fluxnex_core::connector::{Authentication, TemplateValues};
use fluxnex_core::secret_source::{SecretSourceError, TOKEN_FIELD};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// The largest answer of a token endpoint, in bytes.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// For how long the secret is locked: the exchange, and storing what came of it.
const LOCKED: Duration = Duration::from_secs(60);

/// What a person is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Consent<'a> {
    /// Where the application sends the person back to.
    pub redirect_uri: &'a str,
    /// What comes back unchanged, so that a stranger's code is not taken.
    pub state: &'a str,
    /// base64url of the verifier's SHA-256.
    pub code_challenge: &'a str,
}

/// What came back. It has no Debug.
#[derive(Clone, Copy)]
pub struct Code<'a> {
    /// The code.
    pub code: &'a str,
    /// What the challenge was made of.
    pub code_verifier: &'a str,
    /// Where the person was sent back to.
    pub redirect_uri: &'a str,
}

/// Why there is no consent. Never quotes a credential.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// The connector is not authorised by a person's consent.
    #[error("the connector is not authorised by a person's consent")]
    OtherKind,
    /// The connection's settings or credentials are not complete, or lead nowhere.
    #[error("{reason}")]
    Connection {
        /// What is wrong.
        reason: String,
    },
    /// The application refuses the code.
    #[error("{reason}")]
    Refused {
        /// The application's words.
        reason: String,
    },
    /// The application, or the store of secrets, does not answer.
    #[error("{reason}")]
    Unavailable {
        /// What is wrong.
        reason: String,
    },
}

impl From<TokenProblem> for ConsentError {
    fn from(problem: TokenProblem) -> Self {
        match problem {
            TokenProblem::Credentials { reason } => Self::Connection { reason },
            TokenProblem::Refused { reason, .. } => Self::Refused { reason },
            TokenProblem::Unavailable { reason, .. } => Self::Unavailable { reason },
        }
    }
}

impl From<SecretSourceError> for ConsentError {
    fn from(error: SecretSourceError) -> Self {
        match error {
            SecretSourceError::Unusable => Self::Connection { reason: error.to_string() },
            SecretSourceError::Unavailable => Self::Unavailable { reason: error.to_string() },
        }
    }
}

/// What a token endpoint answers to a code (RFC 6749, section 5).
#[derive(Deserialize)]
struct Granted {
    #[serde(default)]
    refresh_token: String,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Engine {
    /// The address at which a person consents.
    ///
    /// # Errors
    /// [`ConsentError`].
    pub async fn consent_url(&self, connection: &Connection, consent: &Consent<'_>) -> Result<Url, ConsentError> {
        let Authentication::OAuth2AuthorizationCode { authorize_url, client_id, scope, authorize_parameters, .. } =
            &connection.manifest.manifest().authentication
        else {
            return Err(ConsentError::OtherKind);
        };
        let secret = self.secrets.latest(&connection.secret_name).await?;
        let mut url = address(connection, authorize_url)?;
        // What a manifest adds must not stand in for what protects the flow.
        let own = [
            ("response_type", "code"),
            ("client_id", credential(&secret, client_id)?),
            ("redirect_uri", consent.redirect_uri),
            ("state", consent.state),
            ("code_challenge", consent.code_challenge),
            ("code_challenge_method", "S256"),
        ];
        let mut pairs = url.query_pairs_mut();
        pairs.extend_pairs(own);
        pairs.extend_pairs(scope.iter().map(|scope| ("scope", scope)));
        let further = authorize_parameters.iter().filter(|(name, _)| own.iter().all(|(known, _)| known != name));
        pairs.extend_pairs(further);
        drop(pairs);
        Ok(url)
    }

    /// Exchanges a code for a refresh token, and stores that in the connection's secret. The secret is locked
    /// meanwhile: a renewal under way must not overwrite it, and a code can be exchanged once only.
    ///
    /// # Errors
    /// [`ConsentError`].
    pub async fn redeem(
        &self,
        connection: &Connection,
        code: &Code<'_>,
        timeout: Duration,
    ) -> Result<(), ConsentError> {
        let name = &connection.secret_name;
        let Some(lock) = self.secrets.lock(name, None, LOCKED).await? else {
            let reason = "the connection's token is being renewed: try again in a minute".to_owned();
            return Err(ConsentError::Unavailable { reason });
        };
        let redeemed = self.exchange_code(connection, code, timeout).await;
        self.secrets.unlock(name, lock).await;
        redeemed
    }

    async fn exchange_code(
        &self,
        connection: &Connection,
        code: &Code<'_>,
        timeout: Duration,
    ) -> Result<(), ConsentError> {
        let Authentication::OAuth2AuthorizationCode {
            token_url,
            client_id,
            client_secret,
            refresh_token,
            client_authentication,
            ..
        } = &connection.manifest.manifest().authentication
        else {
            return Err(ConsentError::OtherKind);
        };
        let mut secret = self.secrets.latest(&connection.secret_name).await?;
        let mut redactor = Redactor::default();
        redactor.hide_all(&secret);
        redactor.hide(code.code);
        redactor.hide(code.code_verifier);
        let mut fields = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.code.to_owned()),
            ("redirect_uri", code.redirect_uri.to_owned()),
            ("code_verifier", code.code_verifier.to_owned()),
        ];
        let basic = client(&secret, (client_id, client_secret), *client_authentication, &mut fields)?;
        let mut headers = HeaderMap::from_iter([
            (ACCEPT, HeaderValue::from_static("application/json")),
            (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
        ]);
        if let Some(basic) = basic {
            headers.insert(AUTHORIZATION, sensitive(&format!("Basic {basic}"))?);
        }
        let request = HttpRequest {
            method: Method::POST,
            url: address(connection, token_url)?,
            headers,
            body: Some(form(&fields).into_bytes()),
            timeout,
            response_max_bytes: ANSWER_MAX_BYTES,
        };
        let answer = self.client.execute(connection.reach, request).await.map_err(|error| {
            let reason = format!("the token endpoint: {error}");
            ConsentError::Unavailable { reason }
        })?;
        let token = granted(&answer, &redactor)?;
        secret.insert(refresh_token.clone(), Value::String(token));
        // An access token of the consent before is of no use any more.
        secret.remove(TOKEN_FIELD);
        Ok(self.secrets.put(&connection.secret_name, secret).await?)
    }
}

fn address(connection: &Connection, template: &fluxnex_core::connector::Template) -> Result<Url, ConsentError> {
    let wrong = |error: &dyn std::fmt::Display| ConsentError::Connection { reason: error.to_string() };
    let place = Place::of(connection).map_err(|error| wrong(&error))?;
    let values = TemplateValues::settings(&place.settings);
    let text = template.fill(&values, str::to_owned).map_err(|error| wrong(&error))?;
    if text.starts_with('/') {
        return place.below(&text).map_err(|error| wrong(&error));
    }
    Url::parse(&text).map_err(|_| wrong(&"the address of the token endpoint or of the consent is no URL"))
}

fn granted(answer: &HttpAnswer, redactor: &Redactor) -> Result<String, ConsentError> {
    let body = body_json(answer).map(|json| json.to_text()).unwrap_or_default();
    if !is_success(answer.status) {
        let mut reason = format!("the token endpoint: {}", answer.status);
        if let Ok(said) = serde_json::from_str::<Refused>(&body) {
            reason = format!("{reason} {} {}", said.error, said.error_description);
        }
        let reason = redactor.clean(reason.trim(), LONGEST_REASON);
        return Err(match answer.status {
            408 | 425 | 429 | 500.. => ConsentError::Unavailable { reason },
            _ => ConsentError::Refused { reason },
        });
    }
    let granted = serde_json::from_str::<Granted>(&body).ok().map(|granted| granted.refresh_token);
    granted.filter(|token| !token.is_empty()).ok_or_else(|| ConsentError::Refused {
        reason:
            "the token endpoint gave no refresh token: some applications want a scope such as offline_access for one"
                .to_owned(),
    })
}
