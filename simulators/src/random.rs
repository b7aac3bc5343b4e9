//! Seeded randomness: the same seed makes the same run, on every machine.

/// A small generator (splitmix64). Good enough to shuffle and to draw shares; for nothing
/// that must not be guessed.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number from 0 up to, and without, `limit`; 0 when the limit is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 {
            return 0;
        }
        // The bias of a remainder over 64 bits is far below what a shuffle can show.
        (self.next() % limit as u64) as usize
    }

    /// True with the given probability (0 never, 1 always).
    pub fn chance(&mut self, probability: f64) -> bool {
        // 53 bits: as many as a float holds, so that 1.0 is never reached.
        let drawn = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < probability
    }

    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let position = self.below(items.len());
        items.get(position)
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    pub fn bytes(&mut self) -> [u8; 16] {
        let [first, second] = [self.next(), self.next()];
        (u128::from(first) << 64 | u128::from(second)).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            std::array::from_fn::<u64, 4, _>(|_| random.next())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn a_shuffle_keeps_every_item_and_moves_most() {
        let mut items: Vec<u32> = (0..1000).collect();
        Random::new(1).shuffle(&mut items);
        let unmoved = items.iter().zip(0..).filter(|(item, place)| **item == *place).count();
        assert!(unmoved < 20, "{unmoved} of 1000 stayed");
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn chances_hold_at_both_ends_and_in_between() {
        let mut random = Random::new(3);
        let hits = |random: &mut Random, probability| (0..10_000).filter(|_| random.chance(probability)).count();
        assert_eq!(hits(&mut random, 0.0), 0);
        assert_eq!(hits(&mut random, 1.0), 10_000);
        let third = hits(&mut random, 0.3);
        assert!((2_700..3_300).contains(&third), "{third}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.choose::<u8>(&[]), None);
    }
}
