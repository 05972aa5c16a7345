//! From evidence to probabilities.
//!
//! Two questions are kept apart: is the best target right, and does the message mean anything
//! this pack knows. Each is a logistic function of what speaks for the best target, of its lead
//! over the second, and of the message. What lies between the two is shared by the other targets,
//! so all confidences and `out_of_scope` sum to one. The general coefficients
//! were fitted on several sets in both languages at one to all phrases a target, with whole targets
//! left out as what is out of scope; a pack corrects them by its own phrases.

use crate::intent::calibration::{Calibration, Judged};

/// What speaks for one target.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The classifier's signed distance.
    pub margin: f32,
    /// The cosine to the target's nearest phrase, 0–1: by content, fillers damped.
    pub similarity: f32,
    /// The same with all words alike.
    pub likeness: f32,
    /// How a phrase of the target equals the message.
    pub equality: Equality,
    /// How many phrases the target has.
    pub phrases: f32,
}

/// Whether a phrase says the same words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Equality {
    #[default]
    None,
    /// The same content words between other fillers.
    Core,
    /// All words.
    Whole,
}

impl Evidence {
    /// The equality that counts. What a business has written down is known word for word; where
    /// it stands under two targets, they share. The same content words decide only where there are
    /// few phrases: with many, the classifier knows what the fillers tell.
    #[must_use]
    pub fn says_the_same(&self) -> Equality {
        match self.equality {
            Equality::Core if self.phrases <= FEW => Equality::Core,
            Equality::Whole if self.phrases <= WRITTEN => Equality::Whole,
            _ => Equality::None,
        }
    }
}

/// What the whole message shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Message {
    /// The share of it that the pack's phrases know, 0–1.
    pub known: f32,
    /// How many words it has; a pair of Chinese characters is a word.
    pub words: f32,
    /// Those that tell of a topic.
    pub content: f32,
    /// How many phrases the pack's targets have on average.
    pub phrases: f32,
}

/// The probability of being meant that a phrase with the same words gives.
const WHOLE: f32 = 0.99;
const CORE: f32 = 0.93;
/// What equality adds to a target's score against the others.
const WHOLE_LEAD: f32 = 3.0;
const CORE_LEAD: f32 = 1.0;
/// More phrases than these are many.
const FEW: f32 = 20.0;
/// More than these nobody writes for one target, in two languages: they come from logs, and some
/// stand under the wrong target.
const WRITTEN: f32 = 60.0;
/// Scores this close are level.
const LEVEL: f32 = 1e-3;
/// So few words may be the answer to a question: they start something only where a
/// phrase is hardly more.
const SHORT: f32 = 2.0;

/// Coefficients of [`inputs`] for the best target's being right, and for being in scope at all.
const RIGHT: [f32; INPUTS] = [
    -0.10, 2.26, 1.31, 1.43, 1.65, -0.57, -0.67, 0.21, 0.25, -0.20, -1.04, 1.91,
];
const SCOPE: [f32; INPUTS] = [
    0.34, 1.46, -0.11, 0.53, 1.33, -0.73, -0.32, 0.28, 0.26, -0.19, 0.86, 1.48,
];
pub const INPUTS: usize = 12;

/// What the probabilities are made from: of the best target, its lead over the second, and the
/// message.
#[must_use]
pub fn inputs(best: &Evidence, lead: f32, message: &Message) -> [f32; INPUTS] {
    // Lines drawn by more phrases lie surer.
    let learned = message.phrases.max(1.0).ln();
    [
        1.0,
        best.margin,
        lead.min(2.0),
        best.similarity,
        message.known,
        learned,
        learned * best.margin,
        learned * lead.min(2.0),
        learned * best.similarity,
        learned * message.known,
        best.likeness,
        best.margin * message.known,
    ]
}

/// How candidates are ranked among each other. A pack's own is learned from its phrases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranking {
    /// Steepness of the shares between targets.
    pub steepness: f32,
    /// What similarity and likeness count beside the classifier's margin, whatever the number of
    /// phrases.
    pub similarity: f32,
    pub likeness: f32,
}

impl Default for Ranking {
    fn default() -> Self {
        Self {
            steepness: 4.0,
            similarity: 0.0,
            likeness: 0.0,
        }
    }
}

impl Ranking {
    /// A target's score against the others. Similarity to a phrase counts most where there are
    /// few.
    #[must_use]
    pub fn score(&self, evidence: &Evidence) -> f32 {
        let equality = match evidence.says_the_same() {
            Equality::None => 0.0,
            Equality::Core => CORE_LEAD,
            Equality::Whole => WHOLE_LEAD,
        };
        evidence.margin
            + evidence.similarity * (self.similarity + 1.0 / evidence.phrases.max(1.0))
            + evidence.likeness * self.likeness
            + equality
    }
}

