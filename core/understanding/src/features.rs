//! Texts as weighted features, and the vocabulary that numbers them.
//!
//! Latin and other spaced scripts give words, pairs of words (next to each other and over one
//! between), the first word, and runs of 2–5 characters within words (typos and inflections share
//! most of them). Chinese and other unspaced scripts give runs of 1–3 characters, with the marks
//! and gaps between them, the first, the last and all of a run. Both kinds are weighed by rarity
//! and scaled apart, so that the many characters don't drown the few words.
//!
//! Not all of it serves both users: the classifier learns itself what fillers, marks and places
//! tell, while two texts are compared by what they say, where such things would only blur.

use std::collections::HashMap;

use crate::{
    hash, normalise,
    tokens::{self, Token},
    words::{self, Words},
};

/// Longer words are cut for their character runs: no word of a language is as long.
const MAX_WORD: usize = 32;
/// The share of words and pairs in a text's length where it has characters too, for the
/// classifier and for comparing.
const LINE_SHARE: f32 = 0.4;
const NEAR_SHARE: f32 = 0.5;
/// In a pack of this many phrases, runs of characters that occur once are left out.
const LARGE: f32 = 2_000.0;
/// The share of a text's direction in its length, for the classifier.
const DIRECTION_SHARE: f32 = 0.3;
/// Features are numbered from here on; the numbers below are the dimensions of a direction.
const FIRST_ID: u32 = words::DIMENSIONS as u32;
/// The vocabulary of the largest pack.
const MAX_FEATURES: usize = 1 << 18;
/// The lowest bit of a key says which of the two kinds it is.
const CHARACTERS: u64 = 1;

/// What tells features of one text from those of another place.
const FIRST: u64 = hash::SEED.rotate_left(9);
const LAST: u64 = hash::SEED.rotate_left(11);
const ALL: u64 = hash::SEED.rotate_left(13);
const BETWEEN: u64 = hash::SEED.rotate_left(17);
const GAP: u64 = hash::SEED.rotate_left(19);
const DATUM: u64 = hash::SEED.rotate_left(21);

/// What a text consists of, before a vocabulary is known.
#[derive(Clone, Debug, Default)]
pub struct Features {
    /// Key and weight for comparing (0 is for the classifier alone), sorted by key.
    pub items: Vec<(u64, f32)>,
    /// Equal for texts of the same words.
    pub plain: u64,
    /// Equal for texts of the same content words; none where it has none.
    pub core: Option<u64>,
    /// How many content words there are; a pair of Chinese characters is a word.
    pub content: f32,
    /// The same of all words.
    pub words: f32,
    /// What its English words mean together, of length 1.
    pub direction: Option<Box<[f32; words::DIMENSIONS]>>,
}

impl Features {
    #[must_use]
    pub fn of(tokens: &[Token<'_>], clean: &str, words: &Words) -> Self {
        let mut features = Self {
            direction: words.direction(tokens),
            items: Vec::with_capacity(clean.len() * 4 + 16),
            plain: hash::SEED,
            ..Self::default()
        };
        let mut core = hash::SEED;
        let mut before: Option<(u64, f32)> = None;
        let mut before_that: Option<u64> = None;
        let mut unspaced = false;
        for token in tokens {
            match token {
                Token::Word { text, weight } => {
                    let key = tokens::stem(text);
                    features.plain = hash::join(features.plain, hash::of_text(text));
                    features.words += 1.0;
                    let content = is_content(*weight);
                    if content {
                        core = hash::join(core, key);
                        features.content += 1.0;
                    }
                    features.characters(text, if content { *weight } else { 0.0 });
                    features.add(key, *weight, 0);
                    if let Some((last, last_weight)) = before {
                        features.add(hash::join(last, key), (last_weight * weight).sqrt(), 0);
                    } else {
                        features.add(hash::join(FIRST, key), 0.0, 0);
                    }
                    if let Some(last) = before_that {
                        features.add(hash::join(hash::join(last, GAP), key), 0.0, 0);
                    }
                    before_that = before.map(|(key, _)| key);
                    before = Some((key, *weight));
                }
                Token::Run(chars) => {
                    features.run(chars, &mut core);
                    unspaced = true;
                    (before, before_that) = (None, None);
                }
                Token::Datum(text) => {
                    features.plain = hash::join(features.plain, hash::of_text(text));
                    let kind = kind_of_datum(text);
                    features.add(kind, tokens::FILLER, 0);
                    features.add(hash::join(DATUM, hash::of_text(text)), 0.0, 0);
                    if let Some((last, _)) = before {
                        features.add(hash::join(last, kind), 0.0, 0);
                    }
                    (before, before_that) = (None, None);
                }
            }
        }
        if unspaced {
            features.between(clean);
        }
        features.core = (features.content > 0.0).then_some(core);
        features.merge();
        features
    }

    /// Whether the text has no word and no number: marks, emoji or nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plain == hash::SEED
    }

