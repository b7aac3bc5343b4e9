//! Watches a run: live counts per layer and state, until all is quiet or nothing moves any more.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use fluxnex_simulators::commands::{Counts, ScenarioState};
use jiff::Timestamp;
use tokio_postgres::Client;

use crate::{
    aws::{Aws, QueueDepth},
    platform::status::{self, Count, is_dead_letters},
    progress::{Progress, seconds},
};

use super::{control::Control, polls::Poll, setup::TENANTS};

const POLL: Duration = Duration::from_millis(500);
/// All must be quiet this often in a row: between two looks a message may be in nobody's count.
const QUIET_LOOKS: u32 = 3;
/// Longer than any wait between two attempts in the main job.
const NO_PROGRESS: Duration = Duration::from_secs(180);
/// After so long a poll is fired again that is not complete.
const FIRE_AGAIN: Duration = Duration::from_secs(20);
/// Elsewhere than on a terminal, how often the counts are printed.
const PRINT_EVERY: Duration = Duration::from_secs(5);
/// States of a delivery, and of an event before it has one, in which something is still to come.
const OPEN_STATES: [&str; 5] = ["pending", "sending", "waiting", "processing", "received"];

/// One look at everything.
#[derive(Clone, Debug, Default, PartialEq)]
struct Look {
    counts: Counts,
    queues: Vec<QueueDepth>,
    rows: Vec<Count>,
    /// Fetches of missing parents that have not come to an end.
    fetches: i64,
    /// Polls that have not come to an end.
    polls: usize,
}

impl Look {
    /// What changes only when something got further: tries that fail again and again change the rest.
    fn progress(&self) -> (u64, &BTreeMap<String, u64>, &[Count]) {
        (self.counts.acknowledged, &self.counts.effects, &self.rows)
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Everything was sent and nothing is left to do.
    Quiet,
    /// Something is left, but nothing moved for a while.
    Stuck,
}

impl End {
    /// Of two runs one after the other.
    pub fn and(self, other: Self) -> Self {
        if self == Self::Quiet { other } else { self }
    }
}

/// Polls that were fired, and are to be complete.
pub struct Polling {
    polls: Vec<Poll>,
    since: Timestamp,
}

impl Polling {
    /// Fires them.
    pub async fn fire(aws: &Aws, polls: Vec<Poll>) -> Result<Self> {
        let since = Timestamp::now();
        for poll in &polls {
            poll.fire(aws).await?;
        }
        Ok(Self { polls, since })
    }

    /// How many pages the runs read.
    pub async fn pages(&self, aws: &Aws) -> Result<u32> {
        let mut pages = 0;
        for poll in &self.polls {
            pages += poll.complete_since(aws, self.since).await?.unwrap_or(0);
        }
        Ok(pages)
    }

    async fn open(&self, aws: &Aws) -> Result<Vec<&Poll>> {
        let mut open = Vec::new();
        for poll in &self.polls {
            if poll.complete_since(aws, self.since).await?.is_none() {
                open.push(poll);
            }
        }
        Ok(open)
    }
}

/// What watching needs.
pub struct Watcher<'a> {
    /// The simulated applications.
    pub control: &'a Control,
    /// The emulated AWS.
    pub aws: &'a Aws,
    /// FluxNex's database.
    pub database: &'a Client,
    /// Where the counts are shown.
    pub progress: &'a Progress,
}

impl Watcher<'_> {
    /// Watches until all is quiet and the polls are complete, or nothing moves any more.
    pub async fn watch(&self, polling: &Polling) -> Result<End> {
        let began = Instant::now();
        let (mut last, mut moved, mut quiet) = (Look::default(), Instant::now(), 0);
        let (mut printed, mut fired) = (Instant::now(), Instant::now());
        loop {
            let mut look = Look {
                counts: self.control.counts().await?,
                queues: self.aws.queue_depths().await?,
                rows: status::counts(self.database).await?.into_iter().filter(|count| is_ours(&count.schema)).collect(),
                fetches: open_fetches(self.database).await?,
                polls: 0,
            };
            let open = polling.open(self.aws).await?;
            look.polls = open.len();
            if fired.elapsed() > FIRE_AGAIN {
                // It met a run of the regular schedule that had begun before the changes.
                for poll in open {
                    poll.fire(self.aws).await?;
                }
                fired = Instant::now();
            }
            if self.progress.is_terminal() {
                self.progress.board(board(&look, began.elapsed()));
            } else if printed.elapsed() > PRINT_EVERY {
                self.progress.say(summary(&look, began.elapsed()));
                printed = Instant::now();
            }
            quiet = if is_quiet(&look) { quiet + 1 } else { 0 };
            if look.progress() != last.progress() {
                moved = Instant::now();
            }
            let is_stuck = moved.elapsed() > NO_PROGRESS;
            let end = if quiet >= QUIET_LOOKS { Some(End::Quiet) } else { is_stuck.then_some(End::Stuck) };
            if let Some(end) = end {
                self.progress.board(Vec::new());
                for line in board(&look, began.elapsed()) {
                    self.progress.say(line);
                }
                return Ok(end);
            }
            last = look;
            tokio::time::sleep(POLL).await;
        }
    }
}

fn is_ours(schema: &str) -> bool {
    schema.strip_prefix("tenant_").is_some_and(|tenant| TENANTS.contains(&tenant))
}

/// Fetches of missing parents that have not come to an end.
async fn open_fetches(database: &Client) -> Result<i64> {
    let mut open = 0;
    for tenant in TENANTS {
        let query =
            format!("SELECT count(*) FROM tenant_{tenant}.dependency_fetches WHERE state NOT IN ('stored', 'failed')");
        open += database.query_one(&query, &[]).await?.get::<_, i64>(0);
    }
    Ok(open)
}

