//! Two wishes in one message: "cancel it, and where is my refund?"
//!
//! A message is cut in two at a mark or a joining word, wherever that gives two halves that each mean
//! something surely and not the same. Halves keep everything that is said, so "I ordered a lamp last
//! week, where is it" stays one question: only its second half means something surely.

use super::{CLAUSE, Intents, Weighed};
use crate::tokens::{self, StopWords};

/// Places that are tried; a message with more of them tells a story.
const MAX_CUTS: usize = 5;
/// Both halves mean something at least this surely.
const SURELY: f32 = 0.7;
/// A half of fewer words is a name in a list or a courtesy, not a wish.
const FEWEST_WORDS: f32 = 2.0;
/// The share of a half that the pack's phrases must know.
const KNOWN: f32 = 0.2;

pub(super) struct Wishes {
    /// Candidates of what the message as a whole means most: the other half may be a courtesy, or
    /// the story before the question.
    pub main: Vec<Weighed>,
    /// The best of the other half.
    pub also: Weighed,
    /// The other half comes first.
    pub before: bool,
}

impl Intents {
    pub(super) fn two_wishes(
        &self,
        clean: &str,
        stop: &StopWords,
        whole: &[Weighed],
    ) -> Option<Wishes> {
        let [left, right] = self.cut(clean, stop)?;
        let rank = |half: &[Weighed]| {
            let at = whole.iter().position(|w| w.target == half[0].target);
            at.unwrap_or(whole.len())
        };
        let before = rank(&right) < rank(&left);
        let (mut main, mut other) = match before {
            true => (right, left),
            false => (left, right),
        };
        let also = other.swap_remove(0);
        main.retain(|w| w.target != also.target);
        // In the whole message the two speak against each other.
        let whole = whole.iter().find(|w| w.target == main[0].target);
        let shared = whole.map_or(0.0, |w| w.confidence);
        let sure = shared.max(main[0].confidence * CLAUSE);
        let others: f32 = main[1..].iter().map(|w| w.confidence).sum();
        if sure + others > 1.0 {
            let fits = (1.0 - sure) / others;
            main[1..].iter_mut().for_each(|w| w.confidence *= fits);
        }
        main[0].confidence = sure;
        Some(Wishes { main, also, before })
    }

    /// The candidates of both halves of the best cut; none where no cut parts two wishes.
    fn cut(&self, text: &str, stop: &StopWords) -> Option<[Vec<Weighed>; 2]> {
        let mut best: Option<(f32, [Vec<Weighed>; 2])> = None;
        for (end, start) in tokens::cuts(text).take(MAX_CUTS) {
            let sides = [&text[..end], &text[start..]];
            let features = sides.map(|side| self.features(side.trim(), stop));
            if features
                .iter()
                .any(|(f, v)| f.words < FEWEST_WORDS || v.known < KNOWN)
            {
                continue;
            }
            let [left, right] = features.map(|(f, v)| self.weigh_features(&f, &v));
            let (Some(a), Some(b)) = (left.first(), right.first()) else {
                continue;
            };
            let both = a.confidence.min(b.confidence);
            let surer = best.as_ref().is_none_or(|(sure, _)| both > *sure);
            if a.target != b.target && both >= SURELY && surer {
                best = Some((both, [left, right]));
            }
        }
        best.map(|(_, halves)| halves)
    }
}