    /// Runs of 2–5 characters of a word and its ends; those of two are for the classifier.
    fn characters(&mut self, word: &str, weight: f32) {
        let mut edged = [' '; MAX_WORD + 2];
        let mut n = 1;
        for c in word.chars().take(MAX_WORD) {
            edged[n] = c;
            n += 1;
        }
        let edged = &edged[..=n];
        for start in 0..edged.len() {
            let mut key = !hash::SEED;
            for (i, c) in edged[start..].iter().take(5).enumerate() {
                key = hash::step(key, *c);
                match i {
                    0 => {}
                    1 => self.add(key, 0.0, CHARACTERS),
                    _ => self.add(key, weight, CHARACTERS),
                }
            }
        }
    }

    /// Runs of 1–3 characters.
    fn run(&mut self, chars: &[(char, f32)], core: &mut u64) {
        let ends = [chars.first(), chars.last()];
        for ((c, _), place) in ends.into_iter().flatten().zip([FIRST, LAST]) {
            self.add(hash::step(place, *c), 0.0, CHARACTERS);
        }
        let all = chars.iter().fold(ALL, |key, (c, _)| hash::step(key, *c));
        self.add(all, 0.0, CHARACTERS);
        for (start, (c, weight)) in chars.iter().enumerate() {
            let single = hash::of_text(c.encode_utf8(&mut [0; 4]));
            self.plain = hash::join(self.plain, single);
            self.words += 0.5;
            if is_content(*weight) {
                *core = hash::join(*core, single);
                self.content += 0.5;
            }
            let mut key = hash::SEED.rotate_left(7);
            let mut product = 1.0;
            for (i, (c, w)) in chars[start..].iter().take(3).enumerate() {
                key = hash::step(key, *c);
                product *= w;
                let mean = match i {
                    0 => product,
                    1 => product.sqrt(),
                    _ => product.cbrt(),
                };
                self.add(key, mean, CHARACTERS);
            }
        }
    }

    /// Runs of up to 3 characters with the marks and gaps of an unspaced script in them.
    fn between(&mut self, clean: &str) {
        let edge = std::iter::once(' ');
        let mut window = [' '; 3];
        let mut filled = 0;
        for c in edge.clone().chain(clean.chars()).chain(edge) {
            let c = if c.is_whitespace() { ' ' } else { c };
            window = [window[1], window[2], c];
            filled = (filled + 1).min(3);
            for length in 1..=filled {
                let run = &window[3 - length..];
                if run.iter().any(|c| !normalise::is_unspaced(*c)) {
                    let key = run.iter().fold(BETWEEN, |key, c| hash::step(key, *c));
                    self.add(key, 0.0, CHARACTERS);
                }
            }
        }
    }

    fn add(&mut self, key: u64, weight: f32, kind: u64) {
        self.items.push((hash::end(key) & !1 | kind, weight));
    }

    /// Joins what occurs several times; the second occurrence counts less than the first.
    fn merge(&mut self) {
        self.items
            .sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        let mut times = 1.0_f32;
        self.items.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 *= (1.0 + (times + 1.0).ln()) / (1.0 + times.ln());
                times += 1.0;
            } else {
                times = 1.0;
            }
            same
        });
    }
}

/// That there is an address or a number of so many digits can tell; which one tells nothing.
fn kind_of_datum(datum: &str) -> u64 {
    if datum.contains('@') {
        hash::of_text("@")
    } else if datum.contains("://") || datum.starts_with("www.") {
        hash::of_text("://")
    } else {
        hash::of_text("#") ^ datum.chars().count().min(16) as u64
    }
}

