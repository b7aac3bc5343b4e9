//! What logs in to PostgreSQL: the password of a secret, or a token of IAM in its place.

use crate::BoxError;
use crate::secrets::{SecretError, SecretValue, Secrets};
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use futures::future::BoxFuture;
use serde_json::Value;
use std::fmt::Write;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long a token is good for: the longest that RDS allows. It is needed only while connecting.
const TOKEN_LIFE: Duration = Duration::from_secs(900);

/// How to log in, as the setting `DATABASE_AUTH` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseAuth {
    /// With the password of the secret.
    Password,
    /// With a token of IAM, made for each new connection.
    Iam,
}

/// The setting is neither `password` nor `iam`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a database login is `password` or `iam`")]
pub struct UnknownAuth;

impl FromStr for DatabaseAuth {
    type Err = UnknownAuth;

    fn from_str(text: &str) -> Result<Self, UnknownAuth> {
        match text {
            "password" => Ok(Self::Password),
            "iam" => Ok(Self::Iam),
            _ => Err(UnknownAuth),
        }
    }
}

/// Where the login of the database is.
#[derive(Debug, Clone)]
pub struct DatabaseLogin {
    /// Name or ARN of a secret of the shape that RDS makes: host, port, username, password, dbname.
    pub secret: String,
    /// How to log in.
    pub auth: DatabaseAuth,
    /// The endpoint of the proxy; wins over the secret's host.
    pub host: Option<String>,
}

/// Answers the secret as JSON text, with a token as its password if IAM logs in.
pub type DatabaseSecret = Arc<dyn Fn() -> BoxFuture<'static, Result<String, BoxError>> + Send + Sync>;

pub(super) fn source(config: SdkConfig, secrets: Arc<dyn Secrets>, login: DatabaseLogin) -> DatabaseSecret {
    let shared = Arc::new((config, secrets, login));
    Arc::new(move || {
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            let (config, secrets, login) = shared.as_ref();
            let secret = secrets.get(&login.secret).await?;
            let mut json = secret.to_json();
            if login.auth == DatabaseAuth::Iam {
                let token = token(config, login, &secret).await?;
                if let Value::Object(fields) = &mut json {
                    fields.insert("password".to_owned(), Value::String(token));
                }
            }
            Ok(json.to_string())
        })
    })
}

async fn token(config: &SdkConfig, login: &DatabaseLogin, secret: &SecretValue) -> Result<String, BoxError> {
    let host = match &login.host {
        Some(host) => host,
        None => secret.required(&login.secret, "host")?,
    };
    let user = secret.required(&login.secret, "username")?;
    let port =
        secret.number("port").ok_or_else(|| SecretError::MissingField { name: login.secret.clone(), field: "port" })?;
    let provider = config.credentials_provider().ok_or("no credentials")?;
    let credentials = provider.provide_credentials().await?;
    let region = config.region().ok_or("no region")?;
    sign_token(&credentials, region.as_ref(), SystemTime::now(), (host, port, user))
}

/// The presigned URL of `rds-db:connect`, without its scheme ("IAM database authentication" in the RDS
/// User Guide). It is made without asking any service.
fn sign_token(
    credentials: &Credentials,
    region: &str,
    now: SystemTime,
    (host, port, user): (&str, u64, &str),
) -> Result<String, BoxError> {
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(TOKEN_LIFE);
    settings.signature_location = SignatureLocation::QueryParams;
    let identity = credentials.clone().into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("rds-db")
        .time(now)
        .settings(settings)
        .build()?;
    let mut token = format!("{host}:{port}/?Action=connect&DBUser={}", encoded(user));
    let url = format!("https://{token}");
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::empty())?;
    let (instructions, _) = sign(request, &parameters.into())?.into_parts();
    for (name, value) in instructions.params() {
        write!(token, "&{name}={}", encoded(value))?;
    }
    Ok(token)
}

/// Percent-encodes all but RFC 3986's unreserved characters, as the signature expects.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            // Writing to a String does not fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::InMemorySecrets;
    use serde_json::json;

    /// The signature was computed apart from this code, by the steps of the Signature Version 4 documentation.
    #[test]
    fn a_token_is_a_presigned_url() {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", Some("to+k/en=".to_owned()), None, "test");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_176_000);
        let database = ("proxy.example.com", 5432, "flux nex");
        let token = sign_token(&credentials, "us-east-1", now, database).unwrap();
        assert!(token.starts_with("proxy.example.com:5432/?Action=connect&DBUser=flux%20nex&X-Amz-"), "{token}");
        for part in [
            "X-Amz-Date=20261120T120000Z",
            "X-Amz-Expires=900",
            "X-Amz-Credential=AKIDEXAMPLE%2F20261120%2Fus-east-1%2Frds-db%2Faws4_request",
            "X-Amz-Security-Token=to%2Bk%2Fen%3D",
            "X-Amz-Signature=944dd3b23784b9285894400c9f4ae44d3275f737f95808fe2b1646374432772e",
        ] {
            assert!(token.contains(part), "{part} in {token}");
        }
    }

    async fn answered(auth: DatabaseAuth) -> Value {
        let secrets = InMemorySecrets::default();
        secrets.create("db", json!({"host": "h", "port": 5432, "username": "fluxnex", "password": "p", "dbname": "d"}));
        let config = SdkConfig::builder()
            .region(aws_config::Region::from_static("us-east-1"))
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(Credentials::new(
                "test", "test", None, None, "test",
            )))
            .build();
        let login = DatabaseLogin { secret: "db".to_owned(), auth, host: Some("proxy".to_owned()) };
        serde_json::from_str(&source(config, Arc::new(secrets), login)().await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn only_the_password_differs() {
        let with_password = answered(DatabaseAuth::Password).await;
        assert_eq!(with_password["password"], "p");
        let with_token = answered(DatabaseAuth::Iam).await;
        assert!(with_token["password"].as_str().unwrap().starts_with("proxy:5432/?Action=connect&DBUser=fluxnex&"));
        assert_eq!((&with_token["username"], &with_token["port"]), (&json!("fluxnex"), &json!(5432)));
    }

    #[test]
    fn the_setting_has_two_values() {
        assert_eq!("iam".parse(), Ok(DatabaseAuth::Iam));
        assert_eq!("IAM".parse::<DatabaseAuth>(), Err(UnknownAuth));
    }
}
