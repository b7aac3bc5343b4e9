//! Rules about single files.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::{Finding, Source};

const MOST_LINES: usize = 400;
/// Files that may be longer, with the reason.
const LONG_FILES: [(&str, &str); 0] = [];
/// What tools make, and what is not ours.
const SKIPPED_FOLDERS: [&str; 7] = [".fluxnex", ".git", "cdk.out", "dist", "node_modules", "snapshots", "target"];
/// A file of more than this is data, not text that people wrote.
const LARGEST_BYTES: u64 = 1 << 20;
const CODE: [&str; 6] = ["js", "mjs", "py", "rs", "sql", "ts"];
const LOCK_FILES: [&str; 3] = ["Cargo.lock", "package-lock.json", "uv.lock"];
/// Hosts that anybody's lock file may name.
const PUBLIC_HOSTS: [&str; 5] =
    ["github.com", "registry.npmjs.org", "index.crates.io", "pypi.org", "files.pythonhosted.org"];
/// Folders that exist on particular machines only. In pieces, so that this file does not break its own rule.
const PRIVATE_FOLDERS: [&str; 2] = [concat!("/", "root"), concat!("/", "work")];

/// Every text file of the repository, in the order of its path.
pub fn read_all(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    collect(root, root, &mut sources)?;
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            if !SKIPPED_FOLDERS.iter().any(|skipped| entry.file_name() == *skipped) {
                collect(root, &path, sources)?;
            }
        } else if kind.is_file() && entry.metadata()?.len() <= LARGEST_BYTES {
            // What is not UTF-8 is no text.
            if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                sources.push(Source { path, text });
            }
        }
    }
    Ok(())
}

/// Every Rust file opens with a `//!` sentence.
pub fn opening(sources: &[Source]) -> Vec<Finding> {
    let rust = sources.iter().filter(|source| source.has_extension(&["rs"]));
    let silent = rust.filter(|source| !source.text.starts_with("//! "));
    silent
        .map(|source| source.finding(1, "the first line must be a `//!` sentence that says what the file is for"))
        .collect()
}

/// Code files stay short.
pub fn length(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.has_extension(&CODE)) {
        let lines = source.text.lines().count();
        let excused = LONG_FILES.iter().any(|(path, _)| *path == source.path);
        if lines > MOST_LINES && !excused {
            findings.push(
                source.finding(0, format!("{lines} lines; split it, or give the reason in xtask/src/tidy/files.rs")),
            );
        }
        if lines <= MOST_LINES && excused {
            findings.push(source.finding(0, "is short again; take it off the list in xtask/src/tidy/files.rs"));
        }
    }
    findings
}

/// Nothing names a folder of a particular machine.
pub fn forbidden(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for (number, line) in source.text.lines().enumerate() {
            for folder in PRIVATE_FOLDERS.iter().filter(|folder| names_folder(line, folder)) {
                findings.push(source.finding(number + 1, format!("names {folder}, which other machines do not have")));
            }
        }
    }
    findings
}

/// Whether an absolute path in this folder is in the line: `/usr/root` and `/workspace` are others.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let after = line.get(start + folder.len()..).and_then(|text| text.chars().next());
        let begins = before.is_none_or(|character| !character.is_alphanumeric() && !"._-/}>*)".contains(character));
        let ends = after.is_none_or(|character| !character.is_alphanumeric() && !"._-".contains(character));
        begins && ends
    })
}

/// A lock file written behind a mirror would name the mirror.
pub fn registries(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_lock = |source: &&Source| LOCK_FILES.contains(&source.path.rsplit('/').next().unwrap_or_default());
    for source in sources.iter().filter(is_lock) {
        for (number, line) in source.text.lines().enumerate() {
            for host in resolved_hosts(line) {
                if !PUBLIC_HOSTS.contains(&host) {
                    findings.push(source.finding(number + 1, format!("names the host {host}")));
                }
            }
        }
    }
    findings
}

/// The hosts that a line says a package comes from. Addresses for people (`funding`) are none.
fn resolved_hosts(line: &str) -> Vec<&str> {
    let trimmed = line.trim_start();
    if !["\"resolved\"", "source =", "\"registry\""].iter().any(|key| trimmed.starts_with(key)) {
        return Vec::new();
    }
    let after = line.split("://").skip(1);
    after.map(|rest| rest.split(['/', ':', '"', '#']).next().unwrap_or(rest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: impl Into<String>) -> Source {
        Source { path: path.to_owned(), text: text.into() }
    }

    #[test]
    fn a_rust_file_without_an_opening_is_found() {
        let sources =
            [source("a.rs", "//! Says.\n"), source("b.rs", "use std::fs;\n"), source("c.ts", "import 'x';\n")];
        let found: Vec<String> = opening(&sources).into_iter().map(|finding| finding.file).collect();
        assert_eq!(found, ["b.rs"]);
    }

    #[test]
    fn only_long_code_is_found() {
        let long = "line\n".repeat(MOST_LINES + 1);
        let sources = [source("a.rs", long.clone()), source("b.rs", "line\n".repeat(MOST_LINES)), source("c.md", long)];
        let found: Vec<String> = length(&sources).into_iter().map(|finding| finding.file).collect();
        assert_eq!(found, ["a.rs"]);
    }

    #[test]
    fn private_folders_are_told_from_others_of_a_similar_name() {
        let [home, work] = PRIVATE_FOLDERS;
        for line in [format!("cd {home}"), format!("\"{home}/x\""), format!("PATH={work}/bin"), format!("`{work}`")] {
            assert!(names_folder(&line, home) || names_folder(&line, work), "{line}");
        }
        for line in [
            format!("{work}space"),
            format!("/usr{work}"),
            format!("a{home}"),
            format!("{work}-{home}s"),
            "<b>x</b>".to_owned(),
        ] {
            assert!(!names_folder(&line, home) && !names_folder(&line, work), "{line}");
        }
    }

    #[test]
    fn a_mirror_in_a_lock_file_is_found() {
        let lock = concat!(
            "\"resolved\": \"https://registry.npmjs.org/a/-/a-1.tgz\",\n",
            "\"funding\": \"https://example.org/donate\",\n",
            "\"resolved\": \"https://mirror.example.org/a/-/a-1.tgz\",\n",
        );
        let found = registries(&[source("infra-cdk/package-lock.json", lock)]);
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [3]);
        let cargo = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        assert!(registries(&[source("Cargo.lock", cargo)]).is_empty());
    }
}
