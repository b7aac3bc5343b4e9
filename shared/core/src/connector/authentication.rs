//! How requests prove who sends them.

use super::Template;
use super::operation::Method;
use crate::signature::{Encoding, SignedText, TimeUnit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// For how long a token is used if neither the answer nor the manifest says, in seconds.
const ASSUMED_LIFETIME_SECONDS: u32 = 900;

/// How requests to an application prove who sends them. Fields that name a credential name a
/// field of the connection's secret.
///
/// Tokens are kept as `shared/connect` says; `lifetime_seconds` is for how long one is used if the answer does not
/// say (absent: 15 minutes).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Authentication {
    /// They do not.
    #[default]
    None,
    /// A token that an operator made, as `Authorization: Bearer`.
    Bearer {
        /// The credential that holds the token.
        token: String,
    },
    /// A key that an operator made, in a header or in the query.
    ApiKey {
        /// The credential that holds the key.
        key: String,
        /// The header that carries it. Either this or `query`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<String>,
        /// What stands before it in the header, such as `Token `.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prefix: String,
        /// The parameter of the query that carries it. A header is better: queries are logged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<String>,
    },
    /// `Authorization: Basic` (RFC 7617).
    Basic {
        /// The credential that holds the user's name.
        #[serde(default = "username")]
        username: String,
        /// The credential that holds the password.
        #[serde(default = "password")]
        password: String,
    },
    /// OAuth 2.0 client credentials (RFC 6749, section 4.4).
    #[serde(rename = "oauth2_client_credentials")]
    OAuth2ClientCredentials {
        /// Where tokens are had. Relative (`/…`) means below the base URL.
        token_url: Template,
        /// The credential that holds the client's id.
        #[serde(default = "client_id")]
        client_id: String,
        /// The credential that holds the client's secret.
        #[serde(default = "client_secret")]
        client_secret: String,
        /// How the client proves itself at the token endpoint.
        #[serde(default)]
        client_authentication: ClientAuthentication,
        /// The scope to ask for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        /// For how long a token is used if the answer does not say, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lifetime_seconds: Option<u32>,
    },
    /// OAuth 2.0 authorisation code (RFC 6749, section 4.1, with PKCE, RFC 7636): a person's consent gives a refresh
    /// token, and that gives access tokens (section 6). If an answer brings a new refresh token, it replaces the old one
    /// in the secret.
    #[serde(rename = "oauth2_authorization_code")]
    OAuth2AuthorizationCode {
        /// Where a person consents. Relative (`/…`) means below the base URL.
        authorize_url: Template,
        /// Where tokens are had. Relative (`/…`) means below the base URL.
        token_url: Template,
        /// The scope to ask for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        /// Further parameters of `authorize_url`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        authorize_parameters: BTreeMap<String, String>,
        /// The credential that holds the client's id.
        #[serde(default = "client_id")]
        client_id: String,
        /// The credential that holds the client's secret.
        #[serde(default = "client_secret")]
        client_secret: String,
        /// The credential that holds the refresh token.
        #[serde(default = "refresh_token")]
        refresh_token: String,
        /// How the client proves itself at the token endpoint.
        #[serde(default)]
        client_authentication: ClientAuthentication,
        /// For how long a token is used if the answer does not say, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lifetime_seconds: Option<u32>,
    },
    /// OAuth 2.0 with a signed assertion as the grant (RFC 7523, section 2.1).
    #[serde(rename = "oauth2_jwt_bearer")]
    OAuth2JwtBearer {
        /// Where tokens are had. Relative (`/…`) means below the base URL.
        token_url: Template,
        /// `iss`: who asks, such as the client's id.
        issuer: Claim,
        /// `sub`: whom it is asked for, such as a user's name. Absent: nobody else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<Claim>,
        /// `aud`: who is to believe it. Absent: the token URL.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audience: Option<Template>,
        /// `kid`: which of several keys signs, for applications that ask.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key_id: Option<Claim>,
        /// The credential that holds the private key as PEM, PKCS #8 (or PKCS #1 for RSA, SEC 1 for ECDSA).
        #[serde(default = "private_key")]
        private_key: String,
        /// How it signs.
        #[serde(default)]
        algorithm: JwtAlgorithm,
        /// The scope to ask for; both in the form and as a claim, as vendors differ.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        /// For how long a token is used if the answer does not say, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lifetime_seconds: Option<u32>,
    },
    /// A login that opens a session, which each request then names.
    SessionLogin {
        /// The request that logs in.
        login: Login,
        /// jq over the login's answer: the session's token. Either this or `cookie`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// The cookie of the login's answer that names the session, and that each request sends back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cookie: Option<String>,
        /// The header that carries the token.
        #[serde(default = "authorization", skip_serializing_if = "is_authorization")]
        header: String,
        /// What stands before it in the header, such as `Bearer `.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prefix: String,
        /// For how long a session is used, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lifetime_seconds: Option<u32>,
    },
    /// Each request is signed with a shared key: HMAC-SHA256 over what `signed` says.
    HmacSignature {
        /// The credential that holds the key.
        key: String,
        /// The header that carries the signature.
        header: String,
        /// What stands before it in the header. `{settings.<name>}` may name the key, for example.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prefix: Option<Template>,
        /// How it is written.
        encoding: Encoding,
        /// What is signed.
        signed: SignedText,
        /// The header that carries the time of signing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timestamp_header: Option<String>,
        /// What that time is counted in.
        #[serde(default)]
        timestamp_unit: TimeUnit,
    },
    /// Each request is signed as Standard Webhooks 1.0 says; its id is the idempotency key.
    StandardWebhooks {
        /// The credential that holds the signing secret (`whsec_…`) or private key (`whsk_…`), or several while they
        /// rotate.
        secret: String,
    },
}

