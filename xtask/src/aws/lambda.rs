//! What a function was deployed with, and what it may do.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Aws;

/// The session's name in what the emulator says about a refused call.
const SESSION: &str = "cargo-xtask-invoke";

/// A function's configuration, as Lambda's `GetFunctionConfiguration` gives it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Deployed {
    /// Its name at Lambda.
    pub function_name: String,
    /// The ARN of the role that it acts as.
    pub role: String,
    /// The memory that it gets, in MiB.
    pub memory_size: u64,
    /// How long an invocation may take, in seconds.
    pub timeout: u64,
    #[serde(default)]
    environment: Environment,
    #[serde(default)]
    logging_config: LoggingConfig,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LoggingConfig {
    log_format: Option<String>,
    application_log_level: Option<String>,
}

impl Deployed {
    /// The variables that the deployment gives it.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.environment.variables
    }

    /// The variables that Lambda makes of its logging configuration.
    pub fn logging(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let LoggingConfig { log_format, application_log_level } = &self.logging_config;
        [("AWS_LAMBDA_LOG_FORMAT", log_format), ("AWS_LAMBDA_LOG_LEVEL", application_log_level)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

/// Credentials of a role, for a while.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoleCredentials {
    /// The access key's id.
    pub access_key: String,
    /// The access key's secret.
    pub secret_key: String,
    /// What goes with each call.
    pub session_token: String,
}

impl Aws {
    /// The configuration of a deployed function.
    pub async fn function(&self, name: &str) -> Result<Deployed> {
        let url = format!("{}/2015-03-31/functions/{name}/configuration", self.endpoint);
        let found = self.signed(Method::GET, &url, "lambda", &[], Vec::new()).await?;
        serde_json::from_value(found).context("the configuration of the function is not understood")
    }

    /// Credentials of a role, as Lambda gives them to a function.
    pub async fn assume_role(&self, role: &str) -> Result<RoleCredentials> {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        // An ARN has no character that a form must escape, save for these two.
        let role = role.replace(':', "%3A").replace('/', "%2F");
        let body = format!("Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName={SESSION}");
        let answer = self.signed_text(Method::POST, &self.endpoint, "sts", &headers, body.into_bytes()).await?;
        credentials(&answer).ok_or_else(|| anyhow!("the answer to AssumeRole is not understood"))
    }

    /// The text attribute of an item, if there is such an item with such an attribute.
    pub async fn item_text(&self, table: &str, key: (&str, &str), attribute: &str) -> Result<Option<String>> {
        let (partition, sort) = key;
        let key = json!({ "pk": { "S": partition }, "sk": { "S": sort } });
        let input = json!({ "TableName": table, "Key": key, "ConsistentRead": true });
        let found = self.call("dynamodb", "DynamoDB_20120810.GetItem", &input).await?;
        let text = found.get("Item").and_then(|item| item.get(attribute)?.get("S")?.as_str());
        Ok(text.map(str::to_owned))
    }

    /// The value of a secret.
    pub async fn secret(&self, name: &str) -> Result<Value> {
        let found = self.call("secretsmanager", "secretsmanager.GetSecretValue", &json!({ "SecretId": name })).await?;
        let text = found.get("SecretString").and_then(Value::as_str).unwrap_or_default();
        serde_json::from_str(text).with_context(|| format!("the secret {name} is not JSON"))
    }
}

/// The credentials in an answer of STS, which is XML; their values need no unescaping.
fn credentials(answer: &str) -> Option<RoleCredentials> {
    let element = |name: &str| {
        let (_, rest) = answer.split_once(&format!("<{name}>"))?;
        let (value, _) = rest.split_once(&format!("</{name}>"))?;
        Some(value.trim().to_owned())
    };
    Some(RoleCredentials {
        access_key: element("AccessKeyId")?,
        secret_key: element("SecretAccessKey")?,
        session_token: element("SessionToken")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read() {
        let text = r#"{"FunctionName":"f","Role":"arn:aws:iam::1:role/r","MemorySize":256,"Timeout":15,"Handler":"bootstrap",
            "Environment":{"Variables":{"PROFILE":"local"}},"LoggingConfig":{"LogFormat":"JSON","LogGroup":"g"}}"#;
        let deployed: Deployed = serde_json::from_str(text).unwrap();
        assert_eq!(deployed.variables()["PROFILE"], "local");
        assert_eq!(deployed.logging().collect::<Vec<_>>(), [("AWS_LAMBDA_LOG_FORMAT", "JSON")]);
        let bare = r#"{"FunctionName":"f","Role":"r","MemorySize":128,"Timeout":3}"#;
        assert!(serde_json::from_str::<Deployed>(bare).unwrap().variables().is_empty());
    }

    #[test]
    fn credentials_are_found_in_the_answer() {
        let answer = "<AssumeRoleResponse><Credentials><AccessKeyId>A</AccessKeyId>\n<SecretAccessKey>b/c+d=</SecretAccessKey>\
                      <SessionToken>t</SessionToken></Credentials></AssumeRoleResponse>";
        let found = credentials(answer).unwrap();
        assert_eq!(
            (found.access_key.as_str(), found.secret_key.as_str(), found.session_token.as_str()),
            ("A", "b/c+d=", "t")
        );
        assert_eq!(credentials("<Error/>"), None);
    }
}
