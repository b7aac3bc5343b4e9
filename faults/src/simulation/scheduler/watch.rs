//! What is looked at each time that nothing can be done now, and time goes on.

use super::Scheduler;
use crate::checks::{self, OpenWork};
use anyhow::Result;
use fluxnex_cloud::control::Control as _;
use jiff::Timestamp;
use std::time::Duration;

/// What was seen since the open work changed last.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Of the open work.
    digest: u64,
    since: Option<Timestamp>,
    /// Invocations of other functions than sweep, so far and when the work changed last.
    pub(super) invocations: u64,
    before: u64,
}

impl Scheduler<'_> {
    /// Everything waits: whoever needs somebody must be found, and nobody may be kept busy.
    pub(super) async fn watch(&mut self, open: &OpenWork) -> Result<()> {
        let marked = self.world.control.busy_tenants(usize::MAX).await?;
        let marked: Vec<String> = marked.into_iter().map(|marked| marked.tenant.to_string()).collect();
        let now = self.world.now();
        let watched = &mut self.watched;
        let span = Duration::try_from(now.duration_since(*watched.since.get_or_insert(now))).unwrap_or_default();
        let mut needless = None;
        if watched.digest == open.digest && open.is_any {
            let events = self.world.story().counted.events;
            needless = checks::needless(watched.invocations - watched.before, events, span);
        }
        if watched.digest != open.digest || !open.is_any || needless.is_some() {
            (watched.digest, watched.since, watched.before) = (open.digest, Some(now), watched.invocations);
        }
        let mut story = self.world.story();
        for words in [checks::unmarked(open, &marked), needless].into_iter().flatten() {
            if !story.problems.contains(&words) {
                story.problems.push(words);
            }
        }
        Ok(())
    }
}
