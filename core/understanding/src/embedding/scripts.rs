//! Which scripts an embedding model understands, seen by a pack's own phrases.
//!
//! An English model gives vectors for Chinese as well, and they say nothing. Nobody should have to
//! know that: a model is asked about a script only if by its vectors a phrase's nearest neighbour
//! shares its target about as often as by the characters they have in common.

use std::collections::HashSet;

use super::cosine;
use crate::{hash, normalise};

/// Phrases of a script that are compared with each other.
const SAMPLE: usize = 400;
/// With fewer there is nothing to see, and the model is trusted.
const ENOUGH: usize = 8;
/// Vectors may be this much worse than characters and still help beside them.
const SLACK: f32 = 0.05;

/// Whether meaning is read in Chinese characters, and in everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scripts {
    han: bool,
    other: bool,
}

impl Scripts {
    /// Compares phrases, each with its target, by their vectors.
    pub(super) fn seen(texts: &[(u32, &str)], rows: &[Vec<f32>]) -> Self {
        let understood = |han: bool| {
            let of_script: Vec<usize> = (0..texts.len().min(rows.len()))
                .filter(|i| is_han(texts[*i].1) == han)
                .collect();
            let step = of_script.len().div_ceil(SAMPLE).max(1);
            let sample: Vec<usize> = of_script.into_iter().step_by(step).collect();
            let grams: Vec<HashSet<u64>> = sample.iter().map(|i| grams(texts[*i].1)).collect();
            let target = |at: usize| texts[sample[at]].0;
            let by_vectors = hits(sample.len(), target, |a, b| {
                cosine(&rows[sample[a]], &rows[sample[b]])
            });
            let by_characters = hits(sample.len(), target, |a, b| {
                let shared = grams[a].intersection(&grams[b]).count() as f32;
                shared / (grams[a].len() + grams[b].len()).max(1) as f32
            });
            match (by_vectors, by_characters) {
                (Some(vectors), Some(characters)) => vectors >= characters - SLACK,
                _ => true,
            }
        };
        let scripts = Self {
            han: understood(true),
            other: understood(false),
        };
        for (known, script) in [(scripts.han, "Chinese"), (scripts.other, "other scripts")] {
            if !known {
                tracing::info!(
                    script,
                    "The embedding model does not understand this script; it is read by its words alone."
                );
            }
        }
        scripts
    }

    pub(super) fn understands(self, text: &str) -> bool {
        if is_han(text) { self.han } else { self.other }
    }
}

/// How often the nearest of the others shares the target, among those that have a partner.
fn hits(
    count: usize,
    target: impl Fn(usize) -> u32,
    similarity: impl Fn(usize, usize) -> f32,
) -> Option<f32> {
    let (mut asked, mut right) = (0_usize, 0_usize);
    for a in 0..count {
        let others = || (0..count).filter(|b| *b != a);
        if !others().any(|b| target(b) == target(a)) {
            continue;
        }
        asked += 1;
        let nearest = others().max_by(|x, y| {
            let order = similarity(a, *x).total_cmp(&similarity(a, *y));
            order.then(y.cmp(x))
        });
        right += usize::from(nearest.is_some_and(|b| target(b) == target(a)));
    }
    (asked >= ENOUGH).then(|| right as f32 / asked as f32)
}

/// Whether a fifth or more of the letters are Chinese: a character is about a word.
fn is_han(text: &str) -> bool {
    let (mut han, mut letters) = (0_usize, 0_usize);
    for c in text.chars().take(400).filter(|c| c.is_alphabetic()) {
        letters += 1;
        han += usize::from(normalise::is_han(c));
    }
    han * 5 >= letters.max(1)
}

/// Pairs of characters, and in Chinese single ones.
fn grams(text: &str) -> HashSet<u64> {
    let chars: Vec<char> = text
        .chars()
        .flat_map(char::to_lowercase)
        .take(400)
        .collect();
    let mut grams: HashSet<u64> = chars
        .windows(2)
        .map(|pair| hash::end(hash::step(hash::step(hash::SEED, pair[0]), pair[1])))
        .collect();
    let single = chars.iter().filter(|c| normalise::is_han(**c));
    grams.extend(single.map(|c| hash::end(hash::step(hash::SEED, *c))));
    grams
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Vec<(u32, String)> {
        let mut texts = Vec::new();
        for target in 0..6_u32 {
            let (en, zh) = [
                ("parcel", "包裹"),
                ("refund", "退款"),
                ("lamp", "台灯"),
                ("sofa", "沙发"),
                ("coupon", "优惠"),
                ("invoice", "发票"),
            ][target as usize];
            for end in ["now", "please", "again"] {
                texts.push((target, format!("{en} {end}")));
            }
            for end in ["呢", "吧", "了"] {
                texts.push((target, format!("{zh}{end}")));
            }
        }
        texts
    }

    /// Rows that tell the target of a script apart, or nothing.
    fn rows(texts: &[(u32, String)], knows: impl Fn(&str) -> bool) -> Vec<Vec<f32>> {
        let row = |(at, (target, text)): (usize, &(u32, String))| {
            let mut row = vec![0.01; 8];
            let place = if knows(text) {
                *target as usize
            } else {
                at % 5
            };
            row[place] = 1.0;
            super::super::unit(row).unwrap()
        };
        texts.iter().enumerate().map(row).collect()
    }

    #[test]
    fn a_script_whose_vectors_say_nothing_is_read_by_its_words() {
        let owned = texts();
        let texts: Vec<(u32, &str)> = owned.iter().map(|(t, s)| (*t, s.as_str())).collect();
        let english = Scripts::seen(&texts, &rows(&owned, |text| text.is_ascii()));
        assert!(english.understands("where is my parcel"));
        assert!(!english.understands("我的包裹呢"));
        assert!(!english.understands("我的 iPhone 呢"));
        let both = Scripts::seen(&texts, &rows(&owned, |_| true));
        assert!(both.understands("我的包裹呢") && both.understands("parcel"));
    }

    #[test]
    fn where_little_can_be_seen_the_model_is_trusted() {
        let none = Scripts::seen(&[], &[]);
        assert!(none.understands("退货") && none.understands("") && none.understands("👍"));
        let one = Scripts::seen(&[(0, "a"), (0, "b")], &[vec![1.0], vec![]]);
        assert!(one.understands("a"));
    }
}