fn is_quiet(look: &Look) -> bool {
    let sent = matches!(look.counts.scenario, ScenarioState::Finished | ScenarioState::Incomplete);
    let open = look.rows.iter().any(|count| count.rows > 0 && OPEN_STATES.contains(&count.state.as_str()));
    let waiting = look.rows.iter().any(|count| count.table == "waiting_records" && count.rows > 0);
    sent && !open
        && !waiting
        && look.fetches == 0
        && look.polls == 0
        && look.queues.iter().all(|queue| queue.total() == 0)
}

/// The counts as lines, one for each layer.
fn board(look: &Look, elapsed: Duration) -> Vec<String> {
    let depth = |part: &str| -> u64 {
        let named = look.queues.iter().filter(|queue| !is_dead_letters(queue) && queue.name.contains(part));
        named.map(QueueDepth::total).sum()
    };
    let dead: u64 = look.queues.iter().filter(|queue| is_dead_letters(queue)).map(QueueDepth::total).sum();
    let effects: u64 = look.counts.effects.values().sum();
    let receipts: u64 = look.counts.receipts.values().sum();
    let queue = |part: &str| format!("{:>6} queued", depth(part));
    let (counts, planned) = (&look.counts, &look.counts.planned);
    vec![
        format!(
            "  sent        {:>6} of {} webhooks acknowledged, {}",
            counts.acknowledged,
            planned.webhooks,
            seconds(elapsed)
        ),
        format!("  poll        {}   {} to complete", queue("fetch-request"), look.polls),
        format!("  replicate   {}   source records {}", queue("inbound-gateway"), rows(look, "source_records")),
        format!("  normalise   {}   events {}", queue("source-replica"), rows(look, "event_states")),
        format!("  fetch       {:>6} blocking fetches under way", look.fetches),
        format!("  route       {}   canonical records {}", queue("normalised"), rows(look, "canonical_records")),
        format!("  deliver     {}   deliveries {}", queue("outbound-"), rows(look, "deliveries")),
        format!("  notify      {}   received {receipts}", queue("notification-delivery")),
        format!("  target      {effects:>6} effects, {dead} dead letters"),
    ]
}

/// The counts as one line, for a log.
fn summary(look: &Look, elapsed: Duration) -> String {
    let queued: u64 = look.queues.iter().map(QueueDepth::total).sum();
    let effects: u64 = look.counts.effects.values().sum();
    let open = |count: u64, what: &str| if count == 0 { String::new() } else { format!(", {count} {what}") };
    format!(
        "  … {:>7}  acknowledged {}/{}, queued {queued}, deliveries {}, effects {effects}{}{}",
        seconds(elapsed),
        look.counts.acknowledged,
        look.counts.planned.webhooks,
        rows(look, "deliveries"),
        open(look.polls as u64, "polls to complete"),
        open(look.fetches.unsigned_abs(), "fetches under way"),
    )
}

/// `42`, or `40 delivered, 2 pending` for a table with states.
fn rows(look: &Look, table: &str) -> String {
    let mut states: BTreeMap<&str, i64> = BTreeMap::new();
    for count in look.rows.iter().filter(|count| count.table == table) {
        *states.entry(&count.state).or_default() += count.rows;
    }
    let parts: Vec<String> = states.iter().map(|(state, rows)| format!("{rows} {state}").trim().to_owned()).collect();
    if parts.is_empty() { "0".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(table: &str, state: &str, rows: i64) -> Count {
        Count { schema: "tenant_acme".to_owned(), table: table.to_owned(), state: state.to_owned(), rows }
    }

    fn finished() -> Look {
        let counts = Counts { scenario: ScenarioState::Finished, ..Counts::default() };
        Look {
            counts,
            queues: vec![QueueDepth::default()],
            rows: vec![row("deliveries", "delivered", 3)],
            ..Look::default()
        }
    }

    #[test]
    fn all_must_be_done_for_quiet() {
        assert!(is_quiet(&finished()));
        let sending = Look { counts: Counts { scenario: ScenarioState::Running, ..Counts::default() }, ..finished() };
        let queued = Look { queues: vec![QueueDepth { delayed: 1, ..QueueDepth::default() }], ..finished() };
        let pending = Look { rows: vec![row("deliveries", "pending", 1)], ..finished() };
        let waiting = Look { rows: vec![row("waiting_records", "", 1)], ..finished() };
        let fetching = Look { fetches: 1, ..finished() };
        let polling = Look { polls: 1, ..finished() };
        for look in [sending, queued, pending, waiting, fetching, polling] {
            assert!(!is_quiet(&look), "{look:?}");
        }
    }

    #[test]
    fn only_the_job_s_tenants_count() {
        assert!(is_ours("tenant_acme") && is_ours("tenant_globex"));
        assert!(!is_ours("tenant_acme_2") && !is_ours("fluxnex_master"));
        assert_eq!((End::Quiet.and(End::Stuck), End::Stuck.and(End::Quiet)), (End::Stuck, End::Stuck));
    }

    #[test]
    fn rows_are_shown_by_state() {
        let look = Look {
            rows: vec![row("deliveries", "delivered", 3), row("deliveries", "failed", 1), row("source_records", "", 5)],
            ..finished()
        };
        assert_eq!(rows(&look, "deliveries"), "3 delivered, 1 failed");
        assert_eq!(rows(&look, "source_records"), "5");
        assert_eq!(rows(&look, "events"), "0");
    }
}
