//! A linear classifier: for each target a line between its phrases and all others.
//!
//! One-vs-rest support vector machines with squared hinge loss, trained by dual coordinate
//! descent (Hsieh et al. 2008), all targets at once: weights lie feature by feature with the
//! targets side by side, so that both training and reading run over contiguous rows. The order of
//! examples is shuffled by a fixed seed: the same pack gives the same weights to the bit.

use crate::features::Term;

/// Weights a model may hold: 64 MB.
const MAX_WEIGHTS: usize = 16 << 20;
/// Rows are padded to whole vectors.
const LANES: usize = 8;
const EPOCHS: usize = 12;
/// Smaller steps than this end the training.
const TOLERANCE: f32 = 0.02;
/// The price of a phrase on the wrong side.
const COST: f32 = 1.0;
/// An empty message belongs to no target; it is worth this many phrases.
const NOTHING: f32 = 10.0;

#[derive(Debug, Default)]
pub struct Linear {
    classes: usize,
    stride: usize,
    /// Feature by feature, `stride` weights each.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Linear {
    /// Learns from rows of terms, each of the class at its place in `labels`. Features
    /// beyond what fits into memory, which are the rarest, are left out.
    #[must_use]
    pub fn train(rows: &[&[Term]], labels: &[u32], features: usize, classes: usize) -> Self {
        let stride = classes.next_multiple_of(LANES);
        let features = features.min(MAX_WEIGHTS / stride.max(1));
        let mut model = Self {
            classes,
            stride,
            weights: vec![0.0; features * stride],
            bias: vec![0.0; stride],
        };
        let mut duals = vec![0.0_f32; (rows.len() + 1) * stride];
        let mut order: Vec<usize> = (0..=rows.len()).collect();
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        let mut scores = vec![0.0_f32; stride];
        let mut steps = vec![0.0_f32; stride];
        for _ in 0..EPOCHS {
            let mut largest = 0.0_f32;
            for last in (1..order.len()).rev() {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                order.swap(last, (random % (last as u64 + 1)) as usize);
            }
            for &i in &order {
                let nothing: &[Term] = &[];
                let row = rows.get(i).copied().unwrap_or(nothing);
                let label = labels.get(i).map(|l| *l as usize);
                let cost = if label.is_some() {
                    COST
                } else {
                    COST * NOTHING
                };
                model.score(row, &mut scores);
                let square = 1.0 + row.iter().map(|t| t.line.powi(2)).sum::<f32>();
                let duals = &mut duals[i * stride..(i + 1) * stride];
                largest = largest.max(step(&scores, label, square, cost, duals, &mut steps));
                model.add(row, &steps);
            }
            if largest < TOLERANCE {
                break;
            }
        }
        model
    }

    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The signed distance of a text to each class's line, into the first `classes` of `scores`,
    /// which is made as long as needed.
    pub fn scores(&self, row: &[Term], scores: &mut Vec<f32>) {
        scores.resize(self.stride, 0.0);
        self.score(row, scores);
        scores.truncate(self.classes);
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

    fn add(&mut self, row: &[Term], steps: &[f32]) {
        if steps.iter().all(|s| *s == 0.0) {
            return;
        }
        for (bias, step) in self.bias.iter_mut().zip(steps) {
            *bias += step;
        }
        for Term { id, line, .. } in row {
            let start = *id as usize * self.stride;
            if let Some(weights) = self.weights.get_mut(start..start + self.stride) {
                for (weight, step) in weights.iter_mut().zip(steps) {
                    *weight += line * step;
                }
            }
        }
    }
}

/// One coordinate step for every class; gives the largest.
fn step(
    scores: &[f32],
    label: Option<usize>,
    square: f32,
    cost: f32,
    duals: &mut [f32],
    steps: &mut [f32],
) -> f32 {
    let diagonal = 0.5 / cost;
    let mut largest = 0.0_f32;
    for ((score, dual), step) in scores.iter().zip(duals.iter_mut()).zip(steps.iter_mut()) {
        let gradient = -score - 1.0 + diagonal * *dual;
        let next = (*dual - gradient / (square + diagonal)).max(0.0);
        *step = *dual - next; // the sign is the side: not of this class
        *dual = next;
    }
    if let Some(label) = label {
        // Undo the step as a stranger, which this class's phrase is not.
        let stranger = steps[label];
        let before = duals[label] + stranger;
        let gradient = scores[label] - 1.0 + diagonal * before;
        let next = (before - gradient / (square + diagonal)).max(0.0);
        steps[label] = next - before;
        duals[label] = next;
    }
    for step in steps.iter_mut() {
        if step.abs() < 1e-6 {
            *step = 0.0;
        }
        largest = largest.max(step.abs());
    }
    largest
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
                near: 0.0,
            })
            .collect()
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
        let model = Linear::train(&slices, &[0, 0, 1, 2], 4, 3);
        for (row, label) in rows.iter().zip([0, 0, 1, 2]) {
            let scores = scores(&model, row);
            let best = (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            assert_eq!(best, Some(label), "{scores:?}");
        }
        assert!(scores(&model, &[]).iter().all(|s| *s < -0.3));
    }

    #[test]
    fn training_is_the_same_to_the_bit() {
        let rows = [row(&[(0, 0.8), (1, 0.6)]), row(&[(1, 1.0)])];
        let slices = rows.each_ref().map(Vec::as_slice);
        let train = || Linear::train(&slices, &[0, 1], 2, 2).weights;
        assert_eq!(train(), train());
    }

    #[test]
    fn no_phrases_and_no_classes_train() {
        let model = Linear::train(&[], &[], 0, 0);
        assert!(scores(&model, &row(&[(5, 1.0)])).is_empty());
    }
}
