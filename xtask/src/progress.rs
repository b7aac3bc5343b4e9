//! What the person at the terminal sees: a line per step with its elapsed time, redrawn in place on a
//! terminal and printed plainly elsewhere.

use std::{
    io::{IsTerminal, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Result;

/// A step that took less than this, and succeeded, is not worth a line.
const INSTANT: Duration = Duration::from_millis(100);
const REDRAW: Duration = Duration::from_millis(120);
/// Elsewhere than on a terminal, a step that takes longer than this is announced while it runs.
const ANNOUNCE_AFTER: Duration = Duration::from_secs(2);
/// …and repeats that it still runs this often.
const REPEAT_EVERY: Duration = Duration::from_secs(15);
const FRAMES: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// The longest line that is still easy to read.
const LINE_COLUMNS: usize = 120;

/// Which stream people read; the other one may be read by a program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Audience {
    /// People read standard output.
    People,
    /// A program reads standard output (`--json`): everything for people goes to standard error.
    Program,
    /// Nothing is printed.
    Nobody,
}

/// Prints steps and lines. Clones share one display.
#[derive(Clone)]
pub struct Progress {
    display: Arc<Mutex<Display>>,
}

struct Display {
    audience: Audience,
    terminal: bool,
    active: Vec<Active>,
    board: Vec<String>,
    drawn_lines: usize,
    next_id: u64,
    frame: usize,
}

struct Active {
    id: u64,
    name: String,
    detail: String,
    started: Instant,
    announced: Option<Instant>,
}

/// A step that is under way. Dropping it without [`Step::finish`] (Ctrl-C) removes its line.
pub struct Step {
    id: u64,
    started: Instant,
    display: Arc<Mutex<Display>>,
}

impl Progress {
    /// Starts the display; inside a Tokio runtime it also keeps the live lines moving.
    pub fn new(audience: Audience) -> Self {
        let terminal = match audience {
            Audience::People => std::io::stdout().is_terminal(),
            Audience::Program => std::io::stderr().is_terminal(),
            Audience::Nobody => false,
        };
        let display =
            Display { audience, terminal, active: Vec::new(), board: Vec::new(), drawn_lines: 0, next_id: 0, frame: 0 };
        let progress = Self { display: Arc::new(Mutex::new(display)) };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let display = Arc::downgrade(&progress.display);
            runtime.spawn(async move {
                while let Some(display) = display.upgrade() {
                    lock(&display).tick();
                    drop(display);
                    tokio::time::sleep(REDRAW).await;
                }
            });
        }
        progress
    }

    /// Begins a step.
    pub fn start(&self, name: impl Into<String>) -> Step {
        let mut display = lock(&self.display);
        let id = display.next_id;
        display.next_id += 1;
        let started = Instant::now();
        display.active.push(Active { id, name: name.into(), detail: String::new(), started, announced: None });
        Step { id, started, display: Arc::clone(&self.display) }
    }

    /// Prints one line, or several, above the steps that are under way.
    pub fn say(&self, text: impl AsRef<str>) {
        lock(&self.display).print(text.as_ref());
    }

    /// Shows these lines below all others, in the place of those shown before. Only on a terminal.
    pub fn board(&self, lines: Vec<String>) {
        let mut display = lock(&self.display);
        display.board = lines;
        display.redraw();
    }

    /// Whether lines are redrawn in place.
    pub fn is_terminal(&self) -> bool {
        lock(&self.display).terminal
    }
}

impl Step {
    /// What the step does at the moment; shown behind its name.
    pub fn detail(&self, text: impl AsRef<str>) {
        let text: String = text.as_ref().chars().filter(|character| !character.is_control()).collect();
        if let Some(active) = lock(&self.display).active.iter_mut().find(|active| active.id == self.id) {
            active.detail = text;
        }
    }

    /// Ends the step: prints whether it succeeded and how long it took, and hands the result on.
    pub fn finish<T>(self, result: Result<T>) -> Result<T> {
        let elapsed = self.started.elapsed();
        let mut display = lock(&self.display);
        let active = display.remove(self.id);
        if let Some(active) = active.filter(|_| result.is_err() || elapsed >= INSTANT) {
            let mark = if result.is_ok() { '✓' } else { '✗' };
            display.print(&format!("  {mark} {:<44} {:>7}", active.name, seconds(elapsed)));
        }
        drop(display);
        result
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        lock(&self.display).remove(self.id);
    }
}

