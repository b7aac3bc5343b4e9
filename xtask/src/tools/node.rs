//! Node's packages, as lock files name them: the CDK application's, and the published programs of the tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use uuid::Uuid;

use super::Cache;
use crate::{command::Tool, layout::Layout, progress::Progress};

/// npm, as it is found on the path.
pub const NPM: &str = "npm";
/// In `node_modules`, which lock file it was installed from. Written last: without it the folder may be incomplete.
const STAMP: &str = ".fluxnex-installed";

/// Installs the packages if the lock file changed.
pub async fn modules(layout: &Layout, progress: &Progress) -> Result<()> {
    let folder = layout.infrastructure();
    let Some(wanted) = fingerprint(&folder) else {
        bail!("{} has no package-lock.json: the clone is incomplete", folder.display());
    };
    let stamp = folder.join("node_modules").join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let step = progress.start("installing the CDK");
    let log = layout.log("install-cdk");
    let mut install = Command::new(NPM);
    install.args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder);
    let advice = "check that `npm view aws-cdk version` works here (network, proxy, registry), then try again";
    let result =
        Tool { what: "installing the CDK with npm", log: &log, advice, output: None }.run(install, &step).await;
    let result =
        result.and_then(|()| fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display())));
    step.finish(result)
}

/// The published programs that the tests run (see `simulators/published/`), in the tool cache: their `node_modules`.
pub async fn published(cache: &Cache, layout: &Layout, progress: &Progress) -> Result<PathBuf> {
    let source = layout.root().join("simulators/published");
    let Some(wanted) = fingerprint(&source) else {
        bail!("{} has no package-lock.json: the clone is incomplete", source.display());
    };
    let place = cache.place("published", &wanted);
    let modules = place.join("node_modules");
    if place.exists() {
        return Ok(modules);
    }
    let _lock = cache.lock("published").await?;
    if place.exists() {
        return Ok(modules);
    }
    let step = progress.start("installing the published programs of the tests");
    let result = async {
        let aside = cache.aside("published")?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(source.join(file), aside.join(file)).with_context(|| format!("cannot copy {file}"))?;
        }
        let mut install = Command::new(NPM);
        // None of them needs its install script: they would build native code, which no test uses.
        install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&aside);
        let log = layout.log("install-published");
        let advice = "check that `npm view @sap/cds version` works here (network, proxy, registry), then try again";
        let what = "installing the published programs of the tests with npm";
        Tool { what, log: &log, advice, output: None }.run(install, &step).await?;
        fs::rename(&aside, &place).with_context(|| format!("cannot rename {}", aside.display()))
    };
    let result = result.await;
    step.finish(result)?;
    Ok(modules)
}

fn fingerprint(folder: &Path) -> Option<String> {
    let lock = fs::read(folder.join("package-lock.json")).ok()?;
    Some(Uuid::new_v5(&Uuid::NAMESPACE_OID, &lock).to_string())
}
