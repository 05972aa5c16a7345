//! Training: from examples to [`Intents`], with cross-validation on the way.

use std::collections::{HashMap, HashSet};

use tandem_domain::reading::{Target, TrainingSet};

use super::{
    Intents,
    calibration::{Calibration, Held},
};
use crate::{
    classifier::{Linear, Training},
    features::{Features, Term, Vector, Vocabulary},
    hash,
    normalise::Normaliser,
    retrieval::Phrases,
    tokens::StopWords,
    words::Words,
};

/// Targets that get a line of the classifier, those with most phrases first. The others are
/// found by their phrases alone, so that reading does not slow down with each FAQ item.
const MAX_HEADS: usize = 256;
/// Phrases the classifier learns from; more are only searched.
const MAX_ROWS: usize = 40_000;
/// Rounds of training from nothing, and when some rows have come or gone.
const ROUNDS: usize = 10;
const MORE_ROUNDS: usize = 4;
/// Rounds from nothing where there are [`MANY`] rows, each of which moves a line less.
const MANY_ROUNDS: usize = 7;
/// Targets with fewer phrases than these are not held out: what is left would not be the pack.
const HELD_FROM: u32 = 6;
/// A pack with fewer phrases to hold out than these keeps the general confidences.
const ENOUGH: usize = 60;
/// From so many rows on, one part of five is held out instead of each in turn.
const MANY: usize = 4_000;
const FOLDS: usize = 5;
/// Groups of targets, each of which is left out once as what the pack does not know.
const GROUPS: usize = 3;
/// Messages held out and looked at, of each kind and part.
const MAX_HELD: usize = 2_000;

impl Intents {
    /// Learns a pack. Takes anything: no phrases, one target, the same phrase twice.
    #[must_use]
    pub fn train(set: &TrainingSet, normaliser: &Normaliser, stop: &StopWords) -> Self {
        let words = Words::new();
        let mut targets: Vec<Target> = Vec::new();
        let mut places: HashMap<&Target, u32> = HashMap::new();
        let mut seen: HashSet<(u32, u64)> = HashSet::new();
        let mut texts = Vec::with_capacity(set.examples.len());
        let mut features = Vec::with_capacity(set.examples.len());
        for example in &set.examples {
            let place = *places.entry(&example.target).or_insert_with(|| {
                targets.push(example.target.clone());
                index(targets.len() - 1)
            });
            let clean = normaliser.clean(&example.text);
            let of = Features::of(&stop.tokens(&clean), &clean, &words);
            if !of.is_empty() && seen.insert((place, of.plain)) {
                texts.push((place, Box::from(example.text.as_str())));
                features.push(of);
            }
        }
        let outside: Vec<Features> = set
            .out_of_scope
            .iter()
            .map(|text| {
                let clean = normaliser.clean(text);
                Features::of(&stop.tokens(&clean), &clean, &words)
            })
            .filter(|of| !of.is_empty())
            .collect();
        let vocabulary = Vocabulary::learn(features.iter());
        let rows: Vec<Vec<Term>> = features
            .iter()
            .chain(&outside)
            .map(|f| vocabulary.vector(f).terms)
            .collect();
        let mut whole: HashMap<u64, Vec<u32>, hash::Ready> = HashMap::default();
        let mut core: HashMap<u64, Vec<(u32, f32)>, hash::Ready> = HashMap::default();
        for (phrase, of) in (0_u32..).zip(&features) {
            whole.entry(of.plain).or_default().push(phrase);
            if let Some(key) = of.core {
                core.entry(key).or_default().push((phrase, of.words));
            }
        }
        let mut counts = vec![0_u32; targets.len()];
        for (target, _) in &texts {
            counts[*target as usize] += 1;
        }
        let heads = heads(&counts);
        let mut class_of = vec![None; targets.len()];
        for (class, target) in (0_u32..).zip(&heads) {
            class_of[*target as usize] = Some(class);
        }
        let mut intents = Self {
            phrases: Phrases::index(&rows[..texts.len()], vocabulary.len()),
            calibration: Calibration::none(targets.len()),
            words,
            targets,
            counts,
            vocabulary,
            texts,
            classifier: Linear::default(),
            heads,
            class_of,
            whole,
            core,
            outside: outside.iter().map(|of| of.plain).collect(),
        };
        (intents.classifier, intents.calibration) =
            Course::new(&intents, &features, &outside, &rows).run();
        intents
    }
}

/// The targets with most phrases, in their order.
fn heads(counts: &[u32]) -> Vec<u32> {
    let mut heads: Vec<u32> = (0..index(counts.len())).collect();
    heads.sort_by_key(|t| std::cmp::Reverse(counts[*t as usize]));
    heads.truncate(MAX_HEADS);
    heads.sort_unstable();
    heads
}

/// Phrases and targets are counted in 32 bits; a pack of four thousand million is not loaded.
fn index(n: usize) -> u32 {
    u32::try_from(n).expect("a pack has fewer than 2^32 phrases")
}

/// One training of a classifier with its cross-validation.
struct Course<'a> {
    intents: &'a Intents,
    features: &'a [Features],
    outside: &'a [Features],
    /// Rows of the classifier, with the phrase of each; what is out of scope comes last.
    rows: Vec<&'a [Term]>,
    labels: Vec<Option<u32>>,
    phrases: Vec<Option<u32>>,
    /// The part each row is held out with; `None` never is.
    folds: Vec<Option<usize>>,
}

