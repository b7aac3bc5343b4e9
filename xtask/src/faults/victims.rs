//! The processes of functions that the emulator runs, and their end.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process};
use uuid::Uuid;

use crate::processes::{Listed, list};

/// The functions of one emulator.
pub struct Victims {
    /// All their programs lie under it.
    folder: PathBuf,
    /// Those whose programs lie under it are left alone.
    spared: PathBuf,
    /// Time on a processor when last looked at, by process.
    seen: BTreeMap<i32, u64>,
}

impl Victims {
    /// Those whose programs lie under the folder, without those under `spared`.
    pub fn under(folder: &Path, spared: &Path) -> Self {
        Self { folder: folder.to_path_buf(), spared: spared.to_path_buf(), seen: BTreeMap::new() }
    }

    /// Kills one, if there is one: every second time one that was at work since the last look, if there is one.
    /// Says whether one was hit.
    pub fn kill_one(&mut self) -> bool {
        let is_meant = |found: &Listed| found.program_is_under(&self.folder) && !found.program_is_under(&self.spared);
        let all: Vec<i32> = list().into_iter().filter(is_meant).map(|found| found.pid).collect();
        let now: BTreeMap<i32, u64> = all.iter().filter_map(|pid| Some((*pid, ticks(*pid)?))).collect();
        let worked = |pid: &&i32| now.get(pid) > self.seen.get(pid);
        let at_work: Vec<i32> = all.iter().filter(worked).copied().collect();
        let candidates = if at_work.is_empty() || any_below(2) == 1 { &all } else { &at_work };
        let victim = candidates.get(any_below(candidates.len())).copied().and_then(Pid::from_raw);
        self.seen = now;
        victim.is_some_and(|victim| kill_process(victim, Signal::KILL).is_ok())
    }
}

/// A number below the limit, by chance; 0 if the limit is 0.
pub fn any_below(limit: usize) -> usize {
    let (chance, _) = Uuid::new_v4().as_u64_pair();
    usize::try_from(chance).unwrap_or_default().checked_rem(limit).unwrap_or_default()
}

/// User and system time, in ticks (proc(5)); none where there is no `/proc`.
fn ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may have spaces.
    let (_, fields) = stat.rsplit_once(')')?;
    Some(fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum())
}

#[cfg(test)]
mod tests {
    use tokio::process::Command;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn only_what_lies_under_the_folder_is_hit_and_once() {
        let folder = std::env::temp_dir().join(format!("xtask-victims-{}", Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("bootstrap");
        fs::copy("/bin/sleep", &program).unwrap();
        let mut victim = Command::new(&program).arg("300").spawn().unwrap();
        let spared = folder.join("spared");
        fs::create_dir_all(&spared).unwrap();
        fs::copy("/bin/sleep", spared.join("bootstrap")).unwrap();
        let mut other = Command::new(spared.join("bootstrap")).arg("300").spawn().unwrap();
        let mut victims = Victims::under(&folder, &spared);
        assert!(victims.kill_one());
        assert!(!victim.wait().await.unwrap().success());
        assert!(!victims.kill_one(), "nobody is left");
        assert!(other.try_wait().unwrap().is_none());
        other.kill().await.unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }
}
