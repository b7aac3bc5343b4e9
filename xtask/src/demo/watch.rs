//! Watches a run: live counts per layer and state, until all is quiet or nothing moves any more.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use fluxnex_simulators::commands::{Counts, ScenarioState};
use tokio_postgres::Client;

use crate::{
    aws::{Aws, QueueDepth},
    platform::status::{self, Count, is_dead_letters},
    progress::{Progress, seconds},
};

use super::{control::Control, setup::TENANT};

const POLL: Duration = Duration::from_millis(500);
/// All must be quiet this often in a row: between two looks a message may be in nobody's count.
const QUIET_LOOKS: u32 = 3;
/// Longer than any wait between two attempts in the main job.
const NO_PROGRESS: Duration = Duration::from_secs(90);
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

/// Watches until the end.
pub async fn watch(control: &Control, aws: &Aws, database: &Client, progress: &Progress) -> Result<End> {
    let began = Instant::now();
    let (mut last, mut moved, mut quiet) = (Look::default(), Instant::now(), 0);
    let mut printed = Instant::now();
    loop {
        let look = Look {
            counts: control.counts().await?,
            queues: aws.queue_depths().await?,
            rows: status::counts(database).await?.into_iter().filter(|count| count.schema == schema()).collect(),
        };
        if progress.is_terminal() {
            progress.board(board(&look, began.elapsed()));
        } else if printed.elapsed() > PRINT_EVERY {
            progress.say(summary(&look, began.elapsed()));
            printed = Instant::now();
        }
        quiet = if is_quiet(&look) { quiet + 1 } else { 0 };
        if look.progress() != last.progress() {
            moved = Instant::now();
        }
        let end =
            if quiet >= QUIET_LOOKS { Some(End::Quiet) } else { (moved.elapsed() > NO_PROGRESS).then_some(End::Stuck) };
        if let Some(end) = end {
            progress.board(Vec::new());
            for line in board(&look, began.elapsed()) {
                progress.say(line);
            }
            return Ok(end);
        }
        last = look;
        tokio::time::sleep(POLL).await;
    }
}

fn schema() -> String {
    format!("tenant_{TENANT}")
}

fn is_quiet(look: &Look) -> bool {
    let sent = matches!(look.counts.scenario, ScenarioState::Finished | ScenarioState::Incomplete);
    let open = look.rows.iter().any(|count| count.rows > 0 && OPEN_STATES.contains(&count.state.as_str()));
    let waiting = look.rows.iter().any(|count| count.table == "waiting_records" && count.rows > 0);
    sent && !open && !waiting && look.queues.iter().all(|queue| queue.total() == 0)
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
        format!("  replicate   {}   source records {}", queue("inbound-gateway"), rows(look, "source_records")),
        format!("  normalise   {}   events {}", queue("source-replica"), rows(look, "event_states")),
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
    format!(
        "  … {:>7}  acknowledged {}/{}, queued {queued}, deliveries {}, effects {effects}",
        seconds(elapsed),
        look.counts.acknowledged,
        look.counts.planned.webhooks,
        rows(look, "deliveries"),
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
        Count { schema: schema(), table: table.to_owned(), state: state.to_owned(), rows }
    }

    fn finished() -> Look {
        let counts = Counts { scenario: ScenarioState::Finished, ..Counts::default() };
        Look { counts, queues: vec![QueueDepth::default()], rows: vec![row("deliveries", "delivered", 3)] }
    }

    #[test]
    fn all_must_be_done_for_quiet() {
        assert!(is_quiet(&finished()));
        let sending = Look { counts: Counts { scenario: ScenarioState::Running, ..Counts::default() }, ..finished() };
        let queued = Look { queues: vec![QueueDepth { delayed: 1, ..QueueDepth::default() }], ..finished() };
        let pending = Look { rows: vec![row("deliveries", "pending", 1)], ..finished() };
        let waiting = Look { rows: vec![row("waiting_records", "", 1)], ..finished() };
        for look in [sending, queued, pending, waiting] {
            assert!(!is_quiet(&look), "{look:?}");
        }
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
