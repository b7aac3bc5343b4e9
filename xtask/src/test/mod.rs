//! `cargo xtask test`: everything, with a platform of its own.
//!
//! Every step runs, also after one that failed; what failed is repeated at the end. The last line is
//! `N passed, N failed`, over the tests of all runners.

mod counts;
mod onboarding;
mod templates;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use tokio::process::Command;

use crate::{
    build::cargo,
    certificates,
    command::{Tool, output_of},
    demo,
    faults::program,
    layout::{Layout, create_private},
    platform::{self, Keep, Options},
    postgres, prerequisites,
    progress::{Audience, Progress},
    samples,
    state::StateFile,
    tidy, tools,
};
use counts::Counts;

/// Invoices of the main job in the tests: enough that every kind of webhook occurs.
const INVOICES: u32 = 20;

/// Seeds of the simulation in the tests: the first ones.
const SEEDS: u32 = 500;

/// What the steps found.
#[derive(Default)]
struct Results {
    counts: Counts,
    failures: Vec<String>,
}

impl Results {
    /// Adds a step that is one test.
    fn one(&mut self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => self.counts.passed += 1,
            Err(error) => {
                self.counts.failed += 1;
                self.failures.push(format!("{name}: {error:#}"));
            }
        }
    }

    /// Adds the tests of a runner. One that failed without a failing test (it did not compile) counts as one.
    fn many(&mut self, name: &str, log: &Path, parse: fn(&str) -> Counts, result: Result<()>) {
        let found = parse(&std::fs::read_to_string(log).unwrap_or_default());
        self.counts.passed += found.passed;
        self.counts.failed += found.failed;
        if let Err(error) = result {
            self.counts.failed += u64::from(found.failed == 0);
            let named: String = found.failures.iter().map(|failure| format!("\n    {failure}")).collect();
            self.failures.push(format!("{name}:{named}\n  {error:#}"));
        }
    }
}

/// Runs all tests. Says whether all passed.
pub async fn test(layout: &Layout, progress: &Progress) -> Result<bool> {
    // A killed run may have left its platform.
    platform::down(layout, Keep::Nothing, &Progress::new(Audience::Nobody)).await?;
    let prerequisites = prerequisites::check().await?;
    layout.create()?;
    let mut results = Results::default();
    style(layout, progress, &mut results).await;
    let started = platform::up(layout, &Options::default(), progress).await;
    let environment =
        if started.is_ok() { environment(layout, &prerequisites, progress).await } else { Ok(Vec::new()) };
    results.one("starting the platform", started);
    let environment = environment.unwrap_or_default();
    rust(layout, &environment, progress, &mut results).await;
    simulation(layout, &environment, progress, &mut results).await;
    infrastructure(layout, progress, &mut results).await;
    each(&mut results, "templates", templates::check(layout, progress).await);
    progress.say("Rules of the repository");
    for rule in tidy::check(layout)? {
        let broken: String = rule.findings.iter().map(|finding| format!("\n    {finding}")).collect();
        let result = if broken.is_empty() { Ok(()) } else { Err(anyhow!("broken at{broken}")) };
        results.one(rule.rule, result);
    }
    for kill in [false, true] {
        let name = if kill { "the main job, with functions killed amid their work" } else { "the main job" };
        progress.say(format!("{name}, {INVOICES} invoices"));
        let options = demo::Options { invoices: INVOICES, kill, ..demo::Options::default() };
        let main_job = demo::run(layout, &options, progress).await;
        let main_job =
            main_job.and_then(|outcome| if outcome.ok { Ok(()) } else { Err(anyhow!("it does not reconcile")) });
        results.one(name, main_job);
    }
    each(&mut results, "onboarding", onboarding::check(layout, progress).await);
    // They leave records behind, which the main job would find.
    sample_events(layout, progress, &mut results).await;
    finish(layout, results, progress).await
}

/// Adds steps of which each is a test; that there are none at all is one that failed.
fn each(results: &mut Results, name: &str, found: Result<Vec<(String, Result<()>)>>) {
    match found {
        Ok(found) => found.into_iter().for_each(|(name, result)| results.one(&name, result)),
        Err(error) => results.one(name, Err(error)),
    }
}

/// Every sample event, through AWS's runtime emulator, where there is one.
async fn sample_events(layout: &Layout, progress: &Progress, results: &mut Results) {
    if cfg!(not(target_os = "linux")) {
        progress.say("  - sample events: skipped, AWS's runtime emulator is a program for Linux");
        return;
    }
    let outcomes = samples::run(layout, progress).await;
    let found =
        outcomes.map(|outcomes| outcomes.into_iter().map(|outcome| (outcome.name, outcome.result.map(drop))).collect());
    each(results, "sample events", found);
}

async fn finish(layout: &Layout, results: Results, progress: &Progress) -> Result<bool> {
    let passed = results.counts.failed == 0;
    // The logs explain the failures.
    platform::down(layout, if passed { Keep::Nothing } else { Keep::Logs }, &Progress::new(Audience::Nobody)).await?;
    if !passed {
        progress.say("\nFailures");
        for failure in &results.failures {
            progress.say(format!("\n✗ {failure}"));
        }
    }
    progress.say(format!("\n{} passed, {} failed", results.counts.passed, results.counts.failed));
    Ok(passed)
}

