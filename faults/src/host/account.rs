//! What a function has used, counted as AWS bills it.

use super::histogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It answered.
    Answered,
    /// It reported an error.
    Failed,
    /// Its process ended, or was killed from outside.
    Crashed,
    /// It took longer than its timeout, and was killed.
    TimedOut,
}

/// The figures of one function.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Figures {
    /// Invocations, however they ended.
    pub invocations: u64,
    /// Those that reported an error.
    pub failed: u64,
    /// Those whose process ended.
    pub crashed: u64,
    /// Those that ran out of time.
    pub timed_out: u64,
    /// Environments that were started.
    pub cold_starts: u64,
    /// The most environments at once.
    pub most_environments: usize,
    /// From start to the first question for an event, summed.
    pub init_milliseconds: f64,
    /// From the event to the answer, each rounded up, with the initialisation of a cold start.
    pub billed_milliseconds: u64,
    /// Time on a processor, of all environments (in ticks of 10 ms each).
    pub cpu_seconds: f64,
    /// The most memory that one environment has had.
    pub peak_memory_bytes: u64,
    /// From the event to the answer.
    pub latency: Histogram,
    /// Calls of AWS services, by `service.operation`.
    pub calls: BTreeMap<String, u64>,
}

impl Figures {
    /// Gigabyte-seconds for an environment of this size: what AWS bills besides the requests.
    #[must_use]
    pub fn gigabyte_seconds(&self, memory_mebibytes: u32) -> f64 {
        self.billed_milliseconds as f64 / 1000.0 * f64::from(memory_mebibytes) / 1024.0
    }
}

/// Counts while the function runs.
#[derive(Debug, Default)]
pub struct Account {
    figures: Mutex<Figures>,
}

impl Account {
    fn figures(&self) -> MutexGuard<'_, Figures> {
        // Figures are plain numbers: a panic elsewhere leaves them as they were.
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn started(&self, environments: usize) {
        let mut figures = self.figures();
        figures.cold_starts += 1;
        figures.most_environments = figures.most_environments.max(environments);
    }

    pub(super) fn invoked(&self, ending: Ending, duration: Duration, init: Option<Duration>) {
        let mut figures = self.figures();
        figures.invocations += 1;
        match ending {
            Ending::Answered => {}
            Ending::Failed => figures.failed += 1,
            Ending::Crashed => figures.crashed += 1,
            Ending::TimedOut => figures.timed_out += 1,
        }
        let billed = duration + init.unwrap_or_default();
        figures.billed_milliseconds += u64::try_from(billed.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
        figures.init_milliseconds += init.unwrap_or_default().as_secs_f64() * 1000.0;
        figures.latency.record(duration);
    }

    pub(super) fn called(&self, service: &str, operation: &str) {
        *self.figures().calls.entry(format!("{service}.{operation}")).or_default() += 1;
    }

    /// What an environment has used since it was last looked at, and its peak.
    pub(super) fn used(&self, cpu_seconds: f64, peak_memory_bytes: u64) {
        let mut figures = self.figures();
        figures.cpu_seconds += cpu_seconds;
        figures.peak_memory_bytes = figures.peak_memory_bytes.max(peak_memory_bytes);
    }

    /// The figures so far.
    pub(super) fn so_far(&self) -> Figures {
        self.figures().clone()
    }

    /// Forgets everything: what follows is measured.
    pub(super) fn reset(&self) {
        *self.figures() = Figures::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_invocation_is_rounded_up_and_a_cold_start_pays_for_its_beginning() {
        let account = Account::default();
        account.started(1);
        account.invoked(Ending::Answered, Duration::from_micros(1_001), Some(Duration::from_millis(40)));
        account.invoked(Ending::Failed, Duration::from_micros(1), None);
        account.invoked(Ending::TimedOut, Duration::from_millis(3_000), None);
        account.called("sqs", "SendMessageBatch");
        account.called("sqs", "SendMessageBatch");
        let figures = account.so_far();
        assert_eq!(figures.billed_milliseconds, 42 + 1 + 3_000);
        assert_eq!((figures.invocations, figures.failed, figures.crashed, figures.timed_out), (3, 1, 0, 1));
        assert_eq!((figures.cold_starts, figures.calls["sqs.SendMessageBatch"]), (1, 2));
        assert!((figures.gigabyte_seconds(512) - 1.5215).abs() < 1e-9);
        account.reset();
        assert_eq!(account.so_far().billed_milliseconds, 0);
    }

    #[test]
    fn use_is_summed_and_the_peak_kept() {
        let account = Account::default();
        account.used(0.25, 9_000);
        account.used(0.5, 7_000);
        let figures = account.so_far();
        assert_eq!((figures.cpu_seconds, figures.peak_memory_bytes), (0.75, 9_000));
    }
}
