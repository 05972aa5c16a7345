//! From evidence to probabilities.
//!
//! Two questions are kept apart: does the message mean anything this pack knows (a logistic
//! function of the best target's evidence), and if so, which target (a softmax over the targets'
//! scores). A target's confidence is the product, so all confidences and `out_of_scope` sum to
//! one. The coefficients are fitted by `examples/measure.rs -- --fit` over several public sets at
//! one to all phrases a target, with whole targets left out as what is out of scope.

/// What speaks for one target.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The classifier's signed distance.
    pub margin: f32,
    /// The cosine to the target's nearest phrase, 0–1.
    pub similarity: f32,
    /// How a phrase of the target equals the message.
    pub equality: Equality,
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

/// What the whole message shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Message {
    /// The share of it that the pack's phrases know, 0–1.
    pub known: f32,
    /// Its content words.
    pub content: f32,
}

/// The least probability of being meant that a phrase with the same words gives.
const WHOLE: f32 = 0.99;
const CORE: f32 = 0.93;
/// What equality adds to a target's score against the others.
const WHOLE_LEAD: f32 = 3.0;
const CORE_LEAD: f32 = 1.0;

/// The weight of similarity beside the margin in a target's score.
pub const SIMILARITY: f32 = 1.0;
/// Steepness of the softmax between targets.
const STEEPNESS: f32 = 4.0;
/// One content word is not enough to go on, unless a phrase is hardly more.
const ONE_WORD: f32 = 1.0;

/// Coefficients of [`inputs`].
const SCOPE: [f32; INPUTS] = [-2.5, 1.5, 1.0, 3.0, 1.5];
pub const INPUTS: usize = 5;

/// What the probability of being in scope is made from: of the best target and the message.
#[must_use]
pub fn inputs(best: &Evidence, lead: f32, message: &Message) -> [f32; INPUTS] {
    [
        1.0,
        best.margin,
        lead.min(2.0),
        best.similarity,
        message.known,
    ]
}

/// A target's score against the others.
#[must_use]
pub fn score(evidence: &Evidence) -> f32 {
    let equality = match evidence.equality {
        Equality::None => 0.0,
        Equality::Core => CORE_LEAD,
        Equality::Whole => WHOLE_LEAD,
    };
    evidence.margin + SIMILARITY * evidence.similarity + equality
}

/// Probabilities of the targets, in their order, which sum to at most 1: the rest is out of
/// scope.
#[must_use]
pub fn probabilities(targets: &[Evidence], message: &Message) -> Vec<f32> {
    let scores: Vec<f32> = targets.iter().map(score).collect();
    let Some(best) = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])) else {
        return Vec::new();
    };
    let second = (0..scores.len())
        .filter(|i| *i != best)
        .map(|i| scores[i])
        .fold(-1.0_f32, f32::max);
    let scope = scope(&targets[best], scores[best] - second, message);
    let shares: Vec<f32> = scores
        .iter()
        .map(|s| (STEEPNESS * (s - scores[best])).exp())
        .collect();
    let sum: f32 = shares.iter().sum();
    shares
        .into_iter()
        .map(|share| scope * share / sum)
        .collect()
}

fn scope(best: &Evidence, lead: f32, message: &Message) -> f32 {
    let sum: f32 = inputs(best, lead, message)
        .iter()
        .zip(SCOPE)
        .map(|(x, w)| x * w)
        .sum();
    let mut scope = 1.0 / (1.0 + (-sum).exp());
    if message.content <= ONE_WORD {
        scope = scope.min(best.similarity);
    }
    match best.equality {
        Equality::None => scope,
        Equality::Core => scope.max(CORE),
        Equality::Whole => scope.max(WHOLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_at_most_one() {
        let message = Message {
            known: 1.0,
            content: 3.0,
        };
        let sure = Evidence {
            margin: 1.0,
            similarity: 1.0,
            equality: Equality::Whole,
        };
        let close = Evidence {
            margin: 0.9,
            similarity: 0.9,
            equality: Equality::None,
        };
        for targets in [
            vec![],
            vec![sure],
            vec![sure, sure],
            vec![close; 30],
            vec![sure, close],
        ] {
            let sum: f32 = probabilities(&targets, &message).iter().sum();
            assert!(sum <= 1.0 + 1e-5, "{sum}");
        }
        assert!(probabilities(&[sure, close], &message)[0] > 0.97);
        let twins = probabilities(&[sure, sure], &message);
        assert!((twins[0] - twins[1]).abs() < 1e-6);
    }
}
