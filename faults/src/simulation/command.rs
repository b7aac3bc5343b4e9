//! The command `simulate`.

use super::corpus::{self, Remembered};
use super::mutants::{Planted, named};
use super::scenario::{self, Recipe};
use super::shrink::{short, shrink};
use super::workers;
use super::{Case, Counted, run};
use crate::checks::{Kind, Problem};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// With so many seeds a place at which none crashed is a failure of the run.
const ENOUGH_FOR_COVERAGE: u64 = 2_000;
/// So many failing seeds are made smaller and told.
const TOLD_SEEDS: usize = 3;
/// How often progress is told.
const TOLD_EACH: Duration = Duration::from_secs(5);

/// Runs all handlers in one process, against simulated surroundings and real PostgreSQL: seed after seed, each
/// with its own records, faults, crashes and order of events. A seed that failed fails again in the same way.
#[derive(Debug, Args)]
pub struct Simulate {
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Tells who did what, in which order. With one worker.
    #[arg(long)]
    story: bool,
    /// Leaves out the seeds that failed once (`faults/corpus`), which otherwise come first.
    #[arg(long)]
    without_corpus: bool,
    /// Draws each scenario from this recipe only: the name of a file in `faults/scenarios`.
    #[arg(long)]
    scenario: Option<String>,
    /// Runs each seed twice, and fails if it does not replay.
    #[arg(long)]
    twice: bool,
    /// Plants a deliberate bug, by its name in `faults/mutants.yaml`.
    #[arg(long)]
    mutant: Option<String>,
    /// Seeds side by side.
    #[arg(long, default_value_t = processors())]
    workers: usize,
    /// Ends with one JSON line.
    #[arg(long)]
    json: bool,
}

pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// A seed to be run.
struct Piece {
    case: Case,
    /// What it was once, if it is of the corpus.
    remembered: Option<Remembered>,
}

/// What came of all seeds so far.
#[derive(Default)]
struct Sum {
    counted: Counted,
    problems: Vec<(u64, Problem)>,
    /// Seeds that failed, each with the kind of its first problem.
    failed: Vec<(Case, Kind)>,
}

impl Simulate {
    /// Runs it.
    ///
    /// # Errors
    /// If a seed failed, or the simulation itself did.
    pub fn run(&self) -> Result<()> {
        let pieces = self.pieces()?;
        let workers = if self.story { 1 } else { self.workers };
        let began = Instant::now();
        let mut sum = Sum::default();
        let mut told = began;
        let work = async |ground: &mut super::Ground, piece: &Piece| {
            let first = run(ground, &piece.case).await.with_context(|| format!("seed {}", piece.case.seed))?;
            let replays = !self.twice
                || run(ground, &Case { is_told: false, ..piece.case.clone() }).await?.digest == first.digest;
            Ok((first, replays))
        };
        workers::each(workers, &pieces, work, |piece, (outcome, replays)| {
            for line in &outcome.story {
                println!("{line}");
            }
            let seed = piece.case.seed;
            let mut problems = outcome.problems;
            if !replays {
                problems.push(Problem { kind: Kind::Other, words: "it does not replay".to_owned() });
            }
            if let Some(remembered) = piece.remembered.as_ref().filter(|_| !problems.is_empty()) {
                println!("seed {seed} broke before: {}\n  {}", remembered.broke, remembered.story.join("\n  "));
                println!("  {}", remembered.why);
            }
            if let Some(problem) = problems.first().filter(|_| replays && !self.story) {
                sum.failed.push((piece.case.clone(), problem.kind));
            }
            for problem in problems {
                println!("seed {seed}: {problem}");
                sum.problems.push((seed, problem));
            }
            sum.counted.add(&outcome.counted);
            if told.elapsed() > TOLD_EACH {
                told = Instant::now();
                let rate = sum.counted.seeds as f64 / began.elapsed().as_secs_f64();
                let (done, all) = (sum.counted.seeds, pieces.len());
                eprintln!("{done} of {all} seeds, {rate:.1} a second, {} problems", sum.problems.len());
            }
            true
        })?;
        let took = began.elapsed();
        sum.failed.truncate(TOLD_SEEDS);
        tell(workers, &sum.failed)?;
        self.report(&mut sum, took)
    }

