//! AWS's Lambda Runtime Interface Emulator, which runs one function: the program that `sam local` starts
//! inside its container. Whatever happens, it and its function end with us.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{net::TcpStream, process::Child};
use uuid::Uuid;

use crate::{
    aws::http_client,
    command::ToolFailure,
    layout::{Layout, create_private, remove_folder},
    processes::{self, Listed},
};

const START_GRACE: Duration = Duration::from_secs(10);
/// Another program may take a port that was free a moment ago.
const START_ATTEMPTS: usize = 3;
/// The emulator ends its function first.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// How much longer than the function may take an answer is waited for.
const ANSWER_GRACE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);
const BINARY: &str = "bootstrap";
const EMULATOR: &str = "runtime-emulator";
const OUTPUT: &str = "output.log";
const LOG: &str = "emulator.log";

/// The folder of one invocation: the function's code, and what is written meanwhile. Removed when dropped.
pub struct Folder(PathBuf);

/// What the emulator answered and wrote.
pub struct Written {
    /// The HTTP status.
    pub status: u16,
    /// The HTTP body.
    pub body: String,
    /// What it and the function wrote to standard output.
    pub output: String,
    /// Its own log.
    pub log: String,
    /// The most memory that the function's process had, in MiB.
    pub max_memory_mb: Option<u64>,
}

impl Folder {
    /// A new folder with the function's binary. It lies in that of the AWS emulator, so that `down` ends and
    /// removes what is left there.
    pub fn new(layout: &Layout, binary: &Path, emulator: &Path) -> Result<Self> {
        let path = layout.emulator().join("invocations").join(Uuid::new_v4().simple().to_string());
        create_private(&path)?;
        let folder = Self(path);
        let code = folder.0.join(BINARY);
        // A later build gives the name to another file; under a second name the one that was built for us stays.
        let binary = fs::canonicalize(binary).with_context(|| format!("there is no {}", binary.display()))?;
        let linked = fs::hard_link(&binary, &code).or_else(|_| fs::copy(&binary, &code).map(drop));
        linked.with_context(|| format!("cannot copy {}", binary.display()))?;
        symlink(emulator, folder.0.join(EMULATOR)).context("cannot link AWS's runtime emulator")?;
        Ok(folder)
    }

    /// Where it is; the function's code lies at its top.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Runs the function on an event. `timeout` is the function's own.
    pub async fn run(&self, environment: &[(String, String)], event: &[u8], timeout: Duration) -> Result<Written> {
        let mut failed = None;
        for _ in 0..START_ATTEMPTS {
            let mut running = Running::start(&self.0, environment)?;
            match running.wait_until_it_listens().await {
                Ok(()) => return running.invoke(event, timeout).await,
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| anyhow!("AWS's runtime emulator was not started")))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = remove_folder(&self.0);
    }
}

/// The emulator with its function. Dropping it ends both.
struct Running<'a> {
    folder: &'a Path,
    child: Child,
    address: SocketAddr,
}

impl<'a> Running<'a> {
    /// Starts the emulator; the function starts with the first event.
    fn start(folder: &'a Path, environment: &[(String, String)]) -> Result<Self> {
        let [address, api] = free_addresses()?;
        let mut command = processes::bound_to_us(&folder.join(EMULATOR))?;
        command.arg("--log-level").arg("info");
        command.arg("--runtime-interface-emulator-address").arg(address.to_string());
        command.arg("--runtime-api-address").arg(api.to_string()).arg(folder.join(BINARY));
        command.env_clear().envs(environment.iter().map(|(name, value)| (name, value))).current_dir(folder);
        command.stdin(Stdio::null()).stdout(File::create(folder.join(OUTPUT))?).stderr(File::create(folder.join(LOG))?);
        // Ctrl-C is for us: we end it in good order.
        command.process_group(0).kill_on_drop(true);
        let child = command.spawn().context("cannot start AWS's runtime emulator")?;
        Ok(Self { folder, child, address })
    }

