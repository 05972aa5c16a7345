//! A linear classifier: for each target a line between its phrases and all others.
//!
//! One-vs-rest support vector machines with squared hinge loss, trained by dual coordinate
//! descent (Hsieh et al. 2008). Classes are trained side by side in stripes of a fixed width, so
//! that both training and reading run over contiguous rows, and stripes are spread over the
//! processors. The order of examples is shuffled by a fixed seed: the same pack gives the same
//! weights to the bit on any number of processors.
//!
//! [`Training`] can leave examples out and take them back without beginning anew, which is what
//! makes cross-validation cheap. [`Linear`] is what it ends in: weights in 16 bits.

use std::sync::{Mutex, PoisonError};

use crate::features::Term;

/// Weights a model may hold: 32 MB once trained, twice that before.
const MAX_WEIGHTS: usize = 16 << 20;
/// Classes trained side by side.
const STRIPE: usize = 40;
/// Rows are padded to whole vectors.
const LANES: usize = 8;
/// Smaller steps than this end the training.
const TOLERANCE: f32 = 0.02;
/// An example that moved less than this sleeps for some rounds.
const QUIET: f32 = 2e-3;
const LONGEST_SLEEP: u8 = 3;
/// The price of a phrase on the wrong side.
const COST: f32 = 1.0;
/// A class has few phrases against all others; the more classes, the more one of its own weighs.
const OWN: f32 = 0.3;
/// An empty message belongs to no target; it is worth this many phrases.
const NOTHING: f32 = 10.0;
/// Threads that train.
const MAX_THREADS: usize = 4;

/// A trained classifier.
#[derive(Debug, Default)]
pub struct Linear {
    classes: usize,
    stride: usize,
    /// Feature by feature, `stride` weights each, in steps of the feature's scale.
    weights: Vec<i16>,
    scales: Vec<f32>,
    bias: Vec<f32>,
}

/// A classifier while it is trained.
pub struct Training<'a> {
    rows: &'a [&'a [Term]],
    /// The class of each row; `None` belongs to no class.
    labels: &'a [Option<u32>],
    features: usize,
    classes: usize,
    stripes: Vec<Stripe>,
}

/// Some of the classes.
struct Stripe {
    first: usize,
    classes: usize,
    stride: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
    duals: Vec<f32>,
    sleeps: Vec<u8>,
    awake_in: Vec<u8>,
    random: u64,
}

impl<'a> Training<'a> {
    /// Features beyond what fits into memory, which are the rarest, are left out.
    #[must_use]
    pub fn new(
        rows: &'a [&'a [Term]],
        labels: &'a [Option<u32>],
        features: usize,
        classes: usize,
    ) -> Self {
        let features = features.min(MAX_WEIGHTS / classes.next_multiple_of(LANES).max(1));
        let stripes = (0..classes).step_by(STRIPE).map(|first| {
            let width = STRIPE.min(classes - first);
            let stride = width.next_multiple_of(LANES);
            Stripe {
                first,
                classes: width,
                stride,
                weights: vec![0.0; features * stride],
                bias: vec![0.0; stride],
                duals: vec![0.0; (rows.len() + 1) * stride],
                sleeps: vec![0; rows.len() + 1],
                awake_in: vec![0; rows.len() + 1],
                random: 0x9E37_79B9_7F4A_7C15,
            }
        });
        Self {
            rows,
            labels,
            features,
            classes,
            stripes: stripes.collect(),
        }
    }

    /// Trains on the rows that `takes_part` says, for at most so many rounds. What was learned
    /// from rows that no longer take part is forgotten.
    pub fn fit(&mut self, takes_part: &(dyn Fn(usize) -> bool + Sync), rounds: usize) {
        let part: Vec<bool> = (0..self.rows.len()).map(takes_part).collect();
        let (rows, labels) = (self.rows, self.labels);
        let own = (self.classes as f32).powf(OWN);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.min(MAX_THREADS).min(self.stripes.len());
        if threads < 2 || rows.len() < 500 {
            for stripe in &mut self.stripes {
                stripe.fit(rows, labels, &part, rounds, own);
            }
            return;
        }
        let waiting = Mutex::new(self.stripes.iter_mut());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let next = waiting
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .next();
                        let Some(stripe) = next else { break };
                        stripe.fit(rows, labels, &part, rounds, own);
                    }
                });
            }
        });
    }

    /// The signed distance of a text to each class's line.
    pub fn scores(&self, row: &[Term], scores: &mut Vec<f32>) {
        scores.clear();
        let mut of = [0.0; STRIPE];
        for stripe in &self.stripes {
            let of = &mut of[..stripe.stride];
            stripe.score(row, of);
            scores.extend_from_slice(&of[..stripe.classes]);
        }
    }

    #[must_use]
    pub fn finish(self) -> Linear {
        let stride = self.classes.next_multiple_of(LANES);
        let mut weights = vec![0_i16; self.features * stride];
        let mut scales = vec![0.0; self.features];
        for (feature, scale) in scales.iter_mut().enumerate() {
            let parts = self.stripes.iter().map(|s| s.row(feature));
            let largest = parts.flatten().fold(0.0_f32, |max, w| max.max(w.abs()));
            if largest == 0.0 {
                continue;
            }
            *scale = largest / f32::from(i16::MAX);
            for stripe in &self.stripes {
                let start = feature * stride + stripe.first;
                let target = &mut weights[start..start + stripe.classes];
                for (to, from) in target.iter_mut().zip(stripe.row(feature)) {
                    *to = (from / *scale).round() as i16;
                }
            }
        }
        let mut bias = vec![0.0; stride];
        for stripe in &self.stripes {
            let own = &stripe.bias[..stripe.classes];
            bias[stripe.first..stripe.first + stripe.classes].copy_from_slice(own);
        }
        Linear {
            classes: self.classes,
            stride,
            weights,
            scales,
            bias,
        }
    }
}

