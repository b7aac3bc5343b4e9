//! The command `mutants`: each deliberate bug must be found.

use super::command::processors;
use super::corpus;
use super::mutants::{Mutant, Planted, all, named};
use super::workers;
use super::{Case, Ground, run};
use crate::checks::Problem;
use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

/// Plants each deliberate bug of `faults/mutants.yaml`, and looks whether the simulation finds it: whether there is
/// a seed that fails with it and not without it.
#[derive(Debug, Args)]
pub struct Mutants {
    /// Within how many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// One mutant only, by its name.
    #[arg(long)]
    mutant: Option<String>,
    /// Bugs side by side.
    #[arg(long, default_value_t = processors())]
    workers: usize,
    /// Ends with one JSON line.
    #[arg(long)]
    json: bool,
}

/// What came of a mutant.
enum Found {
    /// This seed failed, so.
    Caught(u64, Problem),
    /// No seed did; it had so many occasions.
    Survived(u64),
}

impl Mutants {
    /// Runs it.
    ///
    /// # Errors
    /// If a mutant survived, a seed of the corpus no longer tells its story, or the simulation itself failed.
    pub fn run(&self) -> Result<()> {
        let mutants: Vec<&'static Mutant> = match &self.mutant {
            Some(name) => vec![named(name)?],
            None => all()?.iter().collect(),
        };
        let mut survived = Vec::new();
        let hunt = async |ground: &mut Ground, mutant: &&'static Mutant| self.hunt(ground, mutant).await;
        workers::each(self.workers, &mutants, hunt, |mutant, found| {
            match found {
                Found::Caught(seed, problem) => println!("{}: seed {seed}: {problem}", mutant.name),
                Found::Survived(occasions) => {
                    println!("{}: SURVIVED {} seeds, {occasions} occasions", mutant.name, self.seeds);
                    survived.push(mutant.name.as_str());
                }
            }
            true
        })?;
        let forgotten = if self.mutant.is_none() { self.forgotten()? } else { Vec::new() };
        let ok = survived.is_empty() && forgotten.is_empty();
        println!("{}", json!({"ok": ok, "mutants": mutants.len(), "survived": survived, "forgotten": forgotten}));
        if ok { Ok(()) } else { bail!("{} mutants survived, {} seeds were forgotten", survived.len(), forgotten.len()) }
    }

    async fn hunt(&self, ground: &mut Ground, mutant: &'static Mutant) -> Result<Found> {
        for seed in self.from..self.from.saturating_add(self.seeds) {
            let recipe = mutant.recipe();
            let case = Case { seed, recipe, planted: Planted(Some(mutant)), ..Case::default() };
            let found = run(ground, &case).await?.problems.into_iter().next();
            let Some(problem) = found else { continue };
            // A seed that fails anyway shows nothing.
            if run(ground, &Case { seed, recipe, ..Case::default() }).await?.problems.is_empty() {
                return Ok(Found::Caught(seed, problem));
            }
        }
        Ok(Found::Survived(mutant.met()))
    }

    /// Seeds of the corpus that no longer fail when their bug is back: another seed has to take their place.
    fn forgotten(&self) -> Result<Vec<u64>> {
        let mut forgotten = Vec::new();
        let work = async |ground: &mut Ground, remembered: &corpus::Remembered| {
            let planted = Planted(Some(named(&remembered.mutant)?));
            let case = Case { seed: remembered.seed, recipe: Some(remembered.recipe()?), planted, ..Case::default() };
            Ok(run(ground, &case).await?.problems.is_empty())
        };
        workers::each(self.workers, &corpus::all()?, work, |remembered, is_forgotten| {
            if is_forgotten {
                let Mutant { name, .. } = match named(&remembered.mutant) {
                    Ok(mutant) => mutant,
                    Err(_) => return true,
                };
                println!("seed {} of the corpus does not find {name:?} any more: take the one above", remembered.seed);
                forgotten.push(remembered.seed);
            }
            true
        })?;
        Ok(forgotten)
    }
}
