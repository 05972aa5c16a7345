//! A linear classifier over vectors: softmax regression with a quadratic penalty.
//!
//! It begins at the class means, less the mean of all, and is then fitted by passes of stochastic
//! gradient descent in an order that is always the same. Equal rows give equal weights.

use super::dot;

/// Passes over the rows.
const PASSES: usize = 12;
/// What one number of a unit vector is worth before weights: vectors of length 1 are short.
const SCALE: f32 = 8.0;
/// The penalty on the squared weights.
const PENALTY: f32 = 1e-3;
/// The first step; it falls to nothing over the passes.
const STEP: f32 = 0.05;

/// Trained weights.
#[derive(Clone, Debug, Default)]
pub struct Dense {
    dimensions: usize,
    /// A row of `dimensions` weights and the constant, class after class.
    weights: Vec<f32>,
    classes: usize,
}

impl Dense {
    /// Learns to tell classes apart. `labels` number the class of each row from 0; rows of a
    /// length other than the first's are left out.
    #[must_use]
    pub fn train(rows: &[Vec<f32>], labels: &[u32]) -> Self {
        let dimensions = rows.first().map_or(0, Vec::len);
        let classes = labels.iter().max().map_or(0, |most| *most as usize + 1);
        let taught: Vec<(&[f32], usize)> = rows
            .iter()
            .zip(labels)
            .filter(|(row, _)| row.len() == dimensions)
            .map(|(row, label)| (row.as_slice(), *label as usize))
            .collect();
        let mut dense = Self {
            dimensions,
            weights: vec![0.0; classes * (dimensions + 1)],
            classes,
        };
        if classes > 1 && dimensions > 0 {
            dense.begin(&taught);
            dense.descend(&taught);
        }
        dense
    }

    /// How many classes it tells apart.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The log-probability of each class; equal ones where the vector does not fit.
    #[must_use]
    pub fn scores(&self, vector: &[f32]) -> Vec<f32> {
        let mut scores = self.logits(vector);
        let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = scores.iter().map(|s| (s - top).exp()).sum();
        let norm = top + sum.ln();
        scores.iter_mut().for_each(|s| *s -= norm);
        scores
    }

    fn logits(&self, vector: &[f32]) -> Vec<f32> {
        if vector.len() != self.dimensions {
            return vec![0.0; self.classes];
        }
        let rows = self.weights.chunks_exact(self.dimensions + 1);
        let logit =
            |row: &[f32]| SCALE * dot(&row[..self.dimensions], vector) + row[self.dimensions];
        rows.map(logit).collect()
    }

    /// Class means, as far as they differ from the mean of all.
    fn begin(&mut self, taught: &[(&[f32], usize)]) {
        let mut counts = vec![0.0_f32; self.classes];
        let mut mean = vec![0.0_f32; self.dimensions];
        for (row, class) in taught {
            counts[*class] += 1.0;
            let at = class * (self.dimensions + 1);
            for ((weight, mean), x) in self.weights[at..].iter_mut().zip(&mut mean).zip(*row) {
                *weight += x;
                *mean += x;
            }
        }
        let all = taught.len() as f32;
        for (class, count) in counts.iter().enumerate() {
            let at = class * (self.dimensions + 1);
            for (weight, mean) in self.weights[at..at + self.dimensions].iter_mut().zip(&mean) {
                *weight = if *count > 0.0 {
                    *weight / count - mean / all
                } else {
                    0.0
                };
            }
        }
    }

    fn descend(&mut self, taught: &[(&[f32], usize)]) {
        let width = self.dimensions + 1;
        let mut order: Vec<usize> = (0..taught.len()).collect();
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let steps = (PASSES * taught.len()).max(1) as f32;
        let mut done = 0.0_f32;
        for _ in 0..PASSES {
            for i in (1..order.len()).rev() {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                order.swap(i, (seed % (i as u64 + 1)) as usize);
            }
            for place in &order {
                let (row, class) = taught[*place];
                let step = STEP * (1.0 - done / steps);
                done += 1.0;
                let scores = self.scores(row);
                let keep = 1.0 - step * PENALTY;
                for (c, score) in scores.iter().enumerate() {
                    let error = score.exp() - f32::from(u8::from(c == class));
                    // What is settled costs no time.
                    if error.abs() < 1e-4 {
                        continue;
                    }
                    let weights = &mut self.weights[c * width..(c + 1) * width];
                    let (last, weights) = weights.split_last_mut().expect("a row has its constant");
                    let by = step * error * SCALE;
                    for (weight, x) in weights.iter_mut().zip(row) {
                        *weight = *weight * keep - by * x;
                    }
                    *last -= step * error;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> (Vec<Vec<f32>>, Vec<u32>) {
        let mut rows = Vec::new();
        let mut labels = Vec::new();
        for class in 0..4_u32 {
            for n in 0..10_u16 {
                let mut row = vec![
                    0.1 * f32::from(n % 3),
                    0.05,
                    0.1,
                    0.1 * f32::from(n % 2),
                    0.2,
                ];
                row[class as usize] += 1.0;
                rows.push(super::super::unit(row).unwrap());
                labels.push(class);
            }
        }
        (rows, labels)
    }

    #[test]
    fn classes_are_told_apart_with_probabilities_that_sum_to_one() {
        let (rows, labels) = rows();
        let dense = Dense::train(&rows, &labels);
        for (row, label) in rows.iter().zip(&labels) {
            let scores = dense.scores(row);
            let best = (0..4).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            assert_eq!(best, Some(*label as usize));
            assert!(scores[*label as usize].exp() > 0.8, "{scores:?}");
            let sum: f32 = scores.iter().map(|s| s.exp()).sum();
            assert!((sum - 1.0).abs() < 1e-4);
        }
    }

    #[test]
    fn training_twice_gives_the_same() {
        let (rows, labels) = rows();
        assert_eq!(
            Dense::train(&rows, &labels).weights,
            Dense::train(&rows, &labels).weights
        );
    }

    #[test]
    fn odd_input_is_taken() {
        assert!(Dense::train(&[], &[]).scores(&[1.0]).is_empty());
        let one = Dense::train(&[vec![1.0, 0.0]], &[0]);
        assert_eq!(one.scores(&[1.0, 0.0]), [0.0]);
        let two = Dense::train(&[vec![1.0, 0.0], vec![0.0], vec![0.0, 1.0]], &[0, 1, 1]);
        assert_eq!(two.scores(&[1.0]).len(), 2);
    }
}
