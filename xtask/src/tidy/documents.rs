//! Rules about documents: what they name must exist.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use super::{Finding, Source};

/// A name with one of these is a file's.
const EXTENSIONS: [&str; 11] = ["css", "html", "json", "lock", "md", "rs", "sh", "sql", "toml", "ts", "yaml"];
/// A path with one of these stands for several.
const PLACEHOLDERS: [char; 9] = ['<', '>', '*', '{', '}', '$', '…', '|', '~'];
const COMMAND: &str = "cargo xtask ";

/// The commands there are, each with its flags.
pub type Commands = BTreeMap<String, Vec<String>>;

/// Paths in backticks and in links lead somewhere: from the root, or from the document's folder or one above it.
pub fn paths(sources: &[Source], root: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for document in sources.iter().filter(|source| source.has_extension(&["md"])) {
        for (number, line) in prose(&document.text) {
            let linked = links(line).into_iter().filter(|target| !exists(root, &document.path, target));
            let named =
                spans(line).into_iter().filter(|span| is_path(span, root) && !exists(root, &document.path, span));
            for path in linked.chain(named) {
                findings.push(document.finding(number, format!("there is no {path}")));
            }
        }
    }
    findings
}

/// Wherever a document says `cargo xtask …`, that command and its flags exist; also in blocks of code.
pub fn commands(sources: &[Source], known: &Commands) -> Vec<Finding> {
    let mut findings = Vec::new();
    for document in sources.iter().filter(|source| source.has_extension(&["md"])) {
        for (index, line) in document.text.lines().enumerate() {
            for (start, _) in line.match_indices(COMMAND) {
                let rest = line.get(start + COMMAND.len()..).unwrap_or_default();
                findings.extend(unknown(rest, known).map(|what| document.finding(index + 1, what)));
            }
        }
    }
    findings
}

/// What is unknown about the rest of a line behind `cargo xtask`.
fn unknown(rest: &str, known: &Commands) -> Option<String> {
    let end = rest.find(['`', '#', ')', ';', '&']).unwrap_or(rest.len());
    let mut words = rest.get(..end).unwrap_or_default().split_whitespace();
    let named = words.next()?.trim_end_matches(['.', ',', ':', '…']);
    if named.is_empty() || named.starts_with(PLACEHOLDERS) || named.starts_with('-') {
        return None;
    }
    // `up|down|status` and `up`/`down` name several.
    for name in named.split(['|', '/']) {
        let Some(flags) = known.get(name) else { return Some(format!("there is no command `{COMMAND}{name}`")) };
        for flag in words.clone().filter_map(|word| word.trim_start_matches('[').strip_prefix("--")) {
            let flag = flag.split(['=', ']']).next().unwrap_or(flag);
            if !flags.iter().any(|known| known == flag) {
                return Some(format!("`{COMMAND}{name}` has no flag --{flag}"));
            }
        }
    }
    None
}

/// The lines outside blocks of code, numbered from 1.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push((index + 1, line));
        }
    }
    lines
}

/// What stands between single backticks.
fn spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// The targets of links to files of the repository.
fn links(line: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    for rest in line.split("](").skip(1) {
        let target = rest.split([')', ' ', '#']).next().unwrap_or_default();
        if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
            targets.push(target);
        }
    }
    targets
}

/// Whether a span is meant as a path of the repository.
fn is_path(span: &str, root: &Path) -> bool {
    let plain = span.trim_end_matches('/');
    let odd = |character: char| {
        character.is_whitespace() || PLACEHOLDERS.contains(&character) || "()=,;:@\"'".contains(character)
    };
    if plain.is_empty() || plain.contains(odd) || plain.starts_with(['/', '-']) {
        return false;
    }
    let Some((first, _)) = span.split_once('/') else { return false };
    let is_file = plain.rsplit_once('.').is_some_and(|(_, extension)| EXTENSIONS.contains(&extension));
    // `application/json` has a slash as well.
    is_file || root.join(first).is_dir() && !first.is_empty()
}

fn exists(root: &Path, document: &str, path: &str) -> bool {
    let from = Path::new(document).parent().unwrap_or(Path::new(""));
    // A crate's document names its files from the crate.
    let places = from.ancestors().map(|folder| root.join(folder));
    places.map(|place| normalise(&place.join(path))).any(|candidate| candidate.starts_with(root) && candidate.exists())
}

/// Takes `..` out without following links.
fn normalise(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn document(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    fn known() -> Commands {
        let flags = |flags: &[&str]| flags.iter().map(|flag| (*flag).to_owned()).collect();
        BTreeMap::from([("up".to_owned(), flags(&[])), ("demo".to_owned(), flags(&["json", "invoices"]))])
    }

    #[test]
    fn paths_are_looked_up_from_the_root_and_from_the_document() {
        let root = std::env::temp_dir().join(format!("xtask-tidy-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(root.join("shared/core/src")).unwrap();
        fs::write(root.join("shared/core/src/lib.rs"), "").unwrap();
        let text = "`shared/core/`, `src/lib.rs`, [code](src/lib.rs#top), `application/json`, `shared/<crate>/src`,\n\
                    `shared/gone/`, [gone](gone.md), `src/gone.rs`, https://example.org/a.md\n\
                    ```\nshared/gone/\n```\n";
        let sources = [document("shared/core/README.md", text)];
        let found: Vec<String> = paths(&sources, &root).into_iter().map(|finding| finding.to_string()).collect();
        fs::remove_dir_all(&root).unwrap();
        let expected = ["gone.md", "shared/gone/", "src/gone.rs"]
            .map(|path| format!("shared/core/README.md:2: there is no {path}"));
        assert_eq!(found, expected);
    }

    #[test]
    fn commands_and_flags_are_looked_up() {
        let fine = "`cargo xtask up`, `cargo xtask demo --invoices 5 --json`, `cargo xtask <command>`\n    cargo xtask up   # --x\n";
        assert_eq!(commands(&[document("a.md", fine)], &known()), []);
        let text = "`cargo xtask fly`\n`cargo xtask demo --loud`\n";
        let found: Vec<String> = commands(&[document("a.md", text)], &known()).iter().map(Finding::to_string).collect();
        assert_eq!(
            found,
            ["a.md:1: there is no command `cargo xtask fly`", "a.md:2: `cargo xtask demo` has no flag --loud"]
        );
    }
}
