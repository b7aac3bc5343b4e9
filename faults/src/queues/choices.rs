//! Whatever AWS leaves open is a choice, and every choice is made here.

/// Makes choices. The answer 0 is always the ordinary course of things (the oldest message, no
/// duplicate, a full batch), so that a run is made simpler by putting zeros into its choices.
pub trait Choices {
    /// A number from 0 up to, and without, `limit`; 0 if the limit is 0 or 1.
    fn below(&mut self, limit: usize) -> usize;

    /// Whether something happens that happens once in `one_in` times; never if that is 0.
    fn rarely(&mut self, one_in: usize) -> bool {
        one_in > 0 && self.below(one_in) == one_in - 1
    }
}

/// The ordinary course of things, always.
#[derive(Debug, Clone, Copy, Default)]
pub struct Calm;

impl Choices for Calm {
    fn below(&mut self, _limit: usize) -> usize {
        0
    }
}

/// Choices from a seed: the same seed makes the same ones, on every machine (splitmix64).
#[derive(Debug, Clone)]
pub struct Seeded {
    state: u64,
}

impl Seeded {
    /// The choices of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

impl Choices for Seeded {
    fn below(&mut self, limit: usize) -> usize {
        if limit <= 1 {
            return 0;
        }
        // The bias of a remainder over 64 bits is far below what a run can show.
        (self.next() % limit as u64) as usize
    }
}

/// How often the queues do what they may do but seldom do. 0 is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quirks {
    /// Once in so many deliveries of a standard queue the message stays visible, and once in so many
    /// deletions a copy of it stays ("At-least-once delivery").
    pub duplicate_one_in: usize,
    /// A standard queue gives any of its first so many messages next, a FIFO queue any of its first so
    /// many groups ("Best-effort ordering").
    pub reorder_within: usize,
    /// Once in so many receives fewer messages are given than there are ("Short polling" samples a
    /// subset of the servers).
    pub smaller_batch_one_in: usize,
    /// Once in so many batches the event source does not delete what the function has done: it is
    /// delivered again after the visibility timeout ("processes each event at least once").
    pub lost_acknowledgement_one_in: usize,
}

impl Quirks {
    /// None: what a benchmark measures.
    pub const NONE: Self =
        Self { duplicate_one_in: 0, reorder_within: 1, smaller_batch_one_in: 0, lost_acknowledgement_one_in: 0 };
    /// All of them, far more often than at AWS.
    pub const OFTEN: Self =
        Self { duplicate_one_in: 8, reorder_within: 8, smaller_batch_one_in: 4, lost_acknowledgement_one_in: 12 };
}
