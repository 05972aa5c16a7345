//! How likely it is that a passage answers a question.
//!
//! BM25 ranks but its scores mean nothing from one pack to the next. What does: which share of
//! what was asked the passage holds, weighed by rarity; how many words that are; how clear its
//! lead over other articles is; how near it is in meaning. A logistic regression makes a
//! probability of these. Its weights were fitted on the questions of `tests/knowledge`, answerable
//! and not, with a penalty of half the squared weights; `examples/knowledge.rs --rows` prints what
//! they were fitted on. With each article left out in turn the expected calibration error is 5 %.

/// What is seen of the best passage.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    /// The BM25 score, for ranking.
    pub(super) score: f32,
    /// How far the best of another article lies behind, as a share of the score.
    pub(super) lead: f32,
    /// Cosine of question and passage; 0 without an embedder.
    pub(super) similarity: f32,
    /// The share of the question's rarity that the passage holds.
    held: f32,
    /// The rarity it holds, in absolute terms.
    weight: f32,
    /// Terms of the question it holds, and does not.
    hits: f32,
    misses: f32,
    with_meaning: bool,
}

const INPUTS: usize = 6;
/// The constant, then a weight for each of [`Evidence::inputs`].
const WORDS: [f32; INPUTS + 1] = [-2.63, 0.67, 2.46, 0.85, -0.36, 0.81, 0.0];
const MEANING: [f32; INPUTS + 1] = [-2.56, 0.8, 1.8, 1.03, -0.36, 0.29, 1.82];

impl Evidence {
    /// `weights` are the question's terms with their rarity, `terms` what the passage holds.
    pub(super) fn new(with_meaning: bool, weights: &[(u64, f32)], all: f32, terms: &[u64]) -> Self {
        let (mut weight, mut hits) = (0.0, 0.0);
        for (term, rarity) in weights {
            if terms.binary_search(term).is_ok() {
                weight += rarity;
                hits += 1.0;
            }
        }
        Self {
            held: weight / all.max(f32::MIN_POSITIVE),
            weight,
            hits,
            misses: weights.len() as f32 - hits,
            with_meaning,
            ..Self::default()
        }
    }

    pub(super) fn inputs(&self) -> [f32; INPUTS] {
        [
            self.held,
            self.weight.min(20.0) / 10.0,
            self.hits.min(6.0) / 3.0,
            self.misses.min(6.0) / 3.0,
            self.lead,
            self.similarity,
        ]
    }
}

pub(super) fn probability(evidence: &Evidence) -> f32 {
    let [constant, weights @ ..] = if evidence.with_meaning {
        MEANING
    } else {
        WORDS
    };
    let inputs = evidence.inputs();
    let sum: f32 = inputs.iter().zip(weights).map(|(i, w)| i * w).sum();
    1.0 / (1.0 + (-(constant + sum)).exp())
}
