//! docs/connectors.md and docs/flows.md do what they say: their files are written, a server is started, their commands
//! are run.

use crate::command::{Said, said};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The port that the page names; the test takes a free one.
const PORT: &str = "8765";

/// A code block of the page.
#[derive(Debug)]
struct Block<'p> {
    /// What stands after the language: `file=…`, `change=… from=… to=…`, `exit=…`.
    words: Vec<(&'p str, &'p str)>,
    language: &'p str,
    text: String,
}

impl<'p> Block<'p> {
    fn word(&self, name: &str) -> Option<&'p str> {
        self.words.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut open = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(head) => {
                let mut head = head.split(' ');
                let language = head.next().unwrap_or_default();
                let words = head.filter_map(|word| word.split_once('=')).collect();
                blocks.push(Block { words, language, text: String::new() });
                open = true;
            }
            None if open => {
                let block = blocks.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    blocks
}

/// The page's application; it ends with the test.
struct Application(Child);

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, port: &str) -> Application {
    let python = std::env::var_os("FLUXNEX_TOOLS_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(python);
    let mut child = command.args(["server.py", port]).current_dir(folder).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "ready");
    Application(child)
}

/// One command of a block, and the lines that it is to say. `…` stands for anything.
fn commands(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push((command, Vec::new())),
            None => commands.last_mut().unwrap().1.push(line),
        }
    }
    commands
}

fn run(folder: &Path, command: &str) -> Said {
    // Words as a shell reads them, as far as the page uses it.
    let mut words: Vec<String> = vec![String::new()];
    let mut quoted = false;
    for character in command.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    assert_eq!(words.remove(0), "fluxnex", "{command}");
    let mut program = Command::new(env!("CARGO_BIN_EXE_fluxnex"));
    said(program.args(words).current_dir(folder).stdin(Stdio::null()).output().unwrap())
}

fn assert_says(command: &str, said: &Said, lines: &[&str]) {
    let mut heard = said.out.lines().chain(said.err.lines()).filter(|line| !line.is_empty());
    for expected in lines.iter().filter(|line| **line != "…" && !line.is_empty()) {
        let fits = |line: &str| match expected.split_once('…') {
            Some((begin, end)) => line.starts_with(begin) && line.ends_with(end),
            None => line == *expected || line.trim_end_matches(',') == *expected,
        };
        assert!(heard.any(fits), "$ {command}\nsays no\n{expected}\n\n{}{}", said.out, said.err);
    }
}

/// Does what a page says in a folder. Gives its application, if it has one, and how many commands ran.
fn play(page: &str, folder: &Path, port: &str) -> (Option<Application>, usize) {
    let mut application = None;
    let mut ran = 0;
    for block in blocks(page) {
        if let Some(file) = block.word("file") {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if file.starts_with("help-desk/tests/") {
                // As the page says: what `new` wrote for its own example goes.
                fs::remove_dir_all(path.parent().unwrap()).unwrap();
                fs::create_dir_all(path.parent().unwrap()).unwrap();
            }
            fs::write(&path, &block.text).unwrap();
            if file == "server.py" {
                application = Some(start(folder, port));
            }
        }
        if block.language == "console" {
            ran += play_commands(&block, folder);
        }
    }
    (application, ran)
}

fn play_commands(block: &Block<'_>, folder: &Path) -> usize {
    let changed = block.word("change").map(|file| {
        let path = folder.join(file);
        let before = fs::read_to_string(&path).unwrap();
        let after = before.replacen(block.word("from").unwrap(), block.word("to").unwrap(), 1);
        assert_ne!(before, after, "{block:?}");
        fs::write(&path, after).unwrap();
        (path, before)
    });
    let commands = commands(&block.text);
    for (command, lines) in &commands {
        let said = run(folder, command);
        assert_says(command, &said, lines);
        let code = block.word("exit").map_or(i32::from(changed.is_some()), |code| code.parse().unwrap());
        assert_eq!(said.code, code, "{command}: {said:?}");
    }
    if let Some((path, before)) = changed {
        fs::write(path, before).unwrap();
    }
    commands.len()
}

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)).unwrap()
}

#[test]
fn the_page_builds_a_connector() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let page = page("connectors.md").replace(PORT, &port);
    let folder = tempfile::tempdir().unwrap();
    let (application, ran) = play(&page, folder.path(), &port);
    assert!(application.is_some() && ran >= 8, "the page lost its commands: {ran}");
}

#[test]
fn the_page_builds_a_flow() {
    let folder = tempfile::tempdir().unwrap();
    let (_, ran) = play(&page("flows.md"), folder.path(), PORT);
    assert!(ran >= 9, "the page lost its commands: {ran}");
}
