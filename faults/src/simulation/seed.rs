//! One seed: the world is made, the scheduler runs it, the checkers judge it.

use super::applications::{Access, Applications};
use super::ground::{Ground, beginning};
use super::mutants::{Edge, Planted};
use super::plan::Plan;
use super::scenario::{MARK, Recipe, SIGNING_SECRET, Scenario, is_secret};
use super::scheduler::Scheduler;
use super::shrink::Less;
use super::story::Counted;
use super::world::World;
use crate::checks::{self, Problem};
use crate::queues::Seeded;
use anyhow::Result;
use fluxnex_testing::captured;
use serde_json::json;
use std::sync::Arc;

/// Everything stored is searched for secrets in each seed of so many.
const SECRETS_EACH: u64 = 8;

/// What came of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What is wrong; nothing if all is well.
    pub problems: Vec<Problem>,
    /// Who did what, in which order, if it was to be told.
    pub story: Vec<String>,
    /// A digest of the story, told or not.
    pub digest: String,
    /// What was counted.
    pub counted: Counted,
}

/// What is run.
#[derive(Debug, Clone, Default)]
pub struct Case {
    /// Decides everything.
    pub seed: u64,
    /// Whether its story is told.
    pub is_told: bool,
    /// The bug that is planted.
    pub planted: Planted,
    /// Draws the scenario, in the place of any recipe.
    pub recipe: Option<&'static Recipe>,
    /// What is left out of it.
    pub less: Less,
}

/// Runs one seed.
///
/// # Errors
/// If the simulation itself fails.
pub async fn run(ground: &mut Ground, case: &Case) -> Result<Outcome> {
    let Case { seed, is_told, planted, recipe, ref less } = *case;
    captured::start();
    ground.empty().await?;
    let mut scenario = Scenario::of(seed, recipe);
    less.apply(&mut scenario);
    let plan = Plan { left_out: less.crashes.clone(), ..plan(seed, &scenario, planted) };
    let mut applications = Applications::new(seed, plan.faults, plan.fault_one_in);
    applications.left_out = less.faults.clone();
    applications.ignores_keys = planted.is(Edge::NoIdempotencyKey);
    applications.access = scenario.access_tokens.map(Access::new);
    for (subject, record) in &scenario.records {
        let key = (subject.tenant.clone(), subject.object.clone(), subject.id.clone());
        applications.records.insert(key, record.clone());
    }
    let world = Arc::new(World::new(seed, beginning(), applications, &scenario, case)?);
    for tenant in super::scenario::TENANTS {
        let name = |connection: &str| format!("fluxnex/local/connections/{tenant}/{connection}");
        let client = json!({"client_id": "i", "client_secret": MARK, "webhook_secret": MARK, "refresh_token": MARK});
        world.secrets.create(&name("revenova"), client.clone());
        world.secrets.create(&name("quickbooks"), client);
        ground.bundles(tenant)?.publish(&world.control, 1).await?;
        world.secrets.create(&name("alerts"), json!({"signing_secret": SIGNING_SECRET}));
    }
    world.executions().loses_answers = planted.is(Edge::TokensNeverAnswered);
    world.story().is_told = is_told;
    Scheduler::new(ground, world.clone(), plan, &scenario, Seeded::new(seed)).run().await?;
    let applications = std::mem::replace(&mut *world.applications(), Applications::new(0, 0, 0));
    let accepted = std::mem::take(&mut world.story().accepted);
    let mut problems = checks::all(&ground.observer, &scenario, &applications, &accepted).await?;
    if seed.is_multiple_of(SECRETS_EACH) {
        problems.extend(checks::secrets(&ground.observer).await?);
    }
    if is_secret(&captured::text()) {
        problems.push(Problem::of("a secret is in the log"));
    }
    if world.executions().timed_out() > 0 && !scenario.has_circle() {
        problems.push(Problem::of("stuck: a token was never answered"));
    }
    let mut story = world.story();
    problems.extend(story.problems.iter().map(|words| Problem::of(words)));
    story.counted.seeds = 1;
    story.counted.faults = applications.faults;
    let (lines, digest) = (std::mem::take(&mut story.lines), story.digest());
    Ok(Outcome { seed, problems, story: lines, digest, counted: story.counted.clone() })
}

/// The plan of a seed, as far as its recipe leaves it open.
fn plan(seed: u64, scenario: &Scenario, planted: Planted) -> Plan {
    let mut plan = Plan { planted, ..Plan::of(seed) };
    if scenario.is_calm {
        (plan.crashes, plan.faults, plan.crash_at) = (0, 0, None);
    }
    if let Some(faults) = scenario.faults {
        (plan.faults, plan.fault_one_in) = (faults, 2);
    }
    if let Some(size) = scenario.batch_size {
        plan.batch_size = size;
    }
    plan
}
