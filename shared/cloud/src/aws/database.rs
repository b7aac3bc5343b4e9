//! What logs in to PostgreSQL: the password of a secret, or a token of IAM in its place.

use crate::BoxError;
use crate::secrets::{SecretError, SecretValue, Secrets};
use aws_config::SdkConfig;
use aws_sdk_rds::auth_token::{self, AuthTokenGenerator};
use futures::future::BoxFuture;
use serde_json::Value;
use std::str::FromStr;
use std::sync::Arc;

/// How long a token is good for: the longest that RDS allows. It is needed only while connecting.
const TOKEN_LIFE_SECONDS: u64 = 900;

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
    let generator = auth_token::Config::builder()
        .hostname(host)
        .port(port)
        .username(user)
        .expires_in(TOKEN_LIFE_SECONDS)
        .build()?;
    // Made without asking any service ("IAM database authentication" in the RDS User Guide).
    Ok(AuthTokenGenerator::new(generator).auth_token(config).await?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::InMemorySecrets;
    use aws_credential_types::Credentials;
    use aws_smithy_async::time::StaticTimeSource;
    use serde_json::json;
    use std::time::{Duration, SystemTime};

    async fn answered(auth: DatabaseAuth) -> Value {
        let secrets = InMemorySecrets::default();
        secrets.create("db", json!({"host": "h", "port": 5432, "username": "fluxnex", "password": "p", "dbname": "d"}));
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_176_000);
        let config = SdkConfig::builder()
            .time_source(StaticTimeSource::new(noon))
            .region(aws_config::Region::from_static("us-east-1"))
            .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(Credentials::new(
                "AKIDEXAMPLE",
                "secret",
                Some("to+k/en=".to_owned()),
                None,
                "test",
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
        let token = with_token["password"].as_str().unwrap();
        assert!(token.starts_with("proxy:5432/?Action=connect&DBUser=fluxnex&X-Amz-"), "{token}");
        for part in [
            "X-Amz-Date=20261120T120000Z",
            "X-Amz-Expires=900",
            "X-Amz-Credential=AKIDEXAMPLE%2F20261120%2Fus-east-1%2Frds-db%2Faws4_request",
        ] {
            assert!(token.contains(part), "{part} in {token}");
        }
        assert_eq!((&with_token["username"], &with_token["port"]), (&json!("fluxnex"), &json!(5432)));
    }

    #[test]
    fn the_setting_has_two_values() {
        assert_eq!("iam".parse(), Ok(DatabaseAuth::Iam));
        assert_eq!("IAM".parse::<DatabaseAuth>(), Err(UnknownAuth));
    }
}
