//! What a pack's own phrases teach about confidence.
//!
//! The functions of [`crate::confidence`] hold for packs in general. Messages held out in
//! cross-validation say how far this pack differs: how much a near phrase counts beside the
//! classifier, how steep the shares between targets are, and how sure a score is. Each is fitted
//! as a correction that is drawn towards none, so that a pack of few phrases keeps the general
//! functions and one of many speaks for itself.

use tandem_domain::reading::Thresholds;

use crate::confidence::{self, Equality, Evidence, Message, Ranking};

/// How strongly corrections are drawn towards none: so many messages weigh as much.
const PRIOR: f64 = 4.0;
/// The weight of all messages out of scope for whether the best target is right, beside all in
/// scope; and for whether there is any.
const OUTSIDE_RIGHT: f64 = 0.04;
const OUTSIDE_SCOPE: f64 = 0.15;
/// What a target's reliability is drawn towards the mean with, in messages.
const RELIABLE: f32 = 8.0;
/// Fewer messages than these choose no threshold.
const ENOUGH: usize = 150;
const ALONE: f64 = 0.98;
/// The share of in-scope messages that the none-of-these decision may cost.
const REFUSED: f64 = 0.05;
/// What the nearest phrase counts beside the classifier in a pack of enough phrases.
const NEAR: f32 = 0.25;
/// What draws the steepness of shares towards the general one.
const STEADY: f64 = 1.0;

/// A message that was held out, and what was found for it.
#[derive(Clone, Debug)]
pub struct Held {
    pub message: Message,
    /// Target and evidence of each candidate.
    pub candidates: Vec<(u32, Evidence)>,
    /// The target that is meant; `None` where it was held out too, or there is none.
    pub gold: Option<u32>,
}

/// A pack's corrections.
#[derive(Clone, Debug)]
pub struct Calibration {
    pub ranking: Ranking,
    right: [f32; INPUTS],
    scope: [f32; INPUTS],
    /// How much more often than others a target is right when it is best, by target.
    reliability: Vec<f32>,
    pub thresholds: Thresholds,
}

const INPUTS: usize = 10;

impl Calibration {
    /// No corrections.
    #[must_use]
    pub fn none(targets: usize) -> Self {
        Self {
            ranking: Ranking::default(),
            right: [0.0; INPUTS],
            scope: [0.0; INPUTS],
            reliability: vec![0.0; targets],
            thresholds: Thresholds::default(),
        }
    }

    /// Learns from messages held out.
    #[must_use]
    pub fn learn(held: &[Held], targets: usize) -> Self {
        let mut own = Self::none(targets);
        if held.is_empty() {
            return own;
        }
        own.ranking = ranking(held);
        let mut judged: Vec<Judged> = held
            .iter()
            .filter_map(|h| Judged::of(h, &own.ranking))
            .collect();
        own.reliability = reliability(&mut judged, targets);
        let outside = judged.iter().filter(|j| !j.inside).count().max(1) as f64;
        let inside = judged.iter().filter(|j| j.inside).count() as f64;
        let samples = |of_outside: f64, truth: fn(&Judged) -> bool, scope: bool| -> Vec<Sample> {
            let weight = of_outside * inside / outside;
            judged
                .iter()
                .map(|j| Sample {
                    inputs: inputs(j, own.reliability_without(j)),
                    before: f64::from(if scope { j.scope } else { j.right }),
                    truth: truth(j),
                    weight: if j.inside { 1.0 } else { weight.min(2.0) },
                })
                .collect()
        };
        let right = correction(&samples(OUTSIDE_RIGHT, |j| j.is_right, false));
        let scope = correction(&samples(OUTSIDE_SCOPE, |j| j.inside, true));
        own.right = right;
        own.scope = scope;
        own.thresholds.alone = own.alone(&judged);
        own.thresholds.out_of_scope = own.refuse(&judged);
        own
    }

    /// Log-odds that the best candidate is right and that any is meant, corrected.
    #[must_use]
    pub fn correct(&self, judged: &Judged) -> (f32, f32) {
        let reliability = self.reliability.get(judged.target as usize);
        let inputs = inputs(judged, reliability.copied().unwrap_or(0.0));
        let sum = |by: &[f32; INPUTS]| -> f32 { inputs.iter().zip(by).map(|(x, w)| x * w).sum() };
        (
            judged.right + sum(&self.right),
            judged.scope + sum(&self.scope),
        )
    }

