//! How a new connector proves itself: the parts of its files that depend on it.

use std::str::FromStr;

/// How requests prove who sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They do not.
    None,
    /// An API key in a header.
    ApiKey,
    /// `Authorization: Bearer`, with a token that does not change.
    Bearer,
    /// A user name and a password.
    Basic,
    /// OAuth 2.0 client credentials.
    OAuth2ClientCredentials,
    /// OAuth 2.0 authorisation code, with a refresh token.
    OAuth2AuthorizationCode,
}

impl Kind {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 6] = [
        Self::Bearer,
        Self::ApiKey,
        Self::Basic,
        Self::OAuth2ClientCredentials,
        Self::OAuth2AuthorizationCode,
        Self::None,
    ];

    /// Its name in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ApiKey => "api_key",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::OAuth2ClientCredentials => "oauth2_client_credentials",
            Self::OAuth2AuthorizationCode => "oauth2_authorization_code",
        }
    }

    pub(super) fn parts(self) -> Parts {
        match self {
            Self::None => Parts { authentication: "authentication: {kind: none}", ..Parts::default() },
            Self::ApiKey => API_KEY,
            Self::Bearer => BEARER,
            Self::Basic => BASIC,
            Self::OAuth2ClientCredentials => CLIENT_CREDENTIALS,
            Self::OAuth2AuthorizationCode => AUTHORIZATION_CODE,
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = text.replace('-', "_");
        let names = Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|kind| kind.name() == wanted).ok_or_else(|| format!("there are: {names}"))
    }
}

/// What stands in the places of the files.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) credentials: &'static str,
    pub(super) authentication: &'static str,
    pub(super) table: &'static str,
    pub(super) secret: &'static str,
    pub(super) token: &'static str,
    pub(super) proof: &'static str,
}

const API_KEY: Parts = Parts {
    credentials: "\
# What a person is asked for when a connection is added. It goes to Secrets Manager and nowhere else.
credentials:
  api_key:
    description: An API key that an administrator made.
",
    authentication: "\
authentication:
  kind: api_key
  key: api_key
  header: X-Api-Key",
    table: "\
| field of the secret | meaning |
| --- | --- |
| `api_key` | API key that an administrator made |

",
    secret: "secret: {api_key: example-key}",
    proof: "          headers: {X-Api-Key: example-key}",
    token: "",
};

const BEARER: Parts = Parts {
    credentials: "\
# What a person is asked for when a connection is added. It goes to Secrets Manager and nowhere else.
credentials:
  api_token:
    description: An API token that an administrator made.
",
    authentication: "\
authentication:
  kind: bearer
  token: api_token",
    table: "\
| field of the secret | meaning |
| --- | --- |
| `api_token` | API token that an administrator made |

",
    secret: "secret: {api_token: example-token}",
    proof: "          headers: {Authorization: Bearer example-token}",
    token: "",
};

const BASIC: Parts = Parts {
    credentials: "\
# What a person is asked for when a connection is added. It goes to Secrets Manager and nowhere else.
credentials:
  username:
    description: Name of a user made for FluxNex.
  password:
    description: Password of that user.
",
    authentication: "\
authentication:
  kind: basic
  username: username
  password: password",
    table: "\
| field of the secret | meaning |
| --- | --- |
| `username` | name of a user made for FluxNex |
| `password` | password of that user |

",
    secret: "secret: {username: example-user, password: example-password}",
    // Basic of example-user:example-password
    proof: "          headers: {Authorization: Basic ZXhhbXBsZS11c2VyOmV4YW1wbGUtcGFzc3dvcmQ=}",
    token: "",
};

const CLIENT_CREDENTIALS: Parts = Parts {
    credentials: "\
# What a person is asked for when a connection is added. It goes to Secrets Manager and nowhere else.
credentials:
  client_id:
    description: Client ID of the app made for FluxNex.
  client_secret:
    description: Client secret of that app.
",
    authentication: "\
authentication:
  kind: oauth2_client_credentials
  # Relative: below the base URL.
  token_url: /oauth/token
  client_authentication: basic
  lifetime_seconds: 3600",
    table: "\
| field of the secret | meaning |
| --- | --- |
| `client_id` | client ID of the app made for FluxNex |
| `client_secret` | client secret of that app |

",
    secret: "secret: {client_id: example-client, client_secret: example-client-secret}",
    token: "\
token:
  request:
    method: POST
    path: /oauth/token
    # Basic of example-client:example-client-secret
    headers: {Authorization: Basic ZXhhbXBsZS1jbGllbnQ6ZXhhbXBsZS1jbGllbnQtc2VjcmV0}
    form: {grant_type: client_credentials}
  answer: {status: 200, body: {access_token: example-token, expires_in: 3600, token_type: bearer}}
",
    proof: "          headers: {Authorization: Bearer example-token}",
};

const AUTHORIZATION_CODE: Parts = Parts {
    credentials: "\
# What a person is asked for when a connection is added. It goes to Secrets Manager and nowhere else.
credentials:
  client_id:
    description: Client ID of the app made for FluxNex.
  client_secret:
    description: Client secret of that app.
  refresh_token:
    description: Refresh token of a person's consent; `fluxnex connection authorise` gets it.
",
    authentication: "\
authentication:
  kind: oauth2_authorization_code
  # Where a person consents, and where tokens are had. Relative: below the base URL.
  authorize_url: /oauth/authorize
  token_url: /oauth/token
  client_authentication: basic
  lifetime_seconds: 3600",
    table: "\
| field of the secret | meaning |
| --- | --- |
| `client_id` | client ID of the app made for FluxNex |
| `client_secret` | client secret of that app |
| `refresh_token` | refresh token of a person's consent; `fluxnex connection authorise` gets it |

",
    secret: "\
secret: {client_id: example-client, client_secret: example-client-secret, refresh_token: example-refresh-token}",
    token: "\
token:
  request:
    method: POST
    path: /oauth/token
    # Basic of example-client:example-client-secret
    headers: {Authorization: Basic ZXhhbXBsZS1jbGllbnQ6ZXhhbXBsZS1jbGllbnQtc2VjcmV0}
    form: {grant_type: refresh_token, refresh_token: example-refresh-token}
  answer: {status: 200, body: {access_token: example-token, expires_in: 3600, token_type: bearer}}
",
    proof: "          headers: {Authorization: Bearer example-token}",
};
