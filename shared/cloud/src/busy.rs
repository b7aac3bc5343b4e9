//! Sets the marker "this tenant has work waiting" about once per tenant and five minutes, not once per message.

use crate::clock::Clock;
use crate::control::{Control, ControlError};
use fluxnex_core::ids::TenantId;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How far ahead a marker is set.
const AHEAD: Duration = Duration::from_secs(15 * 60);
/// A marker that stands for longer than this needs no new one. Above every function's time limit:
/// whoever skips the write commits before the marker ends.
const ENOUGH: Duration = Duration::from_secs(5 * 60);
/// Tenants remembered by one environment; beyond, it forgets and writes again.
const MAX_REMEMBERED: usize = 10_000;

/// One for each execution environment, shared by everything in it.
pub struct BusyMarker {
    control: Arc<dyn Control>,
    clock: Arc<dyn Clock>,
    marked: Mutex<HashMap<TenantId, Timestamp>>,
}

impl BusyMarker {
    /// A marker that remembers nothing yet.
    pub fn new(control: Arc<dyn Control>, clock: Arc<dyn Clock>) -> Self {
        Self { control, clock, marked: Mutex::new(HashMap::new()) }
    }

    /// Sees to it that the tenant stays marked for the next five minutes at least. Call it before the
    /// commit that creates the work.
    ///
    /// # Errors
    /// [`ControlError`]: nothing may be committed then, as nobody would find it after a crash.
    pub async fn mark(&self, tenant: &TenantId) -> Result<(), ControlError> {
        let now = self.clock.now();
        if self.remembered(tenant).is_some_and(|until| until > later(now, ENOUGH)) {
            return Ok(());
        }
        let until = later(now, AHEAD);
        self.control.mark_busy(tenant, until).await?;
        let mut marked = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
        if marked.len() >= MAX_REMEMBERED {
            marked.clear();
        }
        marked.insert(tenant.clone(), until);
        Ok(())
    }

    fn remembered(&self, tenant: &TenantId) -> Option<Timestamp> {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).copied()
    }
}

/// The moment `delay` later; the last moment there is, if that is beyond it.
fn later(now: Timestamp, delay: Duration) -> Timestamp {
    now.checked_add(delay).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twin::{InMemoryControl, ManualClock};

    #[tokio::test]
    async fn one_write_per_tenant_and_ten_minutes() {
        let clock = Arc::new(ManualClock::default());
        let control = Arc::new(InMemoryControl::default());
        let marker = BusyMarker::new(control.clone(), clock.clone());
        let acme = TenantId::parse("acme").unwrap();
        for _ in 0..3 {
            marker.mark(&acme).await.unwrap();
        }
        assert_eq!(control.writes(), 1);
        clock.advance(Duration::from_secs(9 * 60));
        marker.mark(&acme).await.unwrap();
        assert_eq!(control.writes(), 1, "six minutes remain");
        clock.advance(Duration::from_secs(2 * 60));
        marker.mark(&acme).await.unwrap();
        assert_eq!(control.writes(), 2, "four minutes remain: mark again");
        marker.mark(&TenantId::parse("globex").unwrap()).await.unwrap();
        assert_eq!(control.writes(), 3);
    }
}