impl Stripe {
    fn row(&self, feature: usize) -> &[f32] {
        let start = feature * self.stride;
        &self.weights[start..start + self.classes]
    }

    fn fit(
        &mut self,
        rows: &[&[Term]],
        labels: &[Option<u32>],
        part: &[bool],
        rounds: usize,
        own: f32,
    ) {
        let mut steps = vec![0.0_f32; self.stride];
        for (i, row) in rows.iter().enumerate().filter(|(i, _)| !part[*i]) {
            self.forget(i, row, labels[i], &mut steps);
        }
        self.awake_in.fill(0);
        // The last is the empty message.
        let mut order: Vec<usize> = (0..rows.len()).filter(|i| part[*i]).collect();
        order.push(rows.len());
        let mut scores = vec![0.0_f32; self.stride];
        for _ in 0..rounds {
            let mut largest = 0.0_f32;
            for last in (1..order.len()).rev() {
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                order.swap(last, (self.random % (last as u64 + 1)) as usize);
            }
            for &i in &order {
                if self.awake_in[i] > 0 {
                    self.awake_in[i] -= 1;
                    continue;
                }
                let row = rows.get(i).copied().unwrap_or(&[]);
                let label = self.place(labels.get(i).copied().flatten());
                let nothing = if i == rows.len() { NOTHING } else { 1.0 };
                self.score(row, &mut scores);
                let square = 1.0 + row.iter().map(|t| t.line.powi(2)).sum::<f32>();
                let duals = &mut self.duals[i * self.stride..(i + 1) * self.stride];
                let costs = [COST * nothing, COST * own];
                let moved = step(&scores, label, square, costs, duals, &mut steps);
                if moved < QUIET {
                    self.sleeps[i] = (self.sleeps[i] + 1).min(LONGEST_SLEEP);
                    self.awake_in[i] = self.sleeps[i];
                } else {
                    self.sleeps[i] = 0;
                }
                largest = largest.max(moved);
                self.add(row, &steps);
            }
            if largest < TOLERANCE {
                break;
            }
        }
    }

    /// The place of a class in this stripe.
    fn place(&self, label: Option<u32>) -> Option<usize> {
        let place = (label? as usize).checked_sub(self.first)?;
        (place < self.classes).then_some(place)
    }

    fn forget(&mut self, i: usize, row: &[Term], label: Option<u32>, steps: &mut [f32]) {
        let own = self.place(label);
        let duals = &mut self.duals[i * self.stride..(i + 1) * self.stride];
        for (place, (step, dual)) in steps.iter_mut().zip(duals.iter_mut()).enumerate() {
            *step = if own == Some(place) { -*dual } else { *dual };
            *dual = 0.0;
        }
        self.sleeps[i] = 0;
        self.add(row, steps);
    }

    fn score(&self, row: &[Term], scores: &mut [f32]) {
        scores.copy_from_slice(&self.bias);
        for Term { id, line, .. } in row {
            let start = *id as usize * self.stride;
            if let Some(weights) = self.weights.get(start..start + self.stride) {
                for (score, weight) in scores.iter_mut().zip(weights) {
                    *score += line * weight;
                }
            }
        }
    }

    /// Most steps of most examples are none: then only the others are taken.
    fn add(&mut self, row: &[Term], steps: &[f32]) {
        let mut few = [(0_usize, 0.0_f32); STRIPE];
        let mut n = 0;
        for (place, step) in steps.iter().enumerate().filter(|(_, step)| **step != 0.0) {
            few[n] = (place, *step);
            n += 1;
        }
        let few = &few[..n];
        for (place, step) in few {
            self.bias[*place] += step;
        }
        if few.is_empty() {
            return;
        }
        for Term { id, line, .. } in row {
            let start = *id as usize * self.stride;
            if let Some(weights) = self.weights.get_mut(start..start + self.stride) {
                if few.len() * 4 < self.stride {
                    for (place, step) in few {
                        weights[*place] += line * step;
                    }
                } else {
                    for (weight, step) in weights.iter_mut().zip(steps) {
                        *weight += line * step;
                    }
                }
            }
        }
    }
}

