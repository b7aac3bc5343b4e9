//! How invocations are killed, and what is left of a seed is given back.

use super::Scheduler;
use crate::simulation::gates::EnvironmentId;
use anyhow::Result;

impl Scheduler<'_> {
    /// The process is killed: its future is dropped, its connection ends, whoever invoked it is told.
    pub(super) async fn crash(&mut self, id: EnvironmentId) -> Result<()> {
        let Some(running) = self.running.remove(&id) else { return Ok(()) };
        self.unpark(id);
        self.world.gates.forget(id);
        self.world.applications().somebody_died();
        let trigger = running.trigger.clone();
        let link = running.dies();
        self.ground.give_back(link).await?;
        self.settle(id, &trigger, None);
        // What it held is free.
        self.drive(0).await
    }

    /// Gives every connection back.
    pub(super) async fn end(mut self) -> Result<()> {
        let running: Vec<EnvironmentId> = self.running.keys().copied().collect();
        for id in running {
            self.crash(id).await?;
        }
        for environment in std::mem::take(&mut self.warm).into_values().flatten() {
            self.ground.give_back(environment.link).await?;
        }
        Ok(())
    }
}
