//! Schedules in memory. They never fire: a test sends the message itself.

use super::lock;
use crate::schedules::{Schedule, ScheduleError, Schedules, check, check_name, check_prefix};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

#[derive(Default)]
struct State {
    schedules: BTreeMap<String, Schedule>,
    silent: bool,
}

/// The twin of one group of schedules.
#[derive(Default)]
pub struct InMemorySchedules {
    state: Mutex<State>,
}

impl InMemorySchedules {
    /// The schedules that are there, by name.
    #[must_use]
    pub fn schedules(&self) -> Vec<Schedule> {
        lock(&self.state).schedules.values().cloned().collect()
    }

    /// Whether the service stops answering.
    pub fn set_silent(&self, silent: bool) {
        lock(&self.state).silent = silent;
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, ScheduleError> {
        let state = lock(&self.state);
        if state.silent {
            return Err(ScheduleError::Unavailable { code: "Silent".to_owned(), source: None });
        }
        Ok(state)
    }
}

#[async_trait]
impl Schedules for InMemorySchedules {
    async fn put(&self, schedule: &Schedule) -> Result<(), ScheduleError> {
        check(schedule)?;
        self.state()?.schedules.insert(schedule.name.clone(), schedule.clone());
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), ScheduleError> {
        check_name(name)?;
        self.state()?.schedules.remove(name);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, ScheduleError> {
        check_prefix(prefix)?;
        let state = self.state()?;
        Ok(state.schedules.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }
}
