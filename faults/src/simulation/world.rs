//! Everything outside the functions but PostgreSQL: queues, control table, bucket, secrets, workflows,
//! applications, time; and the story of what happened.

use super::applications::Applications;
use super::clocks::Clocks;
use super::gates::Gates;
use super::mutants::Planted;
use super::scenario::{Percent, Scenario};
use super::seed::Case;
use super::story::Story;
use super::workflows::Executions;
use crate::queues::{Choices as _, QueueSettings, Queues, Quirks, Seeded};
use anyhow::Result;
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::queue::QueueUrl;
use fluxnex_cloud::twin::{InMemoryControl, InMemoryObjects, InMemorySecrets, ManualClock};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The timeout of every function, in simulated time.
pub const FUNCTION_TIMEOUT: Duration = Duration::from_secs(30);
/// The queues that a function reads, which function, and how often a message is delivered at most.
pub const QUEUES: [(&str, u32); 9] = [
    ("fetch-request", 5),
    ("inbound-gateway", 10),
    ("source-replica", 5),
    ("normalised", 5),
    ("outbound-quickbooks-online.fifo", 5),
    ("outbound-webhook.fifo", 5),
    ("delayed-wakes", 5),
    ("sweep-tenant", 5),
    ("notification-delivery", 5),
];

/// The outside of one seed.
pub struct World {
    /// Who waits where.
    pub gates: Arc<Gates>,
    /// Nothing goes wrong.
    pub is_calm: bool,
    /// The bug that is planted.
    pub planted: Planted,
    /// Stands still until the scheduler moves it.
    pub clock: Arc<ManualClock>,
    /// So many wakes come by another way as well.
    pub stray_wakes: Percent,
    /// The clocks of environments.
    pub clocks: Clocks,
    /// The control table.
    pub control: InMemoryControl,
    /// The payload bucket.
    pub objects: InMemoryObjects,
    /// The secrets service.
    pub secrets: InMemorySecrets,
    queues: Mutex<(Queues, Seeded)>,
    executions: Mutex<Executions>,
    applications: Mutex<Applications>,
    story: Mutex<Story>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The physical name of a queue.
#[must_use]
pub fn physical(name: &str) -> String {
    format!("fluxnex-local-{name}")
}

/// The queue of that name.
#[must_use]
pub fn queue(name: &str) -> QueueUrl {
    QueueUrl::new(format!("http://queues/000000000000/{}", physical(name)))
}

/// The name of a queue's dead-letter queue.
#[must_use]
pub fn dead_letters(name: &str) -> String {
    match name.strip_suffix(".fifo") {
        Some(name) => format!("{name}-dlq.fifo"),
        None => format!("{name}-dlq"),
    }
}

impl World {
    /// A world in which nothing has happened.
    ///
    /// # Errors
    /// If a queue cannot be made.
    pub fn new(
        seed: u64,
        now: Timestamp,
        applications: Applications,
        scenario: &Scenario,
        case: &Case,
    ) -> Result<Self> {
        let mut choices = Seeded::new(seed ^ 0x5155_4555_4553);
        let quirks = match choices.below(3) {
            _ if scenario.is_calm || case.less.quirks => Quirks::NONE,
            0 => Quirks::NONE,
            1 => Quirks { reorder_within: 8, ..Quirks::NONE },
            _ => Quirks { duplicate_one_in: 24, lost_acknowledgement_one_in: 24, ..Quirks::OFTEN },
        };
        let mut queues = Queues::new(quirks);
        for (name, most) in QUEUES {
            let letters = physical(&dead_letters(name));
            let made = |name: String| QueueSettings::for_function(name, FUNCTION_TIMEOUT, Duration::ZERO);
            queues.create(made(letters.clone()))?;
            queues.create(made(physical(name)).dead_letters(letters, most))?;
        }
        let clocks = Clocks::new(seed, now, scenario.clocks_apart);
        Ok(Self {
            gates: Arc::default(),
            planted: case.planted,
            is_calm: scenario.is_calm,
            stray_wakes: scenario.stray_wakes,
            clock: clocks.world.clone(),
            clocks,
            control: InMemoryControl::default(),
            objects: InMemoryObjects::default(),
            secrets: InMemorySecrets::default(),
            queues: Mutex::new((queues, choices)),
            executions: Mutex::default(),
            applications: Mutex::new(applications),
            story: Mutex::default(),
        })
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Does something with the queues and their choices.
    pub fn with_queues<T>(&self, work: impl FnOnce(&mut Queues, &mut Seeded) -> T) -> T {
        let (queues, choices) = &mut *lock(&self.queues);
        work(queues, choices)
    }

    /// The executions of the state machine.
    pub fn executions(&self) -> MutexGuard<'_, Executions> {
        lock(&self.executions)
    }

    /// The sources and targets.
    pub fn applications(&self) -> MutexGuard<'_, Applications> {
        lock(&self.applications)
    }

    /// What happened.
    pub fn story(&self) -> MutexGuard<'_, Story> {
        lock(&self.story)
    }

    /// The queues of each connector's wakes.
    #[must_use]
    pub fn outbound() -> BTreeMap<String, QueueUrl> {
        ["quickbooks-online", "webhook"]
            .map(|connector| (connector.to_owned(), queue(&format!("outbound-{connector}.fifo"))))
            .into()
    }
}
