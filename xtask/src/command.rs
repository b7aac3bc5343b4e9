//! Runs the tools of a step (cargo, npm, pip…) with their output in the step's log file, and says on
//! failure what they said last, where the rest is, and what to do.

use std::{
    ffi::OsStr,
    fmt,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use crate::{processes, progress::Step};

const TAIL_LINES: usize = 20;
const TAIL_BYTES: u64 = 16 * 1024;
const DETAIL_EVERY: Duration = Duration::from_millis(400);
/// How long an interrupted tool may take to stop by itself.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// A tool that failed: shown with the end of its log and what to do.
#[derive(Debug)]
pub struct ToolFailure {
    what: String,
    status: Option<ExitStatus>,
    log: PathBuf,
    advice: String,
}

impl ToolFailure {
    /// A failure that is not a tool's exit code but whose log explains it.
    pub fn explained_by(what: impl Into<String>, log: &Path, advice: impl Into<String>) -> Self {
        Self { what: what.into(), status: None, log: log.to_path_buf(), advice: advice.into() }
    }
}

impl fmt::Display for ToolFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => writeln!(formatter, "{} failed ({status})", self.what)?,
            None => writeln!(formatter, "{}", self.what)?,
        }
        for line in tail(&self.log) {
            writeln!(formatter, "    │ {line}")?;
        }
        writeln!(formatter, "  log:        {}", self.log.display())?;
        write!(formatter, "  what to do: {}", self.advice)
    }
}

impl std::error::Error for ToolFailure {}

/// One tool run, described for people.
pub struct Tool<'a> {
    /// What it does, for the message of its failure: "building the functions".
    pub what: &'a str,
    /// The file that its output is written to.
    pub log: &'a Path,
    /// What a person can do when it fails.
    pub advice: &'a str,
    /// A file of its own for the standard output, when a program reads that.
    pub output: Option<&'a Path>,
}

impl Tool<'_> {
    /// Runs a command to its end. Its last line of output becomes the step's detail while it runs.
    /// When this future is dropped (Ctrl-C), the command and its children are stopped.
    pub async fn run(&self, command: Command, step: &Step) -> Result<()> {
        let status = self.status(command, step).await?;
        if status.success() {
            return Ok(());
        }
        let failure = ToolFailure {
            what: self.what.to_owned(),
            status: Some(status),
            log: self.log.to_path_buf(),
            advice: self.advice.to_owned(),
        };
        Err(failure.into())
    }

    /// Like [`Tool::run`], but a failing exit code is the caller's to judge.
    pub async fn status(&self, mut command: Command, step: &Step) -> Result<ExitStatus> {
        let log = open_log(self.log)?;
        let output = match self.output {
            Some(path) => open_log(path)?,
            None => log.try_clone()?,
        };
        command.stdin(Stdio::null()).stdout(output).stderr(log);
        // Its own group, so that its children can be stopped with it.
        command.process_group(0);
        let program = command.as_std().get_program().to_owned();
        let child = command.spawn().with_context(|| format!("cannot start {}", Path::new(&program).display()))?;
        let mut group = Group { child, note: note(self.log) };
        if let Some(record) = group.child.id().and_then(|id| processes::started(id, &program)) {
            fs::write(&group.note, serde_json::to_vec(&record)?)
                .with_context(|| format!("cannot write {}", group.note.display()))?;
        }
        loop {
            tokio::select! {
                status = group.child.wait() => return status.context("cannot wait for a tool"),
                () = tokio::time::sleep(DETAIL_EVERY) => {
                    if let Some(line) = tail(self.log).pop() {
                        step.detail(line.trim());
                    }
                }
            }
        }
    }
}

/// A running tool with its children; dropping it stops them.
struct Group {
    child: Child,
    /// The file that says that it runs.
    note: PathBuf,
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.note);
        let Some(group) = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) else {
            return;
        };
        let deadline = Instant::now() + STOP_GRACE;
        let _ = kill_process_group(group, Signal::TERM);
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// The file beside a tool's log that says which process it is, while it runs.
fn note(log: &Path) -> PathBuf {
    log.with_extension("running")
}

