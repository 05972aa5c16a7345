//! The figures of an evaluation, each a pure function of what was scored.
//!
//! A figure that is not defined for its input (an accuracy of no messages, an area under the
//! curve of one class) is `None`, never a number that looks like one.

use std::collections::BTreeMap;

/// One message that was read, beside what it means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored<'a> {
    /// The label; `None` is out of scope.
    pub gold: Option<&'a str>,
    /// The best candidate, where there is one.
    pub predicted: Option<&'a str>,
    /// The best candidate's confidence; 0 where there is none.
    pub confidence: f32,
    /// `Reading::out_of_scope`.
    pub out_of_scope: f32,
}

impl Scored<'_> {
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.gold.is_some() && self.gold == self.predicted
    }
}

/// What is answered alone from a confidence on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    pub threshold: f32,
    /// The share of in-scope messages that are answered.
    pub coverage: f64,
    /// How many are answered, those out of scope too, and how many of them right.
    pub answered: usize,
    pub right: usize,
}

impl Coverage {
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        share(self.right, self.answered)
    }
}

/// The none-of-these decision at a threshold of `out_of_scope`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutOfScope {
    /// In-scope messages that are let in and get the right target.
    pub accuracy: Option<f64>,
    /// Out-of-scope messages that are seen as such.
    pub recall: Option<f64>,
    /// What is seen as out of scope and is.
    pub precision: Option<f64>,
    pub f1: Option<f64>,
}

/// The share of in-scope messages whose best candidate is right, whatever its confidence.
#[must_use]
pub fn accuracy(scored: &[Scored<'_>]) -> Option<f64> {
    let inside = inside(scored);
    share(inside.iter().filter(|s| s.is_right()).count(), inside.len())
}

/// F1 of one label: precision and recall of it among in-scope messages.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Label {
    pub support: usize,
    pub predicted: usize,
    pub right: usize,
}

impl Label {
    #[must_use]
    pub fn f1(&self) -> f64 {
        2.0 * self.right as f64 / (self.support + self.predicted).max(1) as f64
    }
}

/// Every label that occurs or is predicted among in-scope messages.
#[must_use]
pub fn labels<'a>(scored: &[Scored<'a>]) -> BTreeMap<&'a str, Label> {
    let mut labels: BTreeMap<&str, Label> = BTreeMap::new();
    for s in scored {
        let Some(gold) = s.gold else { continue };
        let label = labels.entry(gold).or_default();
        label.support += 1;
        label.right += usize::from(s.is_right());
        if let Some(predicted) = s.predicted {
            labels.entry(predicted).or_default().predicted += 1;
        }
    }
    labels
}

/// The mean F1 over all labels that occur or are predicted, each counting the same.
#[must_use]
pub fn macro_f1(scored: &[Scored<'_>]) -> Option<f64> {
    let labels = labels(scored);
    (!labels.is_empty()).then(|| labels.values().map(Label::f1).sum::<f64>() / labels.len() as f64)
}

/// Which label is taken for which, most frequent first: gold, predicted, how often.
#[must_use]
pub fn confusions<'a>(scored: &[Scored<'a>]) -> Vec<(&'a str, &'a str, usize)> {
    let mut pairs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for s in scored {
        if let (Some(gold), Some(predicted)) = (s.gold, s.predicted)
            && gold != predicted
        {
            *pairs.entry((gold, predicted)).or_default() += 1;
        }
    }
    let mut pairs: Vec<_> = pairs.into_iter().map(|((g, p), n)| (g, p, n)).collect();
    pairs.sort_by_key(|(_, _, n)| std::cmp::Reverse(*n));
    pairs
}

