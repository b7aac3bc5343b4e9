//! `cargo xtask logs`: what the functions, and the servers around them, have logged.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
    time::Duration,
};

use anyhow::{Result, bail};
use jiff::{Timestamp, tz::TimeZone};

use crate::{
    aws::{Aws, LogEvent},
    emulator,
    layout::Layout,
    postgres, simulators,
    state::StateFile,
    system::print,
};

const GROUP_PREFIX: &str = "/aws/lambda/fluxnex-local-";
const POLL: Duration = Duration::from_millis(700);
/// An event may be stored this much later than the instant it carries.
const OVERLAP_MS: i64 = 10_000;
const SERVERS: [&str; 3] = [postgres::NAME, emulator::NAME, simulators::NAME];

/// What to show.
#[derive(Clone, Debug)]
pub struct Selection {
    /// A function or a server; without it, all functions.
    pub source: Option<String>,
    /// Whether to wait for more.
    pub follow: bool,
}

/// Prints the selected logs.
pub async fn logs(layout: &Layout, selection: &Selection) -> Result<()> {
    match selection.source.as_deref() {
        Some(server) if SERVERS.contains(&server) => server_log(&layout.log(server), selection.follow).await,
        function => function_logs(layout, function, selection.follow).await,
    }
}

async fn function_logs(layout: &Layout, function: Option<&str>, follow: bool) -> Result<()> {
    if let Some(name) = function {
        let known = crate::build::functions(layout)?;
        if !known.iter().any(|function| function == name) {
            bail!("there is no function or server {name}; there are {}, {}", known.join(", "), SERVERS.join(", "));
        }
    }
    let state = StateFile::open(layout);
    let (emulator, _) = emulator::require(layout, &state)?;
    let aws = Aws::new(emulator.endpoint())?;
    let mut reader = Reader { aws, seen: HashMap::new() };
    loop {
        let lines: String = reader.read(function).await?.into_iter().map(|line| line + "\n").collect();
        if !print(&lines)? || !follow {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Remembers what was shown of each log group.
struct Reader {
    aws: Aws,
    seen: HashMap<String, (i64, HashSet<String>)>,
}

impl Reader {
    /// The new lines of all selected groups, in the order of time.
    async fn read(&mut self, function: Option<&str>) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for group in self.aws.log_groups(GROUP_PREFIX).await? {
            let name = group.strip_prefix(GROUP_PREFIX).unwrap_or(&group).to_owned();
            if function.is_some_and(|wanted| wanted != name) {
                continue;
            }
            let (latest, seen) = self.seen.entry(group.clone()).or_default();
            let events = self.aws.log_events(&group, (*latest - OVERLAP_MS).max(0)).await?;
            *latest = events.iter().map(|event| event.at_ms).max().unwrap_or(*latest).max(*latest);
            // What can come again is within the overlap; remembering all would grow for ever.
            let ids: HashSet<String> = events.iter().map(|event| event.id.clone()).collect();
            let new = events.into_iter().filter(|event| !seen.contains(&event.id) && is_of_the_function(event));
            lines.extend(new.map(|event| (event.at_ms, format_line(&name, &event))));
            *seen = ids;
        }
        lines.sort_by_key(|(at, _)| *at);
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }
}

/// Lambda's own lines around each invocation say nothing here.
fn is_of_the_function(event: &LogEvent) -> bool {
    !["START RequestId:", "END RequestId:", "REPORT RequestId:"].iter().any(|own| event.message.starts_with(own))
}

fn format_line(function: &str, event: &LogEvent) -> String {
    let at = Timestamp::from_millisecond(event.at_ms).unwrap_or_default();
    let time = at.to_zoned(TimeZone::UTC).strftime("%H:%M:%S%.3f").to_string();
    format!("{time} {function:<10} {}", event.message.trim_end())
}

async fn server_log(path: &Path, follow: bool) -> Result<()> {
    let Ok(mut file) = File::open(path) else { bail!("the platform is not running; start it with `cargo xtask up`") };
    let mut position = 0;
    loop {
        // A restarted server writes its log anew.
        if let Ok(opened) = File::open(path) {
            if opened.metadata()?.len() < position {
                position = 0;
            }
            file = opened;
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(position))?;
        position += file.read_to_end(&mut bytes)? as u64;
        if !print(&String::from_utf8_lossy(&bytes))? || !follow {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: &str) -> LogEvent {
        LogEvent { id: "1".to_owned(), at_ms: 1_795_176_000_123, message: message.to_owned() }
    }

    #[test]
    fn a_line_says_when_and_which_function() {
        assert_eq!(
            format_line("ingest", &event("{\"level\":\"INFO\"}\n")),
            "12:00:00.123 ingest     {\"level\":\"INFO\"}"
        );
    }

    #[test]
    fn lambdas_own_lines_are_left_out() {
        assert!(!is_of_the_function(&event("START RequestId: 1 Version: $LATEST")));
        assert!(is_of_the_function(&event("{\"message\":\"START\"}")));
    }
}
