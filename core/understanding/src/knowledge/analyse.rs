//! From text to terms, for articles and questions alike.
//!
//! Width, case, accents and traditional characters are folded away; English words lose their
//! ending (Snowball); Chinese is cut into words by jieba's search mode, which gives a long word
//! and the words within it, and gives its characters too; other scripts without spaces go by pairs of characters. Fillers give
//! nothing. A term knows where in the text it stands, so that it can be shown.

use std::{
    collections::HashSet,
    ops::Range,
    sync::{Arc, LazyLock},
};

use frostem::{Algorithm, Stemmer};
use jieba_rs::{Jieba, TokenizeMode};
use unicode_normalization::UnicodeNormalization as _;

use crate::{
    data,
    normalise::{self, Normaliser},
    tokens,
};

/// Characters of a text that are read.
const MAX_CHARS: usize = normalise::MAX_CHARS;
/// Longest run of Chinese that is handed to the segmenter at once: it works on whole sentences.
const MAX_RUN: usize = 200;
/// A term is not longer than this in bytes; more of it is not looked at.
const MAX_TERM: usize = 64;

/// What a word tells, and a character within a Chinese word.
const WHOLE: f32 = 1.0;
const CHARACTER: f32 = 0.3;

/// A term and the bytes of the text it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    pub text: String,
    pub at: Range<usize>,
    /// How much it tells: 1 for a word.
    pub weight: f32,
}

/// Cheap to clone: the tables are shared.
#[derive(Clone)]
pub struct Analyser {
    tables: Arc<Tables>,
}

struct Tables {
    normaliser: Normaliser,
    fillers: HashSet<String>,
    stemmer: Stemmer,
}

/// Constant data that takes tens of milliseconds and of megabytes to unpack: once a process, and
/// only where Chinese is indexed or asked.
static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);

impl std::fmt::Debug for Analyser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Analyser").finish_non_exhaustive()
    }
}

impl Default for Analyser {
    fn default() -> Self {
        Self::new()
    }
}

impl Analyser {
    #[must_use]
    pub fn new() -> Self {
        let fillers = data::weighted(data::STOP_EN)
            .chain(data::weighted(data::STOP_ZH))
            .filter(|(weight, _)| *weight < tokens::CONTENT)
            .map(|(_, word)| word)
            .collect();
        Self {
            tables: Arc::new(Tables {
                normaliser: Normaliser::new(),
                fillers,
                stemmer: Stemmer::new(Algorithm::English),
            }),
        }
    }

    /// The terms of a text in their order; at most 4,000 characters are read.
    #[must_use]
    pub fn terms(&self, text: &str) -> Vec<Term> {
        let folded = Folded::of(text, &self.tables.normaliser);
        let mut terms = Vec::new();
        let mut at = 0;
        while let Some(first) = folded.text[at..].chars().next() {
            let rest = &folded.text[at..];
            at += if normalise::is_unspaced(first) {
                let n = span(rest, normalise::is_unspaced);
                self.run(&rest[..n], at, &folded, &mut terms);
                n
            } else if first.is_alphanumeric() {
                let n = word_end(rest);
                self.word(&rest[..n], at, &folded, &mut terms);
                n
            } else {
                first.len_utf8()
            };
        }
        terms
    }

    fn word(&self, word: &str, at: usize, folded: &Folded, terms: &mut Vec<Term>) {
        // 90kg is said as 90 kg elsewhere; E27 is a name.
        let digits = word
            .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ','))
            .unwrap_or(word.len());
        if digits > 0 && digits < word.len() {
            self.word(&word[..digits], at, folded, terms);
            self.word(&word[digits..], at + digits, folded, terms);
            return;
        }
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let bare = word.strip_suffix("'s").unwrap_or(word);
        if bare.is_empty() || self.is_filler(word) || self.is_filler(bare) {
            return;
        }
        let stemmed = if bare.len() > 2 && bare.bytes().all(|b| b.is_ascii_alphabetic()) {
            self.tables.stemmer.stem(bare)
        } else {
            bare.into()
        };
        terms.push(Term {
            text: short(&stemmed).to_owned(),
            at: folded.source(at..at + bare.len()),
            weight: WHOLE,
        });
    }

    fn run(&self, run: &str, at: usize, folded: &Folded, terms: &mut Vec<Term>) {
        let mut begin = 0;
        while begin < run.len() {
            let length = run[begin..]
                .char_indices()
                .nth(MAX_RUN)
                .map_or(run.len() - begin, |(n, _)| n);
            let part = &run[begin..begin + length];
            let mut add = |from: usize, text: &str, weight: f32| {
                let from = at + begin + from;
                terms.push(Term {
                    text: short(text).to_owned(),
                    at: folded.source(from..from + text.len()),
                    weight,
                });
            };
            if part.chars().any(normalise::is_han) {
                self.chinese(part, &mut add);
            } else {
                let chars: Vec<(usize, char)> = part.char_indices().collect();
                for pair in chars.windows(2) {
                    let end = pair[1].0 + pair[1].1.len_utf8();
                    add(pair[0].0, &part[pair[0].0..end], WHOLE);
                }
            }
            begin += length;
        }
    }

    /// Words and, since two people cut and choose words differently (沙发套, 沙发罩; 洗, 机洗), the
    /// characters they are made of.
    fn chinese(&self, part: &str, add: &mut impl FnMut(usize, &str, f32)) {
        for word in JIEBA.tokenize(part, TokenizeMode::Search, true) {
            if !self.is_filler(word.word) {
                add(word.byte_start, word.word, WHOLE);
            }
        }
        for word in JIEBA.tokenize(part, TokenizeMode::Default, true) {
            if self.is_filler(word.word) || word.word.chars().nth(1).is_none() {
                continue;
            }
            for (from, c) in word.word.char_indices() {
                let text = &word.word[from..from + c.len_utf8()];
                add(word.byte_start + from, text, CHARACTER);
            }
        }
    }

    fn is_filler(&self, word: &str) -> bool {
        self.tables.fillers.contains(word)
    }
}