/// Formatting and lints, where their components are installed: the pinned toolchain does not demand them.
async fn style(layout: &Layout, progress: &Progress, results: &mut Results) {
    let checks: [(&str, &str, &[&str], &str); 2] = [
        ("formatting", "fmt", &["fmt", "--all", "--check"], "run `cargo fmt --all`"),
        (
            "lints",
            "clippy",
            &["clippy", "--workspace", "--all-targets", "--profile", "local", "--", "--deny", "warnings"],
            "repair what clippy names",
        ),
    ];
    for (name, component, arguments, advice) in checks {
        if output_of(cargo(), &[component, "--version"]).await.is_none() {
            progress.say(format!(
                "  - {name}: skipped, `cargo {component}` is not installed (rustup component add {})",
                rustup_name(component)
            ));
            continue;
        }
        let log = layout.log(name);
        let mut command = Command::new(cargo());
        command.args(arguments).current_dir(layout.root());
        let step = progress.start(name);
        let result = Tool { what: name, log: &log, advice, output: None }.run(command, &step).await;
        let result = step.finish(result);
        results.one(name, result);
    }
}

fn rustup_name(component: &str) -> &str {
    if component == "fmt" { "rustfmt" } else { component }
}

/// The Rust tests, told where the real PostgreSQL and AWS interfaces are.
async fn rust(layout: &Layout, environment: &[(String, String)], progress: &Progress, results: &mut Results) {
    let log = layout.log("cargo-test");
    let mut command = Command::new(cargo());
    command.args(["test", "--workspace", "--profile", "local", "--no-fail-fast"]).envs(variables(environment));
    command.current_dir(layout.root());
    let step = progress.start("Rust tests");
    let tool = Tool { what: "cargo test", log: &log, advice: "run the failing test alone", output: None };
    let result = tool.run(command, &step).await;
    results.many("Rust tests", &log, counts::of_cargo, step.finish(result));
}

/// A fixed block of seeds of the simulator, after every seed that failed once.
async fn simulation(layout: &Layout, environment: &[(String, String)], progress: &Progress, results: &mut Results) {
    let name = format!("{SEEDS} seeds of the simulation");
    let seeds = SEEDS.to_string();
    let program = match program::build(layout, Some(program::NAME), progress).await {
        Ok(program) => program,
        Err(error) => return results.one(&name, Err(error)),
    };
    let mut command = Command::new(program);
    command.args(["simulate", "--seeds", &seeds]).envs(variables(environment)).current_dir(layout.root());
    let step = progress.start(&name);
    let advice = "replay a failing seed with `cargo xtask faults simulate --from <seed> --seeds 1 --story`";
    let tool = Tool { what: "the simulation", log: &layout.log("simulation"), advice, output: None };
    let result = tool.run(command, &step).await;
    results.one(&name, step.finish(result));
}

fn variables(environment: &[(String, String)]) -> impl Iterator<Item = (&String, &String)> {
    environment.iter().map(|(name, value)| (name, value))
}

/// The tests of the CDK application.
async fn infrastructure(layout: &Layout, progress: &Progress, results: &mut Results) {
    let log = layout.log("npm-test");
    let result = match tools::node::modules(layout, progress).await {
        Ok(()) => {
            let mut command = Command::new(tools::node::NPM);
            command.args(["test", "--silent"]).current_dir(layout.infrastructure());
            let step = progress.start("infrastructure tests");
            let tool = Tool { what: "npm test", log: &log, advice: "run `npm test` in infra-cdk", output: None };
            let result = tool.run(command, &step).await;
            step.finish(result)
        }
        Err(error) => Err(error),
    };
    results.many("infrastructure tests", &log, counts::of_node, result);
}

/// What the tests of the adapters and of the simulators need to find their counterparts.
async fn environment(
    layout: &Layout,
    prerequisites: &prerequisites::Prerequisites,
    progress: &Progress,
) -> Result<Vec<(String, String)>> {
    let state = StateFile::open(layout);
    let certificates = certificates::ensure(layout)?;
    let tools = tools::install(layout, prerequisites, progress).await?;
    let published = tools::published(layout, progress).await?;
    let state = state.get();
    let (database, emulator) =
        state.database.as_ref().zip(state.emulator.as_ref()).context("the platform is not up")?;
    let scratch = layout.state().join("scratch");
    create_private(&scratch)?;
    let path = |path: PathBuf| path.display().to_string();
    Ok(vec![
        ("FLUXNEX_TEST_POSTGRES".to_owned(), postgres::url(database)),
        ("FLUXNEX_TEST_CA".to_owned(), path(certificates.authority.clone())),
        ("FLUXNEX_TEST_AWS_ENDPOINT".to_owned(), emulator.endpoint()),
        ("FLUXNEX_TOOLS_PYTHON".to_owned(), path(tools.python)),
        ("FLUXNEX_TOOLS_NODE_MODULES".to_owned(), path(published)),
        // What tests write goes with the platform.
        ("TMPDIR".to_owned(), path(scratch)),
    ])
}
