//! The scheduler: one seed from its first event until everything is quiet.
//!
//! Exactly one invocation runs at a time, until its next gate. At each step the seed decides: who of those
//! at gates goes on, whether it dies there, or what begins. When nothing can, time goes on to the next
//! thing that is due.

mod dying;
mod happening;
mod time;
mod watch;

use super::functions::{Answer, Environment, Event, Function};
use super::gates::{EnvironmentId, Moment, Waiting};
use super::ground::Ground;
use super::mutants::Edge;
use super::plan::Plan;
use super::running::{Rest, Running, Trigger};
use super::scenario::{Occurrence, Scenario};
use super::world::{FUNCTION_TIMEOUT, QUEUES, World, dead_letters, physical};
use crate::queues::{self, Choices as _, EventSource, EventSourceSettings, Seeded};
use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A seed that takes more steps than this does not end.
const MOST_STEPS: u64 = 30_000;
/// Invocations of one function at once.
const AT_ONCE: usize = 2;

/// What may begin.
enum Start {
    Happening,
    Batch(usize),
    Minute,
    Task(usize),
}

/// A seed under way.
pub struct Scheduler<'a> {
    ground: &'a mut Ground,
    world: Arc<World>,
    plan: Plan,
    choices: Seeded,
    occurrences: VecDeque<Occurrence>,
    sources: Vec<(String, Function, EventSource)>,
    running: BTreeMap<EnvironmentId, Running>,
    /// Those whose statement waits for a lock, in the order in which they began to wait.
    parked: Vec<EnvironmentId>,
    warm: BTreeMap<Function, Vec<Environment>>,
    tasks: BTreeMap<EnvironmentId, Value>,
    next_environment: EnvironmentId,
    last: EnvironmentId,
    next_minute: Timestamp,
    began: Timestamp,
    crashes: usize,
    idle_minutes: u32,
    /// The minute for which the idle ones were counted.
    counted_minute: Timestamp,
    watched: watch::Watched,
}

impl<'a> Scheduler<'a> {
    /// A seed that has not begun.
    #[must_use]
    pub fn new(ground: &'a mut Ground, world: Arc<World>, plan: Plan, scenario: &Scenario, choices: Seeded) -> Self {
        let mut sources = Vec::new();
        for (name, _) in QUEUES {
            for name in [name.to_owned(), dead_letters(name)] {
                let settings = EventSourceSettings {
                    queue: physical(&name),
                    batch_size: plan.batch_size,
                    window: Duration::ZERO,
                    maximum_concurrency: Some(AT_ONCE),
                };
                sources.push((physical(&name), Function::of_queue(&name), EventSource::new(settings)));
            }
        }
        let began = world.now();
        Self {
            ground,
            world,
            plan,
            choices,
            occurrences: scenario.occurrences.iter().cloned().collect(),
            sources,
            running: BTreeMap::new(),
            parked: Vec::new(),
            warm: BTreeMap::new(),
            tasks: BTreeMap::new(),
            next_environment: 1,
            last: 0,
            next_minute: queues::after(began, Duration::from_secs(60)),
            began,
            crashes: 0,
            idle_minutes: 0,
            counted_minute: began,
            watched: watch::Watched::default(),
        }
    }

    /// Runs the seed until everything is quiet.
    ///
    /// # Errors
    /// If the simulation itself fails.
    pub async fn run(mut self) -> Result<()> {
        loop {
            let steps = {
                let mut story = self.world.story();
                story.counted.steps += 1;
                story.counted.steps
            };
            if steps > MOST_STEPS {
                self.world.story().problems.push("stuck: it does not come to an end".to_owned());
                break;
            }
            self.time_out().await?;
            if !self.step().await? && !self.wait().await? {
                break;
            }
        }
        self.end().await
    }

    /// Does one thing, if anything can be done now.
    async fn step(&mut self) -> Result<bool> {
        let waiting: Vec<Waiting> = {
            let all = self.world.gates.waiting();
            all.into_iter().filter(|waiting| !self.parked.contains(&waiting.environment)).collect()
        };
        let starts = self.starts();
        if waiting.is_empty() && starts.is_empty() {
            return Ok(false);
        }
        // Time passes while things are done.
        self.world.clock.advance(Duration::from_millis(self.choices.below(4) as u64));
        if waiting.is_empty() || (!starts.is_empty() && self.choices.rarely(self.plan.start_one_in)) {
            let place = self.choices.below(starts.len());
            if let Some(start) = starts.into_iter().nth(place) {
                self.begin(start).await?;
            }
            return Ok(true);
        }
        let same: Vec<&Waiting> = waiting.iter().filter(|waiting| waiting.environment == self.last).collect();
        let candidates = match self.choices.below(100) < self.plan.stay_percent && !same.is_empty() {
            true => same,
            false => waiting.iter().collect(),
        };
        if let Some(chosen) = candidates.get(self.choices.below(candidates.len())) {
            self.go_on(chosen).await?;
        }
        Ok(true)
    }

