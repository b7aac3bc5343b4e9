//! The program `faults`: how it is built, what it is told, and how it is run.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::{
    build, certificates, layout::Layout, postgres, prerequisites, processes, progress::Progress, state::StateFile,
    tools,
};

/// Its name, and that of its crate's folder.
pub const NAME: &str = "faults";

/// Builds one program, or all of them with it; gives where it is.
pub async fn build(layout: &Layout, only: Option<&str>, progress: &Progress) -> Result<PathBuf> {
    let binaries = build::binaries(layout, only, "build", progress).await?;
    build::find(&binaries, NAME).map(Path::to_path_buf)
}

/// Starts the instance's own PostgreSQL; gives the variables that name it, as the tests have them.
pub async fn database(layout: &Layout, progress: &Progress) -> Result<Vec<(String, String)>> {
    let prerequisites = prerequisites::check().await?;
    let tools = tools::install(layout, &prerequisites, progress).await?;
    let (state, certificates) = (StateFile::open(layout), certificates::ensure(layout)?);
    postgres::up(layout, &state, &tools.postgres, &certificates, progress).await?;
    let database = state.get().database.clone().context("there is no database")?;
    Ok(vec![
        ("FLUXNEX_TEST_POSTGRES".to_owned(), postgres::url(&database)),
        ("FLUXNEX_TEST_CA".to_owned(), certificates.authority.display().to_string()),
    ])
}

/// Runs it to its end, with our standard output. It ends when we do.
pub async fn run(
    program: &Path,
    arguments: &[OsString],
    environment: &[(String, String)],
    layout: &Layout,
) -> Result<ExitStatus> {
    let mut command = command(program, arguments, environment, layout)?;
    command.status().await.with_context(|| format!("cannot run {}", program.display()))
}

/// Runs it to its end; gives what it wrote to its standard output, too.
pub async fn output<A: AsRef<OsStr>>(
    program: &Path,
    arguments: &[A],
    environment: &[(String, String)],
    layout: &Layout,
) -> Result<String> {
    let mut command = command(program, arguments, environment, layout)?;
    let child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run {}", program.display()))?;
    let output = child.wait_with_output().await.context("cannot wait for the proving ground")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn command<A: AsRef<OsStr>>(
    program: &Path,
    arguments: &[A],
    environment: &[(String, String)],
    layout: &Layout,
) -> Result<Command> {
    let mut command = processes::bound_to_us(program)?;
    command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
    command.current_dir(layout.root()).stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}
