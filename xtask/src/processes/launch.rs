//! The hidden `launch` command: what a started process does before it becomes its program.

use std::{
    ffi::OsString,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, anyhow};
use clap::Args;

use super::{Record, identity};

/// Arguments of `launch`.
#[derive(Args, Debug)]
pub struct Launch {
    /// The file to write the process's record to
    #[arg(long)]
    record: PathBuf,
    /// The user id to become
    #[arg(long, requires = "group")]
    user: Option<u32>,
    /// The group id to become
    #[arg(long, requires = "user")]
    group: Option<u32>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

/// Leaves the session, writes the record and becomes the program. Returns only on failure.
pub fn launch(launch: &Launch) -> Result<()> {
    rustix::process::setsid().context("cannot leave the terminal's session")?;
    let (program, arguments) = launch.program.split_first().ok_or_else(|| anyhow!("no program was named"))?;
    let pid = i32::try_from(std::process::id()).context("a process id is too large")?;
    let own = identity::of(pid).ok_or_else(|| anyhow!("the own process cannot be seen"))?;
    let record = Record { pid, started: own.started, program: program.to_string_lossy().into_owned() };
    write(&launch.record, &record)?;
    let mut command = Command::new(program);
    command.args(arguments);
    if let (Some(user), Some(group)) = (launch.user, launch.group) {
        // As root this also drops all supplementary groups.
        command.gid(group).uid(user);
    }
    let error = command.exec();
    let _ = fs::remove_file(&launch.record);
    Err(error).with_context(|| format!("cannot run {}", Path::new(program).display()))
}

/// A half-written record must never be read: written aside, then renamed.
fn write(path: &Path, record: &Record) -> Result<()> {
    let aside = path.with_extension(format!("{}.new", record.pid));
    fs::write(&aside, serde_json::to_vec(record)?).with_context(|| format!("cannot write {}", aside.display()))?;
    fs::rename(&aside, path).with_context(|| format!("cannot write {}", path.display()))
}
