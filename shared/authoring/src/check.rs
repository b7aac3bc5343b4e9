//! The check of a connector's folder: the manifest, the samples, and what its tests promise.

use crate::cases::run_file;
use crate::finding::Finding;
use crate::manifest;
use fluxnex_core::xml;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The page of documentation of a connector.
const PAGE: &str = "README.md";
/// A page is at most so many lines long.
const LONGEST_PAGE: usize = 80;
/// A larger sample is none, in bytes.
const LARGEST_SAMPLE_BYTES: u64 = 1024 * 1024;

/// What a check saw.
#[derive(Debug, Default)]
pub struct Checked {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Sample files that were read.
    pub samples: usize,
    /// Cases that ran.
    pub cases: usize,
}

impl Checked {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Checks a folder. A connector whose manifest cannot be used has no cases that could run.
pub async fn check(folder: &Path) -> Checked {
    let mut checked = Checked::default();
    let text = match fs::read_to_string(folder.join(manifest::FILE)) {
        Ok(text) => text,
        Err(error) => {
            let hint = "a connector is a folder with connector.yaml; `fluxnex connector new` makes one";
            let finding = Finding::of(manifest::FILE, format!("cannot be read: {error}")).hint(hint.to_owned());
            return Checked { findings: vec![finding], ..checked };
        }
    };
    samples(folder, &mut checked);
    let compiled = match manifest::compile(&text) {
        Ok(compiled) => Arc::new(compiled),
        Err(findings) => {
            checked.findings.extend(findings);
            return checked;
        }
    };
    names(folder, &text, compiled.manifest(), &mut checked.findings);
    for file in files(folder, "tests", &["yaml"], &mut checked.findings) {
        let ran = run_file(&compiled, folder, &file).await;
        checked.cases += ran.cases;
        checked.findings.extend(ran.findings);
    }
    checked
}

fn names(folder: &Path, text: &str, manifest: &fluxnex_core::connector::Manifest, findings: &mut Vec<Finding>) {
    let places = crate::places::Places::of(text);
    let at = |path: &str| places.as_ref().and_then(|places| places.find(path));
    let name = fs::canonicalize(folder).ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    if name.as_deref().is_some_and(|name| name != manifest.connector.as_str()) {
        let message =
            format!("the connector is called {}, its folder {}", manifest.connector, name.unwrap_or_default());
        findings
            .push(Finding::of(manifest::FILE, message).at(at("connector")).hint("give both the same name".to_owned()));
    }
    if manifest.documentation.is_empty() {
        let finding = Finding::of(manifest::FILE, "it does not say where its facts come from").at(at("title"));
        findings.push(finding.hint("add `documentation:` with the addresses of the vendor's pages".to_owned()));
    }
    let page = fs::read_to_string(folder.join(PAGE)).unwrap_or_default();
    if !page.starts_with("# ") || page.lines().count() > LONGEST_PAGE {
        let message = format!("a connector has one page of documentation: `# <title>`, at most {LONGEST_PAGE} lines");
        findings.push(Finding::of(PAGE, message));
        return;
    }
    let fields = [
        ("settings", manifest.settings.keys().collect::<Vec<_>>()),
        ("credentials", manifest.credentials.keys().collect()),
    ];
    for (section, names) in fields {
        for name in names.into_iter().filter(|name| !page.contains(&format!("`{name}`"))) {
            let finding = Finding::of(manifest::FILE, format!("README.md says nothing of `{name}`"));
            findings.push(finding.at(at(&format!("{section}.{name}"))));
        }
    }
}

fn samples(folder: &Path, checked: &mut Checked) {
    for file in files(folder, "samples", &["json", "xml"], &mut checked.findings) {
        let path = folder.join(&file);
        if fs::metadata(&path).is_ok_and(|found| found.len() > LARGEST_SAMPLE_BYTES) {
            checked.findings.push(Finding::of(file, format!("a sample has at most {LARGEST_SAMPLE_BYTES} bytes")));
            continue;
        }
        match fs::read_to_string(&path) {
            Ok(text) => match well_formed(&file, &text) {
                Ok(()) => checked.samples += 1,
                Err(reason) => checked.findings.push(Finding::of(file, reason)),
            },
            Err(error) => checked.findings.push(Finding::of(file, format!("cannot be read: {error}"))),
        }
    }
}

fn well_formed(file: &Path, text: &str) -> Result<(), String> {
    if file.extension().is_some_and(|extension| extension == "xml") {
        return xml::to_json(text, &[]).map(drop).map_err(|error| format!("it is {error}"));
    }
    serde_json::from_str::<Value>(text).map(drop).map_err(|error| format!("it is no JSON: {error}"))
}

/// The files of a folder below the connector's, sorted; there must be some, and no others.
fn files(folder: &Path, name: &str, endings: &[&str], findings: &mut Vec<Finding>) -> Vec<PathBuf> {
    let known = endings.iter().map(|ending| format!(".{ending}")).collect::<Vec<_>>().join(" and ");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder.join(name)).into_iter().flatten().flatten() {
        let file = Path::new(name).join(entry.file_name());
        if file.extension().is_some_and(|extension| endings.iter().any(|ending| extension == *ending)) {
            found.push(file);
        } else {
            findings.push(Finding::of(file, format!("only {known} files belong into {name}/")));
        }
    }
    found.sort();
    if found.is_empty() {
        let what = if name == "tests" { "what it promises is not tested" } else { "there is no sample of its records" };
        let finding = Finding::of(name, format!("there is no {known} file in it: {what}"));
        findings.push(finding.hint("docs/connectors.md shows one".to_owned()));
    }
    found
}
