//! How much a term tells, from how many questions have it.

use std::collections::HashMap;

use super::terms::Terms;
use crate::hash;

/// Terms that are counted. When there are more, all counts are halved and what vanishes is
/// forgotten, so that old questions fade.
const MAX_COUNTED: usize = 1 << 17;
/// Less than the full logarithm: questions are short, and a rare word is as often a name as a
/// topic.
const POWER: f32 = 0.85;

/// In how many questions each term occurs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rarity {
    pub(super) counts: HashMap<u64, u32, hash::Ready>,
    pub(super) total: u32,
}

impl Rarity {
    pub fn count(&mut self, terms: &Terms) {
        self.total = self.total.saturating_add(1);
        for (key, _) in terms {
            let count = self.counts.entry(*key).or_default();
            *count = count.saturating_add(1);
        }
        while self.counts.len() > MAX_COUNTED {
            self.total /= 2;
            self.counts.retain(|_, count| {
                *count /= 2;
                *count > 0
            });
        }
    }

    #[must_use]
    pub fn frequency(&self, key: u64) -> u32 {
        self.counts.get(&key).copied().unwrap_or(0)
    }

    #[must_use]
    pub fn of(&self, key: u64) -> f32 {
        let all = self.total as f32 + 1.0;
        let some = (self.frequency(key) as f32).min(all - 1.0) + 0.5;
        (all / some).ln().max(0.01).powf(POWER)
    }
}
