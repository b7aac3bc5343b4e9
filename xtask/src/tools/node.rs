//! The CDK application's packages, as its lock file names them.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use uuid::Uuid;

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

fn fingerprint(folder: &Path) -> Option<String> {
    let lock = fs::read(folder.join("package-lock.json")).ok()?;
    Some(Uuid::new_v5(&Uuid::NAMESPACE_OID, &lock).to_string())
}