    /// A target's reliability as the others say, which a fit may learn from.
    fn reliability_without(&self, judged: &Judged) -> f32 {
        let known = self.reliability.get(judged.target as usize);
        let n = judged.of_target.max(1.0);
        let own = if judged.is_right { 1.0 } else { 0.0 };
        known.map_or(0.0, |r| {
            if judged.inside {
                (r * (n + RELIABLE) - (own - judged.mean)) / (n - 1.0 + RELIABLE)
            } else {
                *r
            }
        })
    }

    /// The `out_of_scope` that [`REFUSED`] of the in-scope messages held out lie above.
    fn refuse(&self, judged: &[Judged]) -> f32 {
        let inside = judged.iter().filter(|j| j.inside);
        let mut scored: Vec<f32> = inside
            .map(|j| {
                let (right, scope) = self.correct(j);
                1.0 - confidence::logistic(scope.max(right))
            })
            .collect();
        if scored.len() < ENOUGH {
            return Thresholds::default().out_of_scope;
        }
        scored.sort_by(|a, b| b.total_cmp(a));
        scored[(REFUSED * scored.len() as f64) as usize]
    }

    /// The lowest confidence from which on enough of the in-scope messages held out are right.
    fn alone(&self, judged: &[Judged]) -> f32 {
        let mut scored: Vec<(f32, bool)> = judged
            .iter()
            .filter(|j| j.inside)
            .map(|j| {
                let mut of = self.clone();
                // As if the target's reliability had not seen this message.
                if let Some(r) = of.reliability.get_mut(j.target as usize) {
                    *r = self.reliability_without(j);
                }
                (confidence::logistic(of.correct(j).0), j.is_right)
            })
            .collect();
        let default = Thresholds::default().alone;
        if scored.len() < ENOUGH {
            return default;
        }
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut right, mut lowest) = (0_usize, None);
        for (n, (confidence, is_right)) in scored.iter().enumerate() {
            right += usize::from(*is_right);
            if right as f64 >= ALONE * (n + 1) as f64 {
                lowest = Some(*confidence);
            }
        }
        lowest.unwrap_or(default)
    }
}

/// A message with its best candidate, judged in general.
#[derive(Clone, Debug)]
pub struct Judged {
    pub target: u32,
    pub best: Evidence,
    pub lead: f32,
    /// The share of the best among the candidates.
    pub share: f32,
    pub message: Message,
    /// Log-odds in general.
    pub right: f32,
    pub scope: f32,
    inside: bool,
    is_right: bool,
    /// How often its target was best among all held out, and how often one is right.
    of_target: f32,
    mean: f32,
}

impl Judged {
    /// Judges a message for reading.
    #[must_use]
    pub fn new(target: u32, best: Evidence, lead: f32, share: f32, message: Message) -> Self {
        let (right, scope) = confidence::log_odds(&best, lead, &message);
        Self {
            target,
            best,
            lead,
            share,
            message,
            right,
            scope,
            inside: true,
            is_right: false,
            of_target: 0.0,
            mean: 0.0,
        }
    }

    fn of(held: &Held, ranking: &Ranking) -> Option<Self> {
        let evidence: Vec<Evidence> = held.candidates.iter().map(|(_, e)| *e).collect();
        // A target holds a phrase once: what equals one here could only be of another.
        if evidence.iter().any(|e| e.equality == Equality::Whole) {
            return None;
        }
        let (best, lead) = confidence::best(&evidence, ranking)?;
        if evidence[best].says_the_same() > Equality::None {
            return None;
        }
        let share = confidence::shares(&evidence, ranking)[best];
        let target = held.candidates[best].0;
        let mut judged = Self::new(target, evidence[best], lead, share, held.message);
        judged.inside = held.gold.is_some();
        judged.is_right = held.gold == Some(target);
        Some(judged)
    }
}

fn inputs(judged: &Judged, reliability: f32) -> [f32; INPUTS] {
    let Judged {
        best,
        lead,
        share,
        message,
        ..
    } = judged;
    let share = share.clamp(1e-3, 0.999);
    [
        1.0,
        best.margin,
        lead.min(2.0),
        best.similarity,
        best.likeness,
        message.known,
        (share / (1.0 - share)).ln() / 4.0,
        reliability * 4.0,
        (1.0 + message.words).ln() - 2.0,
        best.margin * message.known,
    ]
}

