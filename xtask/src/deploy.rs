//! Deploys the CDK application into the emulator. This file has the one place with the command.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use uuid::Uuid;

use crate::{
    aws::{ACCESS_KEY, Aws, REGION, SECRET_KEY},
    build::Artifacts,
    certificates::Certificates,
    command::Tool,
    emulator::{self, Emulator},
    layout::Layout,
    postgres,
    progress::{Progress, Step},
    state::StateFile,
};

const PROFILE: &str = "local";
/// The secret that the functions read the database's address and password from.
pub const DATABASE_SECRET: &str = "fluxnex/local/database";
/// Where `infra-cdk` says that it uploads the functions to: all that it needs of a bootstrapped account.
const ASSETS_BUCKET: &str = "fluxnex-local-assets";
const ADVICE: &str = "read the log; `cargo xtask logs migrate` shows what the migrations said";

/// What was deployed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Deployment {
    /// Of all that a deployment depends on.
    fingerprint: String,
    /// The stacks' outputs, by stack and name.
    pub outputs: BTreeMap<String, BTreeMap<String, String>>,
}

impl Deployment {
    /// An output by its name, whichever stack has it.
    pub fn output(&self, name: &str) -> Option<&str> {
        self.outputs.values().find_map(|outputs| outputs.get(name)).map(String::as_str)
    }

    /// The address of the HTTP API. The emulator's own form `http://<api>.execute-api.localhost:<port>`
    /// does not resolve everywhere; this one has the API in its path.
    pub fn api_url(&self, emulator: &Emulator) -> Result<String> {
        let url = self.output("ApiUrl").ok_or_else(|| anyhow!("the deployment has no output ApiUrl"))?;
        api_path(url, &emulator.endpoint()).ok_or_else(|| anyhow!("the output ApiUrl is not understood: {url}"))
    }
}

/// `https://<api>.execute-api.<anything>/…` → `<endpoint>/_aws/execute-api/<api>`.
fn api_path(url: &str, endpoint: &str) -> Option<String> {
    let host = url.split("://").nth(1)?.split('/').next()?;
    let (api, _) = host.split_once(".execute-api.")?;
    Some(format!("{endpoint}/_aws/execute-api/{api}"))
}

/// Deploys, unless nothing that a deployment depends on has changed. Says whether it did.
pub async fn up(
    layout: &Layout,
    state: &StateFile,
    artifacts: &Artifacts,
    certificates: &Certificates,
    time_scale: &str,
    progress: &Progress,
) -> Result<bool> {
    let (emulator, process) = emulator::require(layout, state)?;
    let database = state.get().database.clone().ok_or_else(|| anyhow!("there is no database"))?;
    let secret = postgres::secret_document(&database);
    let parts = [
        format!("{} {}", process.pid, process.started),
        artifacts.fingerprint.clone(),
        sources(layout)?,
        secret.to_string(),
        time_scale.to_owned(),
    ];
    let fingerprint = Uuid::new_v5(&Uuid::NAMESPACE_OID, parts.join("\n").as_bytes()).to_string();
    if state.get().deployment.as_ref().is_some_and(|deployment| deployment.fingerprint == fingerprint) {
        return Ok(false);
    }
    let step = progress.start("deploying with the CDK");
    state.update(|state| state.deploying = true)?;
    let result = async {
        let aws = Aws::new(emulator.endpoint())?;
        aws.put_secret(DATABASE_SECRET, &secret).await.context("cannot store the database's secret")?;
        aws.make_bucket(ASSETS_BUCKET).await?;
        let outputs = deploy(layout, &emulator, artifacts, certificates, time_scale, &step).await?;
        state.update(|state| state.deployment = Some(Deployment { fingerprint, outputs }))
    };
    let result = result.await;
    state.update(|state| state.deploying = false)?;
    step.finish(result).map(|()| true)
}