    fn starts(&mut self) -> Vec<Start> {
        let now = self.world.now();
        let mut starts = Vec::new();
        if self.is_happening() {
            starts.push(Start::Happening);
        }
        if self.running.len() < self.plan.at_once {
            for (place, (name, _, source)) in self.sources.iter().enumerate() {
                let is_ready = self.world.with_queues(|queues, _| queues.is_ready(name, now));
                if source.under_way() < AT_ONCE && is_ready {
                    starts.push(Start::Batch(place));
                }
            }
            if self.next_minute <= now {
                starts.push(Start::Minute);
            }
            starts.extend(self.world.executions().due(now).into_iter().map(Start::Task));
        }
        starts
    }

    async fn begin(&mut self, start: Start) -> Result<()> {
        let now = self.world.now();
        match start {
            Start::Happening => self.happens().await,
            Start::Batch(place) => {
                let Some((name, function, source)) = self.sources.get_mut(place) else { return Ok(()) };
                let batch = self.world.with_queues(|queues, choices| source.poll(queues, now, choices));
                let Some(batch) = batch else { return Ok(()) };
                if self.plan.planted.is(Edge::AcknowledgedBeforeCommit) {
                    let done = queues::Answer::Response(b"{}");
                    self.world.with_queues(|queues, choices| source.finish(queues, batch.number, done, now, choices));
                }
                let (name, function, trigger) = (name.clone(), *function, Trigger::Batch(place, batch.number));
                let what = format!("gets {} of {name}", batch.deliveries.len());
                self.invoke(function, trigger, &what, Event::Batch(name, batch)).await
            }
            Start::Minute => {
                self.next_minute = queues::after(self.next_minute, Duration::from_secs(60));
                if self.plan.planted.is(Edge::NoSweep) {
                    return Ok(());
                }
                self.invoke(Function::Sweep, Trigger::Minute, "a minute has passed", Event::Minute).await
            }
            Start::Task(place) => {
                let told = self.world.executions().begin(place, now);
                let Some(told) = told else { return Ok(()) };
                let what = format!("{} of execution {place}", told.get("action").and_then(Value::as_str).unwrap_or(""));
                self.tasks.insert(self.next_environment, told.clone());
                self.invoke(Function::Fetch, Trigger::Task(place), &what, Event::Task(told)).await
            }
        }
    }

    async fn invoke(&mut self, function: Function, trigger: Trigger, what: &str, event: Event) -> Result<()> {
        let warm = self.warm.get_mut(&function).and_then(Vec::pop);
        let environment = match warm {
            Some(environment) => {
                // A task is known by the environment that it was given to.
                if let Some(told) = self.tasks.remove(&self.next_environment) {
                    self.tasks.insert(environment.id, told);
                }
                environment
            }
            None => {
                let id = self.next_environment;
                self.next_environment += 1;
                Environment::new(&self.world, id, function, self.ground.link()?)
            }
        };
        let now = self.world.now();
        {
            let mut story = self.world.story();
            story.counted.invocations += 1;
            story.tell(now, &environment.to_string(), what);
        }
        self.watched.invocations += u64::from(function != Function::Sweep);
        let id = environment.id;
        self.world.applications().invocation_began(id);
        let future = environment.invoke(event);
        self.running.insert(id, Running::new(environment, trigger, queues::after(now, FUNCTION_TIMEOUT), future));
        self.drive(id).await
    }