/// The place of the best target and its lead over the second.
#[must_use]
pub fn best(targets: &[Evidence], ranking: &Ranking) -> Option<(usize, f32)> {
    let scores: Vec<f32> = targets.iter().map(|t| ranking.score(t)).collect();
    let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]))?;
    let second = (0..scores.len())
        .filter(|i| *i != best)
        .map(|i| scores[i])
        .fold(-1.0_f32, f32::max);
    Some((best, scores[best] - second))
}

/// The share of each target among all, which sum to 1.
#[must_use]
pub fn shares(targets: &[Evidence], ranking: &Ranking) -> Vec<f32> {
    let top = targets
        .iter()
        .map(|t| ranking.score(t))
        .fold(f32::MIN, f32::max);
    let mut shares: Vec<f32> = targets
        .iter()
        .map(|t| match t.says_the_same() {
            // All words are the same: nothing else can decide.
            Equality::Whole => 1.0,
            _ => (ranking.steepness * (ranking.score(t) - top)).exp(),
        })
        .collect();
    let sum: f32 = shares.iter().sum();
    for share in &mut shares {
        *share /= sum;
    }
    shares
}

/// The log-odds that the best target is right, and that any is meant, in packs in general.
#[must_use]
pub fn log_odds(best: &Evidence, lead: f32, message: &Message) -> (f32, f32) {
    let inputs = inputs(best, lead, message);
    let sum = |by: &[f32; INPUTS]| -> f32 { inputs.iter().zip(by).map(|(x, w)| x * w).sum() };
    (sum(&RIGHT), sum(&SCOPE))
}

/// Probabilities of targets with their evidence, in their order, which sum to at most 1: the rest
/// is out of scope.
#[must_use]
pub fn probabilities(
    targets: &[(u32, Evidence)],
    message: &Message,
    calibration: &Calibration,
) -> Vec<f32> {
    let ranking = &calibration.ranking;
    let evidence: Vec<Evidence> = targets.iter().map(|(_, e)| *e).collect();
    let Some((best, lead)) = best(&evidence, ranking) else {
        return Vec::new();
    };
    let shares = shares(&evidence, ranking);
    let at_least = match evidence[best].says_the_same() {
        Equality::None => 0.0,
        Equality::Core => CORE,
        Equality::Whole => WHOLE,
    };
    let judged = Judged::new(
        targets[best].0,
        evidence[best],
        lead,
        shares[best],
        *message,
    );
    let (right, scope) = calibration.correct(&judged);
    let (mut right, mut scope) = (logistic(right), logistic(scope));
    if message.words <= SHORT {
        // Where there are many phrases, they say what few words mean.
        let few = (1.5 - message.phrases / (2.0 * FEW)).clamp(0.0, 1.0);
        let size = (message.words + message.content) / 2.0;
        let alike = evidence[best].likeness.powf(few * SHORT / size.max(0.5));
        right = right.min(alike);
        scope = scope.min(alike);
    }
    scope = scope.max(at_least);
    // Where several targets say the same words, and where two are level, neither is surer.
    if at_least > 0.0 || lead < LEVEL {
        right = scope * shares[best];
    }
    let scope = scope.max(right);
    let others = (1.0 - shares[best]).max(f32::MIN_POSITIVE);
    shares
        .iter()
        .enumerate()
        .map(|(i, share)| match i == best {
            true => right,
            false => right.min((scope - right) * share / others),
        })
        .collect()
}

#[must_use]
pub fn logistic(log_odds: f32) -> f32 {
    1.0 / (1.0 + (-log_odds).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_at_most_one() {
        let message = Message {
            known: 1.0,
            words: 3.0,
            content: 3.0,
            phrases: 2.0,
        };
        let sure = Evidence {
            margin: 1.0,
            similarity: 1.0,
            likeness: 1.0,
            equality: Equality::Whole,
            phrases: 2.0,
        };
        let close = Evidence {
            margin: 0.9,
            similarity: 0.9,
            likeness: 0.9,
            equality: Equality::None,
            phrases: 2.0,
        };
        let of = |targets: &[Evidence]| {
            let targets: Vec<_> = targets.iter().map(|e| (0, *e)).collect();
            probabilities(&targets, &message, &Calibration::none(1))
        };
        for targets in [
            vec![],
            vec![sure],
            vec![sure, sure],
            vec![close; 30],
            vec![sure, close],
        ] {
            let sum: f32 = of(&targets).iter().sum();
            assert!(sum <= 1.0 + 1e-5, "{sum}");
        }
        assert!(of(&[sure, close])[0] > 0.97);
        for twin in [sure, close] {
            let twins = of(&[twin, twin]);
            assert!((twins[0] - twins[1]).abs() < 1e-6);
        }
    }
}