/// How an OAuth client proves itself at the token endpoint (RFC 6749, section 2.3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// `Authorization: Basic`.
    #[default]
    Basic,
    /// `client_id` and `client_secret` in the form.
    Form,
}

/// How an assertion is signed (RFC 7518, section 3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum JwtAlgorithm {
    /// RSA, PKCS #1 v1.5, SHA-256.
    #[default]
    RS256,
    /// RSA, PSS, SHA-256.
    PS256,
    /// ECDSA, P-256, SHA-256.
    ES256,
}

impl JwtAlgorithm {
    /// Its name in an assertion's header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
        }
    }
}

/// The value of a claim: a text with places for settings, or a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a text with places such as {settings.user}, or {credential: <its name>}")]
pub enum Claim {
    /// A text; `{settings.<name>}` is filled.
    Text(Template),
    /// A credential.
    Credential {
        /// Its name.
        credential: String,
    },
}

/// The request that opens a session. Its answer is JSON, or sets a cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Its method.
    pub method: Method,
    /// Where it goes, below the base URL.
    pub path: Template,
    /// The fields of its form, each with the credential that fills it. Either this or `json`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub form: BTreeMap<String, String>,
    /// The fields of its JSON body, each with the credential that fills it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub json: BTreeMap<String, String>,
}

impl Authentication {
    /// The credentials that it uses, by the name of their field.
    #[must_use]
    pub fn credentials(&self) -> Vec<&str> {
        match self {
            Self::None => vec![],
            Self::Bearer { token } => vec![token],
            Self::ApiKey { key, .. } | Self::HmacSignature { key, .. } => vec![key],
            Self::Basic { username, password } => vec![username, password],
            Self::OAuth2ClientCredentials { client_id, client_secret, .. } => vec![client_id, client_secret],
            Self::OAuth2AuthorizationCode { client_id, client_secret, refresh_token, .. } => {
                vec![client_id, client_secret, refresh_token]
            }
            Self::OAuth2JwtBearer { issuer, subject, key_id, private_key, .. } => {
                let claims = [Some(issuer), subject.as_ref(), key_id.as_ref()].into_iter().flatten();
                let named = claims.filter_map(Claim::credential);
                named.chain(std::iter::once(private_key.as_str())).collect()
            }
            Self::SessionLogin { login, .. } => {
                login.form.values().chain(login.json.values()).map(String::as_str).collect()
            }
            Self::StandardWebhooks { secret } => vec![secret],
        }
    }

    /// Whether the idempotency key travels with the proof.
    #[must_use]
    pub fn signs_the_key(&self) -> bool {
        matches!(self, Self::StandardWebhooks { .. })
    }

    /// Where tokens are had, if they are had at a URL of their own.
    #[must_use]
    pub fn token_url(&self) -> Option<&Template> {
        match self {
            Self::OAuth2ClientCredentials { token_url, .. }
            | Self::OAuth2AuthorizationCode { token_url, .. }
            | Self::OAuth2JwtBearer { token_url, .. } => Some(token_url),
            _ => None,
        }
    }

    /// The credential that an answer may replace: the refresh token.
    #[must_use]
    pub fn rotated_credential(&self) -> Option<&str> {
        match self {
            Self::OAuth2AuthorizationCode { refresh_token, .. } => Some(refresh_token),
            _ => None,
        }
    }

    /// For how long a token is used if the answer does not say, in seconds, as the manifest says it.
    #[must_use]
    pub fn said_lifetime_seconds(&self) -> Option<u32> {
        match self {
            Self::OAuth2ClientCredentials { lifetime_seconds, .. }
            | Self::OAuth2AuthorizationCode { lifetime_seconds, .. }
            | Self::OAuth2JwtBearer { lifetime_seconds, .. }
            | Self::SessionLogin { lifetime_seconds, .. } => *lifetime_seconds,
            _ => None,
        }
    }

    /// For how long a token is used if the answer does not say, in seconds.
    #[must_use]
    pub fn assumed_lifetime_seconds(&self) -> u32 {
        self.said_lifetime_seconds().unwrap_or(ASSUMED_LIFETIME_SECONDS)
    }
}

impl Claim {
    /// The credential that it names, if it does.
    #[must_use]
    pub fn credential(&self) -> Option<&str> {
        match self {
            Self::Text(_) => None,
            Self::Credential { credential } => Some(credential),
        }
    }
}

fn username() -> String {
    "username".to_owned()
}

fn password() -> String {
    "password".to_owned()
}

fn client_id() -> String {
    "client_id".to_owned()
}

fn client_secret() -> String {
    "client_secret".to_owned()
}

fn refresh_token() -> String {
    "refresh_token".to_owned()
}

fn private_key() -> String {
    "private_key".to_owned()
}

fn authorization() -> String {
    "Authorization".to_owned()
}

fn is_authorization(header: &str) -> bool {
    header == "Authorization"
}
