//! The hidden `launch` command: what a started process does before it becomes its program.

use std::{
    ffi::OsString,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use super::{Record, identity};

/// Arguments of `launch`.
#[derive(Args, Debug)]
pub struct Launch {
    /// The file to write the process's record to; the process then leaves the terminal's session
    #[arg(long, required_unless_present = "parent")]
    record: Option<PathBuf>,
    /// The process that this one shall not outlive
    #[arg(long, conflicts_with = "record")]
    parent: Option<i32>,
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

/// Leaves the session and writes the record, or binds itself to its parent, and becomes the program. Returns
/// only on failure.
pub fn launch(launch: &Launch) -> Result<()> {
    let (program, arguments) = launch.program.split_first().ok_or_else(|| anyhow!("no program was named"))?;
    if let Some(parent) = launch.parent {
        end_with(parent)?;
    }
    if let Some(file) = &launch.record {
        rustix::process::setsid().context("cannot leave the terminal's session")?;
        let pid = i32::try_from(std::process::id()).context("a process id is too large")?;
        let own = identity::of(pid).ok_or_else(|| anyhow!("the own process cannot be seen"))?;
        write(file, &Record { pid, started: own.started, program: program.to_string_lossy().into_owned() })?;
    }
    let mut command = Command::new(program);
    command.args(arguments);
    if let (Some(user), Some(group)) = (launch.user, launch.group) {
        // As root this also drops all supplementary groups.
        command.gid(group).uid(user);
    }
    let error = command.exec();
    if let Some(file) = &launch.record {
        let _ = fs::remove_file(file);
    }
    Err(error).with_context(|| format!("cannot run {}", Path::new(program).display()))
}

/// Asks the system to end this process, and what it becomes, when its parent ends, however that happens.
fn end_with(parent: i32) -> Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .context("cannot be bound to the parent")?;
    // It may have ended before we asked.
    if rustix::process::getppid().map(|found| found.as_raw_nonzero().get()) != Some(parent) {
        bail!("the process that this one was started for is gone");
    }
    Ok(())
}

/// A half-written record must never be read: written aside, then renamed.
fn write(path: &Path, record: &Record) -> Result<()> {
    let aside = path.with_extension(format!("{}.new", record.pid));
    fs::write(&aside, serde_json::to_vec(record)?).with_context(|| format!("cannot write {}", aside.display()))?;
    fs::rename(&aside, path).with_context(|| format!("cannot write {}", path.display()))
}
