//! The clocks of environments: they differ by a little, and jump.

use crate::queues::{Choices as _, Seeded};
use fluxnex_cloud::clock::Clock;
use fluxnex_cloud::twin::ManualClock;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// All clocks of a seed.
#[derive(Debug)]
pub struct Clocks {
    /// The true time.
    pub world: Arc<ManualClock>,
    seed: u64,
    apart: Duration,
    jumped: Arc<AtomicI64>,
}

/// The clock of one environment.
#[derive(Debug)]
pub struct EnvironmentClock {
    world: Arc<ManualClock>,
    ahead: SignedDuration,
    jumped: Option<Arc<AtomicI64>>,
}

impl Clocks {
    /// Clocks that differ from the true time by `apart` at most.
    #[must_use]
    pub fn new(seed: u64, now: Timestamp, apart: Duration) -> Self {
        Self { world: Arc::new(ManualClock::at(now)), seed, apart, jumped: Arc::default() }
    }

    /// The clock of an environment.
    #[must_use]
    pub fn of(&self, environment: u64) -> Arc<EnvironmentClock> {
        let mut choices = Seeded::new(self.seed ^ 0x434c_4f43 ^ environment.rotate_left(32));
        let apart = usize::try_from(self.apart.as_millis()).unwrap_or(0);
        let ahead = choices.below(2 * apart + 1) as i64 - apart as i64;
        // Every second one jumps.
        let jumped = (apart > 0 && environment % 2 == 1).then(|| Arc::clone(&self.jumped));
        Arc::new(EnvironmentClock { world: Arc::clone(&self.world), ahead: SignedDuration::from_millis(ahead), jumped })
    }

    /// Half of the clocks are set back or forward by some seconds.
    pub fn jump(&self, by: SignedDuration) {
        self.jumped.store(i64::try_from(by.as_millis()).unwrap_or_default(), Ordering::SeqCst);
    }
}

impl Clock for EnvironmentClock {
    fn now(&self) -> Timestamp {
        let jumped = self.jumped.as_ref().map_or(0, |jumped| jumped.load(Ordering::SeqCst));
        let ahead = self.ahead + SignedDuration::from_millis(jumped);
        self.world.now().checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    fn new_id(&self) -> Uuid {
        self.world.new_id()
    }
}
