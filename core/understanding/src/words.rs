//! Vectors of English words, so that `reimburse` lies near `refund` before a phrase says so.
//!
//! Each of 20,000 words and word pieces has 128 numbers of 8 bits. They are what the sentence
//! model all-MiniLM-L6-v2 (Apache-2.0) gives for the word alone, reduced to the directions that
//! tell most and weighed so that frequent words count less; `data/words.py` makes the table. A
//! text is the sum of its words. Other languages have no vectors here: their texts are read by
//! their characters alone.

use std::collections::HashMap;

use crate::{data, hash, tokens::Token};

/// Numbers of a vector.
pub const DIMENSIONS: usize = 128;
/// Longer words are not cut into pieces.
const MAX_WORD: usize = 40;

#[derive(Debug)]
pub struct Words {
    /// The place of each word and piece.
    places: HashMap<u64, u32, hash::Ready>,
    scales: Vec<f32>,
    /// Place by place.
    numbers: &'static [u8],
}

impl Default for Words {
    fn default() -> Self {
        Self::new()
    }
}

impl Words {
    /// Opens the table that the crate carries; takes about a millisecond.
    #[must_use]
    pub fn new() -> Self {
        Self::read(data::WORDS_EN).expect("the table of words is whole, as a test shows")
    }

    /// `None` where the table is not as long as it says.
    fn read(table: &'static [u8]) -> Option<Self> {
        let number = |at: usize| -> Option<u32> {
            Some(u32::from_le_bytes(table.get(at..at + 4)?.try_into().ok()?))
        };
        let count = number(0)? as usize;
        let names = number(8)? as usize;
        let (names, rest) = table.get(12..)?.split_at_checked(names)?;
        let (scales, numbers) = rest.split_at_checked(4 * count)?;
        if number(4)? as usize != DIMENSIONS || numbers.len() != count * DIMENSIONS {
            return None;
        }
        let names = std::str::from_utf8(names).ok()?;
        let places =
            names
                .split('\n')
                .zip(0..)
                .map(|(name, place)| match name.strip_prefix("##") {
                    Some(piece) => (hash::end(piece.chars().fold(PIECE, hash::step)), place),
                    None => (hash::of_text(name), place),
                });
        Some(Self {
            places: places.collect(),
            scales: scales
                .chunks_exact(4)
                .filter_map(|c| Some(f32::from_le_bytes(c.try_into().ok()?)))
                .collect(),
            numbers,
        })
    }

    /// The direction of a text, of length 1; none where it has no word that is known.
    #[must_use]
    pub fn direction(&self, tokens: &[Token<'_>]) -> Option<Box<[f32; DIMENSIONS]>> {
        let mut sum = Box::new([0.0_f32; DIMENSIONS]);
        let mut any = false;
        for token in tokens {
            if let Token::Word { text, .. } = token
                && text.is_ascii()
                && text.len() <= MAX_WORD
            {
                any |= self.add(text, &mut sum);
            }
        }
        let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        if !any || length < 1e-6 {
            return None;
        }
        for x in sum.iter_mut() {
            *x /= length;
        }
        Some(sum)
    }

    /// Adds a word, or its longest pieces from left to right.
    fn add(&self, word: &str, sum: &mut [f32; DIMENSIONS]) -> bool {
        let mut at = 0;
        while at < word.len() {
            let mut key = if at == 0 { hash::SEED } else { PIECE };
            let mut longest = None;
            for (n, c) in word[at..].chars().enumerate() {
                key = hash::step(key, c);
                if let Some(place) = self.places.get(&hash::end(key)) {
                    longest = Some((at + n + 1, *place as usize));
                }
            }
            let Some((end, place)) = longest else {
                return at > 0;
            };
            let numbers = &self.numbers[place * DIMENSIONS..(place + 1) * DIMENSIONS];
            let scale = self.scales[place];
            for (to, from) in sum.iter_mut().zip(numbers) {
                *to += scale * f32::from(i8::from_le_bytes([*from]));
            }
            at = end;
        }
        true
    }
}

/// Where the keys of word pieces begin.
const PIECE: u64 = hash::SEED.rotate_left(29);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::StopWords;

    fn near(words: &Words, a: &str, b: &str) -> f32 {
        let stop = StopWords::new();
        let [a, b] = [a, b].map(|text| words.direction(&stop.tokens(text)).unwrap());
        a.iter().zip(b.iter()).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn words_of_like_meaning_lie_near() {
        let words = Words::new();
        for (a, b, far) in [
            ("refund", "reimburse", "weather"),
            ("parcel", "package", "password"),
            ("broken", "damaged", "invoice"),
        ] {
            assert!(
                near(&words, a, b) > near(&words, a, far) + 0.2,
                "{a} {b} {far}"
            );
        }
    }

    #[test]
    fn what_is_no_english_has_no_direction() {
        let words = Words::new();
        let stop = StopWords::new();
        for text in ["", "退货", "12345678", "привет", &"x".repeat(1_000)] {
            assert!(words.direction(&stop.tokens(text)).is_none(), "{text}");
        }
        let _ = words.direction(&stop.tokens("zzzzqqqq xkcdq"));
    }

    #[test]
    fn a_table_cut_short_is_refused() {
        for end in [0, 3, 11, 12, 1_000, data::WORDS_EN.len() - 1] {
            assert!(Words::read(&data::WORDS_EN[..end]).is_none(), "{end}");
        }
    }
}