fn is_content(weight: f32) -> bool {
    weight > 0.5
}

/// A numbered feature of a text, weighed for those who use it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    pub id: u32,
    /// For the classifier, which learns itself what fillers tell. A text's are of length 1, made
    /// from what is known alone.
    pub line: f32,
    /// For comparing with phrases, all words alike: of length 1 from what is known alone; 0 for
    /// what only the classifier uses.
    pub like: f32,
    /// For comparing with phrases: fillers damped. A text's are of length 1 or, where some is
    /// unknown, less.
    pub near: f32,
}

/// A text as terms sorted by number.
#[derive(Clone, Debug, Default)]
pub struct Vector {
    pub terms: Vec<Term>,
    /// The share of its content that the vocabulary knows, 0–1.
    pub known: f32,
    /// The same of all its words.
    pub all_known: f32,
}

/// All features of a pack's phrases. Numbers run from the most frequent to the rarest, after those
/// of a text's direction.
#[derive(Debug, Default)]
pub struct Vocabulary {
    ids: HashMap<u64, u32, hash::Ready>,
    rarity: Vec<f32>,
    /// How many phrases have each feature.
    frequency: Vec<u32>,
    /// The rarity of what no phrase has.
    unseen: f32,
}

impl Vocabulary {
    #[must_use]
    pub fn learn<'a>(texts: impl Iterator<Item = &'a Features>) -> Self {
        let mut frequency: HashMap<u64, u32, hash::Ready> = HashMap::default();
        let mut count = 0.0_f32;
        for text in texts {
            count += 1.0;
            for (key, _) in &text.items {
                *frequency.entry(*key).or_default() += 1;
            }
        }
        let once = |key: u64, n: u32| count > LARGE && n == 1 && key & CHARACTERS == CHARACTERS;
        let mut sorted: Vec<(u64, u32)> = frequency
            .into_iter()
            .filter(|(key, n)| !once(*key, *n))
            .collect();
        sorted.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        sorted.truncate(MAX_FEATURES);
        let rarity = |frequency: f32| ((1.0 + count) / (1.0 + frequency)).ln() + 1.0;
        Self {
            rarity: sorted.iter().map(|(_, n)| rarity(*n as f32)).collect(),
            ids: sorted.iter().map(|(key, _)| *key).zip(FIRST_ID..).collect(),
            frequency: std::iter::repeat_n(u32::MAX, words::DIMENSIONS)
                .chain(sorted.iter().map(|(_, n)| *n))
                .collect(),
            unseen: rarity(0.0),
        }
    }

    /// One more than the highest number.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frequency.len().max(words::DIMENSIONS)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rarity.is_empty()
    }

    /// How many phrases have each feature, by its number.
    #[must_use]
    pub fn frequency(&self) -> &[u32] {
        &self.frequency
    }

    #[must_use]
    pub fn vector(&self, features: &Features) -> Vector {
        self.vector_where(features, |_| true)
    }

    /// The vector of a text as if only some features were known.
    #[must_use]
    pub fn vector_where(&self, features: &Features, is_known: impl Fn(u32) -> bool) -> Vector {
        let mut terms = Vec::with_capacity(features.items.len());
        let mut lengths = [Lengths::default(); 3];
        let [line, like, near] = &mut lengths;
        for (key, weight) in &features.items {
            let kind = usize::from(key & CHARACTERS == CHARACTERS);
            let compared = f32::from(u8::from(*weight > 0.0));
            if let Some(id) = self.ids.get(key).filter(|id| is_known(**id)) {
                let rarity = self.rarity[(*id - FIRST_ID) as usize];
                let term = Term {
                    id: *id,
                    line: rarity,
                    like: compared * rarity,
                    near: weight * rarity,
                };
                line.known[kind] += term.line.powi(2);
                like.known[kind] += term.like.powi(2);
                near.known[kind] += term.near.powi(2);
                terms.push((kind, term));
            } else {
                like.unknown[kind] += compared * self.unseen.powi(2);
                near.unknown[kind] += (weight * self.unseen).powi(2);
            }
        }
        let all = Lengths::scale(NEAR_SHARE, |kind| like.known[kind] + like.unknown[kind]);
        // Where nothing is known, what the words mean says nothing either.
        let direction = features.direction.as_ref().filter(|_| !terms.is_empty());
        let left = direction.map_or(1.0, |_| 1.0 - DIRECTION_SHARE).sqrt();
        let line_scale = Lengths::scale(LINE_SHARE, |kind| line.known[kind]).map(|s| left * s);
        let like_scale = Lengths::scale(NEAR_SHARE, |kind| like.known[kind]);
        let near_scale = Lengths::scale(NEAR_SHARE, |kind| near.known[kind] + near.unknown[kind]);
        let share = DIRECTION_SHARE.sqrt();
        let dense = direction.into_iter().flat_map(|d| d.iter()).zip(0..);
        let dense = dense.map(|(x, id)| Term {
            id,
            line: share * x,
            like: 0.0,
            near: 0.0,
        });
        let sparse = terms.into_iter().map(|(kind, term)| Term {
            id: term.id,
            line: term.line * line_scale[kind],
            like: term.like * like_scale[kind],
            near: term.near * near_scale[kind],
        });
        let mut terms: Vec<Term> = dense.chain(sparse).collect();
        terms.sort_unstable_by_key(|term| term.id);
        Vector {
            terms,
            known: near.share(near_scale),
            all_known: like.share(all),
        }
    }
}

