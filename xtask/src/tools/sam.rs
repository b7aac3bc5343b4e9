//! AWS's SAM command line, and the Lambda Runtime Interface Emulator in it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, anyhow, bail};
use tokio::process::Command;

/// Fails where AWS's runtime emulator does not run.
pub fn check_system() -> Result<()> {
    if std::env::consts::OS != "linux" {
        bail!(
            "AWS's Lambda Runtime Interface Emulator runs on Linux only; docs/running-one-function.md has other ways"
        );
    }
    Ok(())
}

/// An installed SAM command line.
#[derive(Clone, Debug)]
pub struct Sam {
    environment: PathBuf,
}

impl Sam {
    /// What is installed in a virtual environment.
    pub fn new(environment: PathBuf) -> Self {
        Self { environment }
    }

    /// `sam`, which reports to nobody.
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.environment.join("bin/python"));
        command.args(["-m", "samcli"]).env("SAM_CLI_TELEMETRY", "0");
        command
    }

    /// The emulator for this machine: a program for Linux, whatever the system.
    pub fn runtime_emulator(&self) -> Result<PathBuf> {
        if std::env::consts::OS != "linux" {
            bail!(
                "AWS's Lambda Runtime Interface Emulator runs on Linux only; docs/running-one-function.md has other ways"
            );
        }
        let machine = if std::env::consts::ARCH == "aarch64" { "arm64" } else { std::env::consts::ARCH };
        let wanted = format!("samcli/local/rapid/aws-lambda-rie-{machine}");
        // The folder's name has Python's version.
        let versions = fs::read_dir(self.environment.join("lib")).into_iter().flatten().flatten();
        let mut found = versions.map(|version| version.path().join("site-packages").join(&wanted));
        found.find(|path| path.is_file()).ok_or_else(|| missing(&self.environment, &wanted))
    }
}

fn missing(environment: &Path, wanted: &str) -> anyhow::Error {
    anyhow!("there is no {wanted} in {}; remove that folder, then try again", environment.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_emulator_is_found_whatever_pythons_version_is() {
        let environment = std::env::temp_dir().join(format!("xtask-sam-{}", uuid::Uuid::new_v4()));
        let sam = Sam::new(environment.clone());
        assert!(sam.runtime_emulator().unwrap_err().to_string().contains("remove that folder"));
        let folder = environment.join("lib/python3.99/site-packages/samcli/local/rapid");
        fs::create_dir_all(&folder).unwrap();
        for machine in ["x86_64", "arm64"] {
            fs::write(folder.join(format!("aws-lambda-rie-{machine}")), "").unwrap();
        }
        assert!(sam.runtime_emulator().unwrap().starts_with(&folder));
        fs::remove_dir_all(&environment).unwrap();
    }
}
