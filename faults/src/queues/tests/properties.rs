//! What must hold whatever is sent, chosen and answered.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    Send {
        group: u8,
        deduplication: u8,
        delay: u64,
    },
    Poll,
    /// Ends the oldest batch; which messages failed, as bits, or all by an error.
    Finish {
        failed: u16,
        error: bool,
    },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8, any::<u8>(), prop_oneof![Just(0), 0..900_u64])
            .prop_map(|(group, deduplication, delay)| Step::Send { group, deduplication, delay }),
        3 => Just(Step::Poll),
        3 => (any::<u16>(), proptest::bool::weighted(0.2)).prop_map(|(failed, error)| Step::Finish { failed, error }),
        2 => prop_oneof![0..30_u64, 60..400_u64].prop_map(Step::Wait),
    ]
}

/// A run of one queue with its event source.
struct Run {
    queue: &'static str,
    queues: Queues,
    source: EventSource,
    choices: Seeded,
    now: u64,
    sent: u64,
    batches: Vec<Batch>,
}

impl Run {
    fn new(queue: &'static str, seed: u64) -> Self {
        let source = EventSource::new(EventSourceSettings {
            queue: queue.to_owned(),
            batch_size: 10,
            window: Duration::ZERO,
            maximum_concurrency: None,
        });
        let queues = queues(Quirks::OFTEN);
        Self { queue, queues, source, choices: Seeded::new(seed), now: 0, sent: 0, batches: Vec::new() }
    }

    fn step(&mut self, step: &Step) {
        let now = at(self.now);
        match *step {
            Step::Send { group, deduplication, delay } => {
                let mut message = NewMessage::new(self.sent.to_string());
                if self.queue == FIFO {
                    message.group = Some(group.to_string().into());
                    message.deduplication = Some(deduplication.to_string().into());
                } else {
                    message.delay = Duration::from_secs(delay);
                }
                self.sent += u64::from(!self.queues.send(self.queue, message, now).unwrap().deduplicated);
            }
            Step::Poll => self.batches.extend(self.source.poll(&mut self.queues, now, &mut self.choices)),
            Step::Finish { failed, error } => {
                if !self.batches.is_empty() {
                    let batch = self.batches.remove(0);
                    let answer = answer(&batch, failed);
                    let answer = if error { Answer::FunctionError } else { Answer::Response(&answer) };
                    self.source.finish(&mut self.queues, batch.number, answer, now, &mut self.choices);
                }
            }
            Step::Wait(seconds) => self.now += seconds,
        }
    }

    /// Every message that was sent is deleted, or it is in the queue or its dead-letter queue.
    fn nothing_is_lost(&self) -> bool {
        let (dead, counts) = (self.dead(), self.queues.counts(self.queue));
        let held = self.queues.undeleted(self.queue) + self.queues.undeleted(dead);
        counts.sent == self.sent
            && counts.dead_lettered == self.queues.counts(dead).came_as_dead_letters
            && counts.sent == counts.deleted + held as u64
    }

    fn dead(&self) -> &'static str {
        if self.queue == FIFO { DEAD_FIFO } else { DEAD }
    }

    /// Polls and answers well until nothing is left, and gives what was in the dead-letter queue.
    fn drain(&mut self) -> usize {
        for _ in 0..2_000 {
            self.step(&Step::Poll);
            self.step(&Step::Finish { failed: 0, error: false });
            self.step(&Step::Wait(30));
        }
        self.queues.receive(self.dead(), 10_000, at(self.now), &mut Calm).len()
    }
}

/// The function's answer. By its duty, once a message of a group has failed all later ones of it do.
fn answer(batch: &Batch, failed: u16) -> Vec<u8> {
    let mut stopped = BTreeSet::new();
    let mut items = Vec::new();
    for (index, delivery) in batch.deliveries.iter().enumerate() {
        let ordered = delivery.sequence.is_some();
        if failed & (1 << index) != 0 || (ordered && stopped.contains(&delivery.group)) {
            stopped.insert(delivery.group.clone());
            items.push(serde_json::json!({"itemIdentifier": &*delivery.id}));
        }
    }
    serde_json::json!({ "batchItemFailures": items }).to_string().into_bytes()
}

/// Deliveries of a group that come while another of it is in flight, or before an earlier one is done.
fn check_order(run: &Run, batch: &Batch, highest: &mut BTreeMap<String, u64>) {
    let mut of_batch: BTreeMap<&str, u64> = BTreeMap::new();
    for delivery in &batch.deliveries {
        let (group, sequence) = (delivery.group.as_deref().unwrap(), delivery.sequence.unwrap());
        let last = of_batch.insert(group, sequence);
        assert!(last.is_none_or(|last| last < sequence), "a batch is in order");
        if delivery.receive_count == 1 {
            let last = highest.insert(group.to_owned(), sequence);
            assert!(last.is_none_or(|last| last < sequence), "first deliveries are in order");
        }
    }
    let in_flight = |other: &&Batch| other.number != batch.number;
    for other in run.batches.iter().filter(in_flight).flat_map(|batch| &batch.deliveries) {
        let is_hidden = at(run.now) < after(other.first_received_at, 60 * SECOND) && other.receive_count == 1;
        let group = other.group.as_deref().unwrap();
        assert!(!is_hidden || !of_batch.contains_key(group), "group {group} is locked");
    }
}

proptest! {
    #[test]
    fn nothing_is_lost(seed: u64, fifo: bool, steps in proptest::collection::vec(step(), 0..120)) {
        let mut run = Run::new(if fifo { FIFO } else { QUEUE }, seed);
        for step in &steps {
            run.step(step);
            prop_assert!(run.nothing_is_lost(), "after {step:?}");
        }
        let dead = run.drain();
        prop_assert!(run.nothing_is_lost());
        prop_assert_eq!(run.queues.load(run.queue), Load::default());
        prop_assert!(run.queues.counts(run.queue).deleted + dead as u64 >= run.sent);
    }

    #[test]
    fn groups_keep_their_order(seed: u64, steps in proptest::collection::vec(step(), 0..120)) {
        let mut run = Run::new(FIFO, seed);
        let mut highest = BTreeMap::new();
        for step in &steps {
            let before = run.batches.len();
            run.step(step);
            if let (Step::Poll, Some(batch)) = (step, run.batches.get(before)) {
                check_order(&run, batch, &mut highest);
            }
        }
    }

    #[test]
    fn the_same_choices_give_the_same_run(seed: u64, fifo: bool, steps in proptest::collection::vec(step(), 0..60)) {
        let of = || {
            let mut run = Run::new(if fifo { FIFO } else { QUEUE }, seed);
            let mut seen = Vec::new();
            for step in &steps {
                run.step(step);
                seen.extend(run.batches.last().cloned());
            }
            seen
        };
        prop_assert_eq!(of(), of());
    }
}
