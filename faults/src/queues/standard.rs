//! A standard queue's order: best effort, so the oldest first unless chosen otherwise.

use super::choices::Choices;
use std::collections::VecDeque;

/// The visible messages. Some may be gone meanwhile: whoever takes one looks.
#[derive(Debug, Clone, Default)]
pub(super) struct Ready {
    keys: VecDeque<u64>,
}

impl Ready {
    pub(super) fn add(&mut self, key: u64) {
        self.keys.push_back(key);
    }

    /// Takes one of the first `within`.
    pub(super) fn take(&mut self, within: usize, choices: &mut dyn Choices) -> Option<u64> {
        let index = choices.below(within.min(self.keys.len()));
        self.keys.remove(index)
    }
}
