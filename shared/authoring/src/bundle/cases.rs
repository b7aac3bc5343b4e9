//! Golden cases of a bundle: `tests/<flow>.yaml` says what is tried, `tests/<flow>.expected.json` what came of it when
//! somebody last looked at it and found it right.
//!
//! ```yaml
//! cases:
//!   - name: an invoice with two lines
//!     record: tests/records/invoice.json   # a file below the bundle's folder, or the record itself
//!     references: {customer: "58"}         # what the targets call its parents; otherwise `<customer>`
//!     id: INV-1                            # its id and version at the source, if the connector is not to say them
//!     version: 1
//! ```
//!
//! The file of results is written by `fluxnex test --update`, and read by people before they commit it.

use super::Folder;
use super::run::{Given, run};
use crate::finding::Finding;
use fluxnex_core::bundle::Configuration;
use fluxnex_core::ids::FlowId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where cases are, below a bundle's folder.
pub const FOLDER: &str = "tests";
/// The most cases of one flow.
const MOST_CASES: usize = 1_000;

/// The cases of one flow.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// The cases.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows; the name of its result.
    pub name: String,
    /// The source record.
    pub record: Record,
    /// What the targets call the record's parents, by the names of the requirements.
    #[serde(default)]
    pub references: BTreeMap<String, String>,
    /// The record's id at the source.
    #[serde(default)]
    pub id: Option<String>,
    /// The record's version at the source.
    #[serde(default)]
    pub version: Option<i64>,
}

/// A record: a file, or the record itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Record {
    /// The file with it.
    File(String),
    /// It.
    Fields(Map<String, Value>),
}

/// What came of one case.
#[derive(Debug, Clone, Serialize)]
pub struct Ran {
    /// The flow.
    pub flow: FlowId,
    /// The case.
    pub case: String,
    /// What differs from what was expected, as lines with `-` and `+`; nothing if it is as expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
}

/// What came of all cases.
#[derive(Debug, Default)]
pub struct Tested {
    /// The cases that ran.
    pub ran: Vec<Ran>,
    /// Cases that could not be run.
    pub findings: Vec<Finding>,
    /// Files of results that were written.
    pub written: Vec<PathBuf>,
}

impl Tested {
    /// Whether every case ran and is as expected.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.findings.is_empty() && self.ran.iter().all(|ran| ran.difference.is_none())
    }
}

/// Which cases are run, and whether what comes of them is written down.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'a> {
    /// Only those whose `flow/name` holds this text.
    pub filter: Option<&'a str>,
    /// Write what comes of them.
    pub update: bool,
}

/// Runs the cases of a bundle's folder.
pub fn test(place: &Path, configuration: &Configuration, choice: Choice<'_>) -> Tested {
    let mut tested = Tested::default();
    let mut folder = match Folder::open(place) {
        Ok(folder) => folder,
        Err(finding) => {
            tested.findings.push(finding);
            return tested;
        }
    };
    for path in files(&folder.path) {
        let file = format!("{FOLDER}/{path}.yaml");
        match FlowId::parse(path.as_str()).ok().filter(|flow| configuration.flows.contains_key(flow)) {
            Some(flow) => run_file(&mut folder, &file, &flow, configuration, choice, &mut tested),
            None => {
                let names: Vec<&str> = configuration.flows.keys().map(FlowId::as_str).collect();
                let hint = format!("a file of cases is called as its flow: {}.yaml", names.join(".yaml, "));
                tested.findings.push(Finding::of(file, format!("there is no flow {path}")).hint(hint));
            }
        }
    }
    tested
}

/// The names of the files of cases, without their ending.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join(FOLDER)).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned)).collect();
    names.sort();
    names
}

fn run_file(
    folder: &mut Folder,
    file: &str,
    flow: &FlowId,
    configuration: &Configuration,
    choice: Choice<'_>,
    tested: &mut Tested,
) {
    let read = folder.read(file).map_err(|reason| Finding::of(file, reason));
    let cases = match read.and_then(|text| crate::manifest::read::<CaseFile>(&text, file)) {
        Ok(cases) if cases.cases.len() <= MOST_CASES => cases.cases,
        Ok(_) => return tested.findings.push(Finding::of(file, format!("there are more than {MOST_CASES} cases"))),
        Err(finding) => return tested.findings.push(finding),
    };
    let path = format!("{FOLDER}/{flow}.expected.json");
    let mut expected: Map<String, Value> = match folder.read(&path).map(|text| serde_json::from_str(&text)) {
        Ok(Ok(expected)) => expected,
        Ok(Err(error)) => {
            return tested.findings.push(Finding::of(path, format!("it is no JSON: {error}")));
        }
        Err(_) => Map::new(),
    };
    let before = expected.clone();
    if choice.update {
        // Results of cases that are gone would never be compared again.
        expected.retain(|name, _| cases.iter().any(|case| case.name == *name));
    }
    for case in &cases {
        if choice.filter.is_some_and(|filter| !format!("{flow}/{}", case.name).contains(filter)) {
            continue;
        }
        let result = match outcome(folder, flow, configuration, case) {
            Ok(result) => result,
            Err(reason) => {
                tested.findings.push(Finding::of(file, format!("{}: {reason}", case.name)));
                continue;
            }
        };
        let difference = difference(expected.get(&case.name), &result);
        let difference = if choice.update { None } else { difference };
        expected.insert(case.name.clone(), result);
        tested.ran.push(Ran { flow: flow.clone(), case: case.name.clone(), difference });
    }
    if choice.update && expected != before {
        let whole = folder.path.join(&path);
        match fs::write(&whole, format!("{}\n", pretty(&Value::Object(expected)))) {
            Ok(()) => tested.written.push(whole),
            Err(error) => tested.findings.push(Finding::of(path, format!("it cannot be written: {error}"))),
        }
    }
}

fn outcome(folder: &mut Folder, flow: &FlowId, configuration: &Configuration, case: &Case) -> Result<Value, String> {
    let record = match &case.record {
        Record::File(path) => folder.read(path).map_err(|reason| format!("{path}: {reason}"))?,
        Record::Fields(fields) => Value::Object(fields.clone()).to_string(),
    };
    let given =
        Given { record: &record, id: case.id.as_deref(), version: case.version, references: case.references.clone() };
    run(configuration, flow, &given)
}

/// A value as lines that are compared.
#[must_use]
pub fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn difference(expected: Option<&Value>, actual: &Value) -> Option<String> {
    match expected {
        Some(expected) if expected == actual => None,
        Some(expected) => Some(super::plan::lines(&pretty(expected), &pretty(actual))),
        None => {
            Some("nobody said yet what is expected: look at it (fluxnex map), then fluxnex test --update".to_owned())
        }
    }
}
