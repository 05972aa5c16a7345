//! A model of feelings that a business trains on messages it has labelled: sentiment, satisfaction,
//! or whatever its labels say.
//!
//! One line for each label over the features of [`super::features`]; the rarer a label, the more
//! each of its messages weighs. The same messages give the same model to the bit.

use std::collections::{BTreeMap, HashMap};

use super::{Emotions, Features, features, solver};
use crate::{hash, normalise::Normaliser};

/// A feature must occur in so many messages.
const LEAST_MESSAGES: u32 = 2;
/// Features a model may hold; the most frequent ones are kept.
const MAX_FEATURES: usize = 1 << 19;
const GROUPS: usize = 4;

/// A message of a known label.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a> {
    pub text: &'a str,
    /// The turn before; empty where there is none.
    pub before: &'a str,
    pub label: &'a str,
}

/// What training may be told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The price of a message on the wrong side.
    pub cost: f32,
    /// 0: all messages weigh the same; 1: all labels do.
    pub balance: f32,
    /// Weight of the numbers beside the words.
    pub scores: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cost: 0.1,
            balance: 0.5,
            scores: 0.2,
        }
    }
}

#[derive(Debug)]
pub struct EmotionModel {
    labels: Vec<String>,
    /// Place and rarity of each feature.
    ids: HashMap<u64, (u32, f32), hash::Ready>,
    /// Mean and scale of each number, by its place in [`Features::scores`].
    scales: Vec<(f32, f32)>,
    /// For each label a weight for each feature, the numbers first, the bias last.
    weights: Vec<Vec<f32>>,
}

/// Learns from labelled messages. Without messages, or with one label, the model says the one
/// label there is.
#[must_use]
pub fn train(
    emotions: &Emotions,
    normaliser: &Normaliser,
    examples: &[Labelled<'_>],
    settings: Settings,
) -> EmotionModel {
    let seen: Vec<Features> = examples
        .iter()
        .map(|e| features(emotions, normaliser, e.text, e.before))
        .collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for example in examples {
        *counts.entry(example.label).or_default() += 1;
    }
    let scales = scales(&seen, settings.scores);
    let mut model = EmotionModel {
        labels: counts.keys().map(|l| (*l).to_owned()).collect(),
        ids: vocabulary(&seen, scales.len()),
        scales,
        weights: Vec::new(),
    };
    let rows: Vec<Vec<(u32, f32)>> = seen.iter().map(|f| model.row(f)).collect();
    let size = model.scales.len() + model.ids.len();
    for (label, count) in &counts {
        let sides: Vec<bool> = examples.iter().map(|e| e.label == *label).collect();
        let all = examples.len() as f32;
        let weight = |n: usize| (all / (2.0 * n.max(1) as f32)).powf(settings.balance);
        let costs = [weight(examples.len() - count), weight(*count)].map(|w| w * settings.cost);
        model
            .weights
            .push(solver::separate(&rows, &sides, costs, size));
    }
    model
}

impl EmotionModel {
    /// The labels, in alphabetical order.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// For each label how far a message lies on its side; above 0 it does.
    #[must_use]
    pub fn scores(
        &self,
        emotions: &Emotions,
        normaliser: &Normaliser,
        text: &str,
        before: &str,
    ) -> Vec<f32> {
        let row = self.row(&features(emotions, normaliser, text, before));
        let lines = self.weights.iter();
        lines.map(|weights| solver::score(weights, &row)).collect()
    }

    /// The likeliest label; none of a model without labels.
    #[must_use]
    pub fn label(
        &self,
        emotions: &Emotions,
        normaliser: &Normaliser,
        text: &str,
        before: &str,
    ) -> Option<&str> {
        let scores = self.scores(emotions, normaliser, text, before);
        let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]))?;
        Some(&self.labels[best])
    }

    fn row(&self, features: &Features) -> Vec<(u32, f32)> {
        let mut row: Vec<(u32, f32)> = (0..)
            .zip(features.scores.iter().zip(&self.scales))
            .map(|(id, ((_, value), (mean, scale)))| (id, (value - mean) * scale))
            .collect();
        for group in groups(features) {
            let start = row.len();
            let mut counts: HashMap<u32, (f32, f32), hash::Ready> = HashMap::default();
            for key in group {
                if let Some((id, rarity)) = self.ids.get(key) {
                    let count = counts.entry(*id).or_insert((0.0, *rarity));
                    count.0 += 1.0;
                }
            }
            let terms = counts.into_iter();
            row.extend(terms.map(|(id, (n, rarity))| (id, (1.0 + n.ln()) * rarity)));
            let length = row[start..].iter().map(|(_, w)| w * w).sum::<f32>().sqrt();
            for (_, weight) in &mut row[start..] {
                *weight /= length;
            }
        }
        row.sort_unstable_by_key(|(id, _)| *id);
        row
    }
}

fn groups(features: &Features) -> [&[u64]; GROUPS] {
    [
        &features.words,
        &features.negated,
        &features.letters,
        &features.before,
    ]
}

/// Numbers the features, the most frequent first, after the `first` ones.
fn vocabulary(seen: &[Features], first: usize) -> HashMap<u64, (u32, f32), hash::Ready> {
    let mut frequency: HashMap<u64, u32, hash::Ready> = HashMap::default();
    let mut once: Vec<u64> = Vec::new();
    for features in seen {
        for group in groups(features) {
            once.clear();
            once.extend_from_slice(group);
            once.sort_unstable();
            once.dedup();
            for key in &once {
                *frequency.entry(*key).or_default() += 1;
            }
        }
    }
    let mut sorted: Vec<(u64, u32)> = frequency
        .into_iter()
        .filter(|(_, n)| *n >= LEAST_MESSAGES)
        .collect();
    sorted.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    sorted.truncate(MAX_FEATURES);
    let all = 1.0 + seen.len() as f32;
    let first = u32::try_from(first).unwrap_or(0);
    (first..)
        .zip(sorted)
        .map(|(id, (key, n))| (key, (id, (all / (1.0 + n as f32)).ln() + 1.0)))
        .collect()
}

/// Mean and inverse deviation of each number, times its weight.
fn scales(seen: &[Features], weight: f32) -> Vec<(f32, f32)> {
    let width = seen.first().map_or(0, |f| f.scores.len());
    let all = seen.len().max(1) as f32;
    (0..width)
        .map(|i| {
            let values = || seen.iter().map(|f| f.scores[i].1);
            let mean = values().sum::<f32>() / all;
            let variance = values().map(|v| (v - mean).powi(2)).sum::<f32>() / all;
            (mean, weight / (variance.sqrt() + 0.01))
        })
        .collect()
}
