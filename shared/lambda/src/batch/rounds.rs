//! Decoding, rounds, isolation: how a batch is worked off and what of it comes back.

use super::outcome::{BatchError, Outcome, Undecodable};
use super::record::{Record, Work};
use crate::deadline::Deadline;
use aws_lambda_events::event::sqs::SqsBatchResponse;
use futures::FutureExt;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// What is kept back of the invocation's time, to answer in good order instead of being killed.
const RESERVE: Duration = Duration::from_millis(500);

/// What all records of one message group wait for.
type Group = Option<String>;

/// The records of one batch that come back, so far.
pub(super) struct Batch {
    deadline: Deadline,
    failed: Vec<String>,
    seen: HashSet<String>,
}

impl Batch {
    pub(super) fn new(deadline: Deadline) -> Self {
        Self { deadline, failed: Vec::new(), seen: HashSet::new() }
    }

    pub(super) fn into_response(self) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        response.set_failures(self.failed);
        response
    }

    /// Decodes each record by itself. In a FIFO group, what comes after a record that cannot be
    /// decoded fails with it.
    pub(super) fn decode<M, D>(&mut self, records: Vec<Record>, decode: D) -> Vec<Work<M>>
    where
        D: Fn(&Record) -> Result<M, Undecodable>,
    {
        let mut stopped: HashSet<Group> = HashSet::new();
        let mut works = Vec::with_capacity(records.len());
        for record in records {
            if record.is_fifo && stopped.contains(&record.group) {
                self.settle(&record, &behind(), Duration::ZERO);
                continue;
            }
            let decoded = catch_unwind(AssertUnwindSafe(|| decode(&record)));
            let reason = match decoded {
                Ok(Ok(message)) => {
                    works.push(Work { record, message });
                    continue;
                }
                Ok(Err(undecodable)) => undecodable.to_string(),
                Err(_) => "undecodable: the decoder panicked".to_owned(),
            };
            self.settle(&record, &Outcome::retry(reason), Duration::ZERO);
            if record.is_fifo {
                stopped.insert(record.group);
            }
        }
        works
    }

    /// Works off what was decoded: at once, or in rounds if the queue is FIFO.
    pub(super) async fn run<M, H>(&mut self, mut works: Vec<Work<M>>, handle: H)
    where
        H: AsyncFn(&[Work<M>]) -> Result<Vec<Outcome>, BatchError>,
    {
        let mut stopped: HashSet<Group> = HashSet::new();
        while !works.is_empty() {
            let (round, later) = next_round(works);
            let outcomes = self.round(&round, &handle).await;
            for (work, (outcome, took)) in round.into_iter().zip(outcomes) {
                self.settle(&work.record, &outcome, took);
                if work.record.is_fifo && !outcome.acknowledged {
                    stopped.insert(work.record.group);
                }
            }
            works = Vec::with_capacity(later.len());
            for work in later {
                if stopped.contains(&work.record.group) {
                    self.settle(&work.record, &behind(), Duration::ZERO);
                } else {
                    works.push(work);
                }
            }
        }
    }

    /// One outcome for each record of the round, with the time of the call that it was part of.
    async fn round<M, H>(&self, works: &[Work<M>], handle: &H) -> Vec<(Outcome, Duration)>
    where
        H: AsyncFn(&[Work<M>]) -> Result<Vec<Outcome>, BatchError>,
    {
        let begun = Instant::now();
        let answer = self.call(works, handle).await;
        let took = begun.elapsed();
        match answer {
            Ok(outcomes) => outcomes.into_iter().map(|outcome| (outcome, took)).collect(),
            Err(BatchError::Poisoned { reason }) if works.len() > 1 => {
                tracing::warn!(records = works.len(), reason, "running the records of the batch one by one");
                self.isolate(works, handle).await
            }
            Err(error) => works.iter().map(|_| (Outcome::retry(error.to_string()), took)).collect(),
        }
    }

    /// Runs each record alone, in order, until the infrastructure or the time fails.
    async fn isolate<M, H>(&self, works: &[Work<M>], handle: &H) -> Vec<(Outcome, Duration)>
    where
        H: AsyncFn(&[Work<M>]) -> Result<Vec<Outcome>, BatchError>,
    {
        let mut outcomes = Vec::with_capacity(works.len());
        let mut broken: Option<String> = None;
        for work in works {
            if let Some(reason) = &broken {
                outcomes.push((Outcome::retry(reason.clone()), Duration::ZERO));
                continue;
            }
            let begun = Instant::now();
            let answer = self.call(std::slice::from_ref(work), handle).await;
            let outcome = match answer {
                Ok(mut one) => one.pop().unwrap_or_else(|| Outcome::retry("the stage gave no outcome")),
                Err(error) => {
                    let reason = error.to_string();
                    if matches!(error, BatchError::Infrastructure { .. }) {
                        broken = Some(reason.clone());
                    }
                    Outcome::retry(reason)
                }
            };
            outcomes.push((outcome, begun.elapsed()));
        }
        outcomes
    }

    /// Calls the stage: within the time that is left, catching a panic, and insisting on one outcome
    /// for each record.
    async fn call<M, H>(&self, works: &[Work<M>], handle: &H) -> Result<Vec<Outcome>, BatchError>
    where
        H: AsyncFn(&[Work<M>]) -> Result<Vec<Outcome>, BatchError>,
    {
        let guarded = AssertUnwindSafe(async { handle(works).await }).catch_unwind();
        let answer = if self.deadline == Deadline::NONE {
            guarded.await
        } else {
            let time = self.deadline.remaining().saturating_sub(RESERVE);
            let out_of_time = || BatchError::infrastructure("no time is left in this invocation");
            if time.is_zero() {
                return Err(out_of_time());
            }
            tokio::time::timeout(time, guarded).await.map_err(|_| out_of_time())?
        };
        // The panic's own text may quote data; where it happened is logged by the panic hook.
        let outcomes = answer.map_err(|_| BatchError::poisoned("the stage panicked"))??;
        if outcomes.len() == works.len() {
            Ok(outcomes)
        } else {
            let (outcomes, records) = (outcomes.len(), works.len());
            Err(BatchError::infrastructure(format_args!("the stage gave {outcomes} outcomes for {records} records")))
        }
    }

    /// Notes and logs what became of a record.
    fn settle(&mut self, record: &Record, outcome: &Outcome, took: Duration) {
        log(record, outcome, took);
        if !outcome.acknowledged && self.seen.insert(record.message_id.clone()) {
            self.failed.push(record.message_id.clone());
        }
    }
}

