//! Python virtual environments: one with the AWS emulator, one with AWS's SAM command line.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use tokio::process::Command;

use super::{
    Cache,
    versions::{PYTHON_PACKAGES, SAM_PACKAGES},
};
use crate::{
    command::{Tool, output_of},
    layout::{Layout, remove_folder},
    prerequisites::Prerequisites,
    progress::Progress,
};

/// What an environment holds.
pub struct Packages {
    /// The tool's name in the cache.
    pub name: &'static str,
    /// The packages, with their versions.
    pub list: &'static [&'static str],
    /// What it is for, as in "installing …".
    pub what: &'static str,
    /// The name of the log of its installation.
    pub log: &'static str,
}

/// The AWS emulator.
pub const EMULATOR: Packages =
    Packages { name: "python", list: &PYTHON_PACKAGES, what: "the AWS emulator", log: "install-python" };
/// AWS's SAM command line, which is installed beside what `up` does (see [`crate::invoke::BUILD_LOG`]).
pub const SAM: Packages =
    Packages { name: "sam", list: &SAM_PACKAGES, what: "the AWS SAM command line", log: "invoke/install-sam" };

/// The folder of an environment, installed if need be; its `bin/python` is what runs.
pub async fn environment(
    packages: &Packages,
    cache: &Cache,
    layout: &Layout,
    prerequisites: &Prerequisites,
    progress: &Progress,
) -> Result<PathBuf> {
    let Packages { name, list, what, log } = packages;
    let key = format!("{list:?} {} {}", prerequisites.python_identity, std::env::consts::ARCH);
    let place = cache.place(name, &key);
    let python = place.join("bin/python");
    if works(&python).await {
        return Ok(place);
    }
    let _lock = cache.lock(name).await?;
    if works(&python).await {
        return Ok(place);
    }
    let step = progress.start(format!("installing {what}"));
    let result = async {
        remove_folder(&place)?;
        let aside = cache.aside(name)?;
        let path = layout.log(log);
        let mut create = Command::new(&prerequisites.python);
        create.args(["-m", "venv"]).arg(&aside);
        let advice = "read the log; a Python with a working venv module is needed";
        Tool { what: "creating a virtual environment", log: &path, advice, output: None }.run(create, &step).await?;
        let path = layout.log(&format!("{log}-packages"));
        let mut install = Command::new(aside.join("bin/python"));
        install.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"]).args(*list);
        let advice =
            format!("check that `pip download {}` works here (network, proxy, index), then try again", list.join(" "));
        let what = format!("installing {what} with pip");
        Tool { what: &what, log: &path, advice: &advice, output: None }.run(install, &step).await?;
        // The environment may move: only `bin/python -m …` is used, never the scripts with its old path in them.
        fs::rename(&aside, &place).with_context(|| format!("cannot rename {}", aside.display()))
    };
    let result = result.await;
    step.finish(result)?;
    Ok(place)
}

/// Whether the environment is there and its base installation has not gone away.
async fn works(python: &PathBuf) -> bool {
    python.exists() && output_of(python, &["-c", ""]).await.is_some()
}
