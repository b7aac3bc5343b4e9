//! Processes that outlive the command which starts them.
//!
//! A started process is first this program's hidden `launch` command: it leaves the terminal's session,
//! writes its own record (pid, start time, program) and only then becomes the real program. So there is
//! no moment in which a process runs that no record names, whenever we are killed. A record is believed
//! only if the start time and the program of the pid still match: a recycled pid is never signalled.

mod identity;
pub mod launch;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::{
    command::{ToolFailure, open_log},
    layout::Layout,
};
pub use identity::{Listed, list};

const POLL: Duration = Duration::from_millis(20);
/// How long a killed process may take to disappear.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// What is remembered of a started process.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Record {
    /// Its process id.
    pub pid: i32,
    /// When it started, in the system's own terms; compared, never interpreted.
    pub started: String,
    /// The program that it became.
    pub program: String,
}

/// What a process to start looks like. It gets no variable of ours but those named here.
pub struct Start<'a> {
    /// The record's and the log's name: `postgres`, `emulator`, `simulators`.
    pub name: &'a str,
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// Its working folder.
    pub folder: &'a Path,
    /// The user and group ids to run it as, if not ours.
    pub user: Option<(u32, u32)>,
}

/// How a process is asked to end.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// The first signal.
    pub signal: Signal,
    /// How long it may take before it is killed.
    pub grace: Duration,
}

/// Starts a process in a session of its own, with its output in the log of its name, and returns once
/// its record is written.
pub async fn start(layout: &Layout, start: &Start<'_>) -> Result<Record> {
    let record = record_file(layout, start.name);
    let log = layout.log(start.name);
    let output = open_log(&log)?;
    let mut command = Command::new(own_program()?);
    command.arg("launch").arg("--record").arg(&record);
    if let Some((user, group)) = start.user {
        command.arg("--user").arg(user.to_string()).arg("--group").arg(group.to_string());
    }
    command.arg("--").arg(start.program).args(&start.arguments);
    command.env_clear().envs(start.environment.iter().map(|(name, value)| (name, value)));
    command.current_dir(start.folder).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut child = command.spawn().with_context(|| format!("cannot start {}", start.program.display()))?;
    let pid = child.id();
    let deadline = Instant::now() + KILL_GRACE;
    loop {
        if let Some(record) = read(&record).filter(|record| u32::try_from(record.pid).ok() == pid) {
            return Ok(record);
        }
        if child.try_wait().context("cannot wait for a started process")?.is_some() || Instant::now() > deadline {
            let what = format!("{} did not start", start.name);
            return Err(ToolFailure::explained_by(what, &log, "read the log").into());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A command that becomes a program which ends when we do, even if we are killed (where the system knows how).
/// Arguments that are added are the program's.
pub fn bound_to_us(program: &Path) -> Result<Command> {
    let mut command = Command::new(own_program()?);
    command.arg("launch").arg("--parent").arg(std::process::id().to_string()).arg("--").arg(program);
    Ok(command)
}

/// The record of a process if it runs.
pub fn running(layout: &Layout, name: &str) -> Option<Record> {
    read(&record_file(layout, name)).filter(is_alive)
}

/// Whether the process of a record still runs, and is that process.
pub fn is_alive(record: &Record) -> bool {
    identity::of(record.pid).is_some_and(|found| found.started == record.started && found.is_program(&record.program))
}

/// Ends a process and what is left of its group; that it is gone already is fine. Removes its record.
pub async fn stop(layout: &Layout, name: &str, how: Stop) -> Result<()> {
    let file = record_file(layout, name);
    if let Some(record) = read(&file).filter(is_alive) {
        let group: Vec<Listed> = list().into_iter().filter(|found| found.group == record.pid).collect();
        signal(&record, how.signal);
        if !gone(&record, how.grace).await {
            signal(&record, Signal::KILL);
            if !gone(&record, KILL_GRACE).await {
                bail!("{name} (process {}) cannot be stopped", record.pid);
            }
        }
        kill_all(group).await;
    }
    match fs::remove_file(&file) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", file.display())),
    }
}

/// What is to be remembered of a process that was just started.
pub fn started(pid: u32, program: &OsStr) -> Option<Record> {
    let pid = i32::try_from(pid).ok()?;
    let program = program.to_string_lossy().into_owned();
    identity::of(pid).map(|found| Record { pid, started: found.started, program })
}

/// Kills the leader of a process group and its whole group, if the leader still is that process.
pub async fn kill_group(leader: &Record) {
    if is_alive(leader) {
        kill_all(list().into_iter().filter(|found| found.group == leader.pid).collect()).await;
    }
}

/// Kills whatever runs a program that lies under a folder of ours: functions whose emulator was killed.
/// Returns how many there were.
pub async fn kill_programs_under(folder: &Path) -> usize {
    let strays: Vec<Listed> = list().into_iter().filter(|found| found.program_is_under(folder)).collect();
    let count = strays.len();
    kill_all(strays).await;
    count
}

async fn kill_all(found: Vec<Listed>) {
    let records: Vec<Record> = found.into_iter().map(Listed::into_record).collect();
    for record in &records {
        if is_alive(record) {
            signal(record, Signal::KILL);
        }
    }
    for record in &records {
        gone(record, KILL_GRACE).await;
    }
}

fn signal(record: &Record, signal: Signal) {
    if let Some(pid) = Pid::from_raw(record.pid) {
        // It may have ended by itself in between: then there is nothing left to do.
        let _ = kill_process(pid, signal);
    }
}

/// Waits until the process is gone; false if it still runs after that time.
async fn gone(record: &Record, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    while is_alive(record) {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    true
}

fn record_file(layout: &Layout, name: &str) -> PathBuf {
    layout.processes().join(format!("{name}.json"))
}

/// A record from its file.
pub fn read(file: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// This program. On Linux by its link in `/proc`, which stays right when cargo replaces the file meanwhile.
fn own_program() -> Result<PathBuf> {
    let link = Path::new("/proc/self/exe");
    if link.exists() {
        return Ok(link.to_path_buf());
    }
    std::env::current_exe().context("this program's own path is unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_record() -> Record {
        let found = identity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        found.into_record()
    }

    #[test]
    fn a_running_process_is_recognised() {
        assert!(is_alive(&own_record()));
    }

    #[test]
    fn a_recycled_pid_is_not_taken_for_the_process() {
        let earlier = Record { started: "earlier".to_owned(), ..own_record() };
        assert!(!is_alive(&earlier));
        let other = Record { program: "/usr/bin/other-program".to_owned(), ..own_record() };
        assert!(!is_alive(&other));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn only_programs_under_the_folder_are_killed() {
        let folder = std::env::temp_dir().join(format!("xtask-strays-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        let inside = folder.join("bootstrap");
        fs::copy("/bin/sleep", &inside).unwrap();
        let mut stray = Command::new(&inside).arg("300").spawn().unwrap();
        let mut other = Command::new("/bin/sleep").arg("300").spawn().unwrap();
        let watch = tokio::spawn(async move { stray.wait().await });
        assert_eq!(kill_programs_under(&folder).await, 1);
        assert!(!watch.await.unwrap().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().await.unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }
}
