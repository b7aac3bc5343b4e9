//! The sample events, `events/<function>/<case>.json`: each is run by the code of `cargo xtask invoke` and its
//! answer compared with `events/expected.yaml`. A sample without an expectation fails, and the other way round.

mod expectation;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};

use crate::{
    build,
    invoke::{self, Platform, Programs, Request},
    layout::Layout,
    progress::Progress,
    tools,
};
use expectation::{Expectation, Expectations};

const EXPECTED: &str = "expected.yaml";

/// A sample, by its function and its case.
type Name = (String, String);

/// What became of one sample.
pub struct Outcome {
    /// `events/<function>/<case>.json`, or what else is wrong.
    pub name: String,
    /// What it took, or why it is not as expected.
    pub result: Result<String>,
}

/// Runs every sample and prints what became of it. Says whether all are as expected.
pub async fn run_and_print(layout: &Layout, progress: &Progress) -> Result<bool> {
    let outcomes = run(layout, progress).await?;
    for outcome in &outcomes {
        match &outcome.result {
            Ok(figures) => progress.say(format!("  ✓ {:<44} {figures}", outcome.name)),
            Err(fault) => progress.say(format!("  ✗ {}\n    {fault:#}", outcome.name)),
        }
    }
    let failed = outcomes.iter().filter(|outcome| outcome.result.is_err()).count();
    progress.say(format!("{} as expected, {failed} not", outcomes.len() - failed));
    Ok(failed == 0)
}

/// Runs every sample on a platform that is up, one after the other.
pub async fn run(layout: &Layout, progress: &Progress) -> Result<Vec<Outcome>> {
    tools::check_system()?;
    let folder = layout.root().join("events");
    let expectations = read_expectations(&folder.join(EXPECTED))?;
    let files = files(&folder)?;
    let expected =
        expectations.iter().flat_map(|(function, cases)| cases.keys().map(|case| (function.clone(), case.clone())));
    let mut outcomes = mismatches(&files, &expected.collect());
    let order = order(&expectations)?;
    let platform = Platform::find(layout)?;
    let build = build::binaries(layout, None, invoke::BUILD_LOG, progress);
    let (sam, binaries) = tokio::try_join!(tools::sam(layout, progress), build)?;
    let step = progress.start("sample events");
    for name in order.into_iter().filter(|name| files.contains(name)) {
        let (function, case) = &name;
        step.detail(format!("{function}/{case}"));
        let programs = Programs {
            binary: build::find(&binaries, function)?.to_path_buf(),
            runtime_emulator: sam.runtime_emulator()?,
        };
        let request = Request { function: function.clone(), event: folder.join(function).join(format!("{case}.json")) };
        let expectation = expectations.get(function).and_then(|cases| cases.get(case));
        let result = match expectation {
            Some(expectation) => check(&platform, &programs, &request, expectation, progress).await,
            None => Err(anyhow!("nothing is expected of it")),
        };
        outcomes.push(Outcome { name: shown(&name), result });
    }
    step.finish(Ok(()))?;
    Ok(outcomes)
}

async fn check(
    platform: &Platform<'_>,
    programs: &Programs,
    request: &Request,
    expectation: &Expectation,
    progress: &Progress,
) -> Result<String> {
    let invocation = invoke::invoke(platform, programs, request, progress).await?;
    match expectation.faults(&invocation).as_slice() {
        [] => Ok(invocation.figures.to_string()),
        faults => bail!("{}", faults.join("\n    ")),
    }
}

fn read_expectations(path: &Path) -> Result<Expectations> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("{} is not understood", path.display()))
}

/// The samples that there are files of.
fn files(folder: &Path) -> Result<BTreeSet<Name>> {
    let mut names = BTreeSet::new();
    for function in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        for file in entries(&function)? {
            let name = |path: &Path| path.file_stem().and_then(|name| name.to_str()).map(str::to_owned);
            let is_json = file.extension().is_some_and(|extension| extension == "json");
            let (Some(function), Some(case), true) = (name(&function), name(&file), is_json) else {
                bail!("{} is no sample event: those are called <case>.json", file.display());
            };
            names.insert((function, case));
        }
    }
    Ok(names)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    read.map(|entry| Ok(entry?.path())).collect()
}

/// Samples without an expectation, and expectations without a sample.
fn mismatches(files: &BTreeSet<Name>, expected: &BTreeSet<Name>) -> Vec<Outcome> {
    let fault = |name: &Name, what: &str| Outcome { name: shown(name), result: Err(anyhow!("{what}")) };
    let unexpected = files.difference(expected).map(|name| fault(name, "events/expected.yaml says nothing of it"));
    let absent =
        expected.difference(files).map(|name| fault(name, "events/expected.yaml names it, but it is not there"));
    unexpected.chain(absent).collect()
}

fn shown((function, case): &Name) -> String {
    format!("events/{function}/{case}.json")
}

/// The samples in an order in which each comes after the one that it names.
fn order(expectations: &Expectations) -> Result<Vec<Name>> {
    let mut open: BTreeMap<Name, Option<&str>> = BTreeMap::new();
    for (function, cases) in expectations {
        for (case, expectation) in cases {
            open.insert((function.clone(), case.clone()), expectation.after.as_deref());
        }
    }
    let mut order: Vec<Name> = Vec::new();
    while !open.is_empty() {
        let done = |after: &str| order.iter().any(|(function, case)| format!("{function}/{case}") == after);
        let ready: Vec<Name> =
            open.iter().filter(|(_, after)| after.is_none_or(done)).map(|(name, _)| name.clone()).collect();
        if ready.is_empty() {
            let stuck: Vec<String> = open.keys().map(shown).collect();
            bail!("these come after each other, or after one that is not there: {}", stuck.join(", "));
        }
        open.retain(|name, _| !ready.contains(name));
        order.extend(ready);
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(function: &str, case: &str) -> Name {
        (function.to_owned(), case.to_owned())
    }

    #[test]
    fn a_sample_and_its_expectation_need_each_other() {
        let files = BTreeSet::from([name("ingest", "good"), name("ingest", "new")]);
        let expected = BTreeSet::from([name("ingest", "good"), name("ingest", "gone")]);
        let found: Vec<String> = mismatches(&files, &expected)
            .into_iter()
            .map(|outcome| format!("{} {}", outcome.name, outcome.result.unwrap_err()))
            .collect();
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("events/ingest/new.json") && found[0].contains("says nothing"));
        assert!(found[1].starts_with("events/ingest/gone.json") && found[1].contains("not there"));
    }

    #[test]
    fn a_sample_comes_after_the_one_that_it_names() {
        let yaml = "api: {a: {after: route/z}, b: {}}\nroute: {z: {after: api/b}}\n";
        let order = order(&serde_saphyr::from_str(yaml).unwrap()).unwrap();
        assert_eq!(order, [name("api", "b"), name("route", "z"), name("api", "a")]);
        for broken in ["a: {b: {after: a/c}}", "a: {b: {after: a/b}}"] {
            assert!(super::order(&serde_saphyr::from_str(broken).unwrap()).is_err(), "{broken}");
        }
    }

    /// Without a platform: the files that are checked in.
    #[test]
    fn the_samples_of_the_repository_are_complete() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
        let expectations = read_expectations(&folder.join(EXPECTED)).unwrap();
        let expected = order(&expectations).unwrap().into_iter().collect();
        let faults: Vec<String> =
            mismatches(&files(&folder).unwrap(), &expected).into_iter().map(|fault| fault.name).collect();
        assert_eq!(faults, Vec::<String>::new());
    }
}