fn behind() -> Outcome {
    Outcome::retry("an earlier record of its group failed")
}

/// A standard batch is one round; of a FIFO batch, the first record of each group is.
fn next_round<M>(works: Vec<Work<M>>) -> (Vec<Work<M>>, Vec<Work<M>>) {
    let mut groups: HashSet<Group> = HashSet::new();
    works.into_iter().partition(|work| !work.record.is_fifo || groups.insert(work.record.group.clone()))
}

macro_rules! line {
    ($level:ident, $record:ident, $outcome:ident, $took:ident) => {
        tracing::$level!(
            target: "fluxnex::record",
            queue = $record.queue,
            message_id = $record.message_id,
            receive_count = $record.receive_count,
            tenant = $outcome.tenant.as_ref().map(tracing::field::display),
            connection = $outcome.connection.as_ref().map(tracing::field::display),
            event = $outcome.event.map(tracing::field::display),
            delivery = $outcome.delivery.map(tracing::field::display),
            attempt = $outcome.attempt,
            outcome = $outcome.result.as_ref(),
            reason = $outcome.reason.as_deref(),
            duration_ms = u64::try_from($took.as_millis()).unwrap_or(u64::MAX),
            "record"
        )
    };
}

/// The canonical line: one for each record and invocation, the same fields from every stage.
fn log(record: &Record, outcome: &Outcome, took: Duration) {
    if outcome.acknowledged {
        line!(info, record, outcome, took);
    } else {
        line!(warn, record, outcome, took);
    }
}