/// A text in one spelling, and where each byte of it comes from.
struct Folded {
    text: String,
    sources: Vec<(u32, u32)>,
}

impl Folded {
    fn of(text: &str, normaliser: &Normaliser) -> Self {
        let mut folded = Self {
            text: String::with_capacity(text.len().min(4 * MAX_CHARS)),
            sources: Vec::with_capacity(text.len().min(4 * MAX_CHARS)),
        };
        let (mut at, mut count) = (0_usize, 0);
        for c in text.chars() {
            let end = at + c.len_utf8();
            let source = (
                u32::try_from(at).unwrap_or(u32::MAX),
                u32::try_from(end).unwrap_or(u32::MAX),
            );
            if c.is_ascii() {
                folded.push(c.to_ascii_lowercase(), source);
            } else {
                // One character can unfold into eighteen, so what comes out is capped too.
                for unfolded in std::iter::once(c).nfkd() {
                    for c in unfolded.to_lowercase() {
                        folded.push(normaliser.fold(c), source);
                    }
                }
            }
            at = end;
            count += 1;
            if count >= MAX_CHARS || folded.text.len() >= 4 * MAX_CHARS {
                break;
            }
        }
        folded
    }

    fn push(&mut self, c: char, source: (u32, u32)) {
        if normalise::is_invisible(c) || normalise::is_stacked_accent(c) {
            return;
        }
        self.text.push(c);
        self.sources.resize(self.text.len(), source);
    }

    /// The bytes of the original that a stretch of the folded text comes from.
    fn source(&self, at: Range<usize>) -> Range<usize> {
        let from = self.sources[at.start].0 as usize;
        let to = self.sources[at.end.max(at.start + 1) - 1].1 as usize;
        from..to
    }
}

/// The length of the word that a text begins with: a point or comma goes on between digits, an
/// apostrophe between letters.
fn word_end(text: &str) -> usize {
    let mut last = '\0';
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let goes_on = match c {
            '.' | ',' => last.is_ascii_digit() && next.is_some_and(|n| n.is_ascii_digit()),
            '\'' => last.is_alphabetic() && next.is_some_and(char::is_alphabetic),
            _ => {
                (c.is_alphanumeric() && !normalise::is_unspaced(c))
                    // Vowel signs of Indic scripts are no letters but belong to the word.
                    || matches!(u32::from(c), 0x0900..=0x0DFF)
            }
        };
        if !goes_on {
            return at;
        }
        last = c;
    }
    text.len()
}

fn short(term: &str) -> &str {
    let mut end = term.len().min(MAX_TERM);
    while !term.is_char_boundary(end) {
        end -= 1;
    }
    &term[..end]
}

fn span(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let terms = Analyser::new().terms(text);
        terms.into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn english_loses_endings_and_fillers() {
        assert_eq!(shown("Cleaning the Covers"), shown("cleaned cover"));
        assert_eq!(shown("the sofa's LEGS"), ["sofa", "leg"]);
        assert_eq!(shown("it is the one that you have"), Vec::<String>::new());
    }

    #[test]
    fn numbers_keep_their_point_and_leave_their_unit() {
        assert_eq!(
            shown("€14.90, 90kg; 30°C E27"),
            ["14.90", "90", "kg", "30", "c", "e27"]
        );
    }

    #[test]
    fn chinese_is_cut_into_words_whatever_its_script_and_width() {
        let words = shown("沙发套可以机洗吗");
        assert!(words.contains(&"沙发".to_owned()), "{words:?}");
        assert_eq!(shown("亞麻床單 Ｅ２７"), shown("亚麻床单 e27"));
    }

    #[test]
    fn accents_are_folded_and_other_scripts_go_by_pairs() {
        assert_eq!(shown("café"), shown("CAFE\u{301}"));
        assert_eq!(shown("ソファー"), ["ソフ", "ファ", "ァー"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn every_term_stands_where_it_says(text in any::<String>(), mixed in "[a-zé 退貨运费ｆＥ２7.,'\u{200b}ソﬁ½]{0,60}") {
            let analyser = Analyser::new();
            for text in [text, mixed] {
                for term in analyser.terms(&text) {
                    prop_assert!(!term.text.is_empty());
                    prop_assert!(term.at.start < term.at.end);
                    prop_assert!(text.get(term.at.clone()).is_some());
                }
            }
        }
    }
}
