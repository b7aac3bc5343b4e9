//! In-memory twins of the ports, for tests: they pass the same conformance suites as the adapters.

mod clock;
mod control;
mod functions;
mod objects;
mod queues;
mod schedules;
mod secrets;
mod workflow;

pub use clock::ManualClock;
pub use control::InMemoryControl;
pub use functions::InMemoryFunctions;
pub use objects::InMemoryObjects;
pub use queues::{InMemoryQueues, ReceivedMessage};
pub use schedules::InMemorySchedules;
pub use secrets::InMemorySecrets;
pub use workflow::{InMemoryWorkflows, TaskAnswer};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A test that panicked while it held the lock must not hide itself behind others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