async fn deploy(
    layout: &Layout,
    emulator: &Emulator,
    artifacts: &Artifacts,
    certificates: &Certificates,
    time_scale: &str,
    step: &Step,
) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    let outputs = layout.state().join("outputs.json");
    let mut deploy = cdk(layout, &layout.cdk_output());
    deploy.env("AWS_ENDPOINT_URL", emulator.endpoint());
    deploy.args(["deploy", "--all", "--require-approval", "never", "--method", "direct", "--concurrency", "2"]);
    deploy.arg("--outputs-file").arg(&outputs);
    context(&mut deploy, layout, artifacts, certificates, time_scale);
    let log = layout.log("deploy");
    Tool { what: "deploying with the CDK", log: &log, advice: ADVICE, output: None }.run(deploy, step).await?;
    let text = fs::read(&outputs).context("the deployment wrote no outputs")?;
    serde_json::from_slice(&text).context("the deployment's outputs are not understood")
}

fn context(
    command: &mut Command,
    layout: &Layout,
    artifacts: &Artifacts,
    certificates: &Certificates,
    time_scale: &str,
) {
    let mut set = |name: &str, value: String| {
        command.arg("--context").arg(format!("{name}={value}"));
    };
    set("profile", PROFILE.to_owned());
    set("artifacts", artifacts.folder.display().to_string());
    set("connectors", layout.root().join("connectors").display().to_string());
    set("extraCaFile", certificates.authority.display().to_string());
    set("timeScale", time_scale.to_owned());
    if std::env::consts::ARCH == "aarch64" {
        set("architecture", "arm64".to_owned());
    }
}

/// The CDK's command line, whatever AWS account the user works with otherwise: it has the emulator's keys.
pub fn cdk(layout: &Layout, output: &Path) -> Command {
    let folder = layout.infrastructure();
    let mut command = Command::new(folder.join("node_modules/.bin/cdk"));
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let proxy = name.to_ascii_lowercase().ends_with("_proxy");
        if name.starts_with("AWS_") || name.starts_with("CDK_") || proxy {
            command.env_remove(name.as_ref());
        }
    }
    command.envs([
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("CDK_DISABLE_CLI_TELEMETRY", "true"),
        // Rules that look at the templates; `npm test` in infra-cdk applies them.
        ("CDK_VALIDATION", "false"),
        ("CI", "true"),
    ]);
    // Profiles of the user's own must not be read.
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.args(["--no-notices", "--no-version-reporting", "--ci", "--progress", "events"]);
    command.arg("--output").arg(output);
    command
}

/// A fingerprint of what the templates come from: the application, the settings of the functions and the connectors.
fn sources(layout: &Layout) -> Result<String> {
    let mut files = Vec::new();
    for folder in ["infra-cdk", "connectors"] {
        collect(&layout.root().join(folder), &mut files)?;
    }
    files.push(layout.root().join("functions/settings.json"));
    files.sort();
    let mut content = Vec::new();
    for file in files {
        content.extend(file.as_os_str().as_encoded_bytes());
        content.extend(fs::read(&file).unwrap_or_default());
    }
    Ok(Uuid::new_v5(&Uuid::NAMESPACE_OID, &content).to_string())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let made = ["node_modules", "cdk.out", "dist"].iter().any(|name| entry.file_name() == *name);
        if entry.file_type()?.is_dir() {
            if !made {
                collect(&entry.path(), files)?;
            }
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_reached_by_path_whatever_its_host_name_is() {
        let expected = Some("http://127.0.0.1:4566/_aws/execute-api/a1b2c3d4".to_owned());
        for url in
            ["https://a1b2c3d4.execute-api.us-east-1.amazonaws.com/", "http://a1b2c3d4.execute-api.localhost:4566"]
        {
            assert_eq!(api_path(url, "http://127.0.0.1:4566"), expected);
        }
        assert_eq!(api_path("https://api.example.com", "http://127.0.0.1:4566"), None);
    }
}
