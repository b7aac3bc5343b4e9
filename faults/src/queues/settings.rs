//! What is set at a queue, and at the event source that reads it.

use std::time::Duration;

/// How long a queue of the infrastructure keeps a message (`infra-cdk/lib/queues/stage-queue.ts`).
const RETENTION: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// The ratio that AWS asks for between visibility and the function's timeout.
const VISIBILITY_TIMEOUTS: u32 = 6;

/// Which messages a deduplication id is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeduplicationScope {
    /// All of the queue: the default.
    Queue,
    /// Those of the same group: high throughput mode.
    MessageGroup,
}

/// Where a message goes that was received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The name of the dead-letter queue, of the same kind as the queue.
    pub dead_letters: String,
    /// How often a message is delivered at most (1 to 1,000).
    pub max_receive_count: u32,
}

/// The attributes of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSettings {
    /// Its name; a FIFO queue's ends in `.fifo`.
    pub name: String,
    /// How long a delivered message is hidden from others (`VisibilityTimeout`, up to 12 hours).
    pub visibility: Duration,
    /// How long a message is kept (`MessageRetentionPeriod`, up to 14 days).
    pub retention: Duration,
    /// Where undeliverable messages go; `None` keeps them until retention ends.
    pub redrive: Option<Redrive>,
    /// For FIFO queues.
    pub deduplication_scope: DeduplicationScope,
}

impl QueueSettings {
    /// A queue as the infrastructure makes it for a function with this timeout: visible again after
    /// six timeouts and the window, kept for 14 days, deduplicated by group.
    pub fn for_function(name: impl Into<String>, function_timeout: Duration, window: Duration) -> Self {
        Self {
            name: name.into(),
            visibility: function_timeout.saturating_mul(VISIBILITY_TIMEOUTS).saturating_add(window),
            retention: RETENTION,
            redrive: None,
            deduplication_scope: DeduplicationScope::MessageGroup,
        }
    }

    /// Sets the dead-letter queue.
    #[must_use]
    pub fn dead_letters(mut self, name: impl Into<String>, max_receive_count: u32) -> Self {
        self.redrive = Some(Redrive { dead_letters: name.into(), max_receive_count });
        self
    }

    /// Whether it is a FIFO queue; SQS requires the suffix.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

/// The attributes of an event source mapping. Partial batch responses are always on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSourceSettings {
    /// The name of the queue.
    pub queue: String,
    /// The most messages of one batch: up to 10,000, for a FIFO queue up to 10.
    pub batch_size: usize,
    /// How long a batch is gathered (up to 300 s; none for a FIFO queue). Needed above 10 messages.
    pub window: Duration,
    /// The most batches under way at once (2 to 1,000); `None` is no limit.
    pub maximum_concurrency: Option<usize>,
}