    /// Lets one at a gate go on, or die there.
    async fn go_on(&mut self, chosen: &Waiting) -> Result<()> {
        let id = chosen.environment;
        let now = self.world.now();
        let point = &chosen.point;
        let Some(function) = self.running.get(&id).map(|running| running.environment.function) else { return Ok(()) };
        let place = (function, point.kind, point.moment);
        let crashes = if self.plan.crash_at == Some(place) {
            self.choices.below(4) > 0
        } else {
            self.crashes < self.plan.crashes && self.choices.rarely(self.plan.crash_one_in)
        };
        let crashes = crashes && (point.kind.is_effect() || self.choices.below(8) == 0);
        if crashes && self.plan.crash_at == Some(place) {
            self.plan.crash_at = None;
        }
        self.crashes += usize::from(crashes);
        self.world.story().counted.crashes = self.crashes;
        let crashes = crashes && !self.plan.left_out.contains(&self.crashes);
        let name = self.running.get(&id).map(|running| running.environment.to_string()).unwrap_or_default();
        {
            let mut story = self.world.story();
            if point.kind.is_effect() {
                *story.counted.visited.entry(place).or_default() += 1;
                if crashes {
                    *story.counted.crashed.entry(place).or_default() += 1;
                }
            }
            if crashes {
                story.tell(now, &name, &format!("DIES {point}"));
            } else if point.moment == Moment::Before || story.is_told {
                story.tell(now, &name, &point.to_string());
            }
        }
        if crashes {
            return self.crash(id).await;
        }
        self.last = id;
        self.world.gates.grant(chosen.ticket);
        self.drive(id).await
    }

    async fn drive(&mut self, id: EnvironmentId) -> Result<()> {
        self.rest(id).await?;
        // What this one released lets others go on, those first that waited first.
        loop {
            let mut moved = false;
            for parked in self.parked.clone() {
                let Some(link) = self.running.get(&parked).map(|running| running.environment.link.name().to_owned())
                else {
                    continue;
                };
                if !self.ground.observer.waits_for_lock(&link).await? {
                    moved |= self.rest(parked).await?;
                }
            }
            if !moved {
                return Ok(());
            }
        }
    }

    /// Drives one until it rests; says whether it does not wait for a lock.
    async fn rest(&mut self, id: EnvironmentId) -> Result<bool> {
        let Some(running) = self.running.get_mut(&id) else { return Ok(false) };
        match running.drive(&self.world.gates, &self.ground.observer).await? {
            Rest::Lock => {
                if !self.parked.contains(&id) {
                    self.parked.push(id);
                    let mut story = self.world.story();
                    story.counted.lock_waits += 1;
                    story.tell(self.world.now(), &running.environment.to_string(), "waits for a lock");
                }
                return Ok(false);
            }
            Rest::Gates => self.unpark(id),
            Rest::Finished(answer) => {
                self.unpark(id);
                self.finish(id, answer).await?;
            }
        }
        Ok(true)
    }

    fn unpark(&mut self, id: EnvironmentId) {
        self.parked.retain(|parked| *parked != id);
    }

    async fn finish(&mut self, id: EnvironmentId, answer: Answer) -> Result<()> {
        let Some(running) = self.running.remove(&id) else { return Ok(()) };
        let now = self.world.now();
        let environment = running.environment;
        environment.ports.release().await;
        environment.link.commit_withheld().await;
        let told = match &answer {
            Answer::Response(bytes) => format!("answers {}", String::from_utf8_lossy(bytes)),
            Answer::Error(error) => format!("fails: {error}"),
        };
        self.world.story().tell(now, &environment.to_string(), &told);
        self.world.applications().invocation_ended(id);
        self.settle(id, &running.trigger, Some(&answer));
        self.warm.entry(environment.function).or_default().push(environment);
        Ok(())
    }

    /// Tells whoever invoked what came of it; nothing if it died.
    fn settle(&mut self, id: EnvironmentId, trigger: &Trigger, answer: Option<&Answer>) {
        let now = self.world.now();
        match trigger {
            Trigger::Batch(place, number) => {
                let Some((name, _, source)) = self.sources.get_mut(*place) else { return };
                let answer = match answer {
                    Some(Answer::Response(_)) if self.plan.planted.is(Edge::FailuresNotReported) => {
                        queues::Answer::Response(b"{}")
                    }
                    Some(Answer::Response(bytes)) => queues::Answer::Response(bytes),
                    _ => queues::Answer::FunctionError,
                };
                let ended =
                    self.world.with_queues(|queues, choices| source.finish(queues, *number, answer, now, choices));
                let mut story = self.world.story();
                if let Some(overtaken) = ended.overtaken.first() {
                    story.problems.push(format!("{name}: {overtaken} was done before one of its group that failed"));
                }
                story.tell(now, "event source", &format!("{name}: {} deleted, {} back", ended.deleted, ended.returned));
            }
            Trigger::Minute => {}
            Trigger::Told(telling) => self.was_told((**telling).clone(), answer),
            Trigger::Task(place) => {
                let told = self.tasks.remove(&id).unwrap_or(Value::Null);
                let error = match answer {
                    Some(Answer::Response(_)) => None,
                    Some(Answer::Error(error)) => Some(error.as_str()),
                    None => Some("Lambda.Unknown"),
                };
                self.world.executions().function_ended(*place, &told, error, now);
            }
        }
    }
}
