//! The Python virtual environment with the AWS emulator.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use tokio::process::Command;

use super::{Cache, versions::PYTHON_PACKAGES};
use crate::{
    command::{Tool, output_of},
    layout::{Layout, remove_folder},
    prerequisites::Prerequisites,
    progress::Progress,
};

/// The environment's `python`, installed if need be.
pub async fn environment(
    cache: &Cache,
    layout: &Layout,
    prerequisites: &Prerequisites,
    progress: &Progress,
) -> Result<PathBuf> {
    let key = format!("{PYTHON_PACKAGES:?} {} {}", prerequisites.python_identity, std::env::consts::ARCH);
    let place = cache.place("python", &key);
    let python = place.join("bin/python");
    if works(&python).await {
        return Ok(python);
    }
    let _lock = cache.lock("python").await?;
    if works(&python).await {
        return Ok(python);
    }
    let step = progress.start("installing the AWS emulator");
    let result = async {
        remove_folder(&place)?;
        let aside = cache.aside("python")?;
        let log = layout.log("install-python");
        let mut create = Command::new(&prerequisites.python);
        create.args(["-m", "venv"]).arg(&aside);
        let advice = "read the log; a Python with a working venv module is needed";
        Tool { what: "creating a virtual environment", log: &log, advice, output: None }.run(create, &step).await?;
        let log = layout.log("install-python-packages");
        let mut install = Command::new(aside.join("bin/python"));
        install.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"]).args(PYTHON_PACKAGES);
        let advice = "check that `pip download ministack` works here (network, proxy, index), then try again";
        Tool { what: "installing the AWS emulator with pip", log: &log, advice, output: None }
            .run(install, &step)
            .await?;
        // The environment may move: only `bin/python -m …` is used, never the scripts with its old path in them.
        fs::rename(&aside, &place).with_context(|| format!("cannot rename {}", aside.display()))
    };
    let result = result.await;
    step.finish(result)?;
    Ok(python)
}

/// Whether the environment is there and its base installation has not gone away.
async fn works(python: &PathBuf) -> bool {
    python.exists() && output_of(python, &["-c", ""]).await.is_some()
}
