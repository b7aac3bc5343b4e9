//! Plays the event sources: the queue model against real time.

use super::function::Function;
use crate::queues::{self, Answer, Batch, EventSource, EventSourceSettings, Queues, Seeded};
use axum::body::Bytes;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How long a source sleeps at most: against a clock that jumps.
const NAP: Duration = Duration::from_secs(5);

/// The queues, and who waits for news of them.
pub struct SharedQueues {
    queues: Mutex<Queues>,
    news: BTreeMap<String, Arc<Notify>>,
}

impl SharedQueues {
    pub(super) fn new(queues: Queues) -> Self {
        let news = queues.names().map(|name| (name.to_owned(), Arc::default())).collect();
        Self { queues: Mutex::new(queues), news }
    }

    /// The queues, for as long as the guard lives.
    pub fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the queue's event source that something may be there.
    pub fn changed(&self, queue: &str) {
        if let Some(news) = self.news.get(queue) {
            news.notify_one();
        }
    }
}

/// An event source that runs. It stops when this is dropped.
pub(super) struct Running {
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs one event source.
pub(super) fn start(
    settings: EventSourceSettings,
    queues: Arc<SharedQueues>,
    function: Arc<Function>,
    seed: u64,
) -> Running {
    let news = queues.news.get(&settings.queue).cloned().unwrap_or_default();
    let source = Source {
        queue: settings.queue.clone(),
        state: Mutex::new((EventSource::new(settings), Seeded::new(seed))),
        queues,
        function,
        news,
    };
    Running { task: tokio::spawn(Arc::new(source).run()) }
}

struct Source {
    queue: String,
    state: Mutex<(EventSource, Seeded)>,
    queues: Arc<SharedQueues>,
    function: Arc<Function>,
    news: Arc<Notify>,
}

impl Source {
    async fn run(self: Arc<Self>) {
        loop {
            while let Some(batch) = self.poll() {
                tokio::spawn(Arc::clone(&self).invoke(batch));
            }
            // What is late already waits for a batch to end, which is news.
            let until_next = self.next_poll().and_then(|next| Duration::try_from(next - Timestamp::now()).ok());
            tokio::select! {
                () = self.news.notified() => {}
                () = tokio::time::sleep(until_next.filter(|wait| !wait.is_zero()).unwrap_or(NAP).min(NAP)) => {}
            }
        }
    }

    fn poll(&self) -> Option<Batch> {
        let mut state = self.state();
        let (source, choices) = &mut *state;
        let mut queues = self.queues.lock();
        let dead_before = queues.counts(&self.queue).dead_lettered;
        let batch = source.poll(&mut queues, Timestamp::now(), choices);
        if queues.counts(&self.queue).dead_lettered > dead_before {
            let redrive = queues.settings(&self.queue).and_then(|settings| settings.redrive.clone());
            drop(queues);
            redrive.into_iter().for_each(|redrive| self.queues.changed(&redrive.dead_letters));
        }
        batch
    }

    fn next_poll(&self) -> Option<Timestamp> {
        self.state().0.next_poll(&self.queues.lock())
    }

    async fn invoke(self: Arc<Self>, batch: Batch) {
        let payload = Bytes::from(queues::event(&self.queue, &batch.deliveries).to_string());
        let result = self.function.invoke(payload).await;
        let answer = match &result {
            Ok(bytes) => Answer::Response(bytes),
            Err(_) => Answer::FunctionError,
        };
        {
            let mut state = self.state();
            let (source, choices) = &mut *state;
            let mut queues = self.queues.lock();
            source.finish(&mut queues, batch.number, answer, Timestamp::now(), choices);
        }
        self.news.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, (EventSource, Seeded)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
