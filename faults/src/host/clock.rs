//! EventBridge: `sweep` each minute, and schedules of EventBridge Scheduler at their rate.
//!
//! A schedule with a cron expression fires only when the host is told so: no run here lasts long enough
//! for its times of day.

use super::Inner;
use super::aws::Schedule;
use crate::queues::NewMessage;
use axum::body::Bytes;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

const MINUTE: Duration = Duration::from_secs(60);
/// How often schedules are looked at, before the time scale.
const LOOK: Duration = Duration::from_secs(10);

/// A clock that runs until it is dropped.
pub(super) struct Clock {
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Clock {
    pub(super) fn start(host: Arc<Inner>) -> Self {
        Self { tasks: vec![tokio::spawn(each_minute(Arc::clone(&host))), tokio::spawn(at_their_rate(host))] }
    }
}

/// The event of the rule that invokes `sweep`.
pub(super) fn minute() -> Bytes {
    let event = serde_json::json!({
        "version": "0", "id": "local", "detail-type": "Scheduled Event", "source": "aws.events",
        "account": "000000000000", "time": Timestamp::now().to_string(), "region": "us-east-1",
        "resources": [], "detail": {},
    });
    event.to_string().into()
}

/// Sends what the schedule sends.
pub(super) fn fire(host: &Inner, schedule: &Schedule) {
    let sent = host.queues.lock().send(schedule.queue(), NewMessage::new(schedule.input()), Timestamp::now());
    // A schedule of a queue that is not there fires into the void, as on AWS.
    drop(sent);
    host.queues.changed(schedule.queue());
}

async fn each_minute(host: Arc<Inner>) {
    let Some(sweep) = host.functions.get("sweep") else { return };
    let mut ticks = tokio::time::interval(MINUTE.div_f64(host.time_scale));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        // The next minute makes up for a failure.
        drop(sweep.invoke(minute()).await);
    }
}

async fn at_their_rate(host: Arc<Inner>) {
    let mut ticks = tokio::time::interval(LOOK.div_f64(host.time_scale));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut next: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        ticks.tick().await;
        let schedules = host.schedules.all();
        next.retain(|name, _| schedules.iter().any(|(known, _)| known == name));
        for (name, schedule) in &schedules {
            let Some(rate) = schedule.rate() else { continue };
            let rate = rate.div_f64(host.time_scale);
            let due = next.entry(name.clone()).or_insert_with(|| Instant::now() + rate);
            if *due <= Instant::now() {
                *due += rate;
                fire(&host, schedule);
            }
        }
    }
}