/// The chance that one of `positive` scores above one of `negative`; level counts half.
#[must_use]
pub fn area(positive: &[f32], negative: &[f32]) -> Option<f64> {
    if positive.is_empty() || negative.is_empty() {
        return None;
    }
    let mut all: Vec<(f32, bool)> = positive.iter().map(|s| (*s, true)).collect();
    all.extend(negative.iter().map(|s| (*s, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut wins) = (0.0_f64, 0.0_f64);
    for level in all.chunk_by(|a, b| a.0 == b.0) {
        let positives = level.iter().filter(|s| s.1).count() as f64;
        let negatives = level.len() as f64 - positives;
        wins += positives * (below + negatives / 2.0);
        below += negatives;
    }
    Some(wins / (positive.len() as f64 * negative.len() as f64))
}

/// How well confidence tells right from wrong among in-scope messages.
#[must_use]
pub fn auroc(scored: &[Scored<'_>]) -> Option<f64> {
    let (right, wrong): (Vec<_>, Vec<_>) = inside(scored).into_iter().partition(|s| s.is_right());
    area(&confidences(&right), &confidences(&wrong))
}

/// How well `out_of_scope` tells messages out of scope from those in scope.
#[must_use]
pub fn oos_auroc(scored: &[Scored<'_>]) -> Option<f64> {
    let of = |out: bool| -> Vec<f32> {
        let some = scored.iter().filter(|s| s.gold.is_none() == out);
        some.map(|s| s.out_of_scope).collect()
    };
    area(&of(true), &of(false))
}

/// What is answered from `threshold` on, messages out of scope counted as wrong answers.
#[must_use]
pub fn coverage_at(scored: &[Scored<'_>], threshold: f32) -> Coverage {
    let answered = scored.iter().filter(|s| s.confidence >= threshold);
    let (mut n, mut right, mut of_inside) = (0, 0, 0);
    for s in answered {
        n += 1;
        right += usize::from(s.is_right());
        of_inside += usize::from(s.gold.is_some());
    }
    Coverage {
        threshold,
        coverage: of_inside as f64 / inside(scored).len().max(1) as f64,
        answered: n,
        right,
    }
}

/// The threshold with the largest coverage at which at least `precision` of the answers are
/// right; messages of equal confidence are answered together. `None` where no threshold is.
#[must_use]
pub fn coverage(scored: &[Scored<'_>], precision: f64) -> Option<Coverage> {
    let mut sorted: Vec<&Scored<'_>> = scored.iter().collect();
    sorted.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let (mut answered, mut right) = (0, 0);
    let mut best = None;
    for level in sorted.chunk_by(|a, b| a.confidence == b.confidence) {
        answered += level.len();
        right += level.iter().filter(|s| s.is_right()).count();
        if right as f64 >= precision * answered as f64 {
            best = Some(level[0].confidence);
        }
    }
    best.map(|threshold| coverage_at(scored, threshold))
}

/// Coverage where 98 of 100 answers are right, in-scope messages only.
#[must_use]
pub fn cov98(scored: &[Scored<'_>]) -> Option<f64> {
    let inside = inside(scored);
    (!inside.is_empty()).then(|| coverage(&inside, 0.98).map_or(0.0, |c| c.coverage))
}

/// The same with the messages out of scope mixed in, each a wrong answer where it is answered.
#[must_use]
pub fn cov98_mixed(scored: &[Scored<'_>]) -> Option<f64> {
    (!inside(scored).is_empty()).then(|| coverage(scored, 0.98).map_or(0.0, |c| c.coverage))
}

/// Bins of [`ece`], of equal width.
pub const BINS: usize = 15;

/// One bin of a reliability diagram.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    pub count: usize,
    pub right: usize,
    /// The sum of the confidences.
    pub confidence: f64,
}

#[must_use]
pub fn bins(scored: &[Scored<'_>]) -> [Bin; BINS] {
    let mut bins = [Bin::default(); BINS];
    for s in scored {
        let place = (s.confidence.clamp(0.0, 1.0) * BINS as f32) as usize;
        let bin = &mut bins[place.min(BINS - 1)];
        bin.count += 1;
        bin.right += usize::from(s.is_right());
        bin.confidence += f64::from(s.confidence);
    }
    bins
}

/// The expected calibration error (Guo et al. 2017) of the messages given, in [`BINS`] bins. It
/// is the caller's choice whether messages out of scope are among them.
#[must_use]
pub fn ece(scored: &[Scored<'_>]) -> Option<f64> {
    let gaps: f64 = bins(scored)
        .iter()
        .map(|b| (b.confidence - b.right as f64).abs())
        .sum();
    (!scored.is_empty()).then(|| gaps / scored.len() as f64)
}

/// The decision at a threshold of `out_of_scope`, from which on a message is none of these.
#[must_use]
pub fn out_of_scope_at(scored: &[Scored<'_>], threshold: f32) -> OutOfScope {
    let (mut inside, mut outside, mut right, mut seen, mut wrongly) = (0, 0, 0, 0, 0);
    for s in scored {
        let refused = s.out_of_scope >= threshold;
        if s.gold.is_some() {
            inside += 1;
            wrongly += usize::from(refused);
            right += usize::from(!refused && s.is_right());
        } else {
            outside += 1;
            seen += usize::from(refused);
        }
    }
    OutOfScope {
        accuracy: share(right, inside),
        recall: share(seen, outside),
        precision: share(seen, seen + wrongly),
        f1: share(2 * seen, outside + seen + wrongly).filter(|_| outside > 0),
    }
}

/// The share of messages out of scope that are recognised at a threshold of `out_of_scope`.
#[must_use]
pub fn oos_recall(scored: &[Scored<'_>], threshold: f32) -> Option<f64> {
    out_of_scope_at(scored, threshold).recall
}

/// The share of messages out of scope that are answered from a confidence on.
#[must_use]
pub fn oos_let_through(scored: &[Scored<'_>], threshold: f32) -> Option<f64> {
    let outside = scored.iter().filter(|s| s.gold.is_none());
    let through = outside.clone().filter(|s| s.confidence >= threshold);
    share(through.count(), outside.count())
}

/// The 95 % interval of a share (Wilson 1927).
#[must_use]
pub fn wilson(right: usize, of: usize) -> Option<(f64, f64)> {
    const Z: f64 = 1.959_964;
    let n = of as f64;
    let p = share(right, of)?;
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    Some((
        ((middle - half) / scale).max(0.0),
        ((middle + half) / scale).min(1.0),
    ))
}

/// The value below which a share of the values lies, 0–1.
#[must_use]
pub fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    sorted
        .get((share.clamp(0.0, 1.0) * last as f64).round() as usize)
        .copied()
}

/// The messages that are in scope.
#[must_use]
pub fn inside<'a>(scored: &[Scored<'a>]) -> Vec<Scored<'a>> {
    scored
        .iter()
        .filter(|s| s.gold.is_some())
        .copied()
        .collect()
}

fn confidences(scored: &[Scored<'_>]) -> Vec<f32> {
    scored.iter().map(|s| s.confidence).collect()
}

fn share(part: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(
        gold: Option<&'static str>,
        predicted: &'static str,
        confidence: f32,
    ) -> Scored<'static> {
        Scored {
            gold,
            predicted: Some(predicted),
            confidence,
            out_of_scope: 1.0 - confidence,
        }
    }

    fn some() -> Vec<Scored<'static>> {
        vec![
            scored(Some("a"), "a", 0.9),
            scored(Some("a"), "a", 0.8),
            scored(Some("b"), "a", 0.7),
            scored(Some("b"), "b", 0.6),
            scored(None, "b", 0.75),
        ]
    }

    fn close(value: Option<f64>, wanted: f64) {
        assert!(
            value.is_some_and(|v| (v - wanted).abs() < 1e-6),
            "{value:?} {wanted}"
        );
    }

    #[test]
    fn figures_of_a_known_list() {
        let all = some();
        close(accuracy(&all), 0.75);
        close(macro_f1(&all), (0.8 + 2.0 / 3.0) / 2.0);
        close(auroc(&all), 2.0 / 3.0);
        close(oos_auroc(&all), 0.5);
        close(cov98(&all), 0.5);
        close(cov98_mixed(&all), 0.5);
        close(
            ece(&[scored(Some("a"), "a", 0.8), scored(Some("a"), "b", 0.8)]),
            0.3,
        );
        close(oos_let_through(&all, 0.75), 1.0);
        close(oos_recall(&all, 0.3), 0.0);
        let at = out_of_scope_at(&all, 0.24);
        close(at.recall, 1.0);
        close(at.accuracy, 0.5);
        close(at.precision, 1.0 / 3.0);
        close(at.f1, 0.5);
        assert_eq!(confusions(&all), [("b", "a", 1)]);
    }

    #[test]
    fn equal_confidences_are_answered_together() {
        let all = [scored(Some("a"), "a", 0.9), scored(Some("a"), "b", 0.9)];
        close(cov98(&all), 0.0);
        assert_eq!(coverage(&all, 0.5).map(|c| c.answered), Some(2));
    }

    #[test]
    fn nothing_has_no_figure() {
        assert_eq!(accuracy(&[]), None);
        assert_eq!(macro_f1(&[]), None);
        assert_eq!(auroc(&[]), None);
        assert_eq!(cov98(&[]), None);
        assert_eq!(ece(&[]), None);
        assert_eq!(wilson(0, 0), None);
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn an_interval_holds_its_share_and_narrows() {
        let (low, high) = wilson(98, 100).unwrap();
        assert!(low < 0.98 && 0.98 < high && (0.92..0.94).contains(&low));
        let (low, _) = wilson(980, 1000).unwrap();
        assert!(low > 0.96);
    }
}