/// Squared lengths of a text's words and of its characters.
#[derive(Clone, Copy, Default)]
struct Lengths {
    known: [f32; 2],
    unknown: [f32; 2],
}

impl Lengths {
    /// What brings both kinds to their share of length 1, where `of` is what they have.
    fn scale(words: f32, of: impl Fn(usize) -> f32) -> [f32; 2] {
        let share = match (of(0) > 0.0, of(1) > 0.0) {
            (true, true) => [words, 1.0 - words],
            (true, false) => [1.0, 0.0],
            (false, _) => [0.0, 1.0],
        };
        [0, 1].map(|kind| match of(kind) > 0.0 {
            true => (share[kind] / of(kind)).sqrt(),
            false => 0.0,
        })
    }

    /// The share that is known, at a scale.
    fn share(&self, scale: [f32; 2]) -> f32 {
        (0..2)
            .map(|kind| self.known[kind] * scale[kind].powi(2))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{normalise::Normaliser, tokens::StopWords};

    fn features(text: &str) -> Features {
        let clean = Normaliser::new().clean(text);
        Features::of(&StopWords::new().tokens(&clean), &clean, &Words::new())
    }

    #[test]
    fn fillers_do_not_change_the_core() {
        let phrase = features("track my parcel");
        let message = features("Hi, I'd like to track the parcels please!");
        assert_ne!(phrase.plain, message.plain);
        assert_eq!(phrase.core, message.core);
        assert_eq!(features("退货").core, features("你好，我想退貨").core);
        assert_eq!(features("hello there").core, None);
    }

    #[test]
    fn a_known_text_has_length_one_and_an_unknown_one_none() {
        let texts = [features("track my parcel"), features("我想退货 now")];
        let vocabulary = Vocabulary::learn(texts.iter());
        for text in &texts {
            let vector = vocabulary.vector(text);
            let weights: [fn(&Term) -> f32; 3] = [|t| t.line, |t| t.like, |t| t.near];
            for weight in weights {
                let length: f32 = vector.terms.iter().map(|t| weight(t).powi(2)).sum();
                assert!((length - 1.0).abs() < 1e-4, "{length}");
            }
            assert!((vector.known - 1.0).abs() < 1e-4);
        }
        let foreign = vocabulary.vector(&features("qwzx vbnm"));
        assert!(foreign.terms.is_empty());
        assert_eq!((foreign.known, foreign.all_known), (0.0, 0.0));
    }

    #[test]
    fn repetition_counts_less_each_time() {
        let heaviest = |text| {
            let items = features(text).items;
            items
                .into_iter()
                .map(|(_, weight)| weight)
                .fold(0.0, f32::max)
        };
        let (once, thrice) = (heaviest("退"), heaviest("退 退 退"));
        assert!(thrice > once && thrice < 3.0 * once, "{once} {thrice}");
    }
}