/// One coordinate step for every class; gives the largest. `costs` are those of a stranger on a
/// class's side and of a class's own phrase on the other.
fn step(
    scores: &[f32],
    label: Option<usize>,
    square: f32,
    costs: [f32; 2],
    duals: &mut [f32],
    steps: &mut [f32],
) -> f32 {
    let before = label.map(|label| duals[label]);
    let diagonal = 0.5 / costs[0];
    for ((score, dual), step) in scores.iter().zip(duals.iter_mut()).zip(steps.iter_mut()) {
        let gradient = -score - 1.0 + diagonal * *dual;
        let next = (*dual - gradient / (square + diagonal)).max(0.0);
        *step = *dual - next; // the sign is the side: not of this class
        *dual = next;
    }
    if let (Some(label), Some(before)) = (label, before) {
        // Its own class takes the step of a friend instead of a stranger's.
        let diagonal = 0.5 / costs[1];
        let gradient = scores[label] - 1.0 + diagonal * before;
        let next = (before - gradient / (square + diagonal)).max(0.0);
        steps[label] = next - before;
        duals[label] = next;
    }
    let mut largest = 0.0_f32;
    for step in steps.iter_mut() {
        if step.abs() < 1e-6 {
            *step = 0.0;
        }
        largest = largest.max(step.abs());
    }
    largest
}

impl Linear {
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The signed distance of a text to each class's line, into the first `classes` of `scores`,
    /// which is made as long as needed.
    pub fn scores(&self, row: &[Term], scores: &mut Vec<f32>) {
        scores.clear();
        scores.extend_from_slice(&self.bias);
        for Term { id, line, .. } in row {
            let start = *id as usize * self.stride;
            let weights = self.weights.get(start..start + self.stride);
            if let (Some(weights), Some(scale)) = (weights, self.scales.get(*id as usize)) {
                let scale = line * scale;
                for (score, weight) in scores.iter_mut().zip(weights) {
                    *score += scale * f32::from(*weight);
                }
            }
        }
        scores.truncate(self.classes);
    }

    /// What one feature adds to a class, for a text's term.
    #[must_use]
    pub fn part(&self, term: &Term, class: u32) -> f32 {
        let place = term.id as usize * self.stride + class as usize;
        let weight = self.weights.get(place).copied().unwrap_or(0);
        let scale = self.scales.get(term.id as usize).copied().unwrap_or(0.0);
        term.line * scale * f32::from(weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(terms: &[(u32, f32)]) -> Vec<Term> {
        terms
            .iter()
            .map(|(id, line)| Term {
                id: *id,
                line: *line,
                like: 0.0,
                near: 0.0,
            })
            .collect()
    }

    fn train(rows: &[&[Term]], labels: &[Option<u32>], features: usize, classes: usize) -> Linear {
        let mut training = Training::new(rows, labels, features, classes);
        training.fit(&|_| true, 12);
        training.finish()
    }

    fn scores(model: &Linear, row: &[Term]) -> Vec<f32> {
        let mut scores = Vec::new();
        model.scores(row, &mut scores);
        scores
    }

    #[test]
    fn classes_are_parted_and_nothing_belongs_to_none() {
        let rows = [
            row(&[(0, 0.8), (3, 0.6)]),
            row(&[(0, 1.0)]),
            row(&[(1, 0.8), (3, 0.6)]),
            row(&[(2, 1.0)]),
        ];
        let slices = rows.each_ref().map(Vec::as_slice);
        let labels = [0, 0, 1, 2].map(Some);
        let model = train(&slices, &labels, 4, 3);
        for (row, label) in rows.iter().zip([0, 0, 1, 2]) {
            let scores = scores(&model, row);
            let best = (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            assert_eq!(best, Some(label), "{scores:?}");
        }
        assert!(scores(&model, &[]).iter().all(|s| *s < -0.3));
    }

    #[test]
    fn what_is_left_out_is_forgotten_and_taken_back() {
        let rows: Vec<Vec<Term>> = (0..90)
            .map(|i| row(&[(i, 0.8), (100 + i % 3, 0.6)]))
            .collect();
        let slices: Vec<&[Term]> = rows.iter().map(Vec::as_slice).collect();
        let labels: Vec<Option<u32>> = (0..90).map(|i| Some(i % 3)).collect();
        let mut training = Training::new(&slices, &labels, 103, 3);
        training.fit(&|_| true, 30);
        training.fit(&|i| i % 3 != 2, 30);
        let mut scores = Vec::new();
        training.scores(&row(&[(102, 1.0)]), &mut scores);
        assert!(scores[2] < -0.5, "{scores:?}");
        training.fit(&|_| true, 30);
        training.scores(&row(&[(102, 1.0)]), &mut scores);
        assert!(scores[2] > 0.5, "{scores:?}");
    }

    #[test]
    fn training_is_the_same_to_the_bit() {
        let rows = [row(&[(0, 0.8), (1, 0.6)]), row(&[(1, 1.0)])];
        let slices = rows.each_ref().map(Vec::as_slice);
        let weights = || train(&slices, &[Some(0), Some(1)], 2, 2).weights;
        assert_eq!(weights(), weights());
    }

    #[test]
    fn no_phrases_and_no_classes_train() {
        let model = train(&[], &[], 0, 0);
        assert!(scores(&model, &row(&[(5, 1.0)])).is_empty());
    }
}
