//! Why a message is read as it is: what it weighs on each word, what it is near to, and what the
//! confidence amounts to.
//!
//! A word's weight is what is lost without it: the message is read again with the word left out.
//! So it holds for every model, whatever that is made of, and says what the model does and not
//! what somebody thinks it does.

use serde::Serialize;
use tandem_domain::{
    Locale,
    entity::Entity,
    reading::{Candidate, Reading, Thresholds, Understanding},
};

use crate::normalise;

/// Words, or Chinese characters, that are left out in turn; of a longer message the first.
pub const MAX_WORDS: usize = 48;
/// Characters of a message that are looked at.
const MAX_CHARS: usize = 1_000;
/// A weight nearer to nothing is not told.
const LEAST: f32 = 0.005;

/// What a reading comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The best candidate is taken.
    Answer,
    /// Two candidates are too close: the customer is asked which is meant.
    Clarify,
    /// None of the pack's targets.
    None,
}

/// A piece of the message and how much of the best candidate's confidence it carries: below
/// zero it speaks against it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Weight {
    pub text: String,
    pub weight: f32,
}

/// An entity and the words that name it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mention {
    pub text: String,
    #[serde(flatten)]
    pub entity: Entity,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    pub reading: Reading,
    pub entities: Vec<Mention>,
    pub decision: Decision,
    pub thresholds: Thresholds,
    /// In the order of the message; what tells nothing is left out.
    pub words: Vec<Weight>,
}

/// Explains how a model reads a text. Reads it up to [`MAX_WORDS`] times more.
#[must_use]
pub fn explain(model: &dyn Understanding, text: &str, locale: &Locale) -> Explanation {
    let text: String = text.chars().take(MAX_CHARS).collect();
    let reading = model.read(&text, locale);
    let thresholds = model.thresholds();
    let mention = |entity: Entity| Mention {
        text: text.get(entity.span.clone()).unwrap_or_default().to_owned(),
        entity,
    };
    let entities = model.entities(&text, locale);
    let entities = entities.into_iter().map(mention).collect();
    let words = match reading.candidates.first() {
        Some(best) => weights(model, &text, locale, best),
        None => Vec::new(),
    };
    Explanation {
        decision: decide(&reading, &thresholds),
        reading,
        entities,
        thresholds,
        words,
    }
}

/// What a reading comes to by a model's thresholds.
#[must_use]
pub fn decide(reading: &Reading, thresholds: &Thresholds) -> Decision {
    let mut sure = reading.candidates.iter().map(|c| c.confidence);
    let (best, second) = (sure.next().unwrap_or(0.0), sure.next().unwrap_or(0.0));
    let close = second >= thresholds.clarify && best - second <= thresholds.clarify_gap;
    if close {
        Decision::Clarify
    } else if best >= thresholds.answer {
        Decision::Answer
    } else {
        Decision::None
    }
}

fn weights(
    model: &dyn Understanding,
    text: &str,
    locale: &Locale,
    best: &Candidate,
) -> Vec<Weight> {
    let mut weights: Vec<(usize, Weight)> = Vec::new();
    for (start, end) in pieces(text).into_iter().take(MAX_WORDS) {
        // A space would part the Chinese characters on both sides.
        let single = text[start..end].chars().all(normalise::is_unspaced);
        let gap = if single { "" } else { " " };
        let without = format!("{}{gap}{}", &text[..start], &text[end..]);
        let read = model.read(&without, locale);
        let left = read.candidates.iter().find(|c| c.target == best.target);
        let weight = best.confidence - left.map_or(0.0, |c| c.confidence);
        if weight.abs() >= LEAST {
            let text = text[start..end].to_owned();
            weights.push((start, Weight { text, weight }));
        }
    }
    join(weights)
}