impl Display {
    fn remove(&mut self, id: u64) -> Option<Active> {
        let position = self.active.iter().position(|active| active.id == id)?;
        let active = self.active.remove(position);
        self.redraw();
        Some(active)
    }

    fn tick(&mut self) {
        self.frame = self.frame.wrapping_add(1);
        if self.terminal {
            self.redraw();
        } else {
            self.announce();
        }
    }

    fn announce(&mut self) {
        let now = Instant::now();
        let mut lines = Vec::new();
        for active in &mut self.active {
            let due = match active.announced {
                None => active.started + ANNOUNCE_AFTER,
                Some(last) => last + REPEAT_EVERY,
            };
            if now >= due {
                let detail = if active.announced.is_some() { active.detail.as_str() } else { "" };
                lines.push(shorten(
                    &format!("  … {:<44} {:>7}  {detail}", active.name, seconds(now - active.started)),
                    LINE_COLUMNS,
                ));
                active.announced = Some(now);
            }
        }
        for line in lines {
            self.print(&line);
        }
    }

    fn print(&mut self, text: &str) {
        let mut output = self.erase();
        for line in text.lines() {
            output.push_str(line.trim_end());
            output.push('\n');
        }
        self.write(&output);
        self.redraw();
    }

    fn redraw(&mut self) {
        if !self.terminal {
            return;
        }
        let mut output = self.erase();
        // Asked each time: windows change their size.
        let columns = columns(self.audience);
        let frame = FRAMES.get(self.frame % FRAMES.len()).copied().unwrap_or(' ');
        for active in &self.active {
            let elapsed = seconds(active.started.elapsed());
            output
                .push_str(&shorten(&format!("  {frame} {:<44} {elapsed:>7}  {}", active.name, active.detail), columns));
            output.push('\n');
        }
        for line in &self.board {
            output.push_str(&shorten(line, columns));
            output.push('\n');
        }
        self.drawn_lines = self.active.len() + self.board.len();
        self.write(&output);
    }

    /// The control sequence that removes the live lines.
    fn erase(&mut self) -> String {
        let lines = std::mem::take(&mut self.drawn_lines);
        if lines == 0 { String::new() } else { format!("\x1b[{lines}A\x1b[J") }
    }

    fn write(&self, text: &str) {
        if text.is_empty() {
            return;
        }
        // A closed pipe (`| head`) is no reason to stop the work.
        let _ = match self.audience {
            Audience::People => std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush()),
            Audience::Program => std::io::stderr().write_all(text.as_bytes()),
            Audience::Nobody => Ok(()),
        };
    }
}

/// A duration as `0.4 s`, `12 s` or `3 min 05 s`.
pub fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    match whole {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..120 => format!("{whole} s"),
        _ => format!("{} min {:02} s", whole / 60, whole % 60),
    }
}

/// A live line must not wrap, or redrawing it would leave rests behind.
fn columns(audience: Audience) -> usize {
    let size = match audience {
        Audience::Program => rustix::termios::tcgetwinsize(std::io::stderr()),
        Audience::People | Audience::Nobody => rustix::termios::tcgetwinsize(std::io::stdout()),
    };
    let found = size.map_or(0, |size| usize::from(size.ws_col));
    if found == 0 { LINE_COLUMNS } else { found.min(LINE_COLUMNS) }
}

fn shorten(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.trim_end().to_owned();
    }
    let mut short: String = line.chars().take(columns.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A panic elsewhere must not silence the display.
fn lock(display: &Mutex<Display>) -> MutexGuard<'_, Display> {
    display.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_the_precision_that_matters() {
        assert_eq!(seconds(Duration::from_millis(440)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(12)), "12 s");
        assert_eq!(seconds(Duration::from_secs(185)), "3 min 05 s");
    }

    #[test]
    fn a_live_line_never_wraps() {
        assert_eq!(shorten(&"x".repeat(300), 80).chars().count(), 80);
        assert_eq!(shorten("short   ", 80), "short");
    }
}