    async fn wait_until_it_listens(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_GRACE;
        loop {
            if TcpStream::connect(self.address).await.is_ok() {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                let log = self.folder.join(LOG);
                let failure = ToolFailure::explained_by("AWS's runtime emulator did not start", &log, "try again");
                // The log goes with the folder, so its end is quoted now.
                return Err(anyhow!("{failure}"));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Sends the event, and ends everything once it is answered.
    async fn invoke(mut self, event: &[u8], timeout: Duration) -> Result<Written> {
        let url = format!("http://{}/2015-03-31/functions/function/invocations", self.address);
        // The start has a limit of its own, which is the same.
        let answer = http_client(timeout * 2 + ANSWER_GRACE)?.post(url).body(event.to_vec()).send().await;
        let answer = answer.context("AWS's runtime emulator does not answer")?;
        let status = answer.status().as_u16();
        let body = answer.text().await.context("the answer of AWS's runtime emulator broke off")?;
        let max_memory_mb = self.function().iter().filter_map(|process| peak_memory_mb(process.pid)).max();
        self.end();
        let text = |name: &str| {
            let bytes = fs::read(self.folder.join(name)).with_context(|| format!("cannot read {name}"))?;
            anyhow::Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Written { status, body, output: text(OUTPUT)?, log: text(LOG)?, max_memory_mb })
    }

    /// The function's process, if it runs.
    fn function(&self) -> Vec<Listed> {
        let binary = self.folder.join(BINARY);
        processes::list().into_iter().filter(|process| process.program_is_under(&binary)).collect()
    }

    /// Ends the emulator, which ends its function; and the function, should the emulator be gone already.
    fn end(&mut self) {
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
            let deadline = Instant::now() + STOP_GRACE;
            while matches!(self.child.try_wait(), Ok(None)) {
                if Instant::now() > deadline {
                    let _ = kill_process(pid, Signal::KILL);
                    break;
                }
                std::thread::sleep(POLL);
            }
        }
        for process in self.function() {
            if let Some(pid) = Pid::from_raw(process.pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Two different addresses of this machine that are free at the moment.
fn free_addresses() -> Result<[SocketAddr; 2]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1");
    // Both at once: one that is let go may be given out again.
    let (one, other) = (bind()?, bind()?);
    Ok([one.local_addr()?, other.local_addr()?])
}

/// The most memory that a process had so far, in MiB: its high-water mark of resident memory (proc(5)).
fn peak_memory_mb(pid: i32) -> Option<u64> {
    peak_of(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Instance;

    fn layout() -> Layout {
        Layout::of(std::env::temp_dir().join(format!("xtask-runtime-{}", Uuid::new_v4())), Instance::Developer)
    }

    #[test]
    fn the_peak_is_rounded_up() {
        assert_eq!(peak_of("Name:\tx\nVmHWM:\t   14337 kB\nVmRSS:\t 1 kB\n"), Some(15));
        assert_eq!(peak_of("Name:\tx\n"), None);
        assert!(peak_memory_mb(i32::try_from(std::process::id()).unwrap()).unwrap() > 0);
    }

    #[test]
    fn the_folder_goes_when_it_is_dropped() {
        let layout = layout();
        let folder = Folder::new(&layout, Path::new("/bin/sh"), Path::new("/bin/sleep")).unwrap();
        let path = folder.path().to_path_buf();
        assert!(path.join(BINARY).is_file() && path.starts_with(layout.emulator()));
        drop(folder);
        assert!(!path.exists());
        fs::remove_dir_all(layout.root()).unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_emulator_that_does_not_start_is_an_error_that_quotes_it() {
        let folder = layout().root().to_path_buf();
        fs::create_dir_all(&folder).unwrap();
        let mut command = tokio::process::Command::new("sh");
        command.args(["-c", "echo no luck >&2"]).stderr(File::create(folder.join(LOG)).unwrap());
        let [address, _] = free_addresses().unwrap();
        let mut running = Running { folder: &folder, child: command.spawn().unwrap(), address };
        let error = running.wait_until_it_listens().await.unwrap_err();
        assert!(error.to_string().contains("no luck"), "{error}");
        drop(running);
        fs::remove_dir_all(&folder).unwrap();
    }
}
