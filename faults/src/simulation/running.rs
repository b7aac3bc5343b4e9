//! An invocation under way: a future that is polled by hand, one at a time.

use super::database::Observer;
use super::functions::{Answer, Environment};
use super::gates::Gates;
use super::scenario::Telling;
use anyhow::{Result, bail};
use jiff::Timestamp;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// After so long without an answer the observer is asked whether a statement waits for a lock.
const SOON: Duration = Duration::from_millis(3);
/// What waits for a lock has looked for deadlocks by then (`deadlock_timeout` is 1 ms).
const SETTLED: Duration = Duration::from_millis(3);
/// No statement takes longer.
const LONGEST: Duration = Duration::from_secs(20);

/// Why an invocation runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// A batch of a queue: the place of the event source, and the batch's number.
    Batch(usize, u64),
    /// The minute.
    Minute,
    /// A step of an execution.
    Task(usize),
    /// A webhook.
    Told(Box<Telling>),
}

/// One invocation.
pub struct Running {
    /// Where it runs.
    pub environment: Environment,
    /// Why.
    pub trigger: Trigger,
    /// When Lambda ends it.
    pub until: Timestamp,
    future: Pin<Box<dyn Future<Output = Answer>>>,
    alarm: Arc<Alarm>,
}

/// Where an invocation came to rest.
pub enum Rest {
    /// It is over.
    Finished(Answer),
    /// At gates.
    Gates,
    /// Its statement waits for a lock of another one.
    Lock,
}

#[derive(Default)]
struct Alarm {
    rang: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rang.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }
}

impl Alarm {
    async fn ring(&self) {
        poll_fn(|context| {
            *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
            if self.rang.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Running {
    /// An invocation that has not begun.
    pub fn new(
        environment: Environment,
        trigger: Trigger,
        until: Timestamp,
        future: Pin<Box<dyn Future<Output = Answer>>>,
    ) -> Self {
        Self { environment, trigger, until, future, alarm: Arc::default() }
    }

    /// It dies where it is: nothing of it runs any more. What is left is its connection.
    pub fn dies(self) -> super::database::Link {
        let Self { environment, future, .. } = self;
        drop(future);
        environment.link
    }

    /// Polls it until it rests: whatever was granted is done, and PostgreSQL owes it no answer.
    ///
    /// # Errors
    /// If it waits for something that nobody knows of.
    pub async fn drive(&mut self, gates: &Gates, observer: &Observer) -> Result<Rest> {
        let began = Instant::now();
        let id = self.environment.id;
        loop {
            self.alarm.rang.store(false, Ordering::SeqCst);
            let waker = Waker::from(Arc::clone(&self.alarm));
            let polled = tokio::task::unconstrained(poll_fn(|_| {
                let mut context = Context::from_waker(&waker);
                Poll::Ready(self.future.as_mut().poll(&mut context))
            }));
            if let Poll::Ready(answer) = polled.await {
                return Ok(Rest::Finished(answer));
            }
            if self.alarm.rang.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
                continue;
            }
            if !gates.is_under_way(id) {
                return Ok(Rest::Gates);
            }
            if tokio::time::timeout(SOON, self.alarm.ring()).await.is_ok() {
                continue;
            }
            let link = self.environment.link.name();
            if observer.waits_for_lock(link).await? {
                tokio::time::sleep(SETTLED).await;
                if observer.waits_for_lock(link).await? {
                    return Ok(Rest::Lock);
                }
            }
            if began.elapsed() > LONGEST {
                bail!("{} waits for something that nobody knows of", self.environment);
            }
        }
    }
}
