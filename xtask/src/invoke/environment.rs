//! The environment that a function gets: what it was deployed with, and what Lambda adds.

use std::path::Path;

use crate::{
    aws::{ACCESS_KEY, Aws, Deployed, REGION, RoleCredentials, SECRET_KEY},
    emulator::Emulator,
    progress::Progress,
};

/// Credentials of the function's own role, so that what its policy does not allow is refused here too.
pub async fn credentials(deployed: &Deployed, aws: &Aws, progress: &Progress) -> RoleCredentials {
    match aws.assume_role(&deployed.role).await {
        Ok(credentials) => credentials,
        Err(error) => {
            progress.say(format!(
                "The role of {} cannot be assumed, so the function gets the administrator's credentials ({error:#}).",
                deployed.function_name
            ));
            RoleCredentials {
                access_key: ACCESS_KEY.to_owned(),
                secret_key: SECRET_KEY.to_owned(),
                session_token: String::new(),
            }
        }
    }
}

/// The whole environment; the function gets no variable of ours but these. Names as in the AWS Lambda
/// Developer Guide, "Defined runtime environment variables".
pub fn variables(
    deployed: &Deployed,
    credentials: &RoleCredentials,
    emulator: &Emulator,
    code: &Path,
) -> Vec<(String, String)> {
    let code = code.display().to_string();
    let of_lambda = [
        ("AWS_LAMBDA_FUNCTION_NAME", deployed.function_name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", deployed.memory_size.to_string()),
        // Of the runtime emulator alone: it ends the invocation after so many seconds.
        ("AWS_LAMBDA_FUNCTION_TIMEOUT", deployed.timeout.to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", deployed.function_name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "$LATEST".to_owned()),
        ("_HANDLER", "bootstrap".to_owned()),
        ("LAMBDA_TASK_ROOT", code),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", credentials.access_key.clone()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_key.clone()),
        ("AWS_SESSION_TOKEN", credentials.session_token.clone()),
        // The emulator's functions get these two as well. Some calls would put a part of the host's name before it.
        ("AWS_ENDPOINT_URL", emulator.endpoint()),
        ("AWS_DISABLE_HOST_PREFIX_INJECTION", "true".to_owned()),
    ];
    let mut all: Vec<(String, String)> = of_lambda.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    all.extend(deployed.logging().map(|(name, value)| (name.to_owned(), value.to_owned())));
    all.extend(deployed.variables().iter().map(|(name, value)| (name.clone(), value.clone())));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_gets_its_settings_and_its_roles_credentials() {
        let text = r#"{"FunctionName":"fluxnex-local-ingest","Role":"r","MemorySize":256,"Timeout":10,
            "Environment":{"Variables":{"PROFILE":"local"}},"LoggingConfig":{"LogFormat":"JSON"}}"#;
        let deployed: Deployed = serde_json::from_str(text).unwrap();
        let credentials =
            RoleCredentials { access_key: "A".to_owned(), secret_key: "S".to_owned(), session_token: "T".to_owned() };
        let emulator = Emulator { port: 4566, time_scale: "1".to_owned() };
        let all = variables(&deployed, &credentials, &emulator, Path::new("/code"));
        for (name, value) in [
            ("PROFILE", "local"),
            ("AWS_SESSION_TOKEN", "T"),
            ("AWS_LAMBDA_FUNCTION_TIMEOUT", "10"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
        ] {
            assert!(all.contains(&(name.to_owned(), value.to_owned())), "{name}");
        }
    }
}