    fn pieces(&self) -> Result<Vec<Piece>> {
        let planted = Planted(self.mutant.as_deref().map(named).transpose()?);
        let recipe = self.scenario.as_deref().map(recipe).transpose()?;
        let case = |seed| Case { seed, is_told: self.story, planted, recipe, ..Case::default() };
        let mut pieces = Vec::new();
        if !self.without_corpus && !self.story && self.mutant.is_none() && recipe.is_none() {
            for remembered in corpus::all()? {
                let case = Case { recipe: Some(remembered.recipe()?), ..case(remembered.seed) };
                pieces.push(Piece { case, remembered: Some(remembered) });
            }
        }
        let seeds = self.from..self.from.saturating_add(self.seeds);
        pieces.extend(seeds.map(|seed| Piece { case: case(seed), remembered: None }));
        Ok(pieces)
    }

    fn report(&self, sum: &mut Sum, took: Duration) -> Result<()> {
        let counted = &sum.counted;
        if !self.json {
            for ((function, kind, moment), visited) in &counted.visited {
                let crashed = counted.crashed.get(&(*function, *kind, *moment)).copied().unwrap_or_default();
                println!(
                    "{:<10} {:<16} {moment:?}: {visited} visited, {crashed} crashed",
                    function.name(),
                    kind.name()
                );
            }
        }
        if counted.seeds >= ENOUGH_FOR_COVERAGE && self.mutant.is_none() && self.scenario.is_none() {
            let places = counted.uncovered().map(|(function, kind, moment)| {
                format!("no seed crashed {} {moment:?} {}", function.name(), kind.name())
            });
            let unseen = counted.unseen().map(|kind| format!("no seed had the effect {}", kind.name()));
            for words in places.chain(unseen).collect::<Vec<_>>() {
                println!("{words}");
                sum.problems.push((0, Problem { kind: Kind::Other, words }));
            }
        }
        println!("{}", figures(sum, took));
        match sum.problems.len() {
            0 => Ok(()),
            problems => bail!("{problems} problems"),
        }
    }
}

/// Tells the shortest stories that still fail in the same way.
fn tell(workers: usize, failed: &[(Case, Kind)]) -> Result<()> {
    let work = async |ground: &mut super::Ground, (case, kind): &(Case, Kind)| shrink(ground, case, *kind).await;
    workers::each(workers, failed, work, |(case, kind), outcome| {
        println!("the story of seed {}, as short as it still fails ({kind:?}):", case.seed);
        for line in short(&outcome.story) {
            println!("{line}");
        }
        for problem in &outcome.problems {
            println!("  {problem}");
        }
        true
    })
}

fn figures(sum: &Sum, took: Duration) -> Value {
    let Sum { counted, problems, .. } = sum;
    let seconds = took.as_secs_f64();
    let rounded = |value: f64| (value * 10.0).round() / 10.0;
    let count = |kind: Kind| problems.iter().filter(|(_, problem)| problem.kind == kind).count();
    json!({
        "ok": problems.is_empty(),
        "seeds": counted.seeds,
        "events": counted.events,
        "invocations": counted.invocations,
        "steps": counted.steps,
        "lock_waits": counted.lock_waits,
        "crash_points": counted.crash_points(),
        "crashes": counted.crashed.values().sum::<u64>(),
        "crash_point_coverage": (counted.coverage() * 10_000.0).floor() / 10_000.0,
        "lost": count(Kind::Lost),
        "duplicated": count(Kind::Duplicated),
        "out_of_order": count(Kind::OutOfOrder),
        "stuck": count(Kind::Stuck),
        "other": count(Kind::Other),
        "seconds": rounded(seconds),
        "seeds_per_second": rounded(counted.seeds as f64 / seconds),
    })
}

fn recipe(name: &str) -> Result<&'static Recipe> {
    scenario::named(name).ok_or_else(|| {
        let names: Vec<&str> = scenario::all().iter().map(|recipe| recipe.name.as_str()).collect();
        anyhow!("there is no scenario {name:?}; there are: {}", names.join(", "))
    })
}