/// Ends tools that run on because the command that started them was killed.
pub async fn stop_strays(logs: &Path) {
    let Ok(entries) = fs::read_dir(logs) else { return };
    let notes =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "running"));
    for note in notes {
        if let Some(record) = processes::read(&note) {
            processes::kill_group(&record).await;
        }
        let _ = fs::remove_file(&note);
    }
}

/// Runs a short command and gives its standard output, or nothing if it cannot be run or fails.
pub async fn output_of<A: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: &[A]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output().await.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Opens a log file anew, with its folder.
pub fn open_log(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

/// The last lines of a log that say something.
pub fn tail(log: &Path) -> Vec<String> {
    let Ok(mut file) = File::open(log) else { return Vec::new() };
    let length = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
    let mut bytes = Vec::new();
    let start = SeekFrom::Start(length.saturating_sub(TAIL_BYTES));
    if file.seek(start).and_then(|_| file.read_to_end(&mut bytes)).is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.split(['\n', '\r']).filter(|line| !line.trim().is_empty()).collect();
    lines.iter().skip(lines.len().saturating_sub(TAIL_LINES)).map(|line| plain(line)).collect()
}

/// A line without the sequences that colour it: `ESC [ … letter` and `ESC ( letter`.
fn plain(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|character: char| character.is_ascii_alphabetic());
        text.push_str(end.and_then(|end| part.get(end + 1..)).unwrap_or_default());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Audience, Progress};

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xtask-{name}-{}", uuid::Uuid::new_v4()))
    }

    #[test]
    fn colours_are_taken_out() {
        assert_eq!(plain("\x1b[31m-let x\x1b(B\x1b[m = 1;\x1b[0;1m"), "-let x = 1;");
        assert_eq!(plain("plain"), "plain");
    }

    #[test]
    fn a_failure_shows_the_end_of_its_log_and_the_advice() {
        let log = scratch("failure");
        fs::write(&log, (0..100).map(|line| format!("line {line}\n")).collect::<String>()).unwrap();
        let text = ToolFailure::explained_by("building", &log, "read the log").to_string();
        fs::remove_file(&log).unwrap();
        assert!(text.contains("line 99") && !text.contains("line 79\n"), "{text}");
        assert!(text.contains("what to do: read the log"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_tool_that_outlived_its_command_is_stopped() {
        let logs = scratch("strays");
        fs::create_dir_all(&logs).unwrap();
        let mut stray = Command::new("sleep").arg("300").process_group(0).spawn().unwrap();
        let record = processes::started(stray.id().unwrap(), OsStr::new("sleep")).unwrap();
        fs::write(note(&logs.join("deploy.log")), serde_json::to_vec(&record).unwrap()).unwrap();
        let waiting = tokio::spawn(async move { stray.wait().await });
        stop_strays(&logs).await;
        assert!(!waiting.await.unwrap().unwrap().success());
        assert_eq!(fs::read_dir(&logs).unwrap().count(), 0);
        fs::remove_dir_all(&logs).unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn dropping_a_run_stops_the_tool_and_its_children() {
        let log = scratch("group");
        let progress = Progress::new(Audience::Program);
        let step = progress.start("sleep");
        let tool = Tool { what: "sleeping", log: &log, advice: "", output: None };
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 300 & echo $!; wait"]);
        let run = tool.run(command, &step);
        let waited = tokio::time::timeout(Duration::from_millis(500), run).await;
        assert!(waited.is_err());
        let child: i32 = tail(&log).pop().unwrap().parse().unwrap();
        fs::remove_file(&log).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while rustix::process::test_kill_process(Pid::from_raw(child).unwrap()).is_ok() {
            // A container without an init process keeps the dead child as a zombie.
            if fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| stat.contains(") Z ")) {
                break;
            }
            assert!(Instant::now() < deadline, "the child is still running");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