impl<'a> Course<'a> {
    fn new(
        intents: &'a Intents,
        features: &'a [Features],
        outside: &'a [Features],
        rows: &'a [Vec<Term>],
    ) -> Self {
        let mut course = Self {
            intents,
            features,
            outside,
            rows: Vec::new(),
            labels: Vec::new(),
            phrases: Vec::new(),
            folds: Vec::new(),
        };
        // Each target's phrases are dealt out over the parts, beginning at another for each.
        let mut dealt: Vec<usize> = (0..intents.targets.len()).collect();
        for (phrase, (target, _)) in (0_u32..).zip(&intents.texts).take(MAX_ROWS) {
            let Some(class) = intents.class_of[*target as usize] else {
                continue;
            };
            let turn = &mut dealt[*target as usize];
            *turn += 1;
            course.rows.push(&rows[phrase as usize]);
            course.labels.push(Some(class));
            course.phrases.push(Some(phrase));
            let is_held = intents.counts[*target as usize] >= HELD_FROM;
            course.folds.push(is_held.then_some(*turn % FOLDS));
        }
        for (n, row) in rows[intents.texts.len()..].iter().enumerate() {
            course.rows.push(row);
            course.labels.push(None);
            course.phrases.push(None);
            course.folds.push(Some(n % FOLDS));
        }
        course
    }

    fn run(&self) -> (Linear, Calibration) {
        let features = self.intents.vocabulary.len();
        let classes = self.intents.heads.len();
        let mut training = Training::new(&self.rows, &self.labels, features, classes);
        let mut held = Vec::new();
        let can_be_held = self.folds.iter().filter(|f| f.is_some()).count();
        let many = self.rows.len() > MANY;
        let from_nothing = if many { MANY_ROUNDS } else { ROUNDS };
        let mut rounds = from_nothing;
        if can_be_held >= ENOUGH && classes > 2 {
            let folds = if self.rows.len() > MANY { 1 } else { FOLDS };
            for fold in 0..folds {
                let out = |row: usize| self.folds[row] == Some(fold);
                self.hold_out(&mut training, rounds, &out, &mut held);
                rounds = MORE_ROUNDS;
            }
            let groups = if self.rows.len() > MANY { 1 } else { GROUPS };
            for group in (0..groups).filter(|_| classes >= 2 * GROUPS) {
                let out = |row: usize| {
                    self.folds[row].is_some()
                        && self.labels[row].is_some_and(|class| class as usize % GROUPS == group)
                };
                self.hold_out(&mut training, rounds, &out, &mut held);
            }
        }
        // What was left out of a large pack begins anew.
        training.fit(&|_| true, if many { from_nothing } else { rounds });
        let calibration = match held.is_empty() {
            true => Calibration::none(self.intents.targets.len()),
            false => Calibration::learn(&held, self.intents.targets.len()),
        };
        (training.finish(), calibration)
    }

    /// Trains without some rows and looks at what is found for them.
    fn hold_out(
        &self,
        training: &mut Training<'_>,
        rounds: usize,
        out: &(dyn Fn(usize) -> bool + Sync),
        held: &mut Vec<Held>,
    ) {
        training.fit(&|row| !out(row), rounds);
        let rows: Vec<usize> = (0..self.rows.len()).filter(|row| out(*row)).collect();
        let mut frequency = self.intents.vocabulary.frequency().to_vec();
        let mut left = self.intents.counts.clone();
        let mut is_out = vec![false; self.intents.texts.len()];
        for row in &rows {
            let Some(phrase) = self.phrases[*row] else {
                continue;
            };
            is_out[phrase as usize] = true;
            left[self.intents.texts[phrase as usize].0 as usize] -= 1;
            for term in self.rows[*row] {
                let of = &mut frequency[term.id as usize];
                *of = of.saturating_sub(1);
            }
        }
        let mut scores = Vec::new();
        let apart = rows.len().div_ceil(MAX_HELD).max(1);
        for row in rows.into_iter().step_by(apart) {
            let of = match self.phrases[row] {
                Some(phrase) => &self.features[phrase as usize],
                None => &self.outside[row - (self.rows.len() - self.outside.len())],
            };
            let is_known = |id: u32| frequency[id as usize] > 0;
            let vector: Vector = self.intents.vocabulary.vector_where(of, is_known);
            training.scores(&vector.terms, &mut scores);
            for (class, score) in scores.iter_mut().enumerate() {
                if left[self.intents.heads[class] as usize] == 0 {
                    *score = f32::MIN;
                }
            }
            let found = self
                .intents
                .collect(of, &vector, &scores, |phrase| !is_out[phrase as usize]);
            let gold = self.labels[row].map(|class| self.intents.heads[class as usize]);
            held.push(Held {
                message: self.intents.message(of, &vector),
                candidates: found
                    .into_iter()
                    .filter(|w| left[w.target as usize] > 0)
                    .map(|w| (w.target, w.evidence))
                    .collect(),
                gold: gold.filter(|target| left[*target as usize] > 0),
            });
        }
    }
}
