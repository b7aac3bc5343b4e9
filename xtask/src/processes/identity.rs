//! Tells processes apart beyond their pid, which the system uses again: by start time and program.

use std::{fs, path::Path, process::Command};

use super::Record;

/// A process that runs now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// Its process id.
    pub pid: i32,
    /// Its process group.
    pub group: i32,
    /// When it started, in the system's own terms.
    pub started: String,
    /// Its command line; empty for what the system itself runs.
    pub arguments: Vec<String>,
}

impl Listed {
    /// Whether it runs this program: itself, through an interpreter, or under a title of its own making.
    pub fn is_program(&self, program: &str) -> bool {
        // While a process becomes another program it has no command line for a moment; its start time must do.
        if self.arguments.is_empty() || program.is_empty() {
            return true;
        }
        // Before that a launched process still has our command line, with the program in it.
        self.arguments.iter().any(|argument| argument == program)
            || self.arguments.iter().take(2).any(|argument| same_name(argument, program))
    }

    /// Whether its program lies under a folder.
    pub fn program_is_under(&self, folder: &Path) -> bool {
        self.arguments.first().is_some_and(|first| Path::new(first).starts_with(folder))
    }

    /// What is remembered of it.
    pub fn into_record(self) -> Record {
        let program = self.arguments.into_iter().next().unwrap_or_default();
        Record { pid: self.pid, started: self.started, program }
    }
}

/// PostgreSQL rewrites its title (`postgres: …`), npm too (`npm ci`), and macOS's Python starts itself again as
/// `…/Python`.
fn same_name(shown: &str, program: &str) -> bool {
    let name = |path: &str| Path::new(path).file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let Some(program) = name(program) else { return false };
    let title = shown.split([':', ' ']).next();
    title == Some(&program) || name(shown).is_some_and(|shown| shown.eq_ignore_ascii_case(&program))
}

/// The process with this id, if one runs. A zombie has ended.
pub fn of(pid: i32) -> Option<Listed> {
    if has_proc() { from_proc(pid) } else { from_ps(&["-p", &pid.to_string()]).into_iter().next() }
}

/// All processes that we can see.
pub fn list() -> Vec<Listed> {
    if !has_proc() {
        return from_ps(&["-ax"]);
    }
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(from_proc).collect()
}

fn has_proc() -> bool {
    Path::new("/proc/self/stat").exists()
}

fn from_proc(pid: i32) -> Option<Listed> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (group, ticks) = parse_stat(&stat)?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let arguments = line.split(|byte| *byte == 0).filter(|part| !part.is_empty());
    let arguments = arguments.map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    Some(Listed { pid, group, started: format!("{}:{ticks}", boot.trim()), arguments })
}

/// Group and start time out of `/proc/<pid>/stat` (proc(5)); none for a zombie.
fn parse_stat(stat: &str) -> Option<(i32, &str)> {
    // The program's name, in parentheses, may itself contain spaces and parentheses.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    let (state, group, ticks) = (fields.first()?, fields.get(2)?, fields.get(19)?);
    if matches!(*state, "Z" | "X") {
        return None;
    }
    Some((group.parse().ok()?, *ticks))
}

/// macOS has no `/proc`.
fn from_ps(selection: &[&str]) -> Vec<Listed> {
    let output = Command::new("ps")
        .env("LC_ALL", "C")
        .args(selection)
        .args(["-o", "pid=,pgid=,stat=,lstart=,command="])
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().filter_map(parse_ps).collect()
}

/// `1234 1234 Ss Fri Nov 20 12:00:00 2026 /path/program arguments…`
fn parse_ps(line: &str) -> Option<Listed> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let started = fields.get(3..8)?.join(" ");
    if fields.get(2)?.starts_with('Z') {
        return None;
    }
    Some(Listed {
        pid: fields.first()?.parse().ok()?,
        group: fields.get(1)?.parse().ok()?,
        started,
        arguments: fields.get(8..)?.iter().map(|part| (*part).to_owned()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b)) S 1 40 40 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 987654 0 0";
        assert_eq!(parse_stat(stat), Some((40, "987654")));
    }

    #[test]
    fn a_zombie_has_ended() {
        assert_eq!(parse_stat("42 (a) Z 1 40 40 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 987654 0 0"), None);
    }

    #[test]
    fn a_line_of_ps_is_understood() {
        let found = parse_ps(" 42  40 Ss   Fri Nov 20 12:00:00 2026 /tools/python -m ministack").unwrap();
        assert_eq!((found.pid, found.group), (42, 40));
        assert_eq!(found.started, "Fri Nov 20 12:00:00 2026");
        assert!(found.is_program("/tools/python") && !found.is_program("/tools/other"));
    }

    #[test]
    fn a_rewritten_title_is_recognised() {
        assert!(same_name("postgres: checkpointer", "/tools/bin/postgres"));
        assert!(same_name("npm ci", "npm"));
        assert!(same_name("/Library/Frameworks/Resources/Python", "/tools/bin/python"));
        assert!(!same_name("/usr/bin/postgres-exporter", "/tools/bin/postgres"));
    }

    #[test]
    fn the_own_process_is_listed() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let own = of(pid).unwrap();
        assert!(list().contains(&own));
    }
}
