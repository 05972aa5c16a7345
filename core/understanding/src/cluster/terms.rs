//! What a question is compared by: weighted terms of its words, or of runs of Chinese characters.
//!
//! Weights are whole numbers, so that sums over many questions come out the same in every order
//! and after every restart.

use std::collections::HashMap;

use crate::{
    data, hash, normalise,
    normalise::Normaliser,
    tokens::{self, StopWords, Token},
};

/// One full word.
pub const ONE: u32 = 256;
/// Terms of a question; a longer one is read until it has so many.
const MAX_TERMS: usize = 256;
/// What a pair of words counts beside the words.
const PAIR: f32 = 0.5;
/// Pairs and runs that weigh less tell nothing.
const LEAST: f32 = 0.5;
/// So many words are a topic; two Chinese characters are a word.
const TOPIC: f32 = 2.0;
/// What runs of one, two and three Chinese characters count.
const RUNS: [f32; 3] = [0.7, 1.0, 0.7];

/// Terms sorted by key, each once.
pub type Terms = Vec<(u64, u32)>;

/// Reads questions.
#[derive(Debug)]
pub struct Reader {
    normaliser: Normaliser,
    stop: StopWords,
    fillers: HashMap<u64, f32, hash::Ready>,
}

/// A word, or a run of characters, as it can be shown to people.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// Equal for its inflections.
    pub key: u64,
    pub text: String,
    pub unspaced: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    #[must_use]
    pub fn new() -> Self {
        let fillers = data::weighted(data::CLUSTER_EN)
            .map(|(weight, word)| (hash::of_text(&word), weight))
            .collect();
        Self {
            normaliser: Normaliser::new(),
            stop: StopWords::new(),
            fillers,
        }
    }

    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        self.normaliser.clean(text)
    }

    /// The terms of a cleaned text; none where it has no word.
    #[must_use]
    pub fn terms(&self, clean: &str) -> Terms {
        let mut found: Vec<(u64, f32)> = Vec::new();
        let mut before: Option<(u64, f32)> = None;
        for token in self.stop.tokens(clean) {
            if found.len() >= MAX_TERMS {
                break;
            }
            match token {
                Token::Word { text, weight } => {
                    let weight = self.weight(text, weight);
                    if weight == 0.0 {
                        before = None;
                        continue;
                    }
                    let key = tokens::root(text);
                    found.push((hash::end(key), weight));
                    if let Some((last, last_weight)) = before {
                        let both = (last_weight * weight).sqrt();
                        if both >= LEAST {
                            found.push((hash::join(last, key), both * PAIR));
                        }
                    }
                    before = Some((key, weight));
                }
                Token::Run(chars) => {
                    runs(&chars, &mut found);
                    before = None;
                }
                Token::Datum(_) => before = None,
            }
        }
        found.truncate(MAX_TERMS);
        found.sort_unstable_by_key(|(key, _)| *key);
        let mut terms: Terms = Vec::with_capacity(found.len());
        for same in found.chunk_by(|a, b| a.0 == b.0) {
            let sum: f32 = same.iter().map(|(_, w)| w).sum();
            let damped = if sum > 1.0 { 1.0 + sum.ln() } else { sum };
            let weight = (damped * ONE as f32) as u32;
            if weight > 0 {
                terms.push((same[0].0, weight));
            }
        }
        terms
    }

    /// Equal for texts that say the same but for fillers and the order of words. A text of hardly
    /// a word that tells is only equal to the very same words. None where there is no word.
    #[must_use]
    pub fn gist(&self, text: &str) -> Option<u64> {
        let clean = self.clean(text);
        let mut telling: Vec<u64> = Vec::new();
        let (mut words, mut whole, mut empty) = (0.0_f32, hash::SEED, true);
        for token in self.stop.tokens(&clean) {
            match token {
                Token::Word { text, weight } => {
                    let key = hash::end(tokens::root(text));
                    whole = hash::join(whole, hash::of_text(text));
                    empty = false;
                    let weight = self.weight(text, weight);
                    if weight >= LEAST {
                        telling.push(key);
                        words += if weight < 1.0 { 0.0 } else { 1.0 };
                    }
                }
                Token::Run(chars) => {
                    for (c, weight) in chars {
                        let key = hash::step(hash::SEED, c);
                        whole = hash::join(whole, key);
                        empty = false;
                        if weight >= LEAST {
                            telling.push(hash::end(key));
                            words += if weight < 1.0 { 0.0 } else { 0.5 };
                        }
                    }
                }
                Token::Datum(text) => whole = hash::join(whole, hash::of_text(text)),
            }
        }
        if words >= TOPIC {
            telling.sort_unstable();
            whole = telling
                .iter()
                .fold(!hash::SEED, |all, key| hash::join(all, *key));
        }
        (!empty).then_some(whole)
    }

    /// The words of a text that tell its topic, and runs of two to four Chinese characters.
    #[must_use]
    pub fn words(&self, text: &str) -> Vec<Word> {
        let clean = self.clean(text);
        let mut words = Vec::new();
        for token in self.stop.tokens(&clean) {
            if words.len() >= MAX_TERMS {
                break;
            }
            match token {
                Token::Word { text, weight } if self.weight(text, weight) > LEAST => {
                    words.push(Word {
                        key: hash::end(tokens::root(text)),
                        text: text.to_owned(),
                        unspaced: false,
                    });
                }
                Token::Run(chars) => {
                    for run in chars.split(|(c, w)| *w <= LEAST || !normalise::is_unspaced(*c)) {
                        for n in 2..=4 {
                            for window in run.windows(n) {
                                let text: String = window.iter().map(|(c, _)| *c).collect();
                                words.push(Word {
                                    key: hash::of_text(&text),
                                    text,
                                    unspaced: true,
                                });
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        words.truncate(MAX_TERMS);
        words
    }

    fn weight(&self, word: &str, weight: f32) -> f32 {
        let filler = self.fillers.get(&hash::of_text(word));
        filler.map_or(weight, |f| weight.min(*f))
    }
}

fn runs(chars: &[(char, f32)], found: &mut Vec<(u64, f32)>) {
    for start in 0..chars.len() {
        let mut key = hash::SEED.rotate_left(11);
        let mut product = 1.0_f32;
        for (i, ((c, weight), share)) in chars[start..].iter().zip(RUNS).enumerate() {
            key = hash::step(key, *c);
            product *= weight;
            let mean = product.powf(1.0 / (i + 1) as f32);
            if mean >= LEAST {
                found.push((hash::end(key), mean * share));
            }
        }
        if found.len() >= MAX_TERMS {
            return;
        }
    }
}

/// Adds the terms of one question to those of others.
pub fn add(sum: &mut Terms, terms: &[(u64, u32)]) {
    for (key, weight) in terms {
        match sum.binary_search_by_key(key, |(k, _)| *k) {
            Ok(at) => sum[at].1 = sum[at].1.saturating_add(*weight),
            Err(at) => sum.insert(at, (*key, *weight)),
        }
    }
}
