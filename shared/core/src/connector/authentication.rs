//! How requests prove who sends them.

use super::Template;
use serde::{Deserialize, Serialize};

/// How requests to an application prove who sends them. Fields that name a credential name a
/// field of the connection's secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
        #[serde(default = "lifetime_seconds")]
        lifetime_seconds: u32,
    },
    /// OAuth 2.0 refresh token (RFC 6749, section 6), made by a person's consent. If the answer
    /// brings a new refresh token, it replaces the old one in the secret.
    #[serde(rename = "oauth2_refresh_token")]
    OAuth2RefreshToken {
        /// Where tokens are had. Relative (`/…`) means below the base URL.
        token_url: Template,
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
        #[serde(default = "lifetime_seconds")]
        lifetime_seconds: u32,
    },
    /// Each request is signed as Standard Webhooks 1.0 says; its id is the idempotency key.
    StandardWebhooks {
        /// The credential that holds the signing secret, or several while they rotate.
        secret: String,
    },
}

/// How an OAuth client proves itself at the token endpoint (RFC 6749, section 2.3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// `Authorization: Basic`.
    #[default]
    Basic,
    /// `client_id` and `client_secret` in the form.
    Form,
}

impl Authentication {
    /// The credentials that it uses, by the name of their field.
    #[must_use]
    pub fn credentials(&self) -> Vec<&str> {
        match self {
            Self::None => vec![],
            Self::Bearer { token } => vec![token],
            Self::OAuth2ClientCredentials { client_id, client_secret, .. } => vec![client_id, client_secret],
            Self::OAuth2RefreshToken { client_id, client_secret, refresh_token, .. } => {
                vec![client_id, client_secret, refresh_token]
            }
            Self::StandardWebhooks { secret } => vec![secret],
        }
    }

    /// Whether the idempotency key travels with the proof.
    #[must_use]
    pub fn signs_the_key(&self) -> bool {
        matches!(self, Self::StandardWebhooks { .. })
    }

    /// Where tokens are had, if they are.
    #[must_use]
    pub fn token_url(&self) -> Option<&Template> {
        match self {
            Self::OAuth2ClientCredentials { token_url, .. } | Self::OAuth2RefreshToken { token_url, .. } => {
                Some(token_url)
            }
            Self::None | Self::Bearer { .. } | Self::StandardWebhooks { .. } => None,
        }
    }
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

fn lifetime_seconds() -> u32 {
    900
}