/// How far above the mean each target is right when it is best. Tells each message how many
/// others it shares its target with, and the mean.
fn reliability(judged: &mut [Judged], targets: usize) -> Vec<f32> {
    let mut counts = vec![(0.0_f32, 0.0_f32); targets];
    let (mut n, mut right) = (0.0_f32, 0.0_f32);
    for j in judged.iter().filter(|j| j.inside) {
        let is_right = f32::from(u8::from(j.is_right));
        (n, right) = (n + 1.0, right + is_right);
        if let Some((n, right)) = counts.get_mut(j.target as usize) {
            (*n, *right) = (*n + 1.0, *right + is_right);
        }
    }
    let mean = right / n.max(1.0);
    for j in judged.iter_mut() {
        j.mean = mean;
        j.of_target = counts.get(j.target as usize).map_or(0.0, |(n, _)| *n);
    }
    counts
        .into_iter()
        .map(|(n, right)| (right - mean * n) / (n + RELIABLE))
        .collect()
}

struct Sample {
    inputs: [f32; INPUTS],
    /// Log-odds before the correction.
    before: f64,
    truth: bool,
    weight: f64,
}

/// Logistic regression of what the general log-odds leave over, by Newton's method.
fn correction(samples: &[Sample]) -> [f32; INPUTS] {
    let mut w = [0.0_f64; INPUTS];
    for _ in 0..12 {
        let mut system = [[0.0_f64; INPUTS + 1]; INPUTS];
        for s in samples {
            let x = s.inputs.map(f64::from);
            let sum: f64 = s.before + x.iter().zip(&w).map(|(x, w)| x * w).sum::<f64>();
            let p = (1.0 / (1.0 + (-sum).exp())).clamp(1e-6, 1.0 - 1e-6);
            let y = f64::from(u8::from(s.truth));
            for (row, xi) in system.iter_mut().zip(x) {
                for (cell, xj) in row.iter_mut().zip(x) {
                    *cell += s.weight * p * (1.0 - p) * xi * xj;
                }
                row[INPUTS] += s.weight * (y - p) * xi;
            }
        }
        for (i, row) in system.iter_mut().enumerate() {
            row[i] += PRIOR;
            row[INPUTS] -= PRIOR * w[i];
        }
        for (w, step) in w.iter_mut().zip(solve(system)) {
            *w += step.clamp(-2.0, 2.0);
        }
    }
    w.map(|w| w as f32)
}

/// How steep the shares between candidates are: a conditional logit over them. What a near
/// phrase counts is fixed: learned pack by pack it gained nothing.
fn ranking(held: &[Held]) -> Ranking {
    let mut ranking = Ranking {
        similarity: NEAR,
        ..Ranking::default()
    };
    let before = f64::from(ranking.steepness);
    let mut w = before;
    for _ in 0..12 {
        let (mut slope, mut gain) = (STEADY, STEADY * (before - w));
        for h in held {
            let Some(gold) = h.gold else { continue };
            let Some(place) = h.candidates.iter().position(|(t, _)| *t == gold) else {
                continue;
            };
            let scores = h.candidates.iter().map(|(_, e)| ranking.score(e));
            let x: Vec<f64> = scores.map(f64::from).collect();
            let top = x.iter().copied().fold(f64::MIN, f64::max);
            let e: Vec<f64> = x.iter().map(|x| (w * (x - top)).exp()).collect();
            let sum: f64 = e.iter().sum();
            let mean = x.iter().zip(&e).map(|(x, e)| x * e / sum).sum::<f64>();
            slope += x
                .iter()
                .zip(&e)
                .map(|(x, e)| e / sum * (x - mean).powi(2))
                .sum::<f64>();
            gain += x[place] - mean;
        }
        w = (w + (gain / slope).clamp(-2.0, 2.0)).clamp(1.0, 20.0);
    }
    ranking.steepness = w as f32;
    ranking
}

/// Solves a system of linear equations by elimination; the last column is the right side.
fn solve<const N: usize, const M: usize>(mut system: [[f64; M]; N]) -> [f64; N] {
    for i in 0..N {
        let pivot = system[i];
        for (j, row) in system.iter_mut().enumerate() {
            if j != i {
                let factor = row[i] / pivot[i];
                for (cell, p) in row.iter_mut().zip(pivot) {
                    *cell -= factor * p;
                }
            }
        }
    }
    std::array::from_fn(|i| system[i][M - 1] / system[i][i])
}
