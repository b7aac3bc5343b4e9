//! How time goes on when nothing can be done now.

use super::Scheduler;
use crate::queues;
use crate::simulation::gates::EnvironmentId;
use anyhow::Result;
use jiff::Timestamp;
use std::time::Duration;

impl Scheduler<'_> {
    /// Ends invocations whose time is over.
    pub(super) async fn time_out(&mut self) -> Result<()> {
        let now = self.world.now();
        let over: Vec<EnvironmentId> =
            self.running.iter().filter(|(_, running)| running.until <= now).map(|(id, _)| *id).collect();
        for id in over {
            self.world.story().tell(now, &id.to_string(), "its time is over");
            self.crash(id).await?;
        }
        Ok(())
    }

    /// Lets time go on to what is due next; false if nothing ever will be.
    pub(super) async fn wait(&mut self) -> Result<bool> {
        let now = self.world.now();
        if !self.running.is_empty() {
            // All of them wait for locks: PostgreSQL finds the circle, and the next look sees it.
            tokio::time::sleep(Duration::from_millis(2)).await;
            self.world.clock.advance(Duration::from_millis(1));
            self.drive(0).await?;
            return Ok(true);
        }
        let arrival = self.occurrences.front().map(|next| queues::after(self.began, next.after));
        let names: Vec<&String> = self.sources.iter().map(|(name, _, _)| name).collect();
        let message = self.world.with_queues(|queues, _| {
            let held =
                names.iter().filter(|name| queues.undeleted(name) > 0 || queues.load(name) != queues::Load::default());
            held.filter_map(|name| queues.next_change(name)).min()
        });
        let execution = self.world.executions().next_due();
        let due = [arrival, message, execution].into_iter().flatten().min();
        let open = crate::checks::open_work(&self.ground.observer, now).await?;
        self.watch(&open).await?;
        if due.is_none() && !open.is_any {
            return Ok(false);
        }
        // Sweep looks each minute. When several minutes brought nothing, it goes on when something is due.
        let due = [due, open.due].into_iter().flatten().filter(|due| *due > now).min();
        let has_passed = self.counted_minute != self.next_minute;
        self.counted_minute = self.next_minute;
        self.idle_minutes = if open.digest == self.plan.digest { self.idle_minutes + u32::from(has_passed) } else { 0 };
        self.plan.digest = open.digest;
        if self.idle_minutes > 100 {
            self.world.story().problems.push(format!("stuck: {}", open.what));
            return Ok(false);
        }
        // What needs somebody may need `sweep` to see it idle for some minutes.
        let patience = match (open.unattended.is_empty(), open.is_any) {
            (false, _) => 9,
            (true, true) => 3,
            (true, false) => 1,
        };
        let minute = match due {
            Some(due) if self.idle_minutes > patience && due > self.next_minute => {
                let whole = (due.as_second() / 60 + 1) * 60;
                Timestamp::from_second(whole)?
            }
            // Every tenant is looked at once an hour, marked or not.
            None if self.idle_minutes > 20 => {
                self.idle_minutes += 20;
                Timestamp::from_second((now.as_second() / 3600 + 1) * 3600 + 17 * 60)?
            }
            _ => self.next_minute,
        };
        self.next_minute = minute.max(self.next_minute);
        let next = due.map_or(self.next_minute, |due| due.min(self.next_minute)).max(now);
        self.world.clock.set(queues::after(next, Duration::from_millis(1)));
        Ok(true)
    }
}
