//! What people and programs are told and asked: answers on standard output, all else on standard error.

use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::{Duration, Instant};

/// What takes longer than this is told of while it runs.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is told that it still runs.
const TICK: Duration = Duration::from_secs(1);

/// Where the program speaks to whoever started it.
#[derive(Debug)]
pub struct Terminal {
    json: bool,
}

impl Terminal {
    /// With `json`, a program listens.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a person is there to be asked.
    pub fn can_ask(&self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Whether colours are welcome.
    pub fn is_coloured(&self) -> bool {
        !self.json && io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
    }

    /// Tells a person something of the answer. A program gets [`Terminal::answer`] instead.
    pub fn say(&self, text: impl AsRef<str>) {
        if !self.json {
            print(&mut io::stdout(), text.as_ref());
        }
    }

    /// Tells something that is not the answer.
    #[expect(clippy::unused_self, reason = "a terminal is what speaks")]
    pub fn note(&self, text: impl AsRef<str>) {
        print(&mut io::stderr(), text.as_ref());
    }

    /// The answer for a program.
    pub fn answer(&self, value: &impl Serialize) -> Result<()> {
        if self.json {
            print(&mut io::stdout(), &serde_json::to_string(value)?);
        }
        Ok(())
    }

    /// Why nothing was done.
    pub fn error(&self, error: &anyhow::Error) {
        if self.json {
            let document = serde_json::json!({ "error": format!("{error:#}") });
            print(&mut io::stdout(), &document.to_string());
        }
        print(&mut io::stderr(), &format!("error: {error:#}"));
    }

    /// Waits for something, and tells after two seconds that it takes its time.
    pub async fn wait<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let moves = io::stderr().is_terminal() && !self.json;
        let mut work = std::pin::pin!(work);
        let mut told = false;
        loop {
            let pause = if began.elapsed() < PATIENCE { PATIENCE.saturating_sub(began.elapsed()) } else { TICK };
            match tokio::time::timeout(pause, &mut work).await {
                Ok(done) => {
                    if told && moves {
                        // Away with the line that moved.
                        let _ = write!(io::stderr(), "\r\u{1b}[K");
                    }
                    return done;
                }
                Err(_) if moves => {
                    let _ = write!(io::stderr(), "\r\u{1b}[K{what} … {} s", began.elapsed().as_secs());
                    let _ = io::stderr().flush();
                    told = true;
                }
                Err(_) if !told => {
                    print(&mut io::stderr(), &format!("{what} …"));
                    told = true;
                }
                Err(_) => {}
            }
        }
    }

    /// Asks a person for a text; an empty answer means the default.
    pub fn ask(&self, question: &str, default: Option<&str>) -> Result<String> {
        loop {
            let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
            let _ = write!(io::stderr(), "{question}{shown}: ");
            let _ = io::stderr().flush();
            let mut line = String::new();
            if io::stdin().lock().read_line(&mut line).context("cannot read an answer")? == 0 {
                bail!("there was no answer");
            }
            match (line.trim(), default) {
                ("", Some(default)) => return Ok(default.to_owned()),
                ("", None) => self.note("An answer is needed."),
                (answer, _) => return Ok(answer.to_owned()),
            }
        }
    }

    /// Asks for a secret, without echo.
    #[expect(clippy::unused_self, reason = "a terminal is what asks")]
    pub fn ask_secret(&self, question: &str) -> Result<String> {
        rpassword::prompt_password(format!("{question}: ")).context("cannot read a secret from the terminal")
    }

    /// Asks whether to go on; only an explicit yes is one.
    pub fn confirm(&self, question: &str) -> Result<bool> {
        let answer = self.ask(&format!("{question} (yes/no)"), Some("no"))?;
        Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

// A reader that went away (`| head`) is no reason to fail.
fn print(to: &mut impl Write, text: &str) {
    let _ = writeln!(to, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_gives_what_was_waited_for() {
        let terminal = Terminal::new(true);
        assert_eq!(terminal.wait("testing", async { 7 }).await, 7);
        assert!(!terminal.can_ask() && !terminal.is_coloured());
    }
}