/// Neighbouring characters that speak for the same are one piece.
fn join(weights: Vec<(usize, Weight)>) -> Vec<Weight> {
    let mut joined: Vec<(usize, Weight)> = Vec::new();
    for (start, weight) in weights {
        if let Some((end, last)) = joined.last_mut()
            && *end == start
            && (last.weight > 0.0) == (weight.weight > 0.0)
            && weight.text.chars().all(normalise::is_unspaced)
            && last.text.chars().all(normalise::is_unspaced)
        {
            *end += weight.text.len();
            last.text.push_str(&weight.text);
            // Characters of a word carry the same confidence: the most of them, not the sum.
            last.weight = if weight.weight.abs() > last.weight.abs() {
                weight.weight
            } else {
                last.weight
            };
        } else {
            joined.push((start + weight.text.len(), weight));
        }
    }
    joined.into_iter().map(|(_, weight)| weight).collect()
}

/// Words and single characters of scripts without spaces, as places in the text.
fn pieces(text: &str) -> Vec<(usize, usize)> {
    let mut pieces = Vec::new();
    let mut word: Option<usize> = None;
    for (at, c) in text.char_indices() {
        let single = normalise::is_unspaced(c);
        let within = !single && (c.is_alphanumeric() || c == '\'' || c == '’');
        if !within && let Some(start) = word.take() {
            pieces.push((start, at));
        }
        if single {
            pieces.push((at, at + c.len_utf8()));
        } else if within && word.is_none() {
            word = Some(at);
        }
    }
    if let Some(start) = word {
        pieces.push((start, text.len()));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use tandem_domain::reading::{Example, Target, TrainingSet};

    use super::*;
    use crate::{Model, PhraseTrainer};

    fn model() -> Model {
        let examples = [
            ("track", "where is my parcel"),
            ("track", "track the parcel"),
            ("track", "我的包裹到哪了"),
            ("back", "return the lamp"),
            ("back", "send it back"),
            ("back", "我要退货"),
        ];
        PhraseTrainer.model(&TrainingSet {
            examples: examples
                .map(|(name, text)| Example {
                    target: Target::Flow(name.to_owned()),
                    locale: None,
                    text: text.to_owned(),
                })
                .to_vec(),
            ..TrainingSet::default()
        })
    }

    fn told(text: &str) -> Explanation {
        explain(&model(), text, &Locale::new("en"))
    }

    #[test]
    fn the_word_that_decides_weighs_most() {
        for (text, word) in [
            ("hello, my parcel please", "parcel"),
            ("请问怎么退货呢", "退货"),
        ] {
            let found = told(text);
            let most = found
                .words
                .iter()
                .max_by(|a, b| a.weight.total_cmp(&b.weight))
                .unwrap_or_else(|| panic!("{found:?}"));
            assert!(
                most.text.contains(word) || word.contains(&most.text),
                "{found:?}"
            );
            let phrase = &found.reading.candidates[0].phrase;
            assert!(
                phrase.as_ref().is_some_and(|p| p.contains(word)),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_decision_follows_the_thresholds() {
        let candidate = |name: &str, confidence| Candidate {
            target: Target::Flow(name.to_owned()),
            confidence,
            phrase: None,
        };
        let reading = |confidences: &[f32]| Reading {
            candidates: confidences.iter().map(|c| candidate("a", *c)).collect(),
            ..Reading::default()
        };
        let thresholds = Thresholds::default();
        assert_eq!(decide(&reading(&[0.9, 0.1]), &thresholds), Decision::Answer);
        assert_eq!(
            decide(&reading(&[0.45, 0.4]), &thresholds),
            Decision::Clarify
        );
        assert_eq!(decide(&reading(&[0.2]), &thresholds), Decision::None);
        assert_eq!(decide(&reading(&[]), &thresholds), Decision::None);
    }

    #[test]
    fn anything_is_explained() {
        for text in [
            "",
            "🙂",
            "\u{202E}",
            &"啊".repeat(50_000),
            &"parcel ".repeat(20_000),
        ] {
            let found = told(text);
            assert!(found.words.len() <= MAX_WORDS);
        }
    }

    #[test]
    fn pieces_are_words_and_characters() {
        let text = "don't 退货 A1!";
        let found: Vec<&str> = pieces(text).iter().map(|(a, b)| &text[*a..*b]).collect();
        assert_eq!(found, ["don't", "退", "货", "A1"]);
    }
}
